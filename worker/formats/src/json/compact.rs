//! Objects and arrays as text, as Jackson writes them: without blanks, and of a name that comes twice the last value.

use std::{collections::HashMap, ops::Range};

use super::{
    cursor::{Cursor, DEPTH_MAX, is_literal, push_unescaped, too_deep},
    encoder::push_string,
};
use crate::{builder::Problem, scalar, text};

/// Takes the next value and appends its text.
pub(super) fn push_value(out: &mut Vec<u8>, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    match cursor.peek() {
        Some(b'"') => push_text(out, cursor),
        Some(b'{') => push_object(out, cursor, depth),
        Some(b'[') => {
            let mut more = cursor.enters(b'[', b']')?;
            out.push(b'[');
            while more {
                push_value(out, cursor, depth + 1)?;
                more = cursor.another(b']')?;
                if more {
                    out.push(b',');
                }
            }
            out.push(b']');
            Ok(())
        }
        _ => {
            let start = cursor.at;
            let literal = cursor.scalar()?;
            if !is_literal(literal) {
                return Err(format!("there is no JSON value at byte {start}"));
            }
            push_literal(out, literal);
            Ok(())
        }
    }
}

fn push_text(out: &mut Vec<u8>, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
    let (raw, escaped) = cursor.string()?;
    if escaped {
        let mut plain = Vec::with_capacity(raw.len());
        push_unescaped(&mut plain, raw)?;
        push_string(out, &plain);
    } else {
        push_string(out, raw);
    }
    Ok(())
}

/// Where the parts of an entry are in the text of an object.
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

fn push_object(out: &mut Vec<u8>, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Problem> {
    let start = out.len();
    let mut entries = Vec::new();
    let mut more = cursor.enters(b'{', b'}')?;
    out.push(b'{');
    while more {
        let name = out.len();
        push_text(out, cursor)?;
        cursor.expect(b':')?;
        cursor.skip_space();
        let name = name..out.len();
        out.push(b':');
        let value = out.len();
        push_value(out, cursor, depth + 1)?;
        entries.push(Entry { name, value: value..out.len() });
        more = cursor.another(b'}')?;
        if more {
            out.push(b',');
        }
    }
    out.push(b'}');
    merge(out, start, &entries);
    Ok(())
}

/// Writes the object from `start` on anew if names come more than once: at the first one, with the last value.
fn merge(out: &mut Vec<u8>, start: usize, entries: &[Entry]) {
    let text = out.as_slice();
    let mut last: HashMap<&[u8], usize> =
        entries.iter().enumerate().map(|(index, entry)| (&text[entry.name.clone()], index)).collect();
    if last.len() == entries.len() {
        return;
    }
    let mut merged = Vec::new();
    for entry in entries {
        let name = &text[entry.name.clone()];
        // Only the first entry of a name finds it.
        let Some(of_last) = last.remove(name) else { continue };
        merged.push(if merged.is_empty() { b'{' } else { b',' });
        merged.extend_from_slice(name);
        merged.push(b':');
        merged.extend_from_slice(&text[entries[of_last].value.clone()]);
    }
    merged.push(b'}');
    out.truncate(start);
    out.append(&mut merged);
}

/// Numbers with a fraction or an exponent are written as Java prints a double, unless that would be another number.
fn push_literal(out: &mut Vec<u8>, literal: &[u8]) {
    if literal == b"-0" {
        out.push(b'0');
        return;
    }
    let start = out.len();
    if literal.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        && let Some(value) = scalar::float(literal)
    {
        text::push_double(out, value);
        if scalar::is_same_number(&out[start..], literal) {
            return;
        }
        out.truncate(start);
    }
    out.extend_from_slice(literal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(text: &str) -> Result<String, Problem> {
        let mut out = Vec::new();
        push_value(&mut out, &mut Cursor::new(text.as_bytes()), 0)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// What Jackson's `JsonNode.toString` gives, but for numbers that a double cannot hold.
    #[test]
    fn values_are_written_as_jackson_writes_them() {
        let cases = [
            (r#"{"a": 1, "b": [true, null, "x"]}"#, r#"{"a":1,"b":[true,null,"x"]}"#),
            (r#"[1, {"c": "d\"e"} ]"#, r#"[1,{"c":"d\"e"}]"#),
            (
                r#"[ 1.50, 1e5, -0, -0.0, 1.0, 100000000.0, 0.00012, 1E-7]"#,
                "[1.5,100000.0,0,-0.0,1.0,1.0E8,1.2E-4,1.0E-7]",
            ),
            (r#"[12345678901234567890.123456789, 1e999]"#, "[12345678901234567890.123456789,1e999]"),
            (r#"[123456789012345678901234567890]"#, "[123456789012345678901234567890]"),
            (r#"{"a":1,"b":{"c":2,"c":3},"\u0061":4}"#, r#"{"a":4,"b":{"c":3}}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e9\/\u0001\b\f\n\r\t\u001f\u007f\u2028""#, "\"é/\\u0001\\b\\f\\n\\r\\t\\u001F\u{7f}\u{2028}\""),
            ("{ }", "{}"),
            ("[ ]", "[]"),
            ("[\"tab\there\"]", "[\"tab\\there\"]"),
        ];
        for (text, expected) in cases {
            assert_eq!(compact(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["[1,]", "{\"a\":}", "[01]", "[1 2]", "{\"a\" 1}", "[tru]", "[", &"[".repeat(200)] {
            assert!(compact(text).is_err(), "{text}");
        }
    }
}
