//! The `datagen` source: random or counted values for each column, with Flink's options.
//!
//! Row n is a pure function of the seed and n; see [`crate::generator`].

mod column;
mod plan;

#[cfg(test)]
mod tests;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use dataflow::{OpenContext, Source};
use graph::{ChangelogMode, SourceCapabilities, TableSpec, operator::SourceSpec};
use model::Failure;

use crate::{
    Environment,
    generator::{Generate, GeneratorSource, Pace},
    options::OptionReader,
    registry::{Descriptor, SourceEntry},
};
use column::{Clocked, ColumnPlan};

pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    name: "datagen",
    source: Some(SourceEntry { capabilities, enumerate: None, build, metadata: &[] }),
    sink: None,
};

const ROWS_PER_SECOND_DEFAULT: u64 = 10_000;

/// What a table's options say.
struct Plan {
    columns: Vec<ColumnPlan>,
    pace: Pace,
}

impl Plan {
    fn read(table: &TableSpec) -> Result<Self, Failure> {
        let mut reader = OptionReader::new(table);
        let rate = reader.get("rows-per-second", ROWS_PER_SECOND_DEFAULT)?;
        let rows = reader.optional::<u64>("number-of-rows")?;
        let seed = reader.get("seed", 0u64)?;
        let columns = table
            .schema
            .fields
            .iter()
            .enumerate()
            .map(|(index, field)| ColumnPlan::read(&mut reader, field, seed, index as u64))
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        // The source ends with the shortest sequence.
        let total = columns.iter().filter_map(ColumnPlan::length).chain(rows).min();
        // As in Flink, 0 means as fast as can be.
        Ok(Self { columns, pace: Pace { total, per_second: (rate > 0).then_some(rate as f64) } })
    }
}

fn capabilities(table: &TableSpec) -> Result<SourceCapabilities, Failure> {
    let plan = Plan::read(table)?;
    Ok(SourceCapabilities { bounded: plan.pace.total.is_some(), changelog: ChangelogMode::APPEND })
}

fn build(spec: &SourceSpec, context: &mut OpenContext, _: &Environment) -> Result<Box<dyn Source>, Failure> {
    let plan = Plan::read(&spec.table)?;
    let columns = spec
        .columns
        .iter()
        .map(|column| {
            let index = column.path.first().and_then(|name| spec.table.schema.index_of(name));
            index
                .and_then(|index| plan.columns[index].field(&column.path[1..]))
                .ok_or_else(|| Failure::internal(format!("table {} has no {:?}", spec.table.name, column.path)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let generator = DataGenerator {
        columns,
        schema: formats::schema_of(&crate::output_columns(spec)),
        clock: Clocked::new(context.clock.clone()),
    };
    Ok(Box::new(GeneratorSource::open(generator, plan.pace, context)?))
}

struct DataGenerator {
    columns: Vec<ColumnPlan>,
    schema: SchemaRef,
    clock: Clocked,
}

impl Generate for DataGenerator {
    const VERSION: u32 = 0;

    fn generate(&mut self, first: u64, count: usize) -> Result<RecordBatch, Failure> {
        let now = self.clock.now_ms();
        let arrays =
            self.columns.iter().map(|column| column.generate(first, count, now)).collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &rows)?)
    }
}
