//! The results of aggregate functions, as columns, from the accumulators of many groups.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, BooleanArray, Float32Array, Float64Array, PrimitiveArray, StringBuilder,
        new_null_array,
    },
    buffer::{BooleanBuffer, NullBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as Arrow, Date32Type, Decimal128Type, DurationMillisecondType, Int8Type,
        Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, Time32MillisecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};
use model::{DataType, Failure};

use super::{
    argument::{Form, unordered},
    large::Large,
    layout::{Layout, wide},
    object::{Object, Text},
    table::Work,
};

/// The largest decimal has 38 digits.
const DECIMAL_MAX: i128 = 10i128.pow(38) - 1;

/// How the result of one aggregate call is made.
#[derive(Debug)]
pub(crate) struct Outcome {
    kind: Kind,
    form: Form,
    /// The word that counts the rows of the result's input: without any the result is null.
    count: usize,
    arrow: Arrow,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The input is every row: `COUNT(*)`.
    CountRows,
    Count,
    /// The value of a word.
    Word(usize),
    /// A sum in a word; decimals are brought from one scale to another.
    Sum {
        word: usize,
        from_scale: u8,
        to_scale: u8,
    },
    Average {
        word: usize,
        from_scale: u8,
        to_scale: u8,
    },
    Object {
        object: usize,
        max: bool,
    },
    /// Made of collected values by [`Layout::collectors`].
    Collected(usize),
}

impl Outcome {
    pub(crate) fn count(count: usize, input: usize) -> Self {
        let kind = if input == 0 { Kind::CountRows } else { Kind::Count };
        Self { kind, form: Form::Int, count, arrow: Arrow::Int64 }
    }

    pub(crate) fn extreme(form: Form, word: usize, count: usize, arrow: Arrow) -> Self {
        Self { kind: Kind::Word(word), form, count, arrow }
    }

    pub(crate) fn of_object(object: usize, max: bool, form: Form, count: usize, arrow: Arrow) -> Self {
        Self { kind: Kind::Object { object, max }, form, count, arrow }
    }

    /// What a collector makes.
    pub(crate) fn collected(collector: usize, arrow: Arrow) -> Self {
        Self { kind: Kind::Collected(collector), form: Form::Nested, count: 0, arrow }
    }

    /// A sum or an average.
    pub(crate) fn added(
        average: bool,
        form: Form,
        word: usize,
        count: usize,
        argument: &DataType,
        result: &DataType,
    ) -> Result<Self, Failure> {
        let scale = |data_type: &DataType| if let DataType::Decimal(_, scale) = data_type { *scale } else { 0 };
        let (from_scale, to_scale) = (scale(argument), scale(result));
        if to_scale < from_scale && form == Form::Decimal {
            return Err(Failure::internal(format!("a sum of {argument} has type {result}")));
        }
        let kind = if average {
            Kind::Average { word, from_scale, to_scale }
        } else {
            Kind::Sum { word, from_scale, to_scale }
        };
        Ok(Self { kind, form, count, arrow: result.to_arrow() })
    }

    /// Whether it is the greatest value of an object, or the least.
    pub(crate) fn is_end(&self, of: usize, greatest: bool) -> bool {
        matches!(self.kind, Kind::Object { object, max } if object == of && max == greatest)
    }

    /// Whether each row changes the result.
    pub(crate) fn counts_rows(&self) -> bool {
        matches!(self.kind, Kind::CountRows)
    }
}

/// What results are made of, at one moment.
pub(crate) struct Image {
    words: Vec<ScalarBuffer<i64>>,
    /// For each outcome what its object holds.
    objects: Vec<Captured>,
}

enum Captured {
    Nothing,
    Ints(Vec<Option<i64>>),
    Decimals(Vec<Option<i128>>),
    Texts(Vec<Option<Text>>),
    Column(ArrayRef),
}

impl Layout {
    /// The accumulators as they are now.
    pub(crate) fn image(&self, work: &Work) -> Result<Image, Failure> {
        let objects = self.outcomes.iter().map(|outcome| match outcome.kind {
            Kind::Collected(collector) => self.collectors[collector].column(work).map(Captured::Column),
            _ => Ok(outcome.capture(work)),
        });
        Ok(Image {
            objects: objects.collect::<Result<_, Failure>>()?,
            words: work.words.iter().map(|words| words.clone().into()).collect(),
        })
    }

    /// A column for each aggregate call.
    pub(crate) fn results(&self, image: &Image) -> Result<Vec<ArrayRef>, Failure> {
        self.outcomes.iter().zip(&image.objects).map(|(outcome, captured)| outcome.column(image, captured)).collect()
    }
}

impl Outcome {
    fn capture(&self, work: &Work) -> Captured {
        let Kind::Object { object, max } = self.kind else {
            return Captured::Nothing;
        };
        fn end<K: Ord, V>(map: &std::collections::BTreeMap<K, V>, max: bool) -> Option<&K> {
            if max { map.last_key_value() } else { map.first_key_value() }.map(|(key, _)| key)
        }
        let objects = work.objects.iter().map(|objects| &objects[object]);
        match self.form {
            Form::Int | Form::Float | Form::OrderedFloat | Form::Real => Captured::Ints(
                objects
                    .map(|object| match object {
                        Object::Ints(map) => end(map, max).copied(),
                        Object::Large(Large::Ints(pieces)) => pieces.end(max).copied(),
                        _ => None,
                    })
                    .collect(),
            ),
            Form::Decimal => Captured::Decimals(
                objects
                    .map(|object| match object {
                        Object::Decimals(map) => end(map, max).copied(),
                        Object::Large(Large::Decimals(pieces)) => pieces.end(max).copied(),
                        _ => None,
                    })
                    .collect(),
            ),
            Form::Text | Form::Nested => Captured::Texts(
                objects
                    .map(|object| match object {
                        Object::Text(text) => text.clone(),
                        Object::Texts(map) => end(map, max).cloned(),
                        Object::Large(Large::Texts(pieces)) => pieces.end(max).map(|value| Text::from(&**value)),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }

    fn column(&self, image: &Image, captured: &Captured) -> Result<ArrayRef, Failure> {
        let counts = &image.words[self.count];
        let valid = || {
            let valid = BooleanBuffer::collect_bool(counts.len(), |group| counts[group] > 0);
            Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
        };
        match (self.kind, captured) {
            (_, Captured::Column(column)) => Ok(Arc::clone(column)),
            (Kind::CountRows | Kind::Count, _) => integers(counts.clone(), None, &self.arrow),
            (Kind::Object { .. }, Captured::Ints(values)) => {
                // Values of a group that lives on may have expired.
                let known: NullBuffer = values.iter().map(Option::is_some).collect();
                let words = values.iter().map(|value| value.unwrap_or_default()).collect();
                self.values_of(words, NullBuffer::union(valid().as_ref(), Some(&known)))
            }
            (Kind::Object { .. }, Captured::Decimals(values)) => decimals(values.iter().copied(), valid(), &self.arrow),
            (Kind::Object { .. }, Captured::Texts(values)) => texts(values, &self.arrow),
            (Kind::Object { .. } | Kind::Collected(_), _) => Ok(new_null_array(&self.arrow, counts.len())),
            (Kind::Word(word), _) if self.form == Form::Decimal => {
                decimals(self.wide(image, word).map(Some), valid(), &self.arrow)
            }
            (Kind::Word(word), _) => self.values_of(image.words[word].clone(), valid()),
            (Kind::Sum { word, from_scale, to_scale }, _) => match (self.form, &self.arrow) {
                (Form::Decimal, _) | (_, Arrow::Decimal128(..)) => {
                    let factor = 10i128.checked_pow(u32::from(to_scale - from_scale));
                    let sums = self.wide(image, word).map(|sum| factor.and_then(|factor| sum.checked_mul(factor)));
                    decimals(sums, valid(), &self.arrow)
                }
                _ => self.values_of(image.words[word].clone(), valid()),
            },
            (Kind::Average { word, from_scale, to_scale }, _) => match (self.form, &self.arrow) {
                (Form::Decimal, _) | (_, Arrow::Decimal128(..)) => {
                    let sums = self.wide(image, word).zip(counts);
                    let averages = sums.map(|(sum, &count)| divide(sum, count, to_scale - from_scale));
                    decimals(averages, valid(), &self.arrow)
                }
                (Form::Float, _) => {
                    let sums = image.words[word].iter().zip(counts);
                    floats(sums.map(|(&sum, &count)| f64::from_bits(sum as u64) / count as f64), valid(), &self.arrow)
                }
                (_, Arrow::Float32 | Arrow::Float64) => {
                    let sums = image.words[word].iter().zip(counts);
                    floats(sums.map(|(&sum, &count)| sum as f64 / count as f64), valid(), &self.arrow)
                }
                _ => {
                    let sums = image.words[word].iter().zip(counts);
                    // Without rows the result is null, whatever the quotient.
                    let averages = sums.map(|(&sum, &count)| sum.wrapping_div(count.max(1))).collect();
                    integers(averages, valid(), &self.arrow)
                }
            },
        }
    }

    /// A column of words that hold a value each.
    fn values_of(&self, words: ScalarBuffer<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef, Failure> {
        match self.form {
            Form::OrderedFloat => floats(words.iter().map(|&word| unordered(word)), nulls, &self.arrow),
            Form::Float => floats(words.iter().map(|&word| f64::from_bits(word as u64)), nulls, &self.arrow),
            _ if matches!(self.arrow, Arrow::Float32 | Arrow::Float64) => {
                floats(words.iter().map(|&word| word as f64), nulls, &self.arrow)
            }
            _ => integers(words, nulls, &self.arrow),
        }
    }

    /// The decimals in a pair of words, or integers as such.
    fn wide<'a>(&self, image: &'a Image, word: usize) -> impl Iterator<Item = i128> + use<'a> {
        let low = &image.words[word];
        let high = (self.form == Form::Decimal).then(|| &image.words[word + 1]);
        low.iter().enumerate().map(move |(group, &low)| match high {
            Some(high) => wide(low, high[group]),
            None => i128::from(low),
        })
    }
}

/// `sum / count` with more digits behind the point, rounded half up; `None` if it does not fit.
fn divide(sum: i128, count: i64, digits: u8) -> Option<i128> {
    let count = u128::try_from(count).ok().filter(|count| *count > 0)?;
    let magnitude = sum.unsigned_abs();
    let (mut quotient, mut rest) = (magnitude / count, magnitude % count);
    for _ in 0..digits {
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / count)?;
        rest %= count;
    }
    quotient += u128::from(rest * 2 >= count);
    let quotient = i128::try_from(quotient).ok()?;
    Some(if sum < 0 { -quotient } else { quotient })
}

fn decimals(
    values: impl Iterator<Item = Option<i128>>,
    nulls: Option<NullBuffer>,
    arrow: &Arrow,
) -> Result<ArrayRef, Failure> {
    let fits = |value: &i128| value.unsigned_abs() <= DECIMAL_MAX as u128;
    let values = values
        .enumerate()
        .map(|(group, value)| value.filter(fits).filter(|_| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(group))));
    Ok(Arc::new(values.collect::<PrimitiveArray<Decimal128Type>>().with_data_type(arrow.clone())))
}

fn floats(values: impl Iterator<Item = f64>, nulls: Option<NullBuffer>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
    Ok(match arrow {
        Arrow::Float32 => Arc::new(Float32Array::new(values.map(|value| value as f32).collect(), nulls)),
        Arrow::Float64 => Arc::new(Float64Array::new(values.collect(), nulls)),
        other => return Err(Failure::internal(format!("an aggregate over floats has the result type {other}"))),
    })
}

fn texts(values: &[Option<Text>], arrow: &Arrow) -> Result<ArrayRef, Failure> {
    let bytes = values.iter().flatten().map(|value| value.len()).sum();
    if *arrow == Arrow::Binary {
        let mut builder = BinaryBuilder::with_capacity(values.len(), bytes);
        values.iter().for_each(|value| builder.append_option(value.as_deref()));
        return Ok(Arc::new(builder.finish()));
    }
    let mut builder = StringBuilder::with_capacity(values.len(), bytes);
    for value in values {
        let text = value.as_deref().map(std::str::from_utf8).transpose();
        builder.append_option(text.map_err(|_| Failure::data("a stored string is not UTF-8"))?);
    }
    Ok(Arc::new(builder.finish()))
}

/// Integers in the type of the result; sums wrap, as in Flink.
fn integers(words: ScalarBuffer<i64>, nulls: Option<NullBuffer>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
    fn same<T: ArrowPrimitiveType<Native = i64>>(
        words: ScalarBuffer<i64>,
        nulls: Option<NullBuffer>,
        arrow: &Arrow,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(words, nulls).with_data_type(arrow.clone()))
    }
    fn narrow<T: ArrowPrimitiveType>(
        words: &[i64],
        nulls: Option<NullBuffer>,
        convert: impl Fn(i64) -> T::Native,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::new(words.iter().map(|&word| convert(word)).collect(), nulls))
    }
    Ok(match arrow {
        Arrow::Boolean => {
            let bits = BooleanBuffer::collect_bool(words.len(), |group| words[group] != 0);
            Arc::new(BooleanArray::new(bits, nulls))
        }
        Arrow::Int8 => narrow::<Int8Type>(&words, nulls, |word| word as i8),
        Arrow::Int16 => narrow::<Int16Type>(&words, nulls, |word| word as i16),
        Arrow::Int32 => narrow::<Int32Type>(&words, nulls, |word| word as i32),
        Arrow::Date32 => narrow::<Date32Type>(&words, nulls, |word| word as i32),
        Arrow::Time32(TimeUnit::Millisecond) => narrow::<Time32MillisecondType>(&words, nulls, |word| word as i32),
        Arrow::Interval(IntervalUnit::YearMonth) => narrow::<IntervalYearMonthType>(&words, nulls, |word| word as i32),
        Arrow::Int64 => same::<Int64Type>(words, nulls, arrow),
        Arrow::Timestamp(TimeUnit::Second, _) => same::<TimestampSecondType>(words, nulls, arrow),
        Arrow::Timestamp(TimeUnit::Millisecond, _) => same::<TimestampMillisecondType>(words, nulls, arrow),
        Arrow::Timestamp(TimeUnit::Microsecond, _) => same::<TimestampMicrosecondType>(words, nulls, arrow),
        Arrow::Timestamp(TimeUnit::Nanosecond, _) => same::<TimestampNanosecondType>(words, nulls, arrow),
        Arrow::Duration(TimeUnit::Millisecond) => same::<DurationMillisecondType>(words, nulls, arrow),
        Arrow::Decimal128(..) => return decimals(words.iter().map(|&word| Some(i128::from(word))), nulls, arrow),
        Arrow::Null => new_null_array(arrow, words.len()),
        other => return Err(Failure::internal(format!("an aggregate over integers has the result type {other}"))),
    })
}
