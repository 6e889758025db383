//! `INT96`, the older form of timestamps in files, which Flink writes unless it is told otherwise. It has all years, but
//! the reader makes nanoseconds in 64 bits of it, which wrap around before 1677 and after 2262.

use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, FieldRef, Schema, TimeUnit};
use model::{DataType, Failure, timestamp};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    basic::Type,
    file::metadata::ParquetMetaData,
};

use super::guarded;
use crate::Column;

/// Options by which such timestamps are read as microseconds, unless nanoseconds are wanted of them.
pub(super) fn reader_options(
    metadata: &Arc<ParquetMetaData>,
    columns: &[Column],
) -> Result<ArrowReaderOptions, Failure> {
    let leaves = metadata.file_metadata().schema_descr();
    let is_int96 = |leaf: usize| leaf < leaves.num_columns() && leaves.column(leaf).physical_type() == Type::INT96;
    if !(0..leaves.num_columns()).any(is_int96) {
        return Ok(ArrowReaderOptions::new());
    }
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let known = guarded(|| ArrowReaderMetadata::try_new(Arc::clone(metadata), plain))?;
    let mut leaf = 0;
    let fields = known.schema().fields().iter().map(|field| {
        let wanted = columns.iter().filter(|column| column.path.first() == Some(field.name()));
        let is_fine = wanted.into_iter().any(|column| has_nanoseconds(&column.data_type));
        with_microseconds(field, &mut leaf, &|leaf| is_int96(leaf) && !is_fine)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    Ok(ArrowReaderOptions::new().with_schema(Arc::new(schema)))
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
    use model::timestamp::instant_at;
    use parquet::{
        data_type::{Int96, Int96Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };
    use values::calendar::{DAY_MILLIS, Date};

    use super::super::Footer;
    use super::*;

    /// A file with days at noon.
    fn file(dates: &[Date]) -> Bytes {
        const JULIAN_1970: i64 = 2_440_588;
        const NOON_NANOS: u64 = 43_200_000_000_000;
        let value = |date: &Date| {
            let mut value = Int96::new();
            let day = u32::try_from(date.days() + JULIAN_1970).unwrap();
            value.set_data((NOON_NANOS & 0xFFFF_FFFF) as u32, (NOON_NANOS >> 32) as u32, day);
            value
        };
        let values: Vec<Int96> = dates.iter().map(value).collect();
        let schema = Arc::new(parse_message_type("message m { REQUIRED INT96 t; }").unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int96Type>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn all_years_are_read() {
        let days = [(1, 1, 1), (1677, 1, 1), (1970, 1, 1), (2263, 1, 1), (9999, 12, 31)];
        let dates = days.map(|(year, month, day)| Date { year, month, day });
        let file = file(&dates);
        for data_type in [DataType::Timestamp(3), DataType::Timestamp(6), DataType::TimestampLtz(0)] {
            let columns = [Column::new("t", data_type.clone())];
            let footer = Footer::parse(&file, file.len() as u64, &columns).unwrap().ok().unwrap();
            let mut group = footer.row_group(0);
            for range in group.ranges() {
                group.add(range.clone(), file.slice(range.start as usize..range.end as usize));
            }
            let rows = group.open(0).unwrap().next(10).unwrap().unwrap();
            for (row, date) in dates.iter().enumerate() {
                let read = instant_at(rows.column(0), row).unwrap();
                assert_eq!(read.millis, date.days() * DAY_MILLIS + DAY_MILLIS / 2, "{data_type} {date:?}");
            }
        }
    }
}
