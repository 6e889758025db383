//! Arrays: construction, elements, and set operations. Elements compare as values, and nulls are equal.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::{fmt::Write, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, StringBuilder, StructArray, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute,
    datatypes::{DataType as Arrow, Int32Type},
    row::{RowConverter, Rows, SortField},
};
use model::{DataType, Failure, Field};

use crate::{
    arg::Inputs,
    coercion::common_type,
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function,
        Parameter::{Any, Array as ArrayParameter, Boolean, Common, Int, Text},
        function, returns,
    },
};

mod sets;
mod sort;

const ARRAY: &[crate::function::Parameter] = &[ArrayParameter];
const WITH_ANY: &[crate::function::Parameter] = &[ArrayParameter, Any];
const ARRAYS: &[crate::function::Parameter] = &[ArrayParameter, ArrayParameter];

pub(crate) const FUNCTIONS: &[Function] = &[
    function("ARRAY", &[Common], array_type, Plain(array)).never_null().optional(1).variadic().aliases(&["MAKE_ARRAY"]),
    function("ARRAY_APPEND", WITH_ANY, returns::first, Plain(|inputs| sets::add(inputs, true))).coercing(with_element),
    function("ARRAY_CONCAT", ARRAY, returns::first, Plain(sets::concat)).variadic().coercing(same_arrays),
    function("ARRAY_CONTAINS", WITH_ANY, returns::boolean, Plain(contains)).coercing(with_element),
    function("ARRAY_DISTINCT", ARRAY, returns::first, Plain(sets::distinct)),
    function("ARRAY_EXCEPT", ARRAYS, returns::first, Plain(|inputs| sets::select(inputs, false))).coercing(same_arrays),
    function("ARRAY_INTERSECT", ARRAYS, returns::first, Plain(|inputs| sets::select(inputs, true)))
        .coercing(same_arrays),
    function("ARRAY_JOIN", &[ArrayParameter, Text, Text], returns::string, Plain(join)).optional(1),
    function("ARRAY_MAX", ARRAY, element_type, Plain(|inputs| sort::extreme(inputs, true))).nullable(),
    function("ARRAY_MIN", ARRAY, element_type, Plain(|inputs| sort::extreme(inputs, false))).nullable(),
    function("ARRAY_POSITION", WITH_ANY, returns::int, Plain(position)).coercing(with_element),
    function("ARRAY_PREPEND", WITH_ANY, returns::first, Plain(|inputs| sets::add(inputs, false)))
        .coercing(with_element),
    function("ARRAY_REMOVE", WITH_ANY, returns::first, Plain(sets::remove)).coercing(with_element),
    function("ARRAY_REVERSE", ARRAY, returns::first, Plain(sort::reverse)),
    function("ARRAY_SLICE", &[ArrayParameter, Int, Int], returns::first, Plain(sort::slice)).optional(1),
    function("ARRAY_SORT", &[ArrayParameter, Boolean, Boolean], returns::first, Plain(sort::sort)).optional(2),
    function("ARRAY_UNION", ARRAYS, returns::first, Plain(sets::union)).coercing(same_arrays),
    function("CARDINALITY", &[Any], returns::int, Plain(cardinality)),
    function("ELEMENT", ARRAY, element_type, Plain(element)).nullable().fallible(),
    function("ITEM", WITH_ANY, element_type, Bound(super::maps::item)).nullable().coercing(super::maps::item_types),
    function("ROW", &[Any], row_type, Plain(row)).never_null().variadic(),
];

fn array_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(DataType::Array(Box::new(arguments.get(0).clone())))
}

/// The type of an array's elements or of a map's values.
pub(crate) fn element_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(match arguments.get(0) {
        DataType::Array(item) => (**item).clone(),
        DataType::Map(_, value) => (**value).clone(),
        _ => DataType::Null,
    })
}

fn row_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let fields = arguments.types.iter().enumerate();
    Ok(DataType::Row(fields.map(|(index, kind)| Field::new(format!("EXPR${index}"), kind.clone())).collect()))
}

fn item_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Array(item) => Some(item),
        DataType::Null => Some(&DataType::Null),
        _ => None,
    }
}

/// An array, and a value of its elements' type.
fn with_element(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, value] = types else { return None };
    let item = common_type(item_type(array)?, value)?;
    Some(vec![DataType::Array(Box::new(item.clone())), item])
}

/// Arrays of one type.
fn same_arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    let mut common = DataType::Null;
    for data_type in types {
        common = common_type(&common, item_type(data_type)?)?;
    }
    (!types.is_empty()).then(|| vec![DataType::Array(Box::new(common)); types.len()])
}

/// An array argument by row.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    list: &'a ListArray,
    scalar: bool,
}

impl<'a> Lists<'a> {
    pub(crate) fn new(inputs: &Inputs<'a>, index: usize) -> Result<Self, Failure> {
        let arg = inputs.arg(index)?;
        let list = arg.array.as_list_opt::<i32>();
        let list = list.ok_or_else(|| Failure::internal(format!("argument {index} is {}", arg.array.data_type())))?;
        Ok(Self { list, scalar: arg.scalar })
    }

    /// Where the elements of a row's array stand; none if it is null.
    pub(crate) fn range(&self, row: usize) -> Option<Range<usize>> {
        let row = if self.scalar { 0 } else { row };
        let offsets = self.list.value_offsets();
        self.list.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
    }

    pub(crate) fn values(&self) -> &'a ArrayRef {
        self.list.values()
    }
}

/// Values in a form that compares, from arrays of one type.
pub(crate) fn comparable(arrays: &[&ArrayRef]) -> Result<Vec<Rows>, Failure> {
    let Some(first) = arrays.first() else { return Ok(Vec::new()) };
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())])?;
    arrays.iter().map(|array| Ok(converter.convert_columns(&[Arc::clone(array)])?)).collect()
}

/// Builds arrays from elements of others.
pub(crate) struct ListMaker<'a> {
    sources: Vec<&'a ArrayRef>,
    picks: Vec<(usize, usize)>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
}

impl<'a> ListMaker<'a> {
    pub(crate) fn new(sources: Vec<&'a ArrayRef>, rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { sources, picks: Vec::new(), offsets, valid: Vec::with_capacity(rows) }
    }

    pub(crate) fn pick(&mut self, source: usize, index: usize) {
        self.picks.push((source, index));
    }

    /// Ends a row; its array is null unless `valid`.
    pub(crate) fn end(&mut self, valid: bool) {
        if !valid {
            self.picks.truncate(self.offsets.last().copied().unwrap_or(0) as usize);
        }
        self.offsets.push(self.picks.len() as i32);
        self.valid.push(valid);
    }

    pub(crate) fn finish(self, result: &DataType) -> Result<ArrayRef, Failure> {
        let Arrow::List(field) = result.to_arrow() else {
            return Err(Failure::internal(format!("an array is expected, not {result}")));
        };
        let sources: Vec<&dyn Array> = self.sources.iter().map(|source| source.as_ref()).collect();
        let values = compute::interleave(&sources, &self.picks)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(NullBuffer::from(self.valid)))?))
    }
}

fn array(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    if inputs.len() == 0 {
        let nothing = new_null_array(&Arrow::Null, 0);
        let mut lists = ListMaker::new(vec![&nothing], inputs.rows);
        (0..inputs.rows).for_each(|_| lists.end(true));
        return lists.finish(inputs.result);
    }
    let mut lists = ListMaker::new(inputs.args.iter().map(|arg| &arg.array).collect(), inputs.rows);
    for row in 0..inputs.rows {
        for (source, arg) in inputs.args.iter().enumerate() {
            lists.pick(source, arg.index(row));
        }
        lists.end(true);
    }
    lists.finish(inputs.result)
}

fn row(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let Arrow::Struct(fields) = inputs.result.to_arrow() else {
        return Err(Failure::internal("a row is expected"));
    };
    let columns = inputs.args.iter().map(|arg| arg.clone().into_array(inputs.rows)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, inputs.rows)?))
}

fn cardinality(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let arg = inputs.arg(0)?;
    let lengths: Int32Array = if let Some(map) = arg.array.as_map_opt() {
        (0..inputs.rows)
            .map(|row| {
                let row = arg.index(row);
                map.is_valid(row).then(|| map.value_offsets()[row + 1] - map.value_offsets()[row])
            })
            .collect()
    } else {
        let lists = Lists::new(inputs, 0)?;
        (0..inputs.rows).map(|row| lists.range(row).map(|range| range.len() as i32)).collect()
    };
    Ok(Arc::new(lengths))
}

/// Position from 1 of the value in each row's array; 0 if it is not there.
fn found(inputs: &Inputs<'_>) -> Result<Vec<Option<usize>>, Failure> {
    let (lists, needle) = (Lists::new(inputs, 0)?, inputs.arg(1)?);
    let rows = comparable(&[lists.values(), &needle.array])?;
    let found = (0..inputs.rows).map(|row| {
        let range = lists.range(row)?;
        let value = rows[1].row(needle.index(row));
        Some(range.clone().position(|index| rows[0].row(index) == value).map_or(0, |at| at + 1))
    });
    Ok(found.collect())
}

fn contains(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let found = found(inputs)?.into_iter().map(|position| position.map(|position| position > 0));
    Ok(Arc::new(found.collect::<BooleanArray>()))
}

/// Null if array or value is.
fn position(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let needle = inputs.arg(1)?;
    let found = found(inputs)?.into_iter().enumerate();
    let positions = found.map(|(row, position)| {
        let position = position? as i32;
        needle.array.is_valid(needle.index(row)).then_some(position)
    });
    Ok(Arc::new(positions.collect::<Int32Array>()))
}

/// The only element; null if there is none.
fn element(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let lists = Lists::new(inputs, 0)?;
    let indices = (0..inputs.rows).map(|row| match lists.range(row) {
        None => Ok(None),
        Some(range) if range.len() > 1 => Err(Failure::data(format!("an array has {} elements", range.len()))),
        Some(range) => Ok(range.map(|index| index as i32).next()),
    });
    let indices = indices.collect::<Result<Int32Array, Failure>>()?;
    Ok(compute::take(lists.values(), &indices, None)?)
}

/// Elements as text with a separator; nulls are left out unless there is a text for them.
fn join(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (lists, separators) = (Lists::new(inputs, 0)?, inputs.text(1)?);
    let nulls = if inputs.len() > 2 { Some(inputs.text(2)?) } else { None };
    let texts = compute::cast(lists.values(), &Arrow::Utf8)?;
    let texts = texts.as_string::<i32>();
    let mut out = StringBuilder::new();
    for row in 0..inputs.rows {
        let (Some(range), Some(separator)) = (lists.range(row), separators.get(row)) else {
            out.append_null();
            continue;
        };
        let for_null = match &nulls {
            None => None,
            Some(nulls) => match nulls.get(row) {
                Some(text) => Some(text),
                None => {
                    out.append_null();
                    continue;
                }
            },
        };
        let parts = range.filter_map(|index| if texts.is_null(index) { for_null } else { Some(texts.value(index)) });
        let mut first = true;
        for part in parts {
            let written = if first { Ok(()) } else { out.write_str(separator) };
            written.and_then(|()| out.write_str(part)).map_err(|_| Failure::internal("text cannot be written"))?;
            first = false;
        }
        out.append_value("");
    }
    Ok(Arc::new(out.finish()))
}

/// The integer argument of a row.
pub(crate) fn integer(inputs: &Inputs<'_>, index: usize, row: usize) -> Result<Option<i32>, Failure> {
    Ok(inputs.primitive::<Int32Type>(index)?.get(row))
}
