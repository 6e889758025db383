//! The `nexmark` source: persons, auctions and bids of an online auction house, in one wide table.
//!
//! Event n is a pure function of the seed and n. Only the columns that are asked for are generated, and, where the
//! query has pushed `event_type = …` down, only the events of that type.

#![expect(clippy::cast_possible_wrap, reason = "lengths are bounded by a block; generated values wrap on purpose")]

mod columns;
mod event;
mod price;
mod text;
mod values;

#[cfg(test)]
mod tests;

use std::time::Duration;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use dataflow::{OpenContext, Source};
use graph::{ChangelogMode, Expr, SourceCapabilities, TableSpec, Value, operator::SourceSpec};
use model::Failure;

use crate::{
    Environment,
    generator::{Generate, GeneratorSource, Pace},
    options::OptionReader,
    registry::{Descriptor, SourceEntry},
};
use columns::Column;
use event::{Events, Kind, Shape};
use settings::ByteSize;
use values::Texts;

pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    name: "nexmark",
    source: Some(SourceEntry { capabilities, enumerate: None, build, metadata: &[] }),
    sink: None,
};

/// 2026-01-01 00:00:00: fixed, so that runs can be compared.
const BASE_TIME_DEFAULT: u64 = 1_767_225_600_000;

/// The source's options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pace: Pace,
    seed: u64,
    shape: Shape,
    person_size: u64,
    auction_size: u64,
    bid_size: u64,
    hot_auctions: u64,
    hot_bidders: u64,
    hot_sellers: u64,
}

impl Options {
    fn read(table: &TableSpec) -> Result<Self, Failure> {
        let mut reader = OptionReader::new(table);
        let total = reader.get("events.num", 0u64)?;
        let first_rate = positive(&mut reader, "first-event.rate", 10_000)?;
        let next_rate = positive(&mut reader, "next-event.rate", first_rate)?;
        reader.word("rate.shape", &["SQUARE"])?;
        let period = reader.get("rate.period", Duration::from_secs(600))?;
        let fastest = reader.get("max-emit-speed", true)?;
        let limited = reader.get("rate.limited", !fastest)?;
        for (name, only) in [("keep-alive", "false"), ("stop-at", "-1")] {
            // Known for Flink's sake, as far as they change nothing.
            if reader.optional::<String>(name)?.is_some_and(|value| value.trim() != only) {
                return Err(reader.wrong(name, format_args!("is only supported as {only}")));
            }
        }
        let rows_per_second = reader.rows_per_second()?;
        let options = Self {
            pace: Pace {
                total: (total > 0).then_some(total),
                per_second: rows_per_second.or(limited.then_some((first_rate + next_rate) as f64 / 2.0)),
            },
            seed: reader.get("seed", 0)?,
            shape: Shape {
                persons: positive(&mut reader, "person.proportion", 1)?,
                auctions: positive(&mut reader, "auction.proportion", 3)?,
                bids: reader.get("bid.proportion", 46)?,
                first_rate,
                next_rate,
                half_period_ms: u64::try_from(period.as_millis() / 2).unwrap_or(u64::MAX).max(1),
                base_ms: reader.get("base-time", BASE_TIME_DEFAULT)? as i64,
            },
            person_size: reader.get("person.avg-size", ByteSize(200))?.0,
            auction_size: reader.get("auction.avg-size", ByteSize(500))?.0,
            bid_size: reader.get("bid.avg-size", ByteSize(100))?.0,
            hot_auctions: positive(&mut reader, "bid.hot-ratio.auctions", 2)?,
            hot_bidders: positive(&mut reader, "bid.hot-ratio.bidders", 4)?,
            hot_sellers: positive(&mut reader, "auction.hot-ratio.sellers", 4)?,
        };
        for (name, size) in [
            ("person.avg-size", options.person_size),
            ("auction.avg-size", options.auction_size),
            ("bid.avg-size", options.bid_size),
        ] {
            if size > text::EXTRA_BYTES_MAX {
                return Err(reader.wrong(name, format_args!("must be at most {}", text::EXTRA_BYTES_MAX)));
            }
        }
        reader.finish()?;
        Ok(options)
    }
}

fn positive(reader: &mut OptionReader<'_>, name: &str, default: u64) -> Result<u64, Failure> {
    match reader.get(name, default)? {
        0 => Err(reader.wrong(name, "must be above 0")),
        // So that products of a few options stay within 64 bits.
        value if value > u64::from(u32::MAX) => Err(reader.wrong(name, "is too large")),
        value => Ok(value),
    }
}

fn capabilities(table: &TableSpec) -> Result<SourceCapabilities, Failure> {
    let options = Options::read(table)?;
    for field in &table.schema.fields {
        Column::resolve(std::slice::from_ref(&field.name), &field.data_type)
            .map_err(|failure| failure.at(format_args!("table {}", table.name)))?;
    }
    Ok(SourceCapabilities { bounded: options.pace.total.is_some(), changelog: ChangelogMode::APPEND })
}

fn build(spec: &SourceSpec, context: &mut OpenContext, _: &Environment) -> Result<Box<dyn Source>, Failure> {
    capabilities(&spec.table)?;
    let options = Options::read(&spec.table)?;
    let pace = options.pace;
    let generator = Generator::new(options, spec)?;
    Ok(Box::new(GeneratorSource::open(generator, pace, context)?))
}

/// Makes the wanted columns of the wanted events.
pub(crate) struct Generator {
    options: Options,
    only: Option<Kind>,
    columns: Vec<Column>,
    schema: SchemaRef,
    texts: Texts,
}

impl Generator {
    fn new(options: Options, spec: &SourceSpec) -> Result<Self, Failure> {
        let columns = spec
            .columns
            .iter()
            .map(|column| Column::resolve(&column.path, &column.data_type))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|failure| failure.at(format_args!("table {}", spec.table.name)))?;
        let texts = Texts::new(options.seed, &columns);
        let schema = formats::schema_of(&crate::output_columns(spec));
        Ok(Self { only: pushed_kind(spec), columns, schema, texts, options })
    }
}

impl Generate for Generator {
    // 1: bidders and the sizes of texts are Nexmark's own.
    const VERSION: u32 = 1;

    fn generate(&mut self, first: u64, count: usize) -> Result<RecordBatch, Failure> {
        let events = Events::new(&self.options.shape, first, count, self.only);
        let arrays: Vec<ArrayRef> =
            self.columns.iter().map(|column| column.generate(&events, &self.options, &self.texts)).collect();
        let row_count = RecordBatchOptions::new().with_row_count(Some(events.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &row_count)?)
    }
}

/// The one kind of event that the query needs, if a filter says so.
fn pushed_kind(spec: &SourceSpec) -> Option<Kind> {
    spec.filters.iter().find_map(|filter| kind_of(spec, filter))
}

fn kind_of(spec: &SourceSpec, filter: &Expr) -> Option<Kind> {
    let Expr::Call { function, args, .. } = filter else { return None };
    match (function.as_str(), args.as_slice()) {
        ("AND", args) => args.iter().find_map(|arg| kind_of(spec, arg)),
        ("=", [a, b]) => {
            let (column, literal) = match (uncast(a), uncast(b)) {
                (Expr::Column(column), Expr::Literal { value, .. })
                | (Expr::Literal { value, .. }, Expr::Column(column)) => (*column, value),
                _ => return None,
            };
            let Value::Integer(code) = literal else { return None };
            let path = &spec.columns.get(column)?.path;
            (path.len() == 1 && path[0] == columns::EVENT_TYPE).then(|| Kind::from_code(*code)).flatten()
        }
        _ => None,
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { of, .. } => uncast(of),
        other => other,
    }
}
