//! `INT96`, the older form of timestamps in files, which Flink writes by default. It has all years, but
//! the reader makes 64-bit integers of it, and nanoseconds wrap around before 1677 and after 2262. So it is read as
//! microseconds, and once more as nanoseconds where a column wants these: together they are the value.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray},
    datatypes::{
        DataType as Arrow, FieldRef, Fields, Schema, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
    },
};
use model::{DataType, Failure, Instant, timestamp};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    },
    basic::Type,
    file::metadata::ParquetMetaData,
};

use super::guarded;
use crate::Column;

/// How a file is read once more for the nanoseconds of its `INT96` values.
#[derive(Clone)]
pub(super) struct Nanoseconds {
    pub(super) metadata: ArrowReaderMetadata,
    /// The columns that want them.
    pub(super) mask: ProjectionMask,
}

/// How a file is read, with `INT96` as microseconds; and once more, if nanoseconds are wanted of it.
///
/// # Errors
/// Class `Data` if the file is damaged.
pub(super) fn readings(
    metadata: Arc<ParquetMetaData>,
    columns: &[Column],
) -> Result<(ArrowReaderMetadata, Option<Nanoseconds>), Failure> {
    let opened = |options| guarded(|| ArrowReaderMetadata::try_new(Arc::clone(&metadata), options));
    let leaves = metadata.file_metadata().schema_descr();
    let is_int96 = |leaf: usize| leaf < leaves.num_columns() && leaves.column(leaf).physical_type() == Type::INT96;
    if !(0..leaves.num_columns()).any(is_int96) {
        return Ok((opened(ArrowReaderOptions::new())?, None));
    }
    let nanoseconds = opened(ArrowReaderOptions::new().with_skip_arrow_metadata(true))?;
    let mut leaf = 0;
    let fields = nanoseconds.schema().fields().iter().map(|field| with_microseconds(field, &mut leaf, &is_int96));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let microseconds = opened(ArrowReaderOptions::new().with_schema(Arc::new(schema)))?;
    let fine: Vec<String> =
        columns.iter().filter(|column| has_nanoseconds(&column.data_type)).map(Column::name).collect();
    let mask = ProjectionMask::columns(nanoseconds.parquet_schema(), fine.iter().map(String::as_str));
    let again = (!fine.is_empty()).then_some(Nanoseconds { metadata: nanoseconds, mask });
    Ok((microseconds, again))
}

/// The columns with microseconds, made exact by those among them that were also read as nanoseconds.
///
/// # Errors
/// Class `Data` if the two do not have the same rows.
pub(super) fn exact(microseconds: &RecordBatch, nanoseconds: &RecordBatch) -> Result<RecordBatch, Failure> {
    if microseconds.num_rows() != nanoseconds.num_rows() {
        return Err(super::damaged("a column ends early"));
    }
    let schema = microseconds.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(microseconds.columns()) {
        let column = match nanoseconds.column_by_name(field.name()) {
            Some(fine) => exact_values(column, fine)?,
            None => Arc::clone(column),
        };
        fields.push(retyped(field, &column));
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(microseconds.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
}

fn exact_values(micros: &ArrayRef, nanos: &ArrayRef) -> Result<ArrayRef, Failure> {
    Ok(match (micros.data_type(), nanos.data_type()) {
        (Arrow::Timestamp(TimeUnit::Microsecond, _), Arrow::Timestamp(TimeUnit::Nanosecond, _)) => {
            joined(micros, nanos)?
        }
        (Arrow::Struct(fields), Arrow::Struct(_)) => {
            let (row, fine) = (micros.as_struct(), nanos.as_struct());
            let columns =
                fields.iter().zip(row.columns()).map(|(field, column)| match fine.column_by_name(field.name()) {
                    Some(fine) => exact_values(column, fine),
                    None => Ok(Arc::clone(column)),
                });
            let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
            let fields: Fields = fields.iter().zip(&columns).map(|(field, column)| retyped(field, column)).collect();
            Arc::new(StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?)
        }
        (Arrow::List(item), Arrow::List(_)) => {
            let list = micros.as_list::<i32>();
            let values = exact_values(list.values(), nanos.as_list::<i32>().values())?;
            let item = retyped(item, &values);
            Arc::new(ListArray::try_new(item, list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (Arrow::Map(entry, sorted), Arrow::Map(..)) => {
            let map = micros.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let fine: ArrayRef = Arc::new(nanos.as_map().entries().clone());
            let entries = exact_values(&entries, &fine)?;
            let entry = retyped(entry, &entries);
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(entry, offsets, entries.as_struct().clone(), nulls, *sorted)?)
        }
        _ => Arc::clone(micros),
    })
}

/// Timestamps of 128 bits, of microseconds and of nanoseconds that may have wrapped around.
fn joined(micros: &ArrayRef, nanos: &ArrayRef) -> Result<ArrayRef, Failure> {
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let nanos = nanos.as_primitive::<TimestampNanosecondType>();
    if micros.len() != nanos.len() {
        return Err(super::damaged("a column ends early"));
    }
    let values = micros.iter().zip(nanos.values()).map(|(micros, nanos)| {
        let micros = micros?;
        let within = nanos.wrapping_sub(micros.wrapping_mul(1000));
        Some(Instant::of_nanos(i128::from(micros) * 1000 + i128::from(within)))
    });
    timestamp::column(values, &DataType::Timestamp(9).to_arrow())
}

fn retyped(field: &FieldRef, column: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
}

fn has_nanoseconds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Row(fields) => fields.iter().any(|field| has_nanoseconds(&field.data_type)),
        DataType::Array(item) | DataType::Multiset(item) | DataType::NotNull(item) => has_nanoseconds(item),
        DataType::Map(key, value) => has_nanoseconds(key) || has_nanoseconds(value),
        other => timestamp::is_wide(&other.to_arrow()).is_some(),
    }
}

/// The field with the leaves that are asked for as microseconds; `leaf` counts them.
fn with_microseconds(field: &FieldRef, leaf: &mut usize, which: &dyn Fn(usize) -> bool) -> FieldRef {
    let mut inner = |field: &FieldRef| with_microseconds(field, leaf, which);
    let data_type = match field.data_type() {
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(inner).collect()),
        Arrow::List(item) => Arrow::List(inner(item)),
        Arrow::Map(entry, sorted) => Arrow::Map(inner(entry), *sorted),
        other => {
            *leaf += 1;
            if which(*leaf - 1) { Arrow::Timestamp(TimeUnit::Microsecond, None) } else { other.clone() }
        }
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::{Field, timestamp::instant_at};
    use parquet::{
        data_type::{Int96, Int96Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };
    use values::calendar::{DAY_MILLIS, Date};

    use super::super::Footer;
    use super::*;

    /// So many nanoseconds after midnight.
    const CLOCK: i64 = 43_200_123_456_789;

    /// A file with days at noon and a bit.
    fn file(dates: &[Date]) -> Bytes {
        const JULIAN_1970: i64 = 2_440_588;
        let value = |date: &Date| {
            let mut value = Int96::new();
            let day = u32::try_from(date.days() + JULIAN_1970).unwrap();
            value.set_data((CLOCK & 0xFFFF_FFFF) as u32, (CLOCK >> 32) as u32, day);
            value
        };
        let values: Vec<Int96> = dates.iter().map(value).collect();
        let levels = vec![1; values.len()];
        let message = "message m { REQUIRED INT96 t; REQUIRED GROUP r { OPTIONAL INT96 x; REQUIRED INT96 y; } }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for definitions in [None, Some(levels.as_slice()), None] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int96Type>().write_batch(&values, definitions, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn all_years_are_read_in_every_precision() {
        let days = [(1, 1, 1), (1677, 1, 1), (1970, 1, 1), (2263, 1, 1), (9999, 12, 31)];
        let dates = days.map(|(year, month, day)| Date { year, month, day });
        let file = file(&dates);
        let types = [DataType::Timestamp, DataType::TimestampLtz];
        for (precision, kept) in [(0, 0), (3, 123_000_000), (6, 123_456_000), (8, 123_456_780), (9, 123_456_789)] {
            for of in types {
                let row = DataType::Row(vec![Field::new("y", of(precision)), Field::new("x", of(precision))]);
                let columns = [
                    Column::new("t", of(precision)),
                    Column::new("r", row),
                    Column { path: vec!["r".to_owned(), "x".to_owned()], data_type: of(precision) },
                ];
                let footer = Footer::parse(&file, file.len() as u64, &columns).unwrap().ok().unwrap();
                let mut group = footer.row_group(0);
                for range in group.ranges() {
                    group.add(range.clone(), file.slice(range.start as usize..range.end as usize));
                }
                let rows = group.open(1).unwrap().next(10).unwrap().unwrap();
                let nested = rows.column(1).as_struct();
                for (row, date) in dates[1..].iter().enumerate() {
                    let nanos = i128::from(date.days() * DAY_MILLIS + DAY_MILLIS / 2) * 1_000_000 + kept;
                    for column in [rows.column(0), nested.column(0), nested.column(1), rows.column(2)] {
                        let read = instant_at(column, row).unwrap();
                        assert_eq!(read.to_nanos(), nanos, "{} {date:?}", of(precision));
                    }
                }
            }
        }
    }
}
