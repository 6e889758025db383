//! JSON values: read whole and written as Flink writes them, with the fields of objects in order of their names.

#![expect(clippy::cast_possible_wrap, reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch")]

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

/// How deep values may be nested.
const DEPTH_MAX: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// Its text.
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    pub(super) fn is_scalar(&self) -> bool {
        !self.is_array() && !self.is_object()
    }

    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            // Where a name stands twice, the last counts.
            Self::Object(fields) => fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Writes it without blanks.
    pub(super) fn write(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Boolean(value) => out.write_str(if *value { "true" } else { "false" }),
            Self::Number(text) => write_number(out, text),
            Self::String(text) => write_quoted(out, text, false),
            Self::Array(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_char(',')?;
                    }
                    item.write(out)?;
                }
                out.write_char(']')
            }
            Self::Object(fields) => {
                out.write_char('{')?;
                // Where a name stands twice, the last counts.
                let fields: BTreeMap<&str, &Self> = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
                for (index, (name, value)) in fields.into_iter().enumerate() {
                    if index > 0 {
                        out.write_char(',')?;
                    }
                    write_quoted(out, name, false)?;
                    out.write_char(':')?;
                    value.write(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// Writes a number as Java's `BigDecimal` prints it: `1e3` as `1E+3`, `1.50` as it is. Integers have no exponent.
fn write_number(out: &mut impl Write, text: &str) -> fmt::Result {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (plain, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i64>().unwrap_or(0)),
        None => (digits, 0),
    };
    if plain.len() == digits.len() && !digits.contains('.') {
        return write!(out, "{}{digits}", if digits == "0" { "" } else { sign });
    }
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_start_matches('0');
    let (kept, sign) = if kept.is_empty() { ("0", "") } else { (kept, sign) };
    let scale = fraction.len() as i64 - exponent;
    let adjusted = kept.len() as i64 - 1 - scale;
    out.write_str(sign)?;
    if scale >= 0 && adjusted >= -6 {
        let scale = usize::try_from(scale).unwrap_or(0);
        let padded = format!("{kept:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return if scale == 0 { out.write_str(whole) } else { write!(out, "{whole}.{fraction}") };
    }
    let point = if kept.len() > 1 { "." } else { "" };
    write!(out, "{}{point}{}E{adjusted:+}", &kept[..1], &kept[1..])
}

/// Writes text as a JSON string; beyond ASCII as it is, or escaped.
pub(super) fn write_quoted(out: &mut (impl Write + ?Sized), text: &str, ascii: bool) -> fmt::Result {
    out.write_char('"')?;
    for next in text.chars() {
        match next {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '/' if ascii => out.write_str("\\/")?,
            next if (next as u32) < 0x20 && !ascii => write!(out, "\\u{:04x}", next as u32)?,
            next if ascii && !next.is_ascii() => {
                for unit in next.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            next => out.write_char(next)?,
        }
    }
    out.write_char('"')
}

/// Reads the value that a text begins with. What follows it is not looked at, as in Flink, but a number or a word ends
/// where it ends.
pub(super) fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    let next = text[reader.at..].chars().next();
    let ends = match value {
        Json::Number(_) => next.is_none_or(|next| [' ', '\t', '\n', '\r'].contains(&next)),
        Json::Boolean(_) | Json::Null => next.is_none_or(|next| !next.is_alphanumeric() && !['_', '$'].contains(&next)),
        _ => true,
    };
    ends.then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        self.skip_blanks();
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_blanks();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Json::String),
            b't' => self.word("true", Json::Boolean(true)),
            b'f' => self.word("false", Json::Boolean(false)),
            b'n' => self.word("null", Json::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take(b'{')?;
        let mut fields = Vec::new();
        if self.take(b'}').is_some() {
            return Some(Json::Object(fields));
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            self.take(b':')?;
            fields.push((name, self.value(depth + 1)?));
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Json::Object(fields));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take(b']').is_some() {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Json::Array(items));
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(|next: char| next == '"' || next == '\\' || (next as u32) < 0x20)?;
            out.push_str(&rest[..end]);
            self.at += end + 1;
            match rest.as_bytes()[end] {
                b'"' => return Some(out),
                b'\\' => out.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if !self.text[self.at..].starts_with("\\u") {
                    return Some(char::REPLACEMENT_CHARACTER);
                }
                self.at += 2;
                let second = self.unit()?;
                let code = 0x10000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00);
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        for (text, written) in [
            (r#" { "b" : [1, -2.50e+3, true, null], "a":{} } "#, Some(r#"{"a":{},"b":[1,-2.50E+3,true,null]}"#)),
            (r#""\u00e9\n\ud83d\ude00\/""#, Some("\"é\\n😀/\"")),
            ("01", None),
            ("1.", None),
            ("[1,]", None),
            ("{\"a\":1,}", None),
            ("\"open", None),
            ("\"\\", None),
            ("\"\\u12", None),
            ("[1] x", Some("[1]")),
            ("1 x", Some("1")),
            ("1x", None),
            ("nullx", None),
            (r#"{"b":1,"a":2,"b":3}"#, Some(r#"{"a":2,"b":3}"#)),
            ("[1e3,1.50,-0,-0.0,0.0000001,1.5e-7,12e-1]", Some("[1E+3,1.50,0,0.0,1E-7,1.5E-7,1.2]")),
            ("", None),
        ] {
            let found = parse(text).map(|json| {
                let mut out = String::new();
                json.write(&mut out).unwrap();
                out
            });
            assert_eq!(found.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }
}
