//! `URL_ENCODE`, `URL_DECODE`, `PARSE_URL`.

use std::{fmt::Write, sync::Arc};

use arrow::array::{ArrayRef, StringArray};
use model::Failure;

use super::UPPER;
use crate::arg::Inputs;

pub(super) fn convert(inputs: &Inputs<'_>, convert: fn(&str) -> Option<String>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    Ok(Arc::new((0..inputs.rows).map(|row| convert(texts.get(row)?)).collect::<StringArray>()))
}

/// As an HTML form is encoded.
pub(super) fn encode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.write_char('%').ok()?;
                super::write_hex(&mut out, &[byte], UPPER).ok()?;
            }
        }
    }
    Some(out)
}

/// None if a percent sign is not followed by two digits.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                out.push((digit()? * 16 + digit()?) as u8);
            }
            _ => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
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
