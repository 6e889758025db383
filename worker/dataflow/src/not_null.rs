//! What a table says of its columns holds for the rows that are written to it: where `NOT NULL` stands, no null comes.

use arrow::{
    array::{Array, BooleanArray},
    buffer::NullBuffer,
};
use graph::TableSpec;
use model::{Batch, Failure};
use settings::{Settings, keys, value::NotNullEnforcer};

/// The `NOT NULL` columns of a sink's table.
#[derive(Debug, Default)]
pub struct NotNull {
    table: String,
    /// Position and name.
    columns: Vec<(usize, String)>,
    drops_rows: bool,
}

impl NotNull {
    /// Those of a table; `table.exec.sink.not-null-enforcer` says what becomes of a row with a null.
    pub fn new(table: &TableSpec, settings: &Settings) -> Self {
        let columns = table.schema.fields.iter().enumerate().filter(|(_, field)| !field.nullable);
        Self {
            table: table.name.clone(),
            columns: columns.map(|(position, field)| (position, field.name.clone())).collect(),
            drops_rows: settings.get(&keys::NOT_NULL_ENFORCER) == NotNullEnforcer::Drop,
        }
    }

    /// The rows that may be written.
    ///
    /// # Errors
    /// Class `Data`, naming table and column, if a row has a null and is not to be dropped.
    pub fn enforce(&self, batch: Batch) -> Result<Batch, Failure> {
        let mut complete: Option<NullBuffer> = None;
        for (position, name) in &self.columns {
            let column = batch.column(*position);
            if column.null_count() == 0 {
                continue;
            }
            if !self.drops_rows {
                return Err(Failure::data(format!(
                    "table '{}': column '{name}' is NOT NULL, and a null is written to it; with '{}' = 'DROP' such rows are \
                     left out",
                    self.table,
                    keys::NOT_NULL_ENFORCER.name
                )));
            }
            complete = NullBuffer::union(complete.as_ref(), column.logical_nulls().as_ref());
        }
        match complete {
            None => Ok(batch),
            Some(complete) => batch.filter(&BooleanArray::new(complete.into_inner(), None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch};
    use model::{DataType, ErrorClass, Field, Schema};

    use super::*;

    fn enforced(option: &str) -> Result<usize, Failure> {
        let mut schema = Schema::new(vec![Field::new("value", DataType::Int), Field::new("key", DataType::Int)]);
        let rows = |values: Vec<Option<i32>>| Arc::new(Int32Array::from(values)) as ArrayRef;
        let columns = vec![rows(vec![None, Some(1), None]), rows(vec![Some(1), None, Some(3)])];
        let batch = RecordBatch::try_new(schema.to_arrow(), columns)?;
        schema.fields[1].nullable = false;
        let table = TableSpec { name: "t".into(), schema, ..TableSpec::default() };
        let settings = Settings::from_map(&[(keys::NOT_NULL_ENFORCER.name.to_owned(), option.to_owned())].into())?;
        Ok(NotNull::new(&table, &settings).enforce(Batch::append(batch))?.rows())
    }

    #[test]
    fn a_null_is_an_error_or_its_row_is_left_out() {
        let failure = enforced("ERROR").expect_err("there is a null");
        assert_eq!(failure.class, ErrorClass::Data);
        assert!(failure.message.contains("table 't': column 'key' is NOT NULL"), "{failure}");
        assert_eq!(enforced("drop").expect("rows are left out"), 2);
    }
}
