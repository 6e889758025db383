//! The text of a field as a value, and the other way round.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths and digits are checked before they are narrowed"
)]

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType as Arrow, Decimal128Type},
};
use model::Failure;

use super::CsvOptions;
use crate::{
    TimestampStyle,
    builder::{Builder, Problem, Values},
    scalar, text,
    times::TimeTexts,
};

/// How values are read.
pub(super) struct Reader<'a> {
    pub(super) options: &'a CsvOptions,
    /// Whether a value that is none of its type is null rather than a problem of the record.
    pub(super) spares: bool,
    /// Whether that came to pass.
    pub(super) lost: bool,
}

impl Reader<'_> {
    /// Appends the value that a text is, or null in its place if it is none and that is to be spared.
    pub(super) fn append(&mut self, builder: &mut Builder, text: &[u8], quoted: bool) -> Result<(), Problem> {
        let row = builder.len();
        match self.value(builder, text, quoted) {
            Err(_) if self.spares => {
                self.lost = true;
                builder.truncate(row);
                builder.append_null();
                Ok(())
            }
            read => read,
        }
    }

    /// Appends one element of the `ROW` of `count` elements that a text is; null if the `ROW` is null.
    pub(super) fn append_element(
        &mut self,
        builder: &mut Builder,
        text: &[u8],
        (index, count): (usize, usize),
    ) -> Result<(), Problem> {
        if self.is_null_row(text) {
            builder.append_null();
            return Ok(());
        }
        self.check_count(text, count)?;
        self.element(builder, elements(text, &self.options.array_element_delimiter).nth(index))
    }

    /// Whether a text is a `ROW` that is null.
    fn is_null_row(&self, text: &[u8]) -> bool {
        text.is_empty() || self.options.null_literal.as_ref().is_some_and(|literal| text == literal.as_bytes())
    }

    /// Checks how many elements a `ROW` has.
    fn check_count(&mut self, text: &[u8], count: usize) -> Result<(), Problem> {
        let found = elements(text, &self.options.array_element_delimiter).count();
        if found != count && !self.spares {
            return Err(format!("{found} elements instead of {count}"));
        }
        self.lost |= found != count;
        Ok(())
    }

    /// Appends an element, or null if it is missing.
    fn element(&mut self, builder: &mut Builder, text: Option<&[u8]>) -> Result<(), Problem> {
        match text {
            Some(text) => self.append(builder, text, false),
            None => {
                builder.append_null();
                Ok(())
            }
        }
    }

    fn value(&mut self, builder: &mut Builder, text: &[u8], quoted: bool) -> Result<(), Problem> {
        let is_null = match &self.options.null_literal {
            _ if matches!(builder.values, Values::Row(_)) => self.is_null_row(text),
            Some(literal) => text == literal.as_bytes(),
            // Nothing is no number; Flink writes nulls like this. In quotes it may be bytes, or an array of no elements.
            None if quoted => text.is_empty() && !matches!(builder.values, Values::Bytes { .. } | Values::Array { .. }),
            None => text.is_empty() && !builder.is_text(),
        };
        if is_null {
            builder.append_null();
            return Ok(());
        }
        let delimiter = &self.options.array_element_delimiter;
        match &mut builder.values {
            Values::Array { items, offsets } => {
                for element in elements(text, delimiter) {
                    self.append(items, element, false)?;
                }
                offsets.push(items.len() as i32);
            }
            Values::Row(fields) => {
                self.check_count(text, fields.len())?;
                let mut elements = elements(text, delimiter);
                for (_, field) in fields {
                    self.element(field, elements.next())?;
                }
            }
            _ => return builder.append_text(text, TimeTexts::Csv),
        }
        builder.appended();
        Ok(())
    }
}

/// The parts of a text between delimiters, which are not empty; none of an empty text.
fn elements<'a>(text: &'a [u8], delimiter: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let delimiter = delimiter.as_bytes();
    let mut rest = (!text.is_empty()).then_some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let found = text.windows(delimiter.len()).position(|window| window == delimiter);
        rest = found.map(|at| &text[at + delimiter.len()..]);
        Some(&text[..found.unwrap_or(text.len())])
    })
}

/// Writes a value that is not null, without quotes.
pub(super) fn push(out: &mut Vec<u8>, array: &dyn Array, row: usize, options: &CsvOptions) -> Result<(), Failure> {
    if text::push_temporal(out, array, row, TimestampStyle::Sql) {
        return Ok(());
    }
    match array.data_type() {
        Arrow::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        Arrow::Binary => scalar::push_base64(out, array.as_binary::<i32>().value(row)),
        Arrow::Decimal128(_, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            text::push_decimal(out, value, *scale, !options.scientific_decimals);
        }
        Arrow::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|item| (items.as_ref(), item));
            push_elements(out, items, options)?;
        }
        Arrow::Struct(_) => {
            let fields = array.as_struct().columns().iter();
            push_elements(out, fields.map(|field| (field.as_ref(), row)), options)?;
        }
        _ if text::push_number(out, array, row) => {}
        other => return Err(Failure::internal(format!("no CSV for {other}"))),
    }
    Ok(())
}

fn push_elements<'a>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = (&'a dyn Array, usize)>,
    options: &CsvOptions,
) -> Result<(), Failure> {
    let delimiter = options.array_element_delimiter.as_bytes();
    for (index, (array, row)) in elements.enumerate() {
        if index > 0 {
            out.extend_from_slice(delimiter);
        }
        if array.is_null(row) {
            out.extend_from_slice(options.null_literal.as_deref().unwrap_or_default().as_bytes());
            continue;
        }
        let start = out.len();
        push(out, array, row, options)?;
        if out[start..].windows(delimiter.len()).any(|window| window == delimiter) {
            let text = String::from_utf8_lossy(&out[start..]).into_owned();
            return Err(Failure::data(format!(
                "'{text}' cannot be an element: it holds the delimiter of 'csv.array-element-delimiter'"
            )));
        }
    }
    Ok(())
}
