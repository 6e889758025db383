//! JSON values as Flink's clients show them: the digits of numbers as they are written, rows as `+I[…]`, maps as
//! `{k=v}` with their entries in order of keys.

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
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(|item| item.shown("")).collect::<Vec<_>>().join(", "))
            }
            Self::Object(fields) if data_type.starts_with("ROW") => {
                format!("+I[{}]", fields.iter().map(|(_, value)| value.shown("")).collect::<Vec<_>>().join(", "))
            }
            Self::Object(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{key}={}", value.shown(""))).collect();
                entries.sort();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
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
