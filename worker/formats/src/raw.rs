//! Lines as they are: one column of text or bytes.

use arrow::{
    array::{Array, AsArray, RecordBatch, RecordBatchOptions},
    datatypes::{DataType as Arrow, SchemaRef},
};
use model::{Batch, DataType, Failure, Schema};

use crate::{
    Column, Decoder, Encoder, Losses, Malformed,
    builder::{Builder, Values},
    find_newline, schema_of,
};

/// Whether the columns of a table have a form: there is one, of text or bytes.
///
/// # Errors
/// Class `User` if not.
pub fn check_schema(schema: &Schema) -> Result<(), Failure> {
    match schema.fields.as_slice() {
        [field] => match field.data_type {
            DataType::Char(_) | DataType::Varchar(_) | DataType::String => Ok(()),
            DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes => Ok(()),
            _ => Err(Failure::user(format!("format raw has no {}, only text and bytes", field.data_type))),
        },
        fields => Err(Failure::user(format!("format raw has one column, not {}", fields.len()))),
    }
}

/// Decodes each line as the value of the one column, or just counts them.
pub struct RawDecoder {
    schema: SchemaRef,
    column: Option<Builder>,
    rows: usize,
    losses: Losses,
    lines: u64,
}

impl RawDecoder {
    /// A decoder of at most one column.
    pub fn new(columns: &[Column]) -> Self {
        let column = columns.first().map(|column| Builder::new(&column.data_type));
        Self { schema: schema_of(columns), column, rows: 0, losses: Losses::new(false), lines: 0 }
    }

    fn append(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some(column) = &mut self.column else { return Ok(()) };
        let is_text = column.is_text();
        if is_text && std::str::from_utf8(line).is_err() {
            return Err("text is not UTF-8");
        }
        if let Values::Bytes { bytes, offsets } = &mut column.values {
            bytes.extend_from_slice(line);
            offsets.push(bytes.len() as i32);
            column.appended();
        }
        Ok(())
    }
}

impl Decoder for RawDecoder {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < data.len() && self.rows < rows_max {
            let (line, next) = match find_newline(&data[at..]) {
                Some(length) => (&data[at..at + length], at + length + 1),
                None if last => (&data[at..], data.len()),
                None => break,
            };
            match self.append(line) {
                Ok(()) => self.rows += 1,
                Err(message) => self.losses.add(line, at, self.lines, message.to_owned())?,
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
        let arrays = self.column.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, _>>()?;
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

/// Encodes the value of the one column as a line.
pub struct RawEncoder;

impl Encoder for RawEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let column = rows.column(0);
        for row in 0..rows.rows() {
            if column.is_null(row) {
                return Err(Failure::data("a null has no form in format raw"));
            }
            match column.data_type() {
                Arrow::Utf8 => out.extend_from_slice(column.as_string::<i32>().value(row).as_bytes()),
                Arrow::Binary => out.extend_from_slice(column.as_binary::<i32>().value(row)),
                other => return Err(Failure::internal(format!("format raw has no {other}"))),
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Field;

    #[test]
    fn lines_are_values_and_come_back() {
        let columns = [Column::new("line", DataType::String)];
        let text = "first\n\n {\"ü\": 1}\r\nlast";
        let mut decoder = RawDecoder::new(&columns);
        assert_eq!(decoder.decode(text.as_bytes(), false, usize::MAX).unwrap(), text.len() - 4);
        assert_eq!(decoder.decode(b"last", true, usize::MAX).unwrap(), 4);
        let rows = decoder.take().unwrap();
        let values: Vec<_> = rows.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(values, ["first", "", " {\"ü\": 1}\r", "last"]);
        let mut written = Vec::new();
        RawEncoder.encode(&Batch::append(rows), &mut written).unwrap();
        assert_eq!(written, format!("{text}\n").into_bytes());

        let mut counting = RawDecoder::new(&[]);
        counting.decode(text.as_bytes(), true, usize::MAX).unwrap();
        assert_eq!(counting.take().unwrap().num_rows(), 4);
    }

    #[test]
    fn bytes_are_anything_and_text_is_utf8() {
        let data = b"\xFF\xFE\nok\n";
        let mut bytes = RawDecoder::new(&[Column::new("b", DataType::Bytes)]);
        bytes.decode(data, true, usize::MAX).unwrap();
        assert_eq!(bytes.take().unwrap().column(0).as_binary::<i32>().value(0), b"\xFF\xFE");
        let text = [Column::new("t", DataType::String)];
        assert_eq!(RawDecoder::new(&text).decode(data, true, usize::MAX).unwrap_err().offset, 0);
        let mut keeping = RawDecoder::new(&text);
        keeping.losses().keep();
        assert_eq!(keeping.decode(data, true, usize::MAX).unwrap(), data.len());
        assert_eq!((keeping.rows(), keeping.losses().count()), (1, 1));
        let rejected = keeping.losses().take();
        assert_eq!((rejected.len(), rejected[0].lines, rejected[0].record.as_slice()), (1, 0, b"\xFF\xFE".as_slice()));
    }

    #[test]
    fn tables_have_one_column_of_text_or_bytes() {
        let schema = |types: &[DataType]| {
            Schema::new(types.iter().map(|data_type| Field::new("c", data_type.clone())).collect())
        };
        assert!(check_schema(&schema(&[DataType::String])).is_ok());
        let message = |types: &[DataType]| check_schema(&schema(types)).unwrap_err().message;
        assert_eq!(message(&[DataType::BigInt]), "format raw has no BIGINT, only text and bytes");
        assert_eq!(message(&[DataType::String, DataType::Bytes]), "format raw has one column, not 2");
    }
}
