//! Column builders that grow value by value and can be cut back to a row, so that half-read records leave no trace.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "lengths and digits are checked before they are narrowed"
)]

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, Float32Array, ListArray, MapArray,
        NullArray, PrimitiveArray, StringArray, StructArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, DurationMillisecondType, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType,
    },
};
use model::{DataType, Failure, Instant, timestamp};
use values::calendar::DAY_MILLIS;

use crate::{
    scalar::{self, Decimal},
    times::{self, TimeTexts},
};

/// Why a value was not taken.
pub(crate) type Problem = String;

/// A growing column.
pub(crate) struct Builder {
    pub(crate) data_type: DataType,
    arrow: Arrow,
    len: usize,
    /// Made at the first null.
    validity: Option<BooleanBufferBuilder>,
    pub(crate) values: Values,
}

pub(crate) enum Values {
    Null,
    Boolean(Vec<bool>),
    /// Integers, dates, times, timestamps, intervals; the range is held on the way in.
    Long {
        values: Vec<i64>,
        min: i64,
        max: i64,
    },
    Double(Vec<f64>),
    /// Decimals, and timestamps that are held in 128 bits.
    Decimal(Vec<i128>),
    /// Text or bytes.
    Bytes {
        bytes: Vec<u8>,
        offsets: Vec<i32>,
    },
    Row(Vec<(Box<[u8]>, Builder)>),
    Array {
        items: Box<Builder>,
        offsets: Vec<i32>,
    },
    Map {
        keys: Box<Builder>,
        values: Box<Builder>,
        offsets: Vec<i32>,
    },
}

impl Builder {
    pub(crate) fn new(data_type: &DataType) -> Self {
        if let DataType::NotNull(inner) = data_type {
            return Self::new(inner);
        }
        let long = |min: i64, max: i64| Values::Long { values: Vec::new(), min, max };
        let values = match data_type {
            DataType::Null | DataType::NotNull(_) => Values::Null,
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::TinyInt => long(i8::MIN.into(), i8::MAX.into()),
            DataType::SmallInt => long(i16::MIN.into(), i16::MAX.into()),
            DataType::Int | DataType::Date | DataType::Time(_) | DataType::IntervalYearMonth => {
                long(i32::MIN.into(), i32::MAX.into())
            }
            DataType::Timestamp(7..) | DataType::TimestampLtz(7..) => Values::Decimal(Vec::new()),
            DataType::BigInt | DataType::Timestamp(_) | DataType::TimestampLtz(_) | DataType::IntervalDayTime => {
                long(i64::MIN, i64::MAX)
            }
            DataType::Float | DataType::Double => Values::Double(Vec::new()),
            DataType::Decimal(..) => Values::Decimal(Vec::new()),
            DataType::Char(_)
            | DataType::Varchar(_)
            | DataType::String
            | DataType::Binary(_)
            | DataType::Varbinary(_)
            | DataType::Bytes => Values::Bytes { bytes: Vec::new(), offsets: vec![0] },
            DataType::Row(fields) => Values::Row(
                fields.iter().map(|field| (field.name.as_bytes().into(), Self::new(&field.data_type))).collect(),
            ),
            DataType::Array(item) => Values::Array { items: Box::new(Self::new(item)), offsets: vec![0] },
            DataType::Multiset(element) => {
                return Self { data_type: data_type.clone(), ..Self::new(&DataType::counts_of(element)) };
            }
            DataType::Map(key, value) => {
                Values::Map { keys: Box::new(Self::new(key)), values: Box::new(Self::new(value)), offsets: vec![0] }
            }
        };
        Self { data_type: data_type.clone(), arrow: data_type.to_arrow(), len: 0, validity: None, values }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether values are text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.data_type, DataType::Char(_) | DataType::Varchar(_) | DataType::String)
    }

    /// Counts the value that was just put into [`Self::values`].
    #[inline]
    pub(crate) fn appended(&mut self) {
        self.len += 1;
        if let Some(validity) = &mut self.validity {
            validity.append(true);
        }
    }

    pub(crate) fn append_null(&mut self) {
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(values) => values.push(false),
            Values::Long { values, .. } => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Decimal(values) => values.push(0),
            Values::Bytes { bytes, offsets } => offsets.push(bytes.len() as i32),
            Values::Row(fields) => fields.iter_mut().for_each(|(_, field)| field.append_null()),
            Values::Array { items, offsets } => offsets.push(items.len as i32),
            Values::Map { keys, offsets, .. } => offsets.push(keys.len as i32),
        }
        let len = self.len;
        let validity = self.validity.get_or_insert_with(|| {
            let mut validity = BooleanBufferBuilder::new(len + 64);
            validity.append_n(len, true);
            validity
        });
        validity.append(false);
        self.len += 1;
    }

    #[inline]
    pub(crate) fn append_long(&mut self, value: i64) -> Result<(), Problem> {
        let Values::Long { values, min, max } = &mut self.values else { return Err(self.not_a(value)) };
        if value < *min || value > *max {
            return Err(self.not_a(value));
        }
        values.push(value);
        self.appended();
        Ok(())
    }

    #[cold]
    pub(crate) fn not_a(&self, value: impl std::fmt::Display) -> Problem {
        const SHOWN_MAX: usize = 100;
        let text: String = value.to_string().chars().take(SHOWN_MAX).collect();
        format!("'{text}' is not a {}", self.data_type)
    }

    #[cold]
    fn not_text(&self, text: &[u8]) -> Problem {
        self.not_a(String::from_utf8_lossy(text))
    }

    /// Appends a value that is given as text. Space around it is no part of a number, boolean or bytes.
    pub(crate) fn append_text(&mut self, text: &[u8], texts: TimeTexts) -> Result<(), Problem> {
        if let DataType::Timestamp(precision) | DataType::TimestampLtz(precision) = self.data_type {
            return self.append_timestamp(text, precision, texts);
        }
        let trimmed = scalar::trimmed(text);
        let parsed = match (&mut self.values, &self.data_type) {
            (Values::Boolean(values), _) => scalar::boolean(trimmed).map(|value| values.push(value)),
            (Values::Long { .. }, data_type) => {
                let value = match data_type {
                    DataType::Date => texts.date(text),
                    DataType::Time(precision) => {
                        texts.time(text).map(|nanos| times::cut(nanos, *precision) / 1_000_000)
                    }
                    _ => scalar::integer(trimmed),
                };
                return match value {
                    Some(value) => self.append_long(value).map_err(|_| self.not_text(text)),
                    None => Err(self.not_text(text)),
                };
            }
            (Values::Double(values), data_type) => scalar::float(trimmed)
                .filter(|value| *data_type != DataType::Float || (*value as f32).is_infinite() == value.is_infinite())
                .map(|value| values.push(value)),
            (Values::Decimal(values), DataType::Decimal(precision, scale)) => {
                match scalar::decimal(trimmed, *precision, *scale) {
                    Some(Decimal::Value(value)) => {
                        values.push(value);
                        Some(())
                    }
                    Some(Decimal::Overflow) => {
                        self.append_null();
                        return Ok(());
                    }
                    None => None,
                }
            }
            (Values::Bytes { bytes, offsets }, data_type) => {
                let is_text = matches!(data_type, DataType::Char(_) | DataType::Varchar(_) | DataType::String);
                let taken = if !is_text {
                    scalar::push_base64_decoded(bytes, trimmed)
                } else if std::str::from_utf8(text).is_ok() {
                    bytes.extend_from_slice(text);
                    Some(())
                } else {
                    return Err("text is not UTF-8".to_owned());
                };
                taken.map(|()| offsets.push(bytes.len() as i32))
            }
            _ => None,
        };
        match parsed {
            Some(()) => {
                self.appended();
                Ok(())
            }
            None => Err(self.not_text(text)),
        }
    }

    /// Appends a timestamp or an instant.
    fn append_timestamp(&mut self, text: &[u8], precision: u8, texts: TimeTexts) -> Result<(), Problem> {
        let is_instant = matches!(self.data_type, DataType::TimestampLtz(_));
        let read = texts.timestamp(text, is_instant).map(|(days, nanos)| {
            let nanos = times::cut(nanos, precision);
            Instant { millis: days * DAY_MILLIS + nanos / 1_000_000, nanos: nanos % 1_000_000 }
        });
        let appended = read.and_then(|instant| {
            match &mut self.values {
                Values::Decimal(values) => values.push(instant.to_nanos()),
                Values::Long { values, .. } => values.push(timestamp::units(instant, &self.arrow)?),
                _ => return None,
            }
            Some(())
        });
        appended.ok_or_else(|| format!("{} in {} form", self.not_text(text), texts.form(is_instant)))?;
        self.appended();
        Ok(())
    }

    /// Drops all values from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        if self.len <= len {
            // A value that failed half-way may have left bytes behind.
            if let Values::Bytes { bytes, offsets } = &mut self.values {
                bytes.truncate(offsets[self.len] as usize);
            }
            if !matches!(self.values, Values::Row(_) | Values::Array { .. } | Values::Map { .. }) {
                return;
            }
        }
        let len = len.min(self.len);
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(values) => values.truncate(len),
            Values::Long { values, .. } => values.truncate(len),
            Values::Double(values) => values.truncate(len),
            Values::Decimal(values) => values.truncate(len),
            Values::Bytes { bytes, offsets } => {
                offsets.truncate(len + 1);
                bytes.truncate(offsets[len] as usize);
            }
            Values::Row(fields) => fields.iter_mut().for_each(|(_, field)| field.truncate(len)),
            Values::Array { items, offsets } => {
                offsets.truncate(len + 1);
                items.truncate(offsets[len] as usize);
            }
            Values::Map { keys, values, offsets } => {
                offsets.truncate(len + 1);
                keys.truncate(offsets[len] as usize);
                values.truncate(offsets[len] as usize);
            }
        }
        if let Some(validity) = &mut self.validity {
            validity.truncate(len);
        }
        self.len = len;
    }

    /// Takes the column; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, Failure> {
        let len = std::mem::take(&mut self.len);
        let nulls = self.validity.take().map(|mut validity| NullBuffer::new(validity.finish()));
        let take_offsets = |offsets: &mut Vec<i32>| OffsetBuffer::new(std::mem::replace(offsets, vec![0]).into());
        Ok(match &mut self.values {
            Values::Null => Arc::new(NullArray::new(len)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Long { values, .. } => longs(&self.arrow, std::mem::take(values), nulls)?,
            Values::Double(values) if self.arrow == Arrow::Float32 => {
                let values: Vec<f32> = std::mem::take(values).into_iter().map(|value| value as f32).collect();
                Arc::new(Float32Array::new(values.into(), nulls))
            }
            Values::Double(values) => {
                Arc::new(PrimitiveArray::<Float64Type>::new(std::mem::take(values).into(), nulls))
            }
            Values::Decimal(values) => {
                let values = Decimal128Array::new(std::mem::take(values).into(), nulls);
                Arc::new(values.with_data_type(self.arrow.clone()))
            }
            Values::Bytes { bytes, offsets } => {
                let (bytes, offsets) = (Buffer::from_vec(std::mem::take(bytes)), take_offsets(offsets));
                if self.arrow == Arrow::Utf8 {
                    Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
                } else {
                    Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
                }
            }
            Values::Row(fields) => {
                let arrays = fields.iter_mut().map(|(_, field)| field.finish()).collect::<Result<Vec<_>, _>>()?;
                let Arrow::Struct(declared) = &self.arrow else {
                    return Err(Failure::internal("a ROW that is no struct"));
                };
                Arc::new(StructArray::try_new_with_length(declared.clone(), arrays, nulls, len)?)
            }
            Values::Array { items, offsets } => {
                let Arrow::List(item) = &self.arrow else {
                    return Err(Failure::internal("an ARRAY that is no list"));
                };
                Arc::new(ListArray::try_new(Arc::clone(item), take_offsets(offsets), items.finish()?, nulls)?)
            }
            Values::Map { keys, values, offsets } => {
                let Arrow::Map(entry, _) = &self.arrow else { return Err(Failure::internal("a MAP that is no map")) };
                let Arrow::Struct(fields) = entry.data_type() else {
                    return Err(Failure::internal("map entries that are no struct"));
                };
                let entries = StructArray::try_new(fields.clone(), vec![keys.finish()?, values.finish()?], None)?;
                Arc::new(MapArray::try_new(Arc::clone(entry), take_offsets(offsets), entries, nulls, false)?)
            }
        })
    }
}

fn longs(arrow: &Arrow, values: Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef, Failure> {
    fn narrow<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
        let narrow = values.into_iter().map(|value| T::Native::try_from(value).unwrap_or_default());
        Arc::new(PrimitiveArray::<T>::new(narrow.collect::<Vec<_>>().into(), nulls))
    }
    fn wide<T: ArrowPrimitiveType<Native = i64>>(
        arrow: &Arrow,
        values: Vec<i64>,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(arrow.clone()))
    }
    Ok(match arrow {
        Arrow::Int8 => narrow::<Int8Type>(values, nulls),
        Arrow::Int16 => narrow::<Int16Type>(values, nulls),
        Arrow::Int32 => narrow::<Int32Type>(values, nulls),
        Arrow::Date32 => narrow::<Date32Type>(values, nulls),
        Arrow::Time32(TimeUnit::Millisecond) => narrow::<Time32MillisecondType>(values, nulls),
        Arrow::Interval(_) => narrow::<IntervalYearMonthType>(values, nulls),
        Arrow::Int64 => wide::<Int64Type>(arrow, values, nulls),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => wide::<TimestampMillisecondType>(arrow, values, nulls),
        Arrow::Timestamp(TimeUnit::Microsecond, _) => wide::<TimestampMicrosecondType>(arrow, values, nulls),
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => wide::<TimestampNanosecondType>(arrow, values, nulls),
        Arrow::Duration(TimeUnit::Millisecond) => wide::<DurationMillisecondType>(arrow, values, nulls),
        other => return Err(Failure::internal(format!("no column builder for {other}"))),
    })
}
