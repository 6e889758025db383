//! Reading one JSON value into a column.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "lengths and digits are checked before they are narrowed"
)]

use model::DataType;

use super::{
    JsonOptions, compact,
    cursor::{Cursor, DEPTH_MAX, has_leading_zero, is_literal, push_unescaped, too_deep},
};
use crate::{
    builder::{Builder, Problem, Values},
    scalar,
    times::TimeTexts,
};

/// A position in a record, and how values are read from there on.
pub(super) struct Reader<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) options: &'a JsonOptions,
    /// Whether a value that is none of its type is null rather than a problem of the record.
    spares: bool,
    /// Whether that came to pass.
    pub(super) lost: bool,
    /// Whether the record is no JSON: then nothing of it is spared.
    broken: bool,
    texts: TimeTexts,
    scratch: &'a mut Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(record: &'a [u8], scratch: &'a mut Vec<u8>, options: &'a JsonOptions, spares: bool) -> Self {
        let texts = options.timestamps.into();
        Self { cursor: Cursor::new(record), options, spares, lost: false, broken: false, texts, scratch }
    }

    /// Takes a field's name and the colon; `find` is given the name.
    #[inline(always)]
    pub(super) fn name<T>(&mut self, find: impl FnOnce(&[u8]) -> T) -> Result<T, Problem> {
        let (name, escaped) = self.cursor.string()?;
        let found = if escaped {
            self.scratch.clear();
            push_unescaped(self.scratch, name)?;
            find(self.scratch)
        } else {
            find(name)
        };
        self.cursor.expect(b':')?;
        self.cursor.skip_space();
        Ok(found)
    }

    /// Passes over the value at `start`, which cannot be read for this reason: it is lost, if the record is JSON and values
    /// are spared.
    #[cold]
    pub(super) fn pass(&mut self, start: usize, problem: Problem) -> Result<(), Problem> {
        if !self.spares || self.broken {
            return Err(problem);
        }
        self.cursor.at = start;
        if self.cursor.skip_json(0).is_err() {
            self.broken = true;
            return Err(problem);
        }
        self.lost = true;
        Ok(())
    }

    /// Appends the next value to a column, or null in its place if it cannot be read and that is to be spared.
    #[inline]
    pub(super) fn append(&mut self, builder: &mut Builder, depth: usize) -> Result<(), Problem> {
        let (start, row) = (self.cursor.at, builder.len());
        match self.value(builder, depth) {
            Ok(()) => Ok(()),
            Err(problem) => {
                self.pass(start, problem)?;
                builder.truncate(row);
                builder.append_null();
                Ok(())
            }
        }
    }

    fn value(&mut self, builder: &mut Builder, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let Some(first) = self.cursor.peek() else { return Err(self.cursor.expected("a value")) };
        if first == b'n' && self.cursor.null() {
            builder.append_null();
            return Ok(());
        }
        match &builder.values {
            Values::Map { .. } => self.map(builder, depth),
            Values::Row(_) | Values::Array { .. } => {
                self.nested(builder, depth)?;
                builder.appended();
                Ok(())
            }
            _ if first == b'"' => self.string(builder),
            Values::Bytes { .. } if builder.is_text() && matches!(first, b'{' | b'[') => {
                self.scratch.clear();
                compact::push_value(self.scratch, &mut self.cursor, depth)?;
                builder.append_text(self.scratch, self.texts)
            }
            Values::Long { .. } if first == b'-' || first.is_ascii_digit() => self.number(builder),
            _ if matches!(first, b'{' | b'[') => Err(builder.not_a(if first == b'{' { "{…}" } else { "[…]" })),
            _ => {
                let text = self.cursor.scalar()?;
                let is_bytes = matches!(builder.values, Values::Bytes { .. }) && !builder.is_text();
                if is_bytes || !is_literal(text) {
                    return Err(builder.not_a(String::from_utf8_lossy(text)));
                }
                builder.append_text(text, self.texts)
            }
        }
    }

    /// Appends a number to a column of whole ones. Where Flink takes a fraction or an exponent, it may lose nothing.
    fn number(&mut self, builder: &mut Builder) -> Result<(), Problem> {
        let text = self.cursor.scalar()?;
        let value = match builder.data_type {
            DataType::TinyInt | DataType::SmallInt => scalar::integer(text),
            DataType::Int | DataType::BigInt => {
                scalar::integer(text).or_else(|| scalar::whole(text).filter(|_| is_literal(text)))
            }
            // Dates and times are strings.
            _ => None,
        };
        match value.filter(|_| !has_leading_zero(text)) {
            Some(value) => builder.append_long(value),
            None => Err(builder.not_a(String::from_utf8_lossy(text))),
        }
    }

    fn string(&mut self, builder: &mut Builder) -> Result<(), Problem> {
        let (mut text, escaped) = self.cursor.string()?;
        if escaped {
            self.scratch.clear();
            push_unescaped(self.scratch, text)?;
            text = self.scratch;
        }
        builder.append_text(text, self.texts)
    }

    /// Appends a `MAP`. Of a key that comes more than once, the last value counts.
    fn map(&mut self, builder: &mut Builder, depth: usize) -> Result<(), Problem> {
        let start = self.cursor.at;
        let Values::Map { keys, values, offsets } = &mut builder.values else {
            return Err(self.cursor.expected("a value"));
        };
        let first = keys.len();
        self.entries(keys, values, depth, &[])?;
        let shadowed = shadowed(keys, first);
        if !shadowed.is_empty() {
            keys.truncate(first);
            values.truncate(first);
            self.cursor.at = start;
            self.entries(keys, values, depth, &shadowed)?;
        }
        offsets.push(keys.len() as i32);
        builder.appended();
        Ok(())
    }

    /// Appends the entries of a `MAP`, but for some that are passed over, in order.
    fn entries(
        &mut self,
        keys: &mut Builder,
        values: &mut Builder,
        depth: usize,
        mut shadowed: &[usize],
    ) -> Result<(), Problem> {
        let mut more = self.cursor.enters(b'{', b'}')?;
        let mut entry = 0;
        while more {
            let row = keys.len();
            self.string(keys)?;
            self.cursor.expect(b':')?;
            self.cursor.skip_space();
            if shadowed.first() == Some(&entry) {
                shadowed = &shadowed[1..];
                keys.truncate(row);
                self.cursor.skip_value()?;
            } else {
                self.append(values, depth + 1)?;
            }
            entry += 1;
            more = self.cursor.another(b'}')?;
        }
        Ok(())
    }

    /// Appends the parts of a `ROW` or `ARRAY`.
    fn nested(&mut self, builder: &mut Builder, depth: usize) -> Result<(), Problem> {
        let row = builder.len();
        let open = if matches!(builder.values, Values::Array { .. }) { b'[' } else { b'{' };
        let close = open + 2;
        let mut more = self.cursor.enters(open, close)?;
        let mut hint = 0;
        while more {
            match &mut builder.values {
                Values::Array { items, .. } => self.append(items, depth + 1)?,
                Values::Row(fields) => match self.name(|name| find(fields, name, hint))? {
                    None => self.cursor.skip_value()?,
                    Some(index) => {
                        hint = index + 1;
                        let (name, field) = &mut fields[index];
                        field.truncate(row);
                        self.append(field, depth + 1)
                            .map_err(|problem| format!("field '{}': {problem}", String::from_utf8_lossy(name)))?;
                    }
                },
                _ => return Err(self.cursor.expected("a value")),
            }
            more = self.cursor.another(close)?;
        }
        match &mut builder.values {
            Values::Array { items, offsets } => offsets.push(items.len() as i32),
            Values::Row(fields) => {
                for (name, field) in fields {
                    if field.len() == row {
                        if self.options.fail_on_missing_field {
                            return Err(format!("the field '{}' is missing", String::from_utf8_lossy(name)));
                        }
                        field.append_null();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Which of the entries of a map, whose keys begin at `first`, have a later one of the same key.
fn shadowed(keys: &Builder, first: usize) -> Vec<usize> {
    /// More keys are sorted rather than each compared with each.
    const COMPARED_MAX: usize = 16;
    let Values::Bytes { bytes, offsets } = &keys.values else { return Vec::new() };
    let key = |entry: usize| &bytes[offsets[first + entry] as usize..offsets[first + entry + 1] as usize];
    let count = keys.len() - first;
    if count <= COMPARED_MAX {
        return (0..count).filter(|&entry| (entry + 1..count).any(|later| key(entry) == key(later))).collect();
    }
    let mut sorted: Vec<usize> = (0..count).collect();
    sorted.sort_by_key(|&entry| (key(entry), entry));
    let same = sorted.windows(2).filter(|pair| key(pair[0]) == key(pair[1]));
    let mut shadowed: Vec<usize> = same.map(|pair| pair[0]).collect();
    shadowed.sort_unstable();
    shadowed
}

/// The field of this name, most likely the hinted one.
#[inline(always)]
pub(super) fn find<T>(fields: &[(Box<[u8]>, T)], name: &[u8], hint: usize) -> Option<usize> {
    if let Some((hinted, _)) = fields.get(hint)
        && **hinted == *name
    {
        return Some(hint);
    }
    fields.iter().position(|(field, _)| **field == *name)
}
