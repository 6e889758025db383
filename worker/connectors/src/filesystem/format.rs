//! The formats of files and their options.

use formats::{
    Column, Decoder, Encoder, TimestampStyle,
    csv::{self, CsvDecoder, CsvEncoder, CsvOptions},
    json::{self, DebeziumEncoder, JsonDecoder, JsonEncoder, JsonOptions},
    parquet,
    raw::{self, RawDecoder, RawEncoder},
};
use graph::{ChangelogMode, TableSpec};
use model::{Failure, Schema};

use crate::options::OptionReader;

#[derive(Clone, Debug)]
pub(super) enum Format {
    Json(JsonOptions),
    Csv(CsvOptions),
    Debezium(JsonOptions),
    Parquet,
    Raw,
}

impl Format {
    pub(super) fn read(reader: &mut OptionReader<'_>) -> Result<Self, Failure> {
        const NAMES: [&str; 5] = ["json", "csv", "parquet", "raw", "debezium-json"];
        reader.required::<String>("format", &format!("one of {}", NAMES.join(", ")))?;
        match reader.word("format", &NAMES)? {
            "json" => Ok(Self::Json(JsonOptions {
                timestamps: timestamps(reader, "json")?,
                ignore_parse_errors: reader.get("json.ignore-parse-errors", false)?,
                fail_on_missing_field: reader.get("json.fail-on-missing-field", false)?,
                ignore_null_fields: reader.get("json.encode.ignore-null-fields", false)?,
            })),
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
            "debezium-json" => Ok(Self::Debezium(JsonOptions {
                timestamps: timestamps(reader, "debezium-json")?,
                ignore_null_fields: reader.get("debezium-json.encode.ignore-null-fields", false)?,
                ..JsonOptions::default()
            })),
            "raw" => {
                reader.word("raw.charset", &["UTF-8"])?;
                Ok(Self::Raw)
            }
            _ => Ok(Self::Parquet),
        }
    }

    /// The changes that can be written.
    pub(super) fn changelog(&self) -> ChangelogMode {
        if matches!(self, Self::Debezium(_)) { ChangelogMode::ALL } else { ChangelogMode::APPEND }
    }

    /// Checks that the table's columns have a form.
    pub(super) fn check(&self, table: &TableSpec) -> Result<(), Failure> {
        if matches!(self, Self::Raw) {
            return raw::check_schema(&super::stored_schema(table))
                .map_err(|failure| failure.at(format_args!("table {}", table.name)));
        }
        table.schema.fields.iter().try_for_each(|field| {
            let result = match self {
                Self::Json(_) | Self::Debezium(_) => json::check_type(&field.data_type),
                Self::Csv(_) => csv::check_type(&field.data_type),
                Self::Parquet => parquet::check_type(&field.data_type),
                Self::Raw => Ok(()),
            };
            result.map_err(|failure| failure.at(format_args!("table {}: column {}", table.name, field.name)))
        })
    }

    /// Whether a file can be cut at any newline.
    pub(super) fn is_cut_at_lines(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Raw)
    }

    /// The ending of file names.
    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Debezium(_) => "json",
            Self::Csv(_) => "csv",
            Self::Parquet => "parquet",
            Self::Raw => "txt",
        }
    }

    /// A decoder of lines; none for Parquet. `schema` is the table's.
    pub(super) fn decoder(&self, schema: &Schema, columns: &[Column]) -> Result<Option<Box<dyn Decoder>>, Failure> {
        Ok(match self {
            Self::Json(options) => Some(Box::new(JsonDecoder::new(columns, options.clone())?)),
            Self::Csv(options) => Some(Box::new(CsvDecoder::new(schema, columns, options.clone())?)),
            Self::Raw => Some(Box::new(RawDecoder::new(columns))),
            Self::Debezium(_) => {
                return Err(Failure::user("format debezium-json can only be written"));
            }
            Self::Parquet => None,
        })
    }

    /// An encoder of files of this schema.
    pub(super) fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>, Failure> {
        Ok(match self {
            Self::Json(options) => Box::new(JsonEncoder::new(schema, options.clone())?),
            Self::Csv(options) => Box::new(CsvEncoder::new(schema, options.clone())?),
            Self::Debezium(options) => Box::new(DebeziumEncoder::new(schema, options.clone())?),
            Self::Raw => Box::new(RawEncoder),
            Self::Parquet => Box::new(parquet::ParquetEncoder::new(schema)?),
        })
    }
}

fn timestamps(reader: &mut OptionReader<'_>, format: &str) -> Result<TimestampStyle, Failure> {
    let style = reader.word(&format!("{format}.timestamp-format.standard"), &["SQL", "ISO-8601"])?;
    Ok(if style == "SQL" { TimestampStyle::Sql } else { TimestampStyle::Iso8601 })
}
