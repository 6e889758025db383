//! Lines as they are: one column of text, bytes, or a number in its binary form.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths and digits are checked before they are narrowed"
)]

#[cfg(test)]
mod tests;

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType as Arrow, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type},
};
use model::{Batch, DataType, Failure, Schema};

use crate::{
    Column, Decoded, Decoder, Encoder, Malformed,
    builder::{Builder, Problem, Values},
    decoded::Taken,
};

/// How text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// As it is held.
    #[default]
    Utf8,
    /// A byte a character, of the first 256.
    Latin1,
    /// A byte a character, of the first 128.
    Ascii,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endianness {
    /// The highest.
    #[default]
    Big,
    /// The lowest.
    Little,
}

/// How values are read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawOptions {
    /// Of text.
    pub charset: Charset,
    /// Of numbers.
    pub endianness: Endianness,
}

/// Whether the columns of a table have a form: there is one, of text, bytes or numbers.
///
/// # Errors
/// Class `User` if not.
pub fn check_schema(schema: &Schema) -> Result<(), Failure> {
    match schema.fields.as_slice() {
        [field] => match &field.data_type {
            data_type if is_text(data_type) || width(data_type).is_some() => Ok(()),
            DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes => Ok(()),
            other => Err(Failure::user(format!("format raw has no {other}, only text, bytes, numbers and BOOLEAN"))),
        },
        fields => Err(Failure::user(format!("format raw has one column, not {}", fields.len()))),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Char(_) | DataType::Varchar(_) | DataType::String)
}

/// Bytes of a value of a type whose values all have as many.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean | DataType::TinyInt => Some(1),
        DataType::SmallInt => Some(2),
        DataType::Int | DataType::Float => Some(4),
        DataType::BigInt | DataType::Double => Some(8),
        _ => None,
    }
}

/// Decodes each line as the value of the one column, or just counts them.
pub struct RawDecoder {
    options: RawOptions,
    decoded: Decoded,
}

impl RawDecoder {
    /// A decoder of at most one column.
    pub fn new(columns: &[Column], options: RawOptions) -> Self {
        Self { options, decoded: Decoded::new(columns.get(..1).unwrap_or_default(), false) }
    }
}

impl Decoder for RawDecoder {
    fn decode(&mut self, data: &[u8], last: bool, rows_max: usize) -> Result<usize, Malformed> {
        let options = self.options;
        self.decoded.each_line(data, last, rows_max, |decoded, line| {
            if let Some(column) = decoded.columns.first_mut() {
                append(column, line, options)?;
            }
            Ok(Taken { rows: 1, losses: 0 })
        })
    }

    fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    fn decoded_mut(&mut self) -> &mut Decoded {
        &mut self.decoded
    }
}

fn append(column: &mut Builder, line: &[u8], options: RawOptions) -> Result<(), Problem> {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(width) = width(&column.data_type) {
        // The last byte of a number may be the one that ends lines elsewhere.
        return append_number(column, if line.len() > width { text } else { line }, options.endianness);
    }
    let is_text = column.is_text();
    let Values::Bytes { bytes, offsets } = &mut column.values else { return Err("there is no such value".to_owned()) };
    match options.charset {
        _ if !is_text => bytes.extend_from_slice(text),
        Charset::Utf8 if std::str::from_utf8(text).is_ok() => bytes.extend_from_slice(text),
        Charset::Utf8 => return Err("text is not UTF-8".to_owned()),
        Charset::Ascii if !text.is_ascii() => return Err("text is not US-ASCII".to_owned()),
        Charset::Latin1 | Charset::Ascii => {
            for byte in text {
                bytes.extend_from_slice(char::from(*byte).encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    offsets.push(bytes.len() as i32);
    column.appended();
    Ok(())
}

fn append_number(column: &mut Builder, line: &[u8], endianness: Endianness) -> Result<(), Problem> {
    let wrong = |data_type: &DataType| {
        let width = width(data_type).unwrap_or_default();
        format!("a {data_type} has {width} bytes, not {}", line.len())
    };
    macro_rules! number {
        ($native:ty) => {{
            let bytes = line.try_into().map_err(|_| wrong(&column.data_type))?;
            match endianness {
                Endianness::Big => <$native>::from_be_bytes(bytes),
                Endianness::Little => <$native>::from_le_bytes(bytes),
            }
        }};
    }
    let long = match &column.data_type {
        DataType::TinyInt => i64::from(number!(i8)),
        DataType::SmallInt => i64::from(number!(i16)),
        DataType::Int => i64::from(number!(i32)),
        DataType::BigInt => number!(i64),
        DataType::Boolean => i64::from(number!(i8)),
        DataType::Float | DataType::Double => {
            let value = if column.data_type == DataType::Float { f64::from(number!(f32)) } else { number!(f64) };
            if let Values::Double(values) = &mut column.values {
                values.push(value);
                column.appended();
            }
            return Ok(());
        }
        other => return Err(wrong(other)),
    };
    if let Values::Boolean(values) = &mut column.values {
        values.push(long != 0);
        column.appended();
        return Ok(());
    }
    column.append_long(long)
}

/// Encodes the value of the one column as a line.
pub struct RawEncoder(RawOptions);

impl RawEncoder {
    /// An encoder.
    pub fn new(options: RawOptions) -> Self {
        Self(options)
    }
}

impl Encoder for RawEncoder {
    fn encode(&mut self, rows: &Batch, out: &mut Vec<u8>) -> Result<(), Failure> {
        let column = rows.column(0);
        for row in 0..rows.rows() {
            if column.is_null(row) {
                return Err(Failure::data("a null has no form in format raw"));
            }
            push(out, column.as_ref(), row, self.0)?;
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}

fn push(out: &mut Vec<u8>, column: &dyn Array, row: usize, options: RawOptions) -> Result<(), Failure> {
    macro_rules! number {
        ($type:ty) => {{
            let value = column.as_primitive::<$type>().value(row);
            match options.endianness {
                Endianness::Big => out.extend_from_slice(&value.to_be_bytes()),
                Endianness::Little => out.extend_from_slice(&value.to_le_bytes()),
            }
        }};
    }
    match column.data_type() {
        Arrow::Utf8 => push_text(out, column.as_string::<i32>().value(row), options.charset)?,
        Arrow::Binary => out.extend_from_slice(column.as_binary::<i32>().value(row)),
        Arrow::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        Arrow::Int8 => number!(Int8Type),
        Arrow::Int16 => number!(Int16Type),
        Arrow::Int32 => number!(Int32Type),
        Arrow::Int64 => number!(Int64Type),
        Arrow::Float32 => number!(Float32Type),
        Arrow::Float64 => number!(Float64Type),
        other => return Err(Failure::internal(format!("format raw has no {other}"))),
    }
    Ok(())
}

fn push_text(out: &mut Vec<u8>, text: &str, charset: Charset) -> Result<(), Failure> {
    let last = match charset {
        Charset::Utf8 => {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        Charset::Latin1 => '\u{FF}',
        Charset::Ascii => '\u{7F}',
    };
    for letter in text.chars() {
        match u8::try_from(letter).ok().filter(|_| letter <= last) {
            Some(byte) => out.push(byte),
            None => return Err(Failure::data(format!("'{letter}' has no form in the charset of 'raw.charset'"))),
        }
    }
    Ok(())
}
