//! The formats of files and their options.

use formats::{
    Column, Decoder, Encoder, TimestampStyle,
    csv::{self, CsvDecoder, CsvEncoder, CsvOptions},
    json::{self, JsonDecoder, JsonEncoder, JsonOptions},
    parquet,
};
use graph::TableSpec;
use model::{Failure, Schema};

use crate::options::OptionReader;

#[derive(Clone, Debug)]
pub(super) enum Format {
    Json(JsonOptions),
    Csv(CsvOptions),
    Parquet,
}

impl Format {
    pub(super) fn read(reader: &mut OptionReader<'_>) -> Result<Self, Failure> {
        const NAMES: [&str; 3] = ["json", "csv", "parquet"];
        reader.required::<String>("format", &format!("one of {}", NAMES.join(", ")))?;
        match reader.word("format", &NAMES)? {
            "json" => {
                let style = reader.word("json.timestamp-format.standard", &["SQL", "ISO-8601"])?;
                Ok(Self::Json(JsonOptions {
                    timestamps: if style == "SQL" { TimestampStyle::Sql } else { TimestampStyle::Iso8601 },
                    ignore_parse_errors: reader.get("json.ignore-parse-errors", false)?,
                    fail_on_missing_field: reader.get("json.fail-on-missing-field", false)?,
                    ignore_null_fields: reader.get("json.encode.ignore-null-fields", false)?,
                }))
            }
            "csv" => {
                let quote = reader.character("csv.quote-character")?.unwrap_or(b'"');
                let unquoted = reader.get("csv.disable-quote-character", false)?;
                Ok(Self::Csv(CsvOptions {
                    delimiter: reader.character("csv.field-delimiter")?.unwrap_or(b','),
                    quote: (!unquoted).then_some(quote),
                    escape: reader.character("csv.escape-character")?,
                    null_literal: reader.optional("csv.null-literal")?,
                    ignore_parse_errors: reader.get("csv.ignore-parse-errors", false)?,
                    allow_comments: reader.get("csv.allow-comments", false)?,
                }))
            }
            _ => Ok(Self::Parquet),
        }
    }

    /// Checks that the table's columns have a form.
    pub(super) fn check(&self, table: &TableSpec) -> Result<(), Failure> {
        table.schema.fields.iter().try_for_each(|field| {
            let result = match self {
                Self::Json(_) => json::check_type(&field.data_type),
                Self::Csv(_) => csv::check_type(&field.data_type),
                Self::Parquet => parquet::check_type(&field.data_type),
            };
            result.map_err(|failure| failure.at(format_args!("table {}: column {}", table.name, field.name)))
        })
    }

    /// Whether a file can be cut at any newline.
    pub(super) fn is_cut_at_lines(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// The ending of file names.
    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Csv(_) => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// A decoder of lines; none for Parquet. `schema` is the table's.
    pub(super) fn decoder(&self, schema: &Schema, columns: &[Column]) -> Result<Option<Box<dyn Decoder>>, Failure> {
        Ok(match self {
            Self::Json(options) => Some(Box::new(JsonDecoder::new(columns, options.clone())?)),
            Self::Csv(options) => Some(Box::new(CsvDecoder::new(schema, columns, options.clone())?)),
            Self::Parquet => None,
        })
    }

    /// An encoder of files of this schema.
    pub(super) fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>, Failure> {
        Ok(match self {
            Self::Json(options) => Box::new(JsonEncoder::new(schema, options.clone())?),
            Self::Csv(options) => Box::new(CsvEncoder::new(schema, options.clone())?),
            Self::Parquet => Box::new(parquet::ParquetEncoder::new(schema)?),
        })
    }
}
