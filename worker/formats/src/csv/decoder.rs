//! CSV records into columns; fields that are not wanted are passed over.

use model::{DataType, Failure, Schema};

use super::{CsvOptions, value::Reader};
use crate::{Column, Decoded, Decoder, Malformed, builder::Problem, decoded::Taken};

/// Decodes CSV.
pub struct CsvDecoder {
    options: CsvOptions,
    /// For each field of a record, what it goes to.
    targets: Vec<Vec<Target>>,
    decoded: Decoded,
    scratch: Vec<u8>,
}

/// A column that a field of a record goes to.
struct Target {
    column: usize,
    /// Which element of how many it is, if the field is a `ROW` of which one element is wanted.
    element: Option<(usize, usize)>,
}

/// A field of a record.
struct Field {
    start: usize,
    end: usize,
    /// Whether it stood in quotes.
    quoted: bool,
    /// Whether its text is not what stands there, but what was put into the scratch buffer.
    rewritten: bool,
    /// Where the next field or record begins.
    next: usize,
    ends_record: bool,
}

impl CsvDecoder {
    /// A decoder of these columns of records that have the fields of `schema`.
    ///
    /// # Errors
    /// Class `User` if a type has no form in CSV or a column is not in the schema.
    pub fn new(schema: &Schema, columns: &[Column], options: CsvOptions) -> Result<Self, Failure> {
        let mut targets: Vec<Vec<Target>> = schema.fields.iter().map(|_| Vec::new()).collect();
        for (index, column) in columns.iter().enumerate() {
            super::check_type(&column.data_type)?;
            let (field, element) = place(schema, &column.path)
                .ok_or_else(|| Failure::user(format!("format csv has no column {}", column.name())))?;
            targets[field].push(Target { column: index, element });
        }
        Ok(Self { decoded: Decoded::new(columns, options.ignore_parse_errors), options, targets, scratch: Vec::new() })
    }

    /// Finds the field at `at`; `None` if the data end within it and more may follow. A problem comes with the place from
    /// where on the rest of its line is lost.
    fn field(&mut self, data: &[u8], at: usize, last: bool) -> Result<Option<Field>, (Problem, usize)> {
        let quoted = self.options.quote.is_some() && data.get(at).copied() == self.options.quote;
        let mut rewritten = false;
        let mut position = at + usize::from(quoted);
        let start = position;
        // Where the last thing ends that does not stand for itself.
        let mut plain = start;
        loop {
            let Some(&byte) = data.get(position) else {
                if !last {
                    return Ok(None);
                }
                if quoted {
                    // The quote is taken for the mistake, and the lines behind it for records.
                    return Err(("a quoted field does not end".to_owned(), at));
                }
                let end = position;
                return Ok(Some(Field { start, end, quoted, rewritten, next: end, ends_record: true }));
            };
            if Some(byte) == self.options.escape && Some(byte) != self.options.quote {
                if !rewritten {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(&data[start..position]);
                    rewritten = true;
                }
                match data.get(position + 1) {
                    Some(escaped) => self.scratch.push(*escaped),
                    None if last => return Err(("the record ends within an escape".to_owned(), position)),
                    None => return Ok(None),
                }
                position += 2;
                plain = position;
                continue;
            }
            if quoted && Some(byte) == self.options.quote {
                match data.get(position + 1) {
                    Some(next) if *next == byte => {
                        if !rewritten {
                            self.scratch.clear();
                            self.scratch.extend_from_slice(&data[start..position]);
                            rewritten = true;
                        }
                        self.scratch.push(byte);
                        position += 2;
                        continue;
                    }
                    None if !last => return Ok(None),
                    _ => {}
                }
                return after_quote(data, start, position, rewritten, last, self.options.delimiter);
            }
            if !quoted && (byte == self.options.delimiter || byte == b'\n') {
                let ends_record = byte == b'\n';
                let has_return = ends_record && position > plain && data[position - 1] == b'\r';
                if has_return && rewritten {
                    self.scratch.pop();
                }
                let end = position - usize::from(has_return);
                return Ok(Some(Field { start, end, quoted, rewritten, next: position + 1, ends_record }));
            }
            if rewritten {
                self.scratch.push(byte);
            }
            position += 1;
        }
    }

    /// Reads the record at `at`; returns what it comes to and where the next one begins, none if more data are needed.
    fn record(&mut self, data: &[u8], mut at: usize, last: bool) -> Option<(Result<Taken, Problem>, usize)> {
        let spares = self.decoded.losses.spare_records();
        let (mut problem, mut lost) = (None, false);
        let mut index = 0;
        loop {
            let field = match self.field(data, at, last) {
                Ok(Some(field)) => field,
                Ok(None) => return None,
                Err((problem, from)) => {
                    return match crate::find_newline(&data[from..]) {
                        Some(newline) => Some((Err(problem), from + newline + 1)),
                        None if last => Some((Err(problem), data.len())),
                        None => None,
                    };
                }
            };
            if index >= self.targets.len() {
                problem.get_or_insert_with(|| format!("more than {} fields", self.targets.len()));
            } else if problem.is_none() {
                match self.append(index, data, &field, spares) {
                    Ok(spared) => lost |= spared,
                    Err(found) => problem = Some(found),
                }
            }
            index += 1;
            at = field.next;
            if field.ends_record {
                break;
            }
        }
        if problem.is_none() && index < self.targets.len() {
            if spares {
                lost = true;
                self.append_nulls(index);
            } else {
                problem = Some(format!("{index} fields instead of {}", self.targets.len()));
            }
        }
        let read = problem.map_or(Ok(Taken { rows: 1, losses: u64::from(lost) }), Err);
        Some((read, at))
    }

    /// Appends a field to the columns it goes to; with `spares`, one that cannot be read is null. Says whether that was so.
    fn append(&mut self, index: usize, data: &[u8], field: &Field, spares: bool) -> Result<bool, Problem> {
        let text = if field.rewritten { self.scratch.as_slice() } else { &data[field.start..field.end] };
        let mut reader = Reader { options: &self.options, spares, lost: false };
        for target in &self.targets[index] {
            let column = &mut self.decoded.columns[target.column];
            let read = match target.element {
                None => reader.append(column, text, field.quoted),
                Some(element) => reader.append_element(column, text, element),
            };
            read.map_err(|problem| format!("field {}: {problem}", index + 1))?;
        }
        Ok(reader.lost)
    }

    /// The fields that are missing at the end of a record.
    fn append_nulls(&mut self, from: usize) {
        for target in self.targets[from..].iter().flatten() {
            self.decoded.columns[target.column].append_null();
        }
    }
}

/// The field of a record that a column is from, and which of how many elements it is, if the field is a `ROW`.
fn place(schema: &Schema, path: &[String]) -> Option<(usize, Option<(usize, usize)>)> {
    let (first, inside) = path.split_first()?;
    let field = schema.index_of(first)?;
    match (inside, schema.fields[field].data_type.without_not_null()) {
        ([], _) => Some((field, None)),
        ([name], DataType::Row(elements)) => {
            let index = elements.iter().position(|element| element.name == *name)?;
            Some((field, Some((index, elements.len()))))
        }
        _ => None,
    }
}

/// What may follow a closing quote: space, then the end of the field.
fn after_quote(
    data: &[u8],
    start: usize,
    end: usize,
    rewritten: bool,
    last: bool,
    delimiter: u8,
) -> Result<Option<Field>, (Problem, usize)> {
    let mut position = end + 1;
    loop {
        let (next, ends_record) = match data.get(position) {
            None if !last => return Ok(None),
            None => (position, true),
            Some(b'\n') => (position + 1, true),
            Some(byte) if *byte == delimiter => (position + 1, false),
            Some(b' ' | b'\r') => {
                position += 1;
                continue;
            }
            Some(byte) => return Err((format!("'{}' follows a closing quote", byte.escape_ascii()), position)),
        };
        return Ok(Some(Field { start, end, quoted: true, rewritten, next, ends_record }));
    }
}

fn newlines(data: &[u8]) -> u64 {
    data.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < data.len() && self.decoded.has_room(rows_max) {
            let is_comment = self.options.allow_comments && data[at] == b'#';
            if is_comment || data[at] == b'\n' || data[at..].starts_with(b"\r\n") {
                match crate::find_newline(&data[at..]) {
                    Some(newline) => at += newline + 1,
                    None if last => at = data.len(),
                    None => break,
                }
                self.decoded.lines += 1;
                continue;
            }
            let Some((read, next)) = self.record(data, at, last) else {
                self.decoded.roll_back();
                break;
            };
            self.decoded.settle(read, &data[at..next], at)?;
            self.decoded.lines += newlines(&data[at..next]).max(1);
            at = next;
        }
        Ok(at)
    }

    fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    fn decoded_mut(&mut self) -> &mut Decoded {
        &mut self.decoded
    }
}
