//! JSON values as Flink's `Row` prints them, in which form its answers were recorded: the digits of numbers as they are
//! written, times as Java's classes have them, rows as `+I[…]`, maps as `{k=v}` with their entries in order of keys.

use anyhow::{Context, Result, bail};

/// The columns of a line `{"op":"+I","row":{…}}` as text, null as `\N`.
///
/// # Errors
/// If the line is no such thing.
pub fn row(line: &str, types: &[String]) -> Result<Vec<String>> {
    match change(line, types)? {
        ("+I", columns) => Ok(columns),
        _ => bail!("not a row that is added: {line}"),
    }
}

/// The kind of a change, and its columns as [`row`] gives them.
///
/// # Errors
/// If the line is no change.
pub fn change<'l>(line: &'l str, types: &[String]) -> Result<(&'l str, Vec<String>)> {
    let parts = line.strip_prefix("{\"op\":\"").and_then(|rest| rest.split_once("\",\"row\":"));
    let (op, row) = parts.and_then(|(op, row)| Some((op, row.strip_suffix('}')?))).with_context(|| line.to_owned())?;
    let mut reader = Reader { rest: row };
    let mut columns = Vec::new();
    for (_, value) in reader.fields(|reader| reader.json())? {
        let data_type = types.get(columns.len()).map_or("", String::as_str);
        columns.push(match value {
            Json::Null => "\\N".to_owned(),
            other => other.shown(data_type),
        });
    }
    Ok((op, columns))
}

enum Json {
    Null,
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn shown(&self, data_type: &str) -> String {
        // Of nested types it is only told whether there are times within.
        let inner = if data_type.contains("TIMESTAMP") { "TIMESTAMP" } else { "" };
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) if data_type.contains("TIMESTAMP") => java_timestamp(text).unwrap_or_else(|| text.clone()),
            Self::Text(text) if data_type.starts_with("TIME") => java_clock(text, true).unwrap_or_else(|| text.clone()),
            Self::Text(text) => text.clone(),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(|item| item.shown(inner)).collect::<Vec<_>>().join(", "))
            }
            Self::Object(fields) if data_type.starts_with("ROW") => {
                format!("+I[{}]", fields.iter().map(|(_, value)| value.shown(inner)).collect::<Vec<_>>().join(", "))
            }
            Self::Object(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{key}={}", value.shown(inner))).collect();
                entries.sort();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// `2026-01-02T03:04` of `2026-01-02 03:04:00.000`, and `2026-01-02T03:04:00Z` of an instant; none of another text.
pub fn java_timestamp(text: &str) -> Option<String> {
    let (date, clock) = text.split_once(' ').filter(|(date, _)| has_form(date, "0000-00-00"))?;
    let (clock, zone) = clock.strip_suffix('Z').map_or((clock, ""), |clock| (clock, "Z"));
    Some(format!("{date}T{}{zone}", java_clock(clock, zone.is_empty())?))
}

/// `03:04` of `03:04:00.000`; the fraction has 3, 6 or 9 digits. `short` omits zero seconds.
fn java_clock(text: &str, short: bool) -> Option<String> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !has_form(clock, "00:00:00") || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut fraction = format!("{fraction:0<0$}", fraction.len().next_multiple_of(3));
    while let Some(shorter) = fraction.strip_suffix("000") {
        fraction = shorter.to_owned();
    }
    Some(match (fraction.as_str(), clock.strip_suffix(":00")) {
        ("", Some(minutes)) if short => minutes.to_owned(),
        ("", _) => clock.to_owned(),
        (fraction, _) => format!("{clock}.{fraction}"),
    })
}

/// Whether a text has digits where the form has zeros, and is the form otherwise.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, expected: char) -> bool {
        let found = self.rest.strip_prefix(expected);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn json(&mut self) -> Result<Json> {
        Ok(match self.rest.chars().next().context("a value is missing")? {
            '"' => Json::Text(self.string()?),
            '{' => Json::Object(self.fields(Self::json)?),
            '[' => {
                self.take('[');
                let mut items = Vec::new();
                while !self.take(']') {
                    items.push(self.json()?);
                    self.take(',');
                }
                Json::Array(items)
            }
            _ => {
                let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                if word == "null" { Json::Null } else { Json::Text(word.to_owned()) }
            }
        })
    }

    fn fields<T>(&mut self, mut value: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<(String, T)>> {
        if !self.take('{') {
            bail!("an object is expected at {}", self.rest);
        }
        let mut fields = Vec::new();
        while !self.take('}') {
            let name = self.string()?;
            self.take(':');
            fields.push((name, value(self)?));
            self.take(',');
        }
        Ok(fields)
    }

    fn string(&mut self) -> Result<String> {
        let mut texts = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let text = texts.next().context("a text is missing")??;
        self.rest = &self.rest[texts.byte_offset()..];
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_as_java_prints_them() {
        for (text, expected) in [
            ("2026-01-02 03:04:00.000", Some("2026-01-02T03:04")),
            ("2026-01-02 03:04:05", Some("2026-01-02T03:04:05")),
            ("2026-01-02 03:04:00.120", Some("2026-01-02T03:04:00.120")),
            ("2026-01-02 03:04:00.1", Some("2026-01-02T03:04:00.100")),
            ("2026-01-02 03:04:00.123456700", Some("2026-01-02T03:04:00.123456700")),
            ("2026-01-02 03:04:00.123000000", Some("2026-01-02T03:04:00.123")),
            ("2026-01-02 03:04:00.000Z", Some("2026-01-02T03:04:00Z")),
            ("2026-01-02 03:04", None),
            ("no time", None),
        ] {
            assert_eq!(java_timestamp(text).as_deref(), expected, "{text}");
        }
    }
}
