//! Dead letters: records that no result has become rows of a table, committed with the checkpoint like any other.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StringArray, StructArray},
    datatypes::{DataType as Arrow, Field, FieldRef},
    json::{WriterBuilder, writer::LineDelimited},
};
use graph::{TableSpec, dead_letter::Column};
use model::{Batch, Failure, timestamp};
use values::datetime::timestamp_text;

use crate::{Rejected, chain::SinkLink};

/// The name of the operator state that holds the uncommitted dead letters of a task.
pub const DEAD_LETTERS: &str = "dead-letters";

/// Where the dead letters of one task go.
pub struct DeadLetters {
    pub(crate) link: SinkLink,
    schema: arrow::datatypes::SchemaRef,
    columns: Vec<Column>,
}

impl DeadLetters {
    /// Dead letters into the sink of a table.
    ///
    /// # Errors
    /// If the table's columns are not those of dead letters.
    pub fn new(table: &TableSpec, link: SinkLink) -> Result<Self, Failure> {
        Ok(Self { link, schema: table.schema.to_arrow(), columns: graph::dead_letter::columns(table)? })
    }

    /// Writes records that a source could not read.
    ///
    /// # Errors
    /// If the sink fails.
    pub async fn malformed(&mut self, operator: &str, records: &[Rejected]) -> Result<(), Failure> {
        let columns = self.columns.iter().map(|column| -> ArrayRef {
            Arc::new(match column {
                Column::Reason => constant("malformed", records.len()),
                Column::Operator => constant(operator, records.len()),
                Column::Place => StringArray::from_iter_values(records.iter().map(|record| &record.place)),
                Column::Message => StringArray::from_iter_values(records.iter().map(|record| &record.message)),
                Column::Record => {
                    let text = |record: &Rejected| String::from_utf8_lossy(&record.record).into_owned();
                    StringArray::from_iter_values(records.iter().map(text))
                }
            })
        });
        let columns = columns.collect();
        self.write(columns).await
    }

    /// Writes rows that came too late for an operator.
    ///
    /// # Errors
    /// If the sink fails, or a row has no form as JSON.
    pub async fn late(&mut self, operator: &str, rows: &Batch) -> Result<(), Failure> {
        let columns = self.columns.iter().map(|column| -> Result<ArrayRef, Failure> {
            Ok(Arc::new(match column {
                Column::Reason => constant("late", rows.rows()),
                Column::Operator => constant(operator, rows.rows()),
                Column::Place => StringArray::new_null(rows.rows()),
                Column::Message => constant("came behind the watermark, or has no time", rows.rows()),
                // Some rows have no JSON form: maps whose keys are no texts.
                Column::Record => match objects(rows.columns()) {
                    Ok(text) => StringArray::from(text.lines().collect::<Vec<_>>()),
                    Err(_) => StringArray::new_null(rows.rows()),
                },
            }))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        self.write(columns).await
    }

    async fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), Failure> {
        self.link.sink.write(Batch::append(RecordBatch::try_new(self.schema.clone(), columns)?)).await
    }
}

fn constant(text: &str, rows: usize) -> StringArray {
    StringArray::from_iter_values(std::iter::repeat_n(text, rows))
}

/// Each row as a JSON object, one a line.
fn objects(rows: &RecordBatch) -> Result<String, Failure> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        let column = legible(column)?;
        Ok((retyped(field, &column), column))
    });
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) =
        columns.collect::<Result<Vec<_>, Failure>>()?.into_iter().unzip();
    writer.write(&RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)?)?;
    writer.finish()?;
    String::from_utf8(writer.into_inner()).map_err(|error| Failure::internal(format!("dead letters: {error}")))
}

/// A column whose timestamps of 128 bits, which are none to arrow, are text.
fn legible(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    Ok(match array.data_type() {
        Arrow::Struct(fields) => {
            let row = array.as_struct();
            let columns = row.columns().iter().map(legible).collect::<Result<Vec<_>, _>>()?;
            let fields = fields.iter().zip(&columns).map(|(field, column)| retyped(field, column)).collect();
            Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?)
        }
        Arrow::List(item) => {
            let list = array.as_list::<i32>();
            let items = legible(list.values())?;
            let item = retyped(item, &items);
            Arc::new(ListArray::try_new(item, list.offsets().clone(), items, list.nulls().cloned())?)
        }
        Arrow::Map(entry, sorted) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = legible(&entries)?;
            let entry = retyped(entry, &entries);
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(entry, offsets, entries.as_struct().clone(), nulls, *sorted)?)
        }
        other => match timestamp::is_wide(other) {
            None => Arc::clone(array),
            Some(is_instant) => {
                let texts = (0..array.len())
                    .map(|row| timestamp::instant_at(array.as_ref(), row).map(|time| timestamp_text(time, is_instant)));
                Arc::new(texts.collect::<StringArray>())
            }
        },
    })
}

fn retyped(field: &FieldRef, column: &ArrayRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(column.data_type().clone()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use arrow::array::{Int64Array, TimestampMillisecondArray};
    use async_trait::async_trait;
    use model::{DataType, Field, Instant, Schema};

    use super::*;
    use crate::{Committable, Sink, not_null::NotNull};

    /// Keeps what is written, each row as its values with bars between.
    struct Kept(Arc<Mutex<Vec<String>>>);

    #[async_trait]
    impl Sink for Kept {
        async fn write(&mut self, batch: Batch) -> Result<(), Failure> {
            use arrow::array::{Array, AsArray};
            let columns: Vec<_> = batch.columns().columns().iter().map(|column| column.as_string::<i32>()).collect();
            let value =
                |column: &StringArray, row| if column.is_null(row) { "null" } else { column.value(row) }.to_owned();
            let rows = (0..batch.rows()).map(|row| columns.iter().map(|column| value(column, row)).collect::<Vec<_>>());
            self.0.lock().expect("one thread").extend(rows.map(|row| row.join("|")));
            Ok(())
        }

        async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
            Ok(Vec::new())
        }

        async fn commit(&mut self, _: &[Committable]) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn records_are_text_and_late_rows_json_in_the_columns_of_the_table() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let names = ["record", "reason", "place", "operator"];
        let table = TableSpec {
            name: "rejected".to_owned(),
            schema: Schema::new(names.map(|name| Field::new(name, DataType::String)).to_vec()),
            options: [("connector".to_owned(), "print".to_owned())].into(),
            ..TableSpec::default()
        };
        let sink = Box::new(Kept(Arc::clone(&kept)));
        let not_null = NotNull::default();
        let link = SinkLink { uid: "source".to_owned(), sink, not_null, pending: Vec::new(), list: DEAD_LETTERS };
        let mut letters = DeadLetters::new(&table, link).expect("columns of dead letters");
        let rejected = Rejected { place: "f, line 2".to_owned(), message: "no".to_owned(), record: b"x\xFF".to_vec() };
        letters.malformed("source", &[rejected]).await.expect("room");
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1500), None]));
        let fine = [Some(Instant { millis: -62_135_596_800_000, nanos: 1 }), None];
        let fine = timestamp::column(fine.into_iter(), &DataType::TimestampLtz(9).to_arrow()).expect("timestamps");
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\nb", "c"]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(2)]));
        let rows =
            RecordBatch::try_from_iter([("t", times), ("f", fine), ("s", texts), ("n", numbers)]).expect("columns");
        letters.late("window", &Batch::append(rows)).await.expect("room");
        let expected = [
            "x\u{FFFD}|malformed|f, line 2|source",
            r#"{"t":"1970-01-01T00:00:01.500","f":"0001-01-01T00:00:00.000000001Z","s":"a\nb","n":null}|late|null|window"#,
            r#"{"t":null,"f":null,"s":"c","n":2}|late|null|window"#,
        ];
        assert_eq!(*kept.lock().expect("one thread"), expected);
    }
}
