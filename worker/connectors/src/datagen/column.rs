//! One column of generated values.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryBuilder, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapArray,
        StringBuilder, StructArray, UInt32Array, make_comparator, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{SortOptions, cast, nullif, take},
    datatypes::DataType as Arrow,
};
use dataflow::Clock;
use model::{DataType, Failure, Field, Instant, timestamp};

use super::plan::{random_values, sequence};
use crate::{options::OptionReader, random};

/// A batch of such values is still within arrow's limits.
const VALUE_BYTES_MAX: u64 = 256 << 10;
const DAY_MS: i64 = 86_400_000;

/// The subtask's processing time.
pub(super) struct Clocked(Arc<dyn Clock>);

impl Clocked {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(clock)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
}

/// How a column's values are made.
#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    data_type: DataType,
    draws: random::Field,
    null_draws: random::Field,
    null_rate: f64,
    values: Values,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    /// From the first number up to and with the last.
    Sequence {
        start: i64,
        end: i64,
    },
    Boolean,
    Long {
        min: i64,
        max: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    Decimal {
        min: i128,
        max: i128,
    },
    /// Hexadecimal digits.
    Text(Length),
    Bytes(Length),
    /// Processing time, less a random time.
    Now {
        past_max_ms: u64,
    },
    Row(Vec<(String, ColumnPlan)>),
    Array {
        item: Box<ColumnPlan>,
        length: u64,
    },
    Map {
        key: Box<ColumnPlan>,
        value: Box<ColumnPlan>,
        length: u64,
    },
}

/// How long texts and bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) max: u64,
    /// Whether they are of any length from 1 on.
    pub(super) varies: bool,
}

impl Length {
    /// The length of one of them.
    fn draw(self, random: &mut random::Sequence) -> u64 {
        if self.varies && self.max > 0 { 1 + random::wide_below(random.next(), self.max) } else { self.max }
    }
}

impl Values {
    /// About how many bytes one value takes.
    fn bytes(&self) -> u64 {
        match self {
            Self::Text(length) | Self::Bytes(length) => length.max,
            Self::Row(fields) => fields.iter().map(|(_, field)| field.values.bytes()).sum(),
            Self::Array { item, length } => item.values.bytes().saturating_mul(*length),
            Self::Map { key, value, length } => (key.values.bytes() + value.values.bytes()).saturating_mul(*length),
            _ => 16,
        }
    }
}

impl ColumnPlan {
    pub(super) fn read(reader: &mut OptionReader<'_>, field: &Field, seed: u64, index: u64) -> Result<Self, Failure> {
        Self::read_at(reader, &format!("fields.{}", field.name), &field.data_type, seed, index)
    }

    pub(super) fn read_at(
        reader: &mut OptionReader<'_>,
        prefix: &str,
        data_type: &DataType,
        seed: u64,
        index: u64,
    ) -> Result<Self, Failure> {
        let name = |option: &str| format!("{prefix}.{option}");
        let kind = reader.word(&name("kind"), &["random", "sequence"])?;
        let null_rate = reader.get(&name("null-rate"), 0.0f64)?;
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(reader.wrong(&name("null-rate"), "must be from 0 to 1"));
        }
        let values = if kind == "sequence" {
            sequence(reader, prefix, data_type)?
        } else {
            random_values(reader, prefix, data_type, seed, index)?
        };
        let bytes = values.bytes();
        if bytes > VALUE_BYTES_MAX {
            let name = name("length");
            return Err(reader.wrong(&name, format_args!("makes values of {bytes} bytes; {VALUE_BYTES_MAX} may be")));
        }
        let draws = random::Field::new(seed, index * 2);
        let null_draws = random::Field::new(seed, index * 2 + 1);
        Ok(Self { data_type: data_type.clone(), draws, null_draws, null_rate, values })
    }

    /// Whether some values are null.
    pub(super) fn has_nulls(&self) -> bool {
        self.null_rate > 0.0
    }

    /// How many rows there can be.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.values {
            Values::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
            Values::Row(fields) => fields.iter().filter_map(|(_, field)| field.length()).min(),
            _ => None,
        }
    }

    /// A field inside.
    pub(super) fn field(&self, path: &[String]) -> Option<Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self.clone()) };
        let Values::Row(fields) = &self.values else { return None };
        fields.iter().find(|(name, _)| name == first).and_then(|(_, field)| field.field(rest))
    }

    /// The values of the rows `first..first + count`.
    pub(super) fn generate(&self, first: u64, count: usize, now_ms: i64) -> Result<ArrayRef, Failure> {
        let rows = first..first + count as u64;
        let arrow = self.data_type.to_arrow();
        let draw = |row: u64| self.draws.draw(row);
        let array: ArrayRef = match &self.values {
            Values::Sequence { start, .. } => {
                let values = Int64Array::from_iter_values(rows.clone().map(|row| start.wrapping_add_unsigned(row)));
                cast(&values, &arrow)?
            }
            Values::Boolean => {
                Arc::new(BooleanArray::from(rows.clone().map(|row| draw(row) & 1 == 1).collect::<Vec<_>>()))
            }
            Values::Long { min, max } => {
                let span = max.abs_diff(*min).wrapping_add(1);
                let value = |row| match span {
                    0 => draw(row) as i64,
                    span => min.wrapping_add_unsigned(random::wide_below(draw(row), span)),
                };
                longs(rows.clone().map(value), &arrow)?
            }
            Values::Double { min, max } => {
                let value = |row| {
                    let part = (draw(row) >> 11) as f64 / (1u64 << 53) as f64;
                    min * (1.0 - part) + max * part
                };
                cast(&Float64Array::from_iter_values(rows.clone().map(value)), &arrow)?
            }
            Values::Decimal { min, max } => {
                let span = (max - min) as u128 + 1;
                let value = |row| {
                    let mut random = self.draws.sequence(row);
                    let bits = u128::from(random.next()) << 64 | u128::from(random.next());
                    min + (bits % span) as i128
                };
                Arc::new(Decimal128Array::from_iter_values(rows.clone().map(value)).with_data_type(arrow.clone()))
            }
            Values::Text(length) => self.texts(rows.clone(), *length),
            Values::Bytes(length) => self.bytes(rows.clone(), *length),
            Values::Now { past_max_ms } => {
                let value = |row| now_ms - random::wide_below(draw(row), past_max_ms + 1) as i64;
                self.times(rows.clone().map(value), &arrow)?
            }
            Values::Row(fields) => {
                let Arrow::Struct(declared) = &arrow else { return Err(Failure::internal("a ROW that is no struct")) };
                let arrays = fields.iter().map(|(_, field)| field.generate(first, count, now_ms));
                let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(declared.clone(), arrays, None, count)?)
            }
            Values::Array { item, length } => {
                let Arrow::List(field) = &arrow else { return Err(Failure::internal("an ARRAY that is no list")) };
                let items = item.generate(first * length, count * *length as usize, now_ms)?;
                Arc::new(ListArray::try_new(Arc::clone(field), offsets(count, *length), items, None)?)
            }
            Values::Map { key, value, length } => {
                let Arrow::Map(entry, _) = &arrow else { return Err(Failure::internal("a MAP that is no map")) };
                let Arrow::Struct(fields) = entry.data_type() else {
                    return Err(Failure::internal("map entries that are no struct"));
                };
                let (from, items) = (first * length, count * *length as usize);
                let keys = key.generate(from, items, now_ms)?;
                let (offsets, kept) = distinct(&keys, offsets(count, *length))?;
                let values = value.generate(from, items, now_ms)?;
                let entries = vec![take(&keys, &kept, None)?, take(&values, &kept, None)?];
                let entries = StructArray::try_new(fields.clone(), entries, None)?;
                Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, None, false)?)
            }
        };
        self.with_nulls(array, first)
    }

    fn with_nulls(&self, array: ArrayRef, first: u64) -> Result<ArrayRef, Failure> {
        if self.null_rate <= 0.0 {
            return Ok(array);
        }
        let is_null = |row: usize| {
            let part = (self.null_draws.draw(first + row as u64) >> 11) as f64 / (1u64 << 53) as f64;
            part < self.null_rate
        };
        let nulls: Vec<bool> = (0..array.len()).map(is_null).collect();
        if nulls.iter().all(|null| *null) {
            return Ok(new_null_array(array.data_type(), array.len()));
        }
        if let Some(row) = array.as_any().downcast_ref::<StructArray>() {
            let (fields, arrays, _) = row.clone().into_parts();
            let valid = NullBuffer::from(nulls.iter().map(|null| !null).collect::<Vec<_>>());
            return Ok(Arc::new(StructArray::try_new(fields, arrays, Some(valid))?));
        }
        Ok(nullif(&array, &BooleanArray::from(nulls))?)
    }

    fn texts(&self, rows: std::ops::Range<u64>, length: Length) -> ArrayRef {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut texts = StringBuilder::new();
        let mut text = String::new();
        for row in rows {
            let mut random = self.draws.sequence(row);
            let length = length.draw(&mut random);
            text.clear();
            while (text.len() as u64) < length {
                let bits = random.next();
                let digits = (length - text.len() as u64).min(16) as u32;
                text.extend((0..digits).map(|digit| HEX[(bits >> (4 * digit)) as usize & 15] as char));
            }
            texts.append_value(&text);
        }
        Arc::new(texts.finish())
    }

    fn bytes(&self, rows: std::ops::Range<u64>, length: Length) -> ArrayRef {
        let mut values = BinaryBuilder::new();
        let mut value = Vec::new();
        for row in rows {
            let mut random = self.draws.sequence(row);
            let length = length.draw(&mut random);
            value.clear();
            while (value.len() as u64) < length {
                value.extend_from_slice(&random.next().to_le_bytes());
            }
            value.truncate(length as usize);
            values.append_value(&value);
        }
        Arc::new(values.finish())
    }

    fn times(&self, millis: impl Iterator<Item = i64>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
        match arrow {
            Arrow::Date32 => longs(millis.map(|millis| millis.div_euclid(DAY_MS)), arrow),
            Arrow::Time32(_) => longs(millis.map(|millis| millis.rem_euclid(DAY_MS)), arrow),
            _ => timestamp::column(millis.map(|millis| Some(Instant::of_millis(millis))), arrow),
        }
    }
}

/// Whole numbers as a type that is stored as one.
fn longs(values: impl Iterator<Item = i64>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
    let values = Int64Array::from_iter_values(values);
    Ok(match arrow {
        Arrow::Date32 | Arrow::Time32(_) | Arrow::Interval(_) => cast(&cast(&values, &Arrow::Int32)?, arrow)?,
        other => cast(&values, other)?,
    })
}

/// The keys of each map without those that came before in it: where each map ends, and which are kept.
fn distinct(keys: &ArrayRef, maps: OffsetBuffer<i32>) -> Result<(OffsetBuffer<i32>, UInt32Array), Failure> {
    let order = make_comparator(keys, keys, SortOptions::default())?;
    let (mut kept, mut lengths) = (Vec::with_capacity(keys.len()), Vec::with_capacity(maps.len()));
    for map in maps.windows(2) {
        let mut entries: Vec<u32> = (map[0] as u32..map[1] as u32).collect();
        // Equal ones keep their order, and the first of them stays.
        entries.sort_by(|left, right| order(*left as usize, *right as usize));
        entries.dedup_by(|later, first| order(*later as usize, *first as usize).is_eq());
        entries.sort_unstable();
        lengths.push(entries.len());
        kept.extend(entries);
    }
    Ok((OffsetBuffer::from_lengths(lengths), UInt32Array::from(kept)))
}

fn offsets(count: usize, length: u64) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths(std::iter::repeat_n(length as usize, count))
}
