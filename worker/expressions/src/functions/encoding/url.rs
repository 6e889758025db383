//! `URL_ENCODE`, `URL_DECODE`, `PARSE_URL`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use model::Failure;
use percent_encoding::percent_decode_str;

use crate::arg::Inputs;

pub(super) fn convert(inputs: &Inputs<'_>, convert: fn(&str) -> Option<String>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    Ok(Arc::new((0..inputs.rows).map(|row| convert(texts.get(row)?)).collect::<StringArray>()))
}

/// As an HTML form is encoded.
pub(super) fn encode(text: &str) -> Option<String> {
    Some(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}

/// None if a percent sign is not followed by two digits.
pub(super) fn decode(text: &str) -> Option<String> {
    let is_byte = |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_byte) {
        return None;
    }
    Some(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
}

/// A URL's parts as they stand in it.
struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (protocol, rest) = text.split_once(':')?;
        let valid = protocol.chars().all(|next| next.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&next));
        if protocol.is_empty() || !valid {
            return None;
        }
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        Some(Self { protocol, authority, path, query, reference })
    }

    fn part(&self, name: &str) -> Option<String> {
        let user = self.authority.rsplit_once('@').map(|(user, _)| user);
        let host_and_port = self.authority.rsplit_once('@').map_or(self.authority, |(_, rest)| rest);
        let host = match host_and_port.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host_and_port,
        };
        match name {
            "HOST" => (!host.is_empty()).then(|| host.to_owned()),
            "PATH" => Some(self.path.to_owned()),
            "QUERY" => self.query.map(str::to_owned),
            "REF" => self.reference.map(str::to_owned),
            "PROTOCOL" => Some(self.protocol.to_owned()),
            "AUTHORITY" => (!self.authority.is_empty()).then(|| self.authority.to_owned()),
            "USERINFO" => user.map(str::to_owned),
            "FILE" => Some(match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_owned(),
            }),
            _ => None,
        }
    }

    fn parameter(&self, key: &str) -> Option<String> {
        let pairs = self.query?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }
}

pub(super) fn parse_url(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, parts) = (inputs.text(0)?, inputs.text(1)?);
    let keys = if inputs.len() > 2 { Some(inputs.text(2)?) } else { None };
    let found = |row| {
        let url = Url::parse(texts.get(row)?)?;
        let part = parts.get(row)?;
        match &keys {
            None => url.part(part),
            Some(keys) if part == "QUERY" => url.parameter(keys.get(row)?),
            Some(_) => None,
        }
    };
    Ok(Arc::new((0..inputs.rows).map(found).collect::<StringArray>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_as_java_does() {
        let text = "aZ0.-*_ +/?&=~!'()%\u{e9}";
        let encoded = "aZ0.-*_+%2B%2F%3F%26%3D%7E%21%27%28%29%25%C3%A9";
        assert_eq!(encode(text).as_deref(), Some(encoded));
        assert_eq!(decode(encoded).as_deref(), Some(text));
        assert_eq!(decode("%c3%a9&a=b").as_deref(), Some("\u{e9}&a=b"));
        for text in ["%", "%4", "a%4g", "%%41", "%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
