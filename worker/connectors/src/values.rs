//! The `values` source: the rows that stand in the option `rows`, for tests and demonstrations.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use dataflow::{OpenContext, Snapshot, Source, SourceEvent, SplitId};
use formats::{
    Column, Decoder, TimestampStyle,
    json::{JsonDecoder, JsonOptions},
};
use graph::{ChangelogMode, SourceCapabilities, TableSpec, operator::SourceSpec};
use model::{Batch, Failure, batch::ROWS_TARGET};

use crate::{
    Environment,
    options::OptionReader,
    registry::{Descriptor, SourceEntry},
};

pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    name: "values",
    source: Some(SourceEntry { capabilities, enumerate: None, build, metadata: &[] }),
    sink: None,
};

const STATE: &str = "values-position";
const SPLIT: &str = "values";

/// The rows as JSON objects, one a line.
fn rows(table: &TableSpec) -> Result<Vec<String>, Failure> {
    let mut reader = OptionReader::new(table);
    let text: String = reader.required("rows", "the rows as a JSON array of arrays")?;
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(&text)
        .map_err(|error| reader.wrong("rows", format_args!("is not a JSON array of arrays: {error}")))?;
    let names: Vec<&str> = table.schema.fields.iter().map(|field| field.name.as_str()).collect();
    let mut lines = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        if row.len() != names.len() {
            let (index, found, wanted) = (index + 1, row.len(), names.len());
            return Err(reader.wrong("rows", format_args!("row {index} has {found} values for {wanted} columns")));
        }
        let object: serde_json::Map<_, _> =
            names.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        lines.push(serde_json::Value::Object(object).to_string());
    }
    reader.finish()?;
    Ok(lines)
}

fn decode(table: &TableSpec, columns: &[Column]) -> Result<RecordBatch, Failure> {
    let options = JsonOptions { timestamps: TimestampStyle::Either, ..JsonOptions::default() };
    let lines = rows(table)?;
    let mut decoder = JsonDecoder::new(columns, options).map_err(|failure| failure.at(&table.name))?;
    for (index, line) in lines.iter().enumerate() {
        decoder.decode(line.as_bytes(), true, usize::MAX).map_err(|malformed| {
            let (name, row, problem) = (&table.name, index + 1, malformed.message);
            Failure::user(format!("table {name}: option 'rows': row {row}: {problem}"))
        })?;
    }
    decoder.take()
}

fn capabilities(table: &TableSpec) -> Result<SourceCapabilities, Failure> {
    let columns: Vec<_> =
        table.schema.fields.iter().map(|field| Column::new(&field.name, field.data_type.clone())).collect();
    decode(table, &columns)?;
    Ok(SourceCapabilities { bounded: true, changelog: ChangelogMode::APPEND })
}

fn build(spec: &SourceSpec, context: &mut OpenContext, _: &Environment) -> Result<Box<dyn Source>, Failure> {
    let batch = decode(&spec.table, &crate::output_columns(spec))?;
    // One subtask reads; the rows are few.
    let reads = context.subtask == 0;
    let position = match context.restored(STATE) {
        _ if !reads => batch.num_rows(),
        [] => 0,
        [item, ..] => decode_position(&item.0).ok_or_else(|| {
            Failure::data(format!("operator {}: the position in the snapshot is malformed", context.uid))
        })?,
    };
    Ok(Box::new(Values { position: position.min(batch.num_rows()), reads, batch, ended: false }))
}

fn encode_position(position: usize) -> Vec<u8> {
    (position as u64).to_le_bytes().to_vec()
}

fn decode_position(stored: &[u8]) -> Option<usize> {
    stored.try_into().ok().map(|bytes| u64::from_le_bytes(bytes) as usize)
}

struct Values {
    batch: RecordBatch,
    position: usize,
    /// Whether this is the subtask that reads.
    reads: bool,
    ended: bool,
}

#[async_trait]
impl Source for Values {
    async fn poll(&mut self) -> Result<SourceEvent, Failure> {
        let left = self.batch.num_rows() - self.position;
        if left > 0 {
            let rows = self.batch.slice(self.position, left.min(ROWS_TARGET));
            self.position += rows.num_rows();
            return Ok(SourceEvent::Batch { split: Arc::from(SPLIT), batch: Batch::append(rows) });
        }
        if std::mem::replace(&mut self.ended, true) {
            return Ok(SourceEvent::End);
        }
        Ok(SourceEvent::SplitFinished(Arc::from(SPLIT)))
    }

    fn splits(&self) -> Vec<SplitId> {
        if self.position < self.batch.num_rows() { vec![Arc::from(SPLIT)] } else { Vec::new() }
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        if self.reads {
            snapshot.add(STATE, encode_position(self.position));
        }
        Ok(())
    }

    fn skipped_rows(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod frozen;

#[cfg(test)]
mod tests {
    use model::DataType;

    use super::*;
    use crate::testing::{environment, read_with_restores, source_of, table_of};

    fn table(rows: &str) -> TableSpec {
        let nested = DataType::Row(vec![model::Field::new("x", DataType::BigInt)]);
        table_of(
            &[("a", DataType::Int), ("b", DataType::String), ("r", nested), ("t", DataType::Timestamp(3))],
            &[("connector", "values"), ("rows", rows)],
        )
    }

    const ROWS: &str = r#"[[1, "x", {"x": 7}, "2026-01-01 00:00:01"], [2, null, null, "2026-01-01T00:00:02.5"]]"#;

    #[tokio::test]
    async fn each_row_is_given_once_at_any_parallelism() {
        let columns = [("r.x", DataType::BigInt), ("b", DataType::String), ("t", DataType::Timestamp(3))];
        let spec = source_of(table(ROWS), &columns);
        let expected = ["7|x|2026-01-01T00:00:01", "null|null|2026-01-01T00:00:02.500"];
        assert_eq!(read_with_restores(&spec, &environment(), &[], 1).await, expected);
        // The first subtask has not begun at the first snapshot, and is done at the second.
        assert_eq!(read_with_restores(&spec, &environment(), &[(2, 1), (3, 1)], 2).await, expected);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (r#"[[1]]"#, "table t: option 'rows': row 1 has 1 values for 4 columns"),
            (r#"{}"#, "table t: option 'rows': is not a JSON array of arrays: "),
            (r#"[["x", "", null, null]]"#, "table t: option 'rows': row 1: field 'a': 'x' is not a INT"),
        ];
        for (rows, expected) in cases {
            let failure = crate::catalog().source(&table(rows)).expect_err(expected);
            assert!(failure.message.starts_with(expected), "{failure}");
        }
        let failure = crate::catalog().source(&crate::testing::table("t", &[("connector", "values")])).unwrap_err();
        assert_eq!(
            failure.message,
            "table t: connector 'values' needs the option 'rows': the rows as a JSON array of arrays"
        );
    }
}
