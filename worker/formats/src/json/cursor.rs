//! Moving through JSON text: strings, escapes, and skipping values without decoding them.

use crate::builder::Problem;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Deeper nesting is refused.
pub(super) const DEPTH_MAX: usize = 128;

/// The high bit of each byte that is zero; above the lowest such byte there may be false ones.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[inline(always)]
fn word_at(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// The position of the first quote or backslash from `at` on.
#[inline(always)]
fn find_special(data: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = word_at(data, at) {
        let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    data[at.min(data.len())..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|offset| at + offset)
}

/// The position of the first newline.
pub fn find_newline(data: &[u8]) -> Option<usize> {
    const CHUNK: usize = 32;
    let mut at = 0;
    while let Some(chunk) = data.get(at..at + CHUNK) {
        if chunk.iter().fold(false, |found, byte| found | (*byte == b'\n')) {
            break;
        }
        at += CHUNK;
    }
    data[at..].iter().position(|byte| *byte == b'\n').map(|offset| at + offset)
}

/// A position in a record.
pub(super) struct Cursor<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes a byte that must come next, after space.
    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        if self.peek() != Some(byte) {
            self.skip_space();
        }
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(&format!("'{}'", byte as char)))
        }
    }

    #[cold]
    pub(super) fn expected(&self, what: &str) -> Problem {
        match self.peek() {
            None => format!("expected {what} but the record ends"),
            Some(byte) => format!("expected {what} at byte {} but found '{}'", self.at, byte.escape_ascii()),
        }
    }

    /// Takes the bracket that opens an object or array; whether something is inside.
    #[inline(always)]
    pub(super) fn enters(&mut self, open: u8, close: u8) -> Result<bool, Problem> {
        self.expect(open)?;
        self.skip_space();
        let is_empty = self.peek() == Some(close);
        self.at += usize::from(is_empty);
        Ok(!is_empty)
    }

    /// After a value within an object or array: whether another one follows.
    #[inline(always)]
    pub(super) fn another(&mut self, close: u8) -> Result<bool, Problem> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.expected(&format!("',' or '{}'", close as char))),
        }
    }

    /// Takes a string, its quote being next; returns what stands between the quotes and whether it has escapes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<(&'a [u8], bool), Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            match find_special(self.data, at) {
                None => return Err(format!("the string at byte {} does not end", self.at)),
                Some(found) if self.data[found] == b'"' => {
                    self.at = found + 1;
                    return Ok((&self.data[start..found], escaped));
                }
                Some(found) => {
                    escaped = true;
                    at = found + 2;
                }
            }
        }
    }

    /// Takes a scalar that is not a string; returns its text.
    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Result<&'a [u8], Problem> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b':') {
                break;
            }
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a value"));
        }
        Ok(&self.data[start..self.at])
    }

    /// Takes `null`, if it is next.
    #[inline(always)]
    pub(super) fn null(&mut self) -> bool {
        let found = self.data[self.at..].starts_with(b"null");
        if found {
            self.at += 4;
        }
        found
    }

    /// Passes over a value of any kind without decoding it.
    #[inline(always)]
    pub(super) fn skip_value(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{' | b'[') => self.skip_nested(),
            _ => self.scalar().map(drop),
        }
    }

    /// Passes over a value of any kind that is all JSON.
    pub(super) fn skip_json(&mut self, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(open @ (b'{' | b'[')) => {
                let close = open + 2;
                let mut more = self.enters(open, close)?;
                while more {
                    if open == b'{' {
                        self.string()?;
                        self.expect(b':')?;
                        self.skip_space();
                    }
                    self.skip_json(depth + 1)?;
                    more = self.another(close)?;
                }
                Ok(())
            }
            _ if is_literal(self.scalar()?) => Ok(()),
            _ => Err(format!("there is no JSON value at byte {start}")),
        }
    }

    /// Passes over an object or array; only strings and brackets matter.
    fn skip_nested(&mut self) -> Result<(), Problem> {
        let start = self.at;
        // The brackets that are open, a bit each, the innermost lowest: whether it is one of an array.
        let (mut open, mut depth) = (0u128, 0usize);
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => {
                    if depth == DEPTH_MAX {
                        return Err(too_deep());
                    }
                    open = open << 1 | u128::from(byte == b'[');
                    depth += 1;
                }
                b'}' | b']' => {
                    if (open & 1 == 1) != (byte == b']') {
                        return Err(self.expected(if open & 1 == 1 { "']'" } else { "'}'" }));
                    }
                    open >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(format!("the value at byte {start} does not end"))
    }
}

#[cold]
pub(super) fn too_deep() -> Problem {
    format!("nested deeper than {DEPTH_MAX}")
}

/// Whether a number begins with a zero that JSON does not allow.
pub(super) fn has_leading_zero(number: &[u8]) -> bool {
    matches!(number, [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..])
}

/// Whether a scalar is `true`, `false`, `null` or a number.
pub(super) fn is_literal(text: &[u8]) -> bool {
    /// What follows the digits at the start, of which there is one at least.
    fn behind_digits(text: &[u8]) -> Option<&[u8]> {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then(|| &text[count..])
    }
    fn is_number(text: &[u8]) -> Option<bool> {
        if has_leading_zero(text) {
            return None;
        }
        let mut rest = behind_digits(text.strip_prefix(b"-").unwrap_or(text))?;
        if let Some(fraction) = rest.strip_prefix(b".") {
            rest = behind_digits(fraction)?;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            rest = behind_digits(exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent))?;
        }
        Some(rest.is_empty())
    }
    matches!(text, b"true" | b"false" | b"null") || is_number(text).unwrap_or(false)
}

/// Appends the text of a string with escapes.
pub(super) fn push_unescaped(out: &mut Vec<u8>, mut text: &[u8]) -> Result<(), Problem> {
    while let Some(at) = text.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&text[..at]);
        let escape = text.get(at + 1).copied().ok_or("a string ends within an escape")?;
        text = &text[at + 2..];
        let byte = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, rest) = unicode(text)?;
                text = rest;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => return Err(format!("there is no escape \\{}", other.escape_ascii())),
        };
        out.push(byte);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// The character of `\u` digits, of two such escapes if it is a surrogate; a lone surrogate is replaced.
fn unicode(text: &[u8]) -> Result<(char, &[u8]), Problem> {
    let unit = |text: &[u8]| -> Option<u32> {
        let digits = text.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(text).ok_or("\\u needs four hexadecimal digits")?;
    let rest = &text[4..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = rest.strip_prefix(b"\\u").and_then(unit).filter(|unit| (0xDC00..0xE000).contains(unit))
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), &rest[6..]));
    }
    Ok((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}
