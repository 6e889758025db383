//! The results of aggregates that keep the values of their rows, as columns.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, ListArray, ListBuilder, MapArray,
        StringArray, StringBuilder, StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType as Arrow, FieldRef},
};
use graph::operator::{AggregateCall, AggregateFunction as Function};
use model::{Failure, row};

use super::Counted;
use crate::accumulator::{argument::unordered, moments::Moments, object::Object, table::Work};

/// A row with one null, encoded.
const NULL_ROW: &[u8] = &[0];

/// How the result of one aggregate call is made of a group's values.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(super) object: usize,
    pub(super) make: Make,
    /// Whether equal values count once.
    pub(super) distinct: bool,
    /// The types of the arguments.
    pub(super) types: Vec<Arrow>,
    /// The type of the result.
    pub(super) arrow: Arrow,
}

#[derive(Debug)]
pub(super) enum Make {
    Text { separator: String },
    First,
    Last,
    Single,
    Array,
    Multiset,
    JsonArray,
    JsonObject,
    Percentiles(Vec<f64>),
    Distances,
}

impl Make {
    pub(super) fn of(call: &AggregateCall) -> Result<Self, Failure> {
        Ok(match &call.function {
            Function::ListAgg { separator } => Self::Text { separator: separator.clone() },
            Function::FirstValue => Self::First,
            Function::LastValue => Self::Last,
            Function::SingleValue => Self::Single,
            Function::ArrayAgg { .. } => Self::Array,
            Function::Collect => Self::Multiset,
            Function::JsonArrayAgg { .. } => Self::JsonArray,
            Function::JsonObjectAgg { .. } => Self::JsonObject,
            Function::Percentile { percentages } if !percentages.is_empty() => Self::Percentiles(percentages.clone()),
            Function::WelfordM2 => Self::Distances,
            other => return Err(Failure::internal(format!("{} keeps no values", other.name()))),
        })
    }
}

impl Collector {
    /// The results for all groups.
    pub(crate) fn column(&self, work: &Work) -> Result<ArrayRef, Failure> {
        let objects = work.objects.iter().map(|objects| &objects[self.object]);
        let several = || Failure::user("SINGLE_VALUE has more than one row");
        match &self.make {
            Make::First => self.single(objects.map(|object| Ok(first(object)))),
            Make::Last => self.single(objects.map(|object| Ok(last(object)))),
            Make::Single => self.single(objects.map(|object| match object {
                Object::List(list) if list.len() > 1 => Err(several()),
                Object::Counted(counted) if counted.len() > 1 => Err(several()),
                object => Ok(first(object)),
            })),
            Make::Text { separator } => self.texts(objects, separator),
            Make::Array => self.arrays(objects),
            Make::Multiset => self.multisets(objects),
            Make::JsonArray => self.json_arrays(objects),
            Make::JsonObject => self.json_objects(objects),
            Make::Percentiles(percentages) => Ok(self.percentiles(objects, percentages)),
            Make::Distances => {
                let of = |object: &Object| {
                    let mut moments = Moments::default();
                    numbers(object).for_each(|(value, _)| moments.add(value));
                    moments.distances()
                };
                Ok(Arc::new(objects.map(of).collect::<Float64Array>()))
            }
        }
    }

    /// One of each group's values.
    fn single<'a>(&self, chosen: impl Iterator<Item = Result<Option<&'a [u8]>, Failure>>) -> Result<ArrayRef, Failure> {
        let chosen = chosen.map(|value| Ok(value?.unwrap_or(NULL_ROW)));
        let mut cursors = chosen.collect::<Result<Vec<_>, Failure>>()?;
        self.argument(0, &mut cursors)
    }

    fn texts<'a>(&self, objects: impl Iterator<Item = &'a Object>, separator: &str) -> Result<ArrayRef, Failure> {
        let mut all = Flat::new(objects);
        let texts = self.strings(0, &mut all.values)?;
        let mut builder = StringBuilder::new();
        let mut joined = String::new();
        for range in all.ranges() {
            joined.clear();
            for index in range.clone() {
                if index > range.start {
                    joined.push_str(separator);
                }
                joined.push_str(texts.value(index));
            }
            builder.append_option((!range.is_empty()).then_some(&joined));
        }
        Ok(Arc::new(builder.finish()))
    }

    fn arrays<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> Result<ArrayRef, Failure> {
        let Arrow::List(item) = &self.arrow else { return Err(self.unexpected()) };
        let mut all = Flat::new(objects);
        let items = self.argument(0, &mut all.values)?;
        let nulls: NullBuffer = all.ranges().map(|range| !range.is_empty()).collect();
        Ok(Arc::new(ListArray::try_new(FieldRef::clone(item), all.offsets()?, items, Some(nulls))?))
    }

    fn multisets<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> Result<ArrayRef, Failure> {
        let Arrow::Map(entries, sorted) = &self.arrow else { return Err(self.unexpected()) };
        let Arrow::Struct(fields) = entries.data_type() else { return Err(self.unexpected()) };
        let objects: Vec<&Object> = objects.collect();
        let mut all = Flat::new(objects.iter().copied());
        let keys = self.argument(0, &mut all.values)?;
        let counts = objects.iter().filter_map(|object| counted(object)).flat_map(Counted::iter);
        let counts = counts.map(|(_, count)| if self.distinct { 1 } else { i32::try_from(count).unwrap_or(i32::MAX) });
        let counts: ArrayRef = Arc::new(counts.collect::<Int32Array>());
        let columns = StructArray::try_new(fields.clone(), vec![keys, counts], None)?;
        Ok(Arc::new(MapArray::try_new(FieldRef::clone(entries), all.offsets()?, columns, None, *sorted)?))
    }

    fn json_arrays<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> Result<ArrayRef, Failure> {
        let mut all = Flat::new(objects);
        let items = self.strings(0, &mut all.values)?;
        let arrays = all.ranges().map(|range| {
            let items: Vec<&str> = range.map(|index| json(&items, index)).collect();
            format!("[{}]", items.join(","))
        });
        Ok(Arc::new(StringArray::from_iter_values(arrays)))
    }

    /// The fields are in the order of their names.
    fn json_objects<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> Result<ArrayRef, Failure> {
        let mut all = Flat::new(objects);
        let keys = self.strings(0, &mut all.values)?;
        let values = self.strings(1, &mut all.values)?;
        let objects = all.ranges().map(|range| {
            let mut fields = BTreeMap::new();
            for index in range {
                if keys.is_null(index) {
                    return Err(Failure::user("a key of JSON_OBJECTAGG is null"));
                }
                let key = keys.value(index);
                // The quotes are not in the order.
                let name = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
                if fields.insert(name, format!("{key}:{}", json(&values, index))).is_some() {
                    return Err(Failure::user(format!("the key {key} of JSON_OBJECTAGG occurs more than once")));
                }
            }
            let fields: Vec<String> = fields.into_values().collect();
            Ok(format!("{{{}}}", fields.join(",")))
        });
        Ok(Arc::new(StringArray::from_iter_values(objects.collect::<Result<Vec<_>, _>>()?)))
    }

    fn percentiles<'a>(&self, objects: impl Iterator<Item = &'a Object>, percentages: &[f64]) -> ArrayRef {
        let of_groups = objects.map(|object| {
            let counts: Vec<_> =
                numbers(object).map(|(value, count)| (value, if self.distinct { 1 } else { count })).collect();
            (!counts.is_empty()).then_some(counts)
        });
        if !matches!(self.arrow, Arrow::List(_)) {
            let first = of_groups.map(|counts| counts.map(|counts| percentile(&counts, percentages[0])));
            return Arc::new(first.collect::<Float64Array>());
        }
        let mut lists = ListBuilder::new(Float64Builder::new());
        for counts in of_groups {
            lists.append_option(counts.map(|counts| percentages.iter().map(move |&at| Some(percentile(&counts, at)))));
        }
        Arc::new(lists.finish())
    }

    /// An argument of each row; moves behind it.
    fn argument(&self, index: usize, rows: &mut [&[u8]]) -> Result<ArrayRef, Failure> {
        let arrow = self.types.get(index).ok_or_else(|| Failure::internal("an argument is missing"))?;
        row::decode_column(arrow, rows)
    }

    fn strings(&self, index: usize, rows: &mut [&[u8]]) -> Result<StringArray, Failure> {
        let column = self.argument(index, rows)?;
        column.as_string_opt().cloned().ok_or_else(|| self.unexpected())
    }

    fn unexpected(&self) -> Failure {
        Failure::internal(format!("an aggregate of {:?} has the result type {}", self.types, self.arrow))
    }
}

/// The values of all groups, one after the other.
struct Flat<'a> {
    values: Vec<&'a [u8]>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl<'a> Flat<'a> {
    fn new(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut all = Self { values: Vec::new(), ends: Vec::new() };
        for object in objects {
            match object {
                Object::List(list) => all.values.extend(list.iter()),
                Object::Counted(counted) => all.values.extend(counted.iter().map(|(value, _)| value)),
                _ => {}
            }
            all.ends.push(all.values.len());
        }
        all
    }

    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end)
    }

    fn offsets(&self) -> Result<OffsetBuffer<i32>, Failure> {
        if i32::try_from(self.values.len()).is_err() {
            return Err(Failure::user("an aggregate has more than 2147483647 values in a batch"));
        }
        Ok(OffsetBuffer::from_lengths(self.ranges().map(|range| range.len())))
    }
}

/// A group's first value, encoded.
fn first(object: &Object) -> Option<&[u8]> {
    match object {
        Object::List(list) => list.first(),
        Object::Counted(counted) => counted.first(),
        _ => None,
    }
}

/// A group's last value, encoded.
fn last(object: &Object) -> Option<&[u8]> {
    match object {
        Object::List(list) => list.last(),
        Object::Counted(counted) => counted.last(),
        _ => None,
    }
}

fn counted(object: &Object) -> Option<&Counted> {
    if let Object::Counted(counted) = object { Some(counted) } else { None }
}

/// A group's numbers, ascending, and how often each occurs.
fn numbers(object: &Object) -> impl Iterator<Item = (f64, i64)> {
    let numbers = if let Object::Numbers(numbers) = object { Some(numbers) } else { None };
    numbers.into_iter().flatten().map(|(&value, &count)| (unordered(value), count))
}

/// A JSON text; none is JSON's null.
fn json(texts: &StringArray, index: usize) -> &str {
    if texts.is_null(index) { "null" } else { texts.value(index) }
}

/// The value at a share of the way from the least to the greatest; between two values in proportion.
fn percentile(counts: &[(f64, i64)], at: f64) -> f64 {
    let total = counts.iter().fold(0_i64, |total, (_, count)| total.saturating_add(*count));
    let position = at * (total - 1) as f64 + 1.0;
    let (lower, higher) = (position.floor(), position.ceil());
    // The first value that at least so many values are not above.
    let ranked = |rank: f64| {
        let mut seen = 0_i64;
        let reaches = |&(_, count): &(f64, i64)| {
            seen = seen.saturating_add(count);
            seen as f64 >= rank
        };
        counts.iter().position(reaches).unwrap_or(counts.len() - 1)
    };
    let (below, above) = (ranked(lower), ranked(higher));
    if below == above {
        return counts[below].0;
    }
    (higher - position) * counts[below].0 + (position - lower) * counts[above].0
}
