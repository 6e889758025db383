//! JSON lines straight into columns, in one pass: what is not wanted is passed over undecoded.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use model::{DataType, Failure};

use super::{
    JsonOptions,
    cursor::{Cursor, DEPTH_MAX, find_newline, push_unescaped},
};
use crate::{
    Column, Decoder, Losses, Malformed,
    builder::{Builder, Problem, Values},
    schema_of,
};

/// Decodes JSON, one object a line.
pub struct JsonDecoder {
    options: JsonOptions,
    schema: SchemaRef,
    wanted: Wanted,
    columns: Vec<Builder>,
    rows: usize,
    losses: Losses,
    lines: u64,
    scratch: Vec<u8>,
}

/// What is wanted of a value: all of it as a column, or fields inside.
#[derive(Default)]
struct Wanted {
    column: Option<usize>,
    fields: Vec<(Box<[u8]>, Wanted)>,
}

impl Wanted {
    fn add(&mut self, path: &[String], column: usize) {
        let Some((first, rest)) = path.split_first() else {
            self.column = Some(column);
            return;
        };
        let index = match self.fields.iter().position(|(name, _)| **name == *first.as_bytes()) {
            Some(index) => index,
            None => {
                self.fields.push((first.as_bytes().into(), Self::default()));
                self.fields.len() - 1
            }
        };
        self.fields[index].1.add(rest, column);
    }
}

impl JsonDecoder {
    /// A decoder of these columns.
    ///
    /// # Errors
    /// Class `User` if a type has no form in JSON.
    pub fn new(columns: &[Column], options: JsonOptions) -> Result<Self, Failure> {
        let mut wanted = Wanted::default();
        for (index, column) in columns.iter().enumerate() {
            super::check_type(&column.data_type)?;
            wanted.add(&column.path, index);
        }
        Ok(Self {
            losses: Losses::new(options.ignore_parse_errors),
            options,
            schema: schema_of(columns),
            wanted,
            columns: columns.iter().map(|column| Builder::new(&column.data_type)).collect(),
            rows: 0,
            lines: 0,
            scratch: Vec::new(),
        })
    }

    fn record(&mut self, line: &[u8]) -> Result<(), Problem> {
        let mut cursor = Cursor::new(line);
        let mut record =
            Record { columns: &mut self.columns, row: self.rows, scratch: &mut self.scratch, options: &self.options };
        cursor.skip_space();
        record.object(&self.wanted, &mut cursor, 0)?;
        cursor.skip_space();
        if cursor.peek().is_some() {
            return Err(cursor.expected("the end of the record"));
        }
        for (column, builder) in self.columns.iter_mut().enumerate() {
            if builder.len() == self.rows {
                if self.options.fail_on_missing_field {
                    return Err(format!("the field '{}' is missing", self.schema.field(column).name()));
                }
                builder.append_null();
            }
        }
        Ok(())
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < data.len() && self.rows < rows_max {
            let (line, next) = match find_newline(&data[at..]) {
                Some(length) => (&data[at..at + length], at + length + 1),
                None if last => (&data[at..], data.len()),
                None => break,
            };
            if !line.iter().all(u8::is_ascii_whitespace) {
                match self.record(line) {
                    Ok(()) => self.rows += 1,
                    Err(message) => {
                        let rows = self.rows;
                        self.columns.iter_mut().for_each(|column| column.truncate(rows));
                        self.losses.add(line, at, self.lines, message)?;
                    }
                }
            }
            self.lines += 1;
            at = next;
        }
        Ok(at)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn take(&mut self) -> Result<RecordBatch, Failure> {
        let arrays = self.columns.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &rows)?)
    }

    fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }

    fn lines(&self) -> u64 {
        self.lines
    }
}

/// The record being read.
struct Record<'a> {
    columns: &'a mut [Builder],
    row: usize,
    scratch: &'a mut Vec<u8>,
    options: &'a JsonOptions,
}

impl Record<'_> {
    fn object(&mut self, wanted: &Wanted, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Problem> {
        cursor.expect(b'{')?;
        cursor.skip_space();
        if cursor.peek() == Some(b'}') {
            cursor.at += 1;
            return Ok(());
        }
        // Records repeat their fields in one order, so the next wanted one is the one behind the last.
        let mut hint = 0;
        loop {
            let (name, escaped) = cursor.string()?;
            let field = if escaped {
                self.scratch.clear();
                push_unescaped(self.scratch, name)?;
                find(&wanted.fields, self.scratch, hint)
            } else {
                find(&wanted.fields, name, hint)
            };
            cursor.expect(b':')?;
            cursor.skip_space();
            match field {
                None => cursor.skip_value()?,
                Some(index) => {
                    hint = index + 1;
                    let (name, wanted) = &wanted.fields[index];
                    self.value(wanted, cursor, depth + 1)
                        .map_err(|problem| format!("field '{}': {problem}", String::from_utf8_lossy(name)))?;
                }
            }
            if !cursor.another(b'}')? {
                return Ok(());
            }
        }
    }

    fn value(&mut self, wanted: &Wanted, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Problem> {
        let start = cursor.at;
        if let Some(column) = wanted.column {
            let builder = &mut self.columns[column];
            if builder.len() > self.row {
                // A field that comes twice: the last one counts.
                builder.truncate(self.row);
            }
            append(builder, cursor, self.scratch, self.options, depth)?;
        }
        if wanted.fields.is_empty() {
            return Ok(());
        }
        cursor.at = start;
        if cursor.null() {
            self.nulls(wanted);
            return Ok(());
        }
        self.object(wanted, cursor, depth)
    }

    /// The fields inside a `ROW` that is null.
    fn nulls(&mut self, wanted: &Wanted) {
        for (_, wanted) in &wanted.fields {
            if let Some(column) = wanted.column {
                let builder = &mut self.columns[column];
                builder.truncate(self.row);
                builder.append_null();
            }
            self.nulls(wanted);
        }
    }
}

#[inline(always)]
fn find<T>(fields: &[(Box<[u8]>, T)], name: &[u8], hint: usize) -> Option<usize> {
    if let Some((hinted, _)) = fields.get(hint)
        && **hinted == *name
    {
        return Some(hint);
    }
    fields.iter().position(|(field, _)| **field == *name)
}

/// Appends the next value to a column.
fn append(
    builder: &mut Builder,
    cursor: &mut Cursor<'_>,
    scratch: &mut Vec<u8>,
    options: &JsonOptions,
    depth: usize,
) -> Result<(), Problem> {
    if depth > DEPTH_MAX {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    let Some(first) = cursor.peek() else { return Err(cursor.expected("a value")) };
    if first == b'n' && cursor.null() {
        builder.append_null();
        return Ok(());
    }
    match &builder.values {
        Values::Row(_) | Values::Array { .. } | Values::Map { .. } => {
            nested(builder, cursor, scratch, options, depth)?;
            builder.appended();
            Ok(())
        }
        _ if first == b'"' => string(builder, cursor, scratch, options),
        Values::Bytes { .. } if builder.is_text() => {
            let start = cursor.at;
            cursor.skip_value()?;
            builder.append_text(&cursor.data[start..cursor.at], options.timestamps)
        }
        Values::Long { .. } if first == b'-' || first.is_ascii_digit() => {
            if is_temporal(&builder.data_type) {
                let text = cursor.scalar()?;
                return Err(builder.not_a(String::from_utf8_lossy(text)));
            }
            let text = cursor.scalar()?;
            match crate::scalar::integer(text) {
                Some(value) => builder.append_long(value),
                None => Err(builder.not_a(String::from_utf8_lossy(text))),
            }
        }
        _ if matches!(first, b'{' | b'[') => Err(builder.not_a(if first == b'{' { "{…}" } else { "[…]" })),
        _ => {
            let text = cursor.scalar()?;
            builder.append_text(text, options.timestamps)
        }
    }
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::Time(_) | DataType::Timestamp(_) | DataType::TimestampLtz(_))
}

fn string(
    builder: &mut Builder,
    cursor: &mut Cursor<'_>,
    scratch: &mut Vec<u8>,
    options: &JsonOptions,
) -> Result<(), Problem> {
    let (text, escaped) = cursor.string()?;
    if !escaped {
        let text = if builder.is_text() { text } else { text.trim_ascii() };
        return builder.append_text(text, options.timestamps);
    }
    scratch.clear();
    push_unescaped(scratch, text)?;
    builder.append_text(scratch, options.timestamps)
}

/// Appends the parts of a `ROW`, `ARRAY` or `MAP`.
fn nested(
    builder: &mut Builder,
    cursor: &mut Cursor<'_>,
    scratch: &mut Vec<u8>,
    options: &JsonOptions,
    depth: usize,
) -> Result<(), Problem> {
    let row = builder.len();
    let open = if matches!(builder.values, Values::Array { .. }) { b'[' } else { b'{' };
    let close = open + 2;
    cursor.expect(open)?;
    cursor.skip_space();
    let mut more = cursor.peek() != Some(close);
    if !more {
        cursor.at += 1;
    }
    let mut hint = 0;
    while more {
        match &mut builder.values {
            Values::Array { items, .. } => append(items, cursor, scratch, options, depth + 1)?,
            Values::Map { keys, values, .. } => {
                string(keys, cursor, scratch, options)?;
                cursor.expect(b':')?;
                cursor.skip_space();
                append(values, cursor, scratch, options, depth + 1)?;
            }
            Values::Row(fields) => {
                let (name, escaped) = cursor.string()?;
                let field = if escaped {
                    scratch.clear();
                    push_unescaped(scratch, name)?;
                    find(fields, scratch, hint)
                } else {
                    find(fields, name, hint)
                };
                cursor.expect(b':')?;
                cursor.skip_space();
                match field {
                    None => cursor.skip_value()?,
                    Some(index) => {
                        hint = index + 1;
                        let (name, field) = &mut fields[index];
                        field.truncate(row);
                        append(field, cursor, scratch, options, depth + 1)
                            .map_err(|problem| format!("field '{}': {problem}", String::from_utf8_lossy(name)))?;
                    }
                }
            }
            _ => return Err(cursor.expected("a value")),
        }
        more = cursor.another(close)?;
    }
    match &mut builder.values {
        Values::Array { items, offsets } => offsets.push(items.len() as i32),
        Values::Map { keys, offsets, .. } => offsets.push(keys.len() as i32),
        Values::Row(fields) => {
            for (name, field) in fields {
                if field.len() == row {
                    if options.fail_on_missing_field {
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
