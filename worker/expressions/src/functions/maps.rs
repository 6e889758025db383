//! Maps: construction, and access by key.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, ListArray, MapArray, StringBuilder, StructArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute,
    datatypes::{DataType as Arrow, Int32Type},
};
use model::{DataType, Failure, Field};

use super::arrays::{ListMaker, Lists, comparable};
use crate::{
    arg::Inputs,
    coercion::common_type,
    function::{
        Arguments,
        Body::Plain,
        Function, Kernel,
        Parameter::{Any, Array as ArrayParameter, Map, Text},
        function,
    },
};

/// The elements of a multiset as an array; only `UNNEST` calls it.
pub const ELEMENTS: &str = "$ELEMENTS";

pub(crate) const FUNCTIONS: &[Function] = &[
    function("MAP", &[Any], map_type, Plain(map))
        .never_null()
        .optional(1)
        .variadic()
        .coercing(entries)
        .aliases(&["MAKE_MAP"]),
    function("MAP_ENTRIES", &[Map], entries_type, Plain(map_entries)),
    function("MAP_FROM_ARRAYS", &[ArrayParameter, ArrayParameter], from_arrays_type, Plain(from_arrays)).fallible(),
    function("MAP_KEYS", &[Map], |arguments| part_type(arguments, true), Plain(|inputs| part(inputs, true))),
    function("MAP_UNION", &[Map], crate::function::returns::first, Plain(union)).variadic().coercing(same_maps),
    function("MAP_VALUES", &[Map], |arguments| part_type(arguments, false), Plain(|inputs| part(inputs, false))),
    function(ELEMENTS, &[Any], elements_type, Plain(elements)),
    function("SPLIT", &[Text, Text], |_| Ok(DataType::Array(Box::new(DataType::String))), Plain(split)),
    function("STR_TO_MAP", &[Text, Text, Text], text_map_type, Plain(str_to_map)).nullable().optional(2),
];

fn text_map_type(_: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(DataType::Map(Box::new(DataType::String), Box::new(DataType::String)))
}

/// Keys of one type, and values of one type.
fn entries(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() % 2 == 1 {
        return None;
    }
    let common = |start: usize| {
        types.iter().skip(start).step_by(2).try_fold(DataType::Null, |common, next| common_type(&common, next))
    };
    let (key, value) = (common(0)?, common(1)?);
    Some([key, value].into_iter().cycle().take(types.len()).collect())
}

fn same_maps(types: &[DataType]) -> Option<Vec<DataType>> {
    let common = types.iter().try_fold(DataType::Null, |common, next| common_type(&common, next))?;
    matches!(common, DataType::Map(..)).then(|| vec![common; types.len()])
}

fn map_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(DataType::Map(Box::new(arguments.get(0).clone()), Box::new(arguments.get(1).clone())))
}

fn elements_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    match arguments.get(0) {
        DataType::Multiset(element) => Ok(DataType::Array(element.clone())),
        other => Err(Failure::user(format!("{other} is not a multiset"))),
    }
}

/// Each element as often as it occurs.
fn elements(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let sets = Maps::new(inputs, 0)?;
    let counts = sets.map.values().as_primitive_opt::<Int32Type>();
    let counts = counts.ok_or_else(|| Failure::internal("the counts of a multiset are no INT"))?;
    let mut lists = ListMaker::new(vec![sets.map.keys()], inputs.rows);
    for row in 0..inputs.rows {
        let range = sets.range(row);
        for element in range.clone().into_iter().flatten() {
            (0..counts.value(element)).for_each(|_| lists.pick(0, element));
        }
        lists.end(range.is_some());
    }
    lists.finish(inputs.result)
}

fn part_type(arguments: &Arguments<'_>, keys: bool) -> Result<DataType, Failure> {
    match arguments.get(0) {
        DataType::Map(key, value) => Ok(DataType::Array(if keys { key.clone() } else { value.clone() })),
        other => Err(Failure::user(format!("{other} is not a map"))),
    }
}

fn entries_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let DataType::Map(key, value) = arguments.get(0) else {
        return Err(Failure::user(format!("{} is not a map", arguments.get(0))));
    };
    let fields = vec![Field::new("key", (**key).clone()), Field::new("value", (**value).clone())];
    Ok(DataType::Array(Box::new(DataType::Row(fields))))
}

fn from_arrays_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    match (arguments.get(0), arguments.get(1)) {
        (DataType::Array(key), DataType::Array(value)) => Ok(DataType::Map(key.clone(), value.clone())),
        (left, right) => Err(Failure::user(format!("no map is made of {left} and {right}"))),
    }
}

/// What `ITEM` takes: an array and a position, or a map and a key.
pub(crate) fn item_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let [container, key] = types else { return None };
    match container {
        DataType::Array(_) if key.is_numeric() || *key == DataType::Null => {
            Some(vec![container.clone(), DataType::Int])
        }
        DataType::Map(of, value) => {
            let common = common_type(of, key)?;
            Some(vec![DataType::Map(Box::new(common.clone()), value.clone()), common])
        }
        _ => None,
    }
}

pub(crate) fn item(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if matches!(arguments.get(0), DataType::Array(_)) {
        if let Some(position) = arguments.constant_integer(1).filter(|position| *position < 1) {
            return Err(Failure::user(format!("positions in an array count from 1, and this is {position}")));
        }
        return Ok(Arc::new(|inputs| {
            let (lists, positions) = (Lists::new(inputs, 0)?, inputs.primitive::<Int32Type>(1)?);
            let index = |row| {
                let range = lists.range(row)?;
                let position = usize::try_from(positions.get(row)?).ok()?.checked_sub(1)?;
                (position < range.len()).then(|| (range.start + position) as i32)
            };
            let indices: Int32Array = (0..inputs.rows).map(index).collect();
            Ok(compute::take(lists.values(), &indices, None)?)
        }));
    }
    Ok(Arc::new(|inputs| {
        let (maps, key) = (Maps::new(inputs, 0)?, inputs.arg(1)?);
        let rows = comparable(&[maps.map.keys(), &key.array])?;
        let index = |row| {
            let wanted = rows[1].row(key.index(row));
            // Where a key stands twice, the last counts.
            let found = maps.range(row)?.rev().find(|index| rows[0].row(*index) == wanted);
            found.map(|index| index as i32)
        };
        let indices: Int32Array = (0..inputs.rows).map(index).collect();
        Ok(compute::take(maps.map.values(), &indices, None)?)
    }))
}

/// A map argument by row.
struct Maps<'a> {
    map: &'a MapArray,
    scalar: bool,
}

impl<'a> Maps<'a> {
    fn new(inputs: &Inputs<'a>, index: usize) -> Result<Self, Failure> {
        let arg = inputs.arg(index)?;
        let map = arg.array.as_map_opt();
        let map = map.ok_or_else(|| Failure::internal(format!("argument {index} is {}", arg.array.data_type())))?;
        Ok(Self { map, scalar: arg.scalar })
    }

    fn range(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let row = if self.scalar { 0 } else { row };
        let offsets = self.map.value_offsets();
        self.map.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
    }
}

/// A map of keys and values that stand in order.
fn make(
    keys: ArrayRef,
    values: ArrayRef,
    offsets: Vec<i32>,
    valid: Vec<bool>,
    result: &DataType,
) -> Result<ArrayRef, Failure> {
    let Arrow::Map(field, _) = result.to_arrow() else {
        return Err(Failure::internal(format!("a map is expected, not {result}")));
    };
    let Arrow::Struct(fields) = field.data_type() else {
        return Err(Failure::internal("a map's entries are rows"));
    };
    if keys.null_count() > 0 {
        return Err(Failure::data("a map has a null key"));
    }
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let field = Arc::clone(&field);
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, Some(NullBuffer::from(valid)), false)?))
}

fn map(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let pairs = inputs.len() / 2;
    let side = |start: usize| -> Result<ArrayRef, Failure> {
        let arrays: Vec<&dyn Array> = inputs.args.iter().skip(start).step_by(2).map(|arg| arg.array.as_ref()).collect();
        let picks: Vec<(usize, usize)> = (0..inputs.rows)
            .flat_map(|row| (0..pairs).map(move |pair| (pair, row)))
            .map(|(pair, row)| (pair, inputs.args[pair * 2 + start].index(row)))
            .collect();
        if arrays.is_empty() {
            return Ok(arrow::array::new_null_array(&Arrow::Null, 0));
        }
        Ok(compute::interleave(&arrays, &picks)?)
    };
    let offsets = (0..=inputs.rows).map(|row| (row * pairs) as i32).collect();
    make(side(0)?, side(1)?, offsets, vec![true; inputs.rows], inputs.result)
}

fn part(inputs: &Inputs<'_>, keys: bool) -> Result<ArrayRef, Failure> {
    let maps = Maps::new(inputs, 0)?;
    let values = if keys { maps.map.keys() } else { maps.map.values() };
    let Arrow::List(field) = inputs.result.to_arrow() else {
        return Err(Failure::internal("an array is expected"));
    };
    let (offsets, nulls) = (maps.map.offsets().clone(), maps.map.nulls().cloned());
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::clone(values), nulls)?))
}

fn map_entries(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let maps = Maps::new(inputs, 0)?;
    let Arrow::List(field) = inputs.result.to_arrow() else {
        return Err(Failure::internal("an array is expected"));
    };
    let Arrow::Struct(fields) = field.data_type() else {
        return Err(Failure::internal("an entry is a row"));
    };
    let columns = vec![Arc::clone(maps.map.keys()), Arc::clone(maps.map.values())];
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    let (offsets, nulls) = (maps.map.offsets().clone(), maps.map.nulls().cloned());
    Ok(Arc::new(ListArray::try_new(Arc::clone(&field), offsets, Arc::new(entries), nulls)?))
}

fn from_arrays(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (keys, values) = (Lists::new(inputs, 0)?, Lists::new(inputs, 1)?);
    let (mut key_picks, mut value_picks) = (Vec::new(), Vec::new());
    let (mut offsets, mut valid) = (vec![0], Vec::with_capacity(inputs.rows));
    for row in 0..inputs.rows {
        let pair = keys.range(row).zip(values.range(row));
        if let Some((keys, values)) = &pair
            && keys.len() != values.len()
        {
            return Err(Failure::data(format!("a map is made of {} keys and {} values", keys.len(), values.len())));
        }
        valid.push(pair.is_some());
        for (key, value) in pair.into_iter().flat_map(|(keys, values)| keys.zip(values)) {
            key_picks.push(key as i32);
            value_picks.push(value as i32);
        }
        offsets.push(key_picks.len() as i32);
    }
    let key_array = compute::take(keys.values(), &Int32Array::from(key_picks), None)?;
    let value_array = compute::take(values.values(), &Int32Array::from(value_picks), None)?;
    make(key_array, value_array, offsets, valid, inputs.result)
}

/// All entries; where a key is in several maps, the last counts.
fn union(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let all = (0..inputs.len()).map(|index| Maps::new(inputs, index)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<&ArrayRef> = all.iter().map(|maps| maps.map.keys()).collect();
    let rows = comparable(&keys)?;
    let (mut picks, mut offsets, mut valid) = (Vec::new(), vec![0], Vec::with_capacity(inputs.rows));
    for row in 0..inputs.rows {
        let start = picks.len();
        let mut is_valid = true;
        for (source, maps) in all.iter().enumerate() {
            let Some(range) = maps.range(row) else {
                is_valid = false;
                break;
            };
            for index in range {
                let key = rows[source].row(index);
                let known = picks[start..].iter().position(|&(other, at): &(usize, usize)| rows[other].row(at) == key);
                match known {
                    Some(at) => picks[start + at] = (source, index),
                    None => picks.push((source, index)),
                }
            }
        }
        if !is_valid {
            picks.truncate(start);
        }
        valid.push(is_valid);
        offsets.push(picks.len() as i32);
    }
    let keys: Vec<&dyn Array> = keys.iter().map(|keys| keys.as_ref()).collect();
    let values: Vec<&dyn Array> = all.iter().map(|maps| maps.map.values().as_ref()).collect();
    make(compute::interleave(&keys, &picks)?, compute::interleave(&values, &picks)?, offsets, valid, inputs.result)
}

/// `k1=v1,k2=v2`; the separators are regular expressions.
fn str_to_map(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let (mut pairs, mut sides) = (Separator::new(inputs, 1, ",")?, Separator::new(inputs, 2, "=")?);
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let (mut offsets, mut valid, mut count) = (vec![0], Vec::with_capacity(inputs.rows), 0);
    for row in 0..inputs.rows {
        let (text, pairs, sides) = match (texts.get(row), pairs.get(row)?, sides.get(row)?) {
            (Some(text), Some(pairs), Some(sides)) => (text, pairs, sides),
            _ => {
                valid.push(false);
                offsets.push(count);
                continue;
            }
        };
        valid.push(true);
        let mut known: Vec<(&str, Option<&str>)> = Vec::new();
        for pair in pairs.split(text).filter(|_| !text.is_empty()) {
            let mut parts = sides.splitn(pair, 2);
            let (key, value) = (parts.next().unwrap_or_default(), parts.next());
            match known.iter_mut().find(|(other, _)| *other == key) {
                Some(entry) => entry.1 = value,
                None => known.push((key, value)),
            }
        }
        for (key, value) in known {
            keys.append_value(key);
            values.append_option(value);
            count += 1;
        }
        offsets.push(count);
    }
    make(Arc::new(keys.finish()), Arc::new(values.finish()), offsets, valid, inputs.result)
}

/// A regular expression for each row, compiled when it changes.
struct Separator<'a> {
    texts: Option<crate::arg::Text<'a>>,
    default: &'static str,
    last: Option<(&'a str, regex::Regex)>,
}

impl<'a> Separator<'a> {
    fn new(inputs: &Inputs<'a>, index: usize, default: &'static str) -> Result<Self, Failure> {
        let texts = if inputs.len() > index { Some(inputs.text(index)?) } else { None };
        Ok(Self { texts, default, last: None })
    }

    fn get(&mut self, row: usize) -> Result<Option<&regex::Regex>, Failure> {
        let text = match &self.texts {
            None => self.default,
            Some(texts) => match texts.get(row) {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            let compiled = super::regexp::java_regex(text);
            self.last = Some((text, compiled.map_err(|error| Failure::data(format!("separator {text}: {error}")))?));
        }
        Ok(self.last.as_ref().map(|(_, regex)| regex))
    }
}

/// The parts of a text between separators; its characters if the separator is empty.
fn split(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, separators) = (inputs.text(0)?, inputs.text(1)?);
    let mut parts = StringBuilder::new();
    let mut ranges = Vec::with_capacity(inputs.rows);
    let mut count = 0;
    for row in 0..inputs.rows {
        let (Some(text), Some(separator)) = (texts.get(row), separators.get(row)) else {
            ranges.push(None);
            continue;
        };
        let start = count;
        let mut add = |part: &str| {
            parts.append_value(part);
            count += 1;
        };
        if separator.is_empty() {
            text.chars().for_each(|next| add(next.encode_utf8(&mut [0; 4])));
        } else {
            text.split(separator).for_each(add);
        }
        ranges.push(Some(start..count));
    }
    let parts: ArrayRef = Arc::new(parts.finish());
    let mut lists = ListMaker::new(vec![&parts], inputs.rows);
    for range in ranges {
        let valid = range.is_some();
        range.into_iter().flatten().for_each(|index| lists.pick(0, index));
        lists.end(valid);
    }
    lists.finish(inputs.result)
}
