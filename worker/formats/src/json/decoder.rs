//! JSON lines straight into columns, in one pass: what is not wanted is passed over undecoded.

use model::Failure;

use super::{
    JsonOptions,
    value::{Reader, find},
};
use crate::{
    Column, Decoded, Decoder, Malformed,
    builder::{Builder, Problem},
    decoded::Taken,
};

/// Decodes JSON: a line is an object, or an array of objects, each of them a row.
pub struct JsonDecoder {
    options: JsonOptions,
    wanted: Wanted,
    decoded: Decoded,
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
        let decoded = Decoded::new(columns, options.ignore_parse_errors);
        Ok(Self { options, wanted, decoded, scratch: Vec::new() })
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed> {
        let Self { options, wanted, decoded, scratch } = self;
        decoded.each_line(data, last, rows_max, |decoded, line| {
            if line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Taken::default());
            }
            let spares = decoded.losses.spare_records();
            Record { wanted, reader: Reader::new(line, scratch, options, spares), row: decoded.rows }.read(decoded)
        })
    }

    fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    fn decoded_mut(&mut self) -> &mut Decoded {
        &mut self.decoded
    }
}

/// The record being read.
struct Record<'a> {
    wanted: &'a Wanted,
    reader: Reader<'a>,
    /// The row that is filled.
    row: usize,
}

impl Record<'_> {
    fn read(mut self, decoded: &mut Decoded) -> Result<Taken, Problem> {
        self.reader.cursor.skip_space();
        let taken = if self.reader.cursor.peek() == Some(b'[') { self.rows(decoded)? } else { self.only(decoded)? };
        self.reader.cursor.skip_space();
        match self.reader.cursor.peek() {
            None => Ok(taken),
            Some(_) => Err(self.reader.cursor.expected("the end of the record")),
        }
    }

    /// The record is one object.
    fn only(&mut self, decoded: &mut Decoded) -> Result<Taken, Problem> {
        self.row(decoded)?;
        Ok(Taken { rows: 1, losses: u64::from(self.reader.lost) })
    }

    /// The record is an array of objects. One that is none is lost alone.
    fn rows(&mut self, decoded: &mut Decoded) -> Result<Taken, Problem> {
        let first = self.row;
        let mut losses = 0;
        let mut more = self.reader.cursor.enters(b'[', b']')?;
        while more {
            let start = self.reader.cursor.at;
            self.reader.lost = false;
            match self.row(decoded) {
                Ok(()) => {
                    self.row += 1;
                    losses += u64::from(self.reader.lost);
                }
                Err(problem) => {
                    self.reader.pass(start, problem)?;
                    let row = self.row;
                    decoded.columns.iter_mut().for_each(|column| column.truncate(row));
                    losses += 1;
                }
            }
            more = self.reader.cursor.another(b']')?;
        }
        Ok(Taken { rows: self.row - first, losses })
    }

    /// Fills a row with an object.
    fn row(&mut self, decoded: &mut Decoded) -> Result<(), Problem> {
        let wanted = self.wanted;
        self.object(&mut decoded.columns, wanted, 0)?;
        for column in 0..decoded.columns.len() {
            if decoded.columns[column].len() == self.row {
                if self.reader.options.fail_on_missing_field {
                    return Err(format!("the field '{}' is missing", decoded.name(column)));
                }
                decoded.columns[column].append_null();
            }
        }
        Ok(())
    }

    fn object(&mut self, columns: &mut [Builder], wanted: &Wanted, depth: usize) -> Result<(), Problem> {
        let mut more = self.reader.cursor.enters(b'{', b'}')?;
        // Records repeat their fields in one order, so the next wanted one is the one behind the last.
        let mut hint = 0;
        while more {
            match self.reader.name(|name| find(&wanted.fields, name, hint))? {
                None => self.reader.cursor.skip_value()?,
                Some(index) => {
                    hint = index + 1;
                    let (name, wanted) = &wanted.fields[index];
                    // Of a field that comes twice the last one counts, with all that is inside.
                    self.clear(columns, wanted);
                    self.value(columns, wanted, depth + 1)
                        .map_err(|problem| format!("field '{}': {problem}", String::from_utf8_lossy(name)))?;
                }
            }
            more = self.reader.cursor.another(b'}')?;
        }
        Ok(())
    }

    fn value(&mut self, columns: &mut [Builder], wanted: &Wanted, depth: usize) -> Result<(), Problem> {
        let start = self.reader.cursor.at;
        if let Some(column) = wanted.column {
            self.reader.append(&mut columns[column], depth)?;
        }
        if wanted.fields.is_empty() {
            return Ok(());
        }
        self.reader.cursor.at = start;
        if self.reader.cursor.null() {
            self.nulls(columns, wanted);
            return Ok(());
        }
        if let Err(problem) = self.object(columns, wanted, depth) {
            self.reader.pass(start, problem)?;
            self.nulls(columns, wanted);
        }
        Ok(())
    }

    /// Drops what the row has so far of a field.
    fn clear(&self, columns: &mut [Builder], wanted: &Wanted) {
        if let Some(column) = wanted.column
            && columns[column].len() > self.row
        {
            columns[column].truncate(self.row);
        }
        wanted.fields.iter().for_each(|(_, wanted)| self.clear(columns, wanted));
    }

    /// The fields inside a `ROW` that is null.
    fn nulls(&self, columns: &mut [Builder], wanted: &Wanted) {
        for (_, wanted) in &wanted.fields {
            if let Some(column) = wanted.column {
                let builder = &mut columns[column];
                builder.truncate(self.row);
                builder.append_null();
            }
            self.nulls(columns, wanted);
        }
    }
}
