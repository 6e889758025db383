//! The formats of files and their options.

use arrow::datatypes::TimeUnit;
use formats::{
    Column, Decoder, Encoder, TimestampStyle,
    csv::{self, CsvDecoder, CsvEncoder, CsvOptions},
    json::{self, DebeziumEncoder, JsonDecoder, JsonEncoder, JsonOptions},
    parquet::{self, Codec, ParquetEncoder, ParquetOptions},
    raw::{self, Charset, Endianness, RawDecoder, RawEncoder, RawOptions},
};
use graph::{ChangelogMode, TableSpec};
use model::{Failure, Schema};

use crate::options::OptionReader;

#[derive(Clone, Debug)]
pub(super) enum Format {
    Json(JsonOptions),
    Csv(CsvOptions),
    Debezium(JsonOptions),
    Parquet(ParquetOptions),
    Raw(RawOptions),
}

impl Format {
    pub(super) fn read(reader: &mut OptionReader<'_>) -> Result<Self, Failure> {
        const NAMES: [&str; 5] = ["json", "csv", "parquet", "raw", "debezium-json"];
        reader.required::<String>("format", &format!("one of {}", NAMES.join(", ")))?;
        match reader.word("format", &NAMES)? {
            "json" => json_options(reader, "json").map(Self::Json),
            "csv" => csv_options(reader).map(Self::Csv),
            "debezium-json" => json_options(reader, "debezium-json").map(Self::Debezium),
            "raw" => raw_options(reader).map(Self::Raw),
            _ => parquet_options(reader).map(Self::Parquet),
        }
    }

    /// The changes that can be written.
    pub(super) fn changelog(&self) -> ChangelogMode {
        if matches!(self, Self::Debezium(_)) { ChangelogMode::ALL } else { ChangelogMode::APPEND }
    }

    /// Checks that the table's columns have a form.
    pub(super) fn check(&self, table: &TableSpec) -> Result<(), Failure> {
        if matches!(self, Self::Raw(_)) {
            return raw::check_schema(&super::stored_schema(table))
                .map_err(|failure| failure.at(format_args!("table {}", table.name)));
        }
        table.schema.fields.iter().try_for_each(|field| {
            let result = match self {
                Self::Json(_) | Self::Debezium(_) => json::check_type(&field.data_type),
                Self::Csv(_) => csv::check_type(&field.data_type),
                Self::Parquet(_) => parquet::check_type(&field.data_type),
                Self::Raw(_) => Ok(()),
            };
            result.map_err(|failure| failure.at(format_args!("table {}: column {}", table.name, field.name)))
        })
    }

    /// Whether a file can be cut at any newline.
    pub(super) fn is_cut_at_lines(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Raw(_))
    }

    /// Whether the mark that some programs put before UTF-8 text is no part of the first record.
    pub(super) fn skips_mark(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Csv(_))
    }

    /// The ending of file names.
    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Debezium(_) => "json",
            Self::Csv(_) => "csv",
            Self::Parquet(_) => "parquet",
            Self::Raw(_) => "txt",
        }
    }

    /// A decoder of lines; none for Parquet. `schema` is the table's.
    pub(super) fn decoder(&self, schema: &Schema, columns: &[Column]) -> Result<Option<Box<dyn Decoder>>, Failure> {
        Ok(match self {
            Self::Json(options) => Some(Box::new(JsonDecoder::new(columns, options.clone())?)),
            Self::Csv(options) => Some(Box::new(CsvDecoder::new(schema, columns, options.clone())?)),
            Self::Raw(options) => Some(Box::new(RawDecoder::new(columns, *options))),
            Self::Debezium(_) => {
                return Err(Failure::user("format debezium-json can only be written"));
            }
            Self::Parquet(_) => None,
        })
    }

    /// An encoder of files of this schema.
    pub(super) fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>, Failure> {
        Ok(match self {
            Self::Json(options) => Box::new(JsonEncoder::new(schema, options.clone())?),
            Self::Csv(options) => Box::new(CsvEncoder::new(schema, options.clone())?),
            Self::Debezium(options) => Box::new(DebeziumEncoder::new(schema, options.clone())?),
            Self::Raw(options) => Box::new(RawEncoder::new(*options)),
            Self::Parquet(options) => Box::new(ParquetEncoder::new(schema, *options)?),
        })
    }
}

/// The options of `json`, or of `debezium-json`, which can only be written.
fn json_options(reader: &mut OptionReader<'_>, format: &str) -> Result<JsonOptions, Failure> {
    let key = |name: &str| format!("{format}.{name}");
    let style = reader.word(&key("timestamp-format.standard"), &["SQL", "ISO-8601"])?;
    let mode = key("map-null-key.mode");
    if reader.word(&mode, &["FAIL", "DROP", "LITERAL"])? != "FAIL" {
        return Err(reader.wrong(&mode, "maps never have null keys: making such a map fails"));
    }
    reader.text(&key("map-null-key.literal"));
    // There is one way of reading.
    reader.optional::<bool>(&key("decode.json-parser.enabled"))?;
    let options = JsonOptions {
        timestamps: if style == "SQL" { TimestampStyle::Sql } else { TimestampStyle::Iso8601 },
        ignore_parse_errors: reader.get(&key("ignore-parse-errors"), false)?,
        fail_on_missing_field: format == "json" && reader.get(&key("fail-on-missing-field"), false)?,
        ignore_null_fields: reader.get(&key("encode.ignore-null-fields"), false)?,
        plain_decimals: reader.get(&key("encode.decimal-as-plain-number"), false)?,
    };
    if options.fail_on_missing_field && options.ignore_parse_errors {
        let problem = "is not possible with 'json.ignore-parse-errors', which makes null of what cannot be read";
        return Err(reader.wrong("json.fail-on-missing-field", problem));
    }
    if options.ignore_parse_errors && format == "debezium-json" {
        return Err(reader.wrong(&key("ignore-parse-errors"), "the format can only be written, so nothing is parsed"));
    }
    Ok(options)
}

fn csv_options(reader: &mut OptionReader<'_>) -> Result<CsvOptions, Failure> {
    let quote = reader.character("csv.quote-character")?;
    let unquoted = reader.get("csv.disable-quote-character", false)?;
    if unquoted && quote.is_some() {
        return Err(reader.wrong("csv.quote-character", "is not possible with 'csv.disable-quote-character'"));
    }
    let default = CsvOptions::default();
    let array_element_delimiter = reader.text("csv.array-element-delimiter").unwrap_or(default.array_element_delimiter);
    if array_element_delimiter.is_empty() {
        return Err(reader.wrong("csv.array-element-delimiter", "is empty"));
    }
    let delimiter = reader.character("csv.field-delimiter")?.unwrap_or(default.delimiter);
    let quote = if unquoted { None } else { quote.or(default.quote) };
    let escape = reader.character("csv.escape-character")?;
    for (name, character) in
        [("csv.field-delimiter", Some(delimiter)), ("csv.quote-character", quote), ("csv.escape-character", escape)]
    {
        if matches!(character, Some(b'\n' | b'\r')) {
            return Err(reader.wrong(name, "is what ends a line"));
        }
    }
    if [quote, escape].contains(&Some(delimiter)) {
        return Err(reader.wrong("csv.field-delimiter", "is the quote or escape character, too"));
    }
    Ok(CsvOptions {
        delimiter,
        quote,
        escape,
        null_literal: reader.text("csv.null-literal"),
        array_element_delimiter,
        scientific_decimals: reader.get("csv.write-bigdecimal-in-scientific-notation", true)?,
        ignore_parse_errors: reader.get("csv.ignore-parse-errors", false)?,
        allow_comments: reader.get("csv.allow-comments", false)?,
    })
}

fn raw_options(reader: &mut OptionReader<'_>) -> Result<RawOptions, Failure> {
    let charset = match reader.word("raw.charset", &["UTF-8", "ISO-8859-1", "US-ASCII"])? {
        "ISO-8859-1" => Charset::Latin1,
        "US-ASCII" => Charset::Ascii,
        _ => Charset::Utf8,
    };
    let endianness = match reader.word("raw.endianness", &["big-endian", "little-endian"])? {
        "little-endian" => Endianness::Little,
        _ => Endianness::Big,
    };
    Ok(RawOptions { charset, endianness })
}

fn parquet_options(reader: &mut OptionReader<'_>) -> Result<ParquetOptions, Failure> {
    let codec = match reader.word("parquet.compression", &["SNAPPY", "ZSTD", "LZ4_RAW", "UNCOMPRESSED"])? {
        "ZSTD" => Codec::Zstd,
        "LZ4_RAW" => Codec::Lz4,
        "UNCOMPRESSED" => Codec::Uncompressed,
        _ => Codec::Snappy,
    };
    // Flink writes INT96 in the time zone of its machine unless told otherwise.
    for (name, problem) in [
        ("parquet.utc-timezone", "timestamps are always written in UTC"),
        ("parquet.write.int64.timestamp", "timestamps are always written as INT64; as INT96 they are only read"),
    ] {
        if reader.optional(name)? == Some(false) {
            return Err(reader.wrong(name, problem));
        }
    }
    let unit = "parquet.timestamp.time.unit";
    let time_unit = match reader.text(unit).map(|_| reader.word(unit, &["micros", "millis", "nanos"])).transpose()? {
        Some("millis") => Some(TimeUnit::Millisecond),
        Some("nanos") => Some(TimeUnit::Nanosecond),
        Some(_) => Some(TimeUnit::Microsecond),
        None => None,
    };
    Ok(ParquetOptions { codec, time_unit })
}
