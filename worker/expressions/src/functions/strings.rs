//! Functions on character strings. Positions and lengths count characters.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, StringArray, StringBuilder, new_null_array,
    },
    buffer::{Buffer, ScalarBuffer},
    compute,
    datatypes::{Int32Type, Int64Type},
};
use model::{DataType, Failure};

use crate::{
    arg::{Inputs, Text},
    coercion::{common_type, integer_rank, is_binary, is_text},
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function,
        Parameter::{Any, Int, Text as TextParameter, TextOrBytes},
        function, operator, returns,
    },
};

mod edit;
mod printf;

const TEXT: &[crate::function::Parameter] = &[TextParameter];
const TEXTS: &[crate::function::Parameter] = &[TextParameter, TextParameter];
const EITHER: &[crate::function::Parameter] = &[TextOrBytes, TextOrBytes];
const TEXT_INT: &[crate::function::Parameter] = &[TextParameter, Int];

pub(crate) const FUNCTIONS: &[Function] = &[
    function("ASCII", TEXT, returns::int, Plain(ascii)),
    function("BTRIM", TEXTS, returns::string, Plain(|inputs| edit::trim(inputs, true, true))).optional(1),
    function("CHAR_LENGTH", TEXT, returns::int, Plain(char_length)).aliases(&["CHARACTER_LENGTH", "LENGTH"]),
    function("CHR", &[Int], returns::string, Plain(edit::chr)).nullable(),
    function("CONCAT", TEXT, returns::string, Plain(concat)).variadic(),
    function("CONCAT_WS", TEXTS, returns::string, Plain(concat_ws)).variadic(),
    function("COUNT_CHAR", TEXTS, returns::bigint, Plain(count_char)),
    function("ELT", &[Int, TextOrBytes], returns::second, Plain(elt)).nullable().variadic().coercing(elt_types),
    function("ENDSWITH", EITHER, returns::boolean, Plain(|inputs| test(inputs, |text, end| text.ends_with(end))))
        .coercing(texts_or_bytes),
    function("INITCAP", TEXT, returns::first, Plain(edit::initcap)),
    function("INSTR", TEXTS, returns::int, Plain(|inputs| locate(inputs, 1, 0))).aliases(&["STRPOS"]),
    function("LEFT", TEXT_INT, returns::first_varying, Plain(edit::left)).nullable(),
    function("LOCATE", &[TextParameter, TextParameter, Int], returns::int, Plain(|inputs| locate(inputs, 0, 1)))
        .optional(1),
    function("LOWER", TEXT, returns::first, Plain(lower)),
    function("LPAD", &[TextParameter, Int, TextParameter], returns::string, Plain(|inputs| edit::pad(inputs, true))),
    function("LTRIM", TEXTS, returns::first_varying, Plain(|inputs| edit::trim(inputs, true, false))).optional(1),
    function("OVERLAY", &[TextParameter, TextParameter, Int, Int], overlay_type, Plain(edit::overlay)).optional(1),
    function("POSITION", TEXTS, returns::int, Plain(|inputs| locate(inputs, 0, 1))),
    function("PRINTF", &[TextParameter, Any], returns::string, Bound(printf::printf)).nullable().variadic().optional(1),
    function("REPEAT", TEXT_INT, returns::string, Plain(edit::repeat)),
    function("REPLACE", &[TextParameter, TextParameter, TextParameter], returns::string, Plain(edit::replace)),
    function("REVERSE", TEXT, returns::string, Plain(edit::reverse)).nullable(),
    function("RIGHT", TEXT_INT, returns::first_varying, Plain(edit::right)).nullable(),
    function("RPAD", &[TextParameter, Int, TextParameter], returns::string, Plain(|inputs| edit::pad(inputs, false))),
    function("RTRIM", TEXTS, returns::first_varying, Plain(|inputs| edit::trim(inputs, false, true))).optional(1),
    function("SPLIT_INDEX", &[TextParameter, Any, Int], returns::string, Plain(edit::split_index)).nullable(),
    function(
        "STARTSWITH",
        EITHER,
        returns::boolean,
        Plain(|inputs| test(inputs, |text, start| text.starts_with(start))),
    )
    .coercing(texts_or_bytes),
    function("SUBSTRING", &[TextOrBytes, Int, Int], returns::first_varying, Plain(edit::substring))
        .nullable()
        .optional(1)
        .aliases(&["SUBSTR"]),
    function("TRANSLATE", &[TextParameter, TextParameter, TextParameter], returns::string, Plain(edit::translate)),
    function("TRIM", TEXTS, returns::first_varying, Plain(|inputs| edit::trim(inputs, true, true))).optional(1),
    function("UPPER", TEXT, returns::first, Plain(upper)),
    operator("||", &[TextOrBytes, TextOrBytes], concat_type, Plain(concat)).variadic(),
];

/// As long as both texts together.
fn overlay_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    let both = Arguments { types: &arguments.types[..2], ..*arguments };
    Ok(match concat_type(&both)? {
        DataType::Char(length) => DataType::Varchar(length),
        other => other,
    })
}

/// Lengths add up; the text has a fixed length if both have.
fn concat_type(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
    use DataType::{Char, Varchar};
    let sum = |left: u32, right: u32| left.checked_add(right).filter(|sum| *sum < i32::MAX as u32);
    let unbounded = if crate::coercion::is_binary(arguments.get(0)) { DataType::Bytes } else { DataType::String };
    let [left, right] = arguments.types else { return Ok(unbounded) };
    Ok(match (left, right) {
        (Char(l), Char(r)) => sum(*l, *r).map_or(unbounded, Char),
        (Char(l) | Varchar(l), Char(r) | Varchar(r)) => sum(*l, *r).map_or(unbounded, Varchar),
        _ => unbounded,
    })
}

/// Builds a text for each row where all arguments are there.
fn build(
    inputs: &Inputs<'_>,
    mut write: impl FnMut(usize, &mut StringBuilder) -> Result<Option<()>, std::fmt::Error>,
) -> Result<ArrayRef, Failure> {
    let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 16);
    for row in 0..inputs.rows {
        match write(row, &mut out) {
            Ok(Some(())) => out.append_value(""),
            Ok(None) => out.append_null(),
            Err(_) => return Err(Failure::data("a text is too long")),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn upper(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    change_case(inputs, u8::to_ascii_uppercase, str::to_uppercase)
}

fn lower(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    change_case(inputs, u8::to_ascii_lowercase, str::to_lowercase)
}

/// ASCII keeps its offsets, so only bytes are mapped.
fn change_case(inputs: &Inputs<'_>, ascii: fn(&u8) -> u8, unicode: fn(&str) -> String) -> Result<ArrayRef, Failure> {
    let array = inputs.arg(0)?.array.as_string_opt::<i32>();
    let array = array.ok_or_else(|| Failure::internal("text is expected"))?;
    if !array.is_ascii() {
        return change_some(array, ascii, unicode);
    }
    let offsets = array.offsets();
    let start = offsets[0] as usize;
    let end = offsets[offsets.len() - 1] as usize;
    let bytes: Vec<u8> = array.values()[start..end].iter().map(ascii).collect();
    let offsets = if start == 0 {
        offsets.clone()
    } else {
        let shifted: Vec<i32> = offsets.iter().map(|offset| offset - start as i32).collect();
        arrow::buffer::OffsetBuffer::new(ScalarBuffer::from(shifted))
    };
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), array.nulls().cloned())?))
}

fn change_some(array: &StringArray, ascii: fn(&u8) -> u8, unicode: fn(&str) -> String) -> Result<ArrayRef, Failure> {
    let mut bytes: Vec<u8> = Vec::with_capacity(array.values().len());
    let mut offsets = Vec::with_capacity(array.len() + 1);
    offsets.push(0);
    for text in array {
        match text {
            Some(text) if text.is_ascii() => bytes.extend(text.as_bytes().iter().map(ascii)),
            Some(text) => bytes.extend(unicode(text).as_bytes()),
            None => {}
        }
        offsets.push(i32::try_from(bytes.len()).map_err(|_| Failure::data("a column of text exceeds 2 GB"))?);
    }
    let offsets = arrow::buffer::OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), array.nulls().cloned())?))
}

fn char_length(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let lengths: Int32Array = (0..inputs.rows)
        .map(|row| texts.get(row).map(|text| if text.is_ascii() { text.len() } else { text.chars().count() } as i32))
        .collect();
    Ok(Arc::new(lengths))
}

/// Nexmark's function: how many bytes of a text are the first byte of the other; none of what is null.
fn count_char(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, characters) = (inputs.text(0)?, inputs.text(1)?);
    let counts: Result<Int64Array, Failure> = (0..inputs.rows)
        .map(|row| {
            let Some(text) = texts.get(row) else { return Ok(Some(0)) };
            let character = characters.get(row).and_then(|text| text.as_bytes().first());
            let character = character.ok_or_else(|| Failure::data("COUNT_CHAR is given no character to count"))?;
            Ok(Some(text.bytes().filter(|byte| byte == character).count() as i64))
        })
        .collect();
    Ok(Arc::new(counts?))
}

fn ascii(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    // The first byte, with its sign, as in Flink.
    let first = |text: &str| i32::from(text.as_bytes().first().map_or(0, |byte| *byte as i8));
    let values: Int32Array = (0..inputs.rows).map(|row| texts.get(row).map(first)).collect();
    Ok(Arc::new(values))
}

/// Two texts, or bytes both.
fn texts_or_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    let common = types.iter().try_fold(DataType::Null, |common, next| common_type(&common, next))?;
    let known = is_text(&common) || is_binary(&common);
    let null_as = |data_type: &DataType| if *data_type == DataType::Null { common.clone() } else { data_type.clone() };
    match common {
        DataType::Null => Some(vec![DataType::String; types.len()]),
        _ => known.then(|| types.iter().map(null_as).collect()),
    }
}

fn test(inputs: &Inputs<'_>, holds: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef, Failure> {
    let values: BooleanArray = if inputs.arg(0)?.array.as_binary_opt::<i32>().is_some() {
        let (values, others) = (inputs.binary(0)?, inputs.binary(1)?);
        (0..inputs.rows).map(|row| Some(holds(values.get(row)?, others.get(row)?))).collect()
    } else {
        let (texts, others) = (inputs.text(0)?, inputs.text(1)?);
        let holds = |text: &str, other: &str| holds(text.as_bytes(), other.as_bytes());
        (0..inputs.rows).map(|row| Some(holds(texts.get(row)?, others.get(row)?))).collect()
    };
    Ok(Arc::new(values))
}

/// Character position of a text in another from 1, or 0; a third argument says where to begin.
fn locate(inputs: &Inputs<'_>, needle: usize, hay: usize) -> Result<ArrayRef, Failure> {
    let (needles, hays) = (inputs.text(needle)?, inputs.text(hay)?);
    let starts = if inputs.len() > 2 { Some(inputs.primitive::<Int32Type>(2)?) } else { None };
    let values: Int32Array = (0..inputs.rows)
        .map(|row| {
            let (needle, hay) = (needles.get(row)?, hays.get(row)?);
            let skipped = match &starts {
                Some(starts) => usize::try_from(starts.get(row)?.saturating_sub(1)).unwrap_or(0),
                None => 0,
            };
            let from = if skipped == 0 { 0 } else { hay.char_indices().nth(skipped).map_or(hay.len(), |(at, _)| at) };
            let found = hay[from..].find(needle).map(|at| hay[..from + at].chars().count() as i32 + 1);
            Some(found.unwrap_or(0))
        })
        .collect();
    Ok(Arc::new(values))
}

fn concat(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    if *inputs.result == DataType::Bytes {
        return concat_bytes(inputs);
    }
    let texts = as_texts(inputs)?;
    let texts: Vec<Text<'_>> = (0..texts.len()).map(|index| text_of(&texts[index])).collect();
    build(inputs, |row, out| {
        if texts.iter().any(|text| text.get(row).is_none()) {
            return Ok(None);
        }
        for text in &texts {
            out.write_str(text.get(row).unwrap_or_default())?;
        }
        Ok(Some(()))
    })
}

/// Arguments as text: numbers and others are written as `CAST` does.
fn as_texts(inputs: &Inputs<'_>) -> Result<Vec<crate::arg::Arg>, Failure> {
    inputs
        .args
        .iter()
        .map(|arg| {
            if arg.array.as_string_opt::<i32>().is_some() {
                return Ok(arg.clone());
            }
            let from = DataType::from_arrow(arg.array.data_type())?;
            let kernel = crate::cast::kernel(&from, &DataType::String, false)?;
            let kernel = kernel.ok_or_else(|| Failure::internal("text is expected"))?;
            let args = [arg.clone()];
            let array = kernel(&Inputs { args: &args, rows: arg.array.len(), result: &DataType::String })?;
            Ok(crate::arg::Arg { array, scalar: arg.scalar })
        })
        .collect()
}

fn text_of(arg: &crate::arg::Arg) -> Text<'_> {
    Text::new(arg.array.as_string::<i32>(), arg.scalar)
}

fn concat_bytes(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let parts = (0..inputs.len()).map(|index| inputs.binary(index)).collect::<Result<Vec<_>, _>>()?;
    let mut out = arrow::array::BinaryBuilder::new();
    let mut buffer = Vec::new();
    for row in 0..inputs.rows {
        buffer.clear();
        let all = parts.iter().try_for_each(|part| {
            buffer.extend_from_slice(part.get(row)?);
            Some(())
        });
        out.append_option(all.map(|()| &buffer));
    }
    Ok(Arc::new(out.finish()))
}

/// A position, and texts or bytes of one type.
fn elt_types(types: &[DataType]) -> Option<Vec<DataType>> {
    let (position, choices) = types.split_first()?;
    let common = choices.iter().try_fold(DataType::Null, |common, next| common_type(&common, next))?;
    let fits = is_text(&common) || is_binary(&common);
    if !fits || integer_rank(position).is_none() {
        return None;
    }
    Some(std::iter::once(DataType::BigInt).chain(choices.iter().map(|_| common.clone())).collect())
}

/// The value at a position from 1 among the arguments that follow.
fn elt(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let positions = inputs.primitive::<Int64Type>(0)?;
    let none = new_null_array(inputs.arg(1)?.array.data_type(), 1);
    let mut choices: Vec<&dyn Array> = vec![&none];
    choices.extend(inputs.args[1..].iter().map(|arg| arg.array.as_ref() as &dyn Array));
    let picks: Vec<(usize, usize)> = (0..inputs.rows)
        .map(|row| match positions.get(row).and_then(|position| usize::try_from(position).ok()) {
            Some(position) if (1..inputs.len()).contains(&position) => (position, inputs.args[position].index(row)),
            _ => (0, 0),
        })
        .collect();
    Ok(compute::interleave(&choices, &picks)?)
}

/// Joins texts by the first; nulls among them are left out.
fn concat_ws(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = (0..inputs.len()).map(|index| inputs.text(index)).collect::<Result<Vec<_>, _>>()?;
    build(inputs, |row, out| {
        let Some(separator) = texts[0].get(row) else { return Ok(None) };
        let mut first = true;
        for text in texts[1..].iter().filter_map(|text| text.get(row)) {
            if !first {
                out.write_str(separator)?;
            }
            first = false;
            out.write_str(text)?;
        }
        Ok(Some(()))
    })
}
