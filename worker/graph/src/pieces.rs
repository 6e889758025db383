//! JSON of any depth as JSON that every reader takes: what is nested too deep stands apart, as a piece.

use model::Failure;
use serde_json::{Map, Value, json};

/// Levels of brackets in one piece. Readers take 128, and a graph may stand in other JSON.
const DEPTH_MAX: usize = 96;

/// Levels of brackets in the whole. An expression has at most 400 levels, each a few of brackets.
const WHOLE_DEPTH_MAX: usize = 8192;

/// What a piece is left out by: `{"$piece": 3}`.
const PIECE: &str = "$piece";

/// The field of the whole that holds the pieces; one may leave out pieces before it.
const PIECES: &str = "pieces";

/// Whether a text is nested deeper than readers take.
pub(crate) fn is_deep(json: &str) -> bool {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > DEPTH_MAX
}

/// Whether a text may leave out pieces.
pub(crate) fn has_pieces(json: &str) -> bool {
    json.contains("\"$piece\"")
}

/// The same object with what is nested too deep in pieces.
pub(crate) fn cut(whole: Value) -> Value {
    let mut pieces = Vec::new();
    let (mut whole, _) = shortened(whole, &mut pieces);
    if let Value::Object(fields) = &mut whole {
        fields.insert(PIECES.to_owned(), Value::Array(pieces));
    }
    whole
}

/// A value without what is too deep in it, and its depth.
fn shortened(value: Value, pieces: &mut Vec<Value>) -> (Value, usize) {
    let mut deepest = 0;
    let mut part = |value: Value| {
        let (value, depth) = shortened(value, pieces);
        let (value, depth) = if depth < DEPTH_MAX - 2 {
            (value, depth)
        } else {
            pieces.push(value);
            (json!({ PIECE: pieces.len() - 1 }), 1)
        };
        deepest = deepest.max(depth);
        value
    };
    let value = match value {
        Value::Array(items) => Value::Array(items.into_iter().map(&mut part).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, part(value))).collect::<Map<_, _>>())
        }
        plain => return (plain, 0),
    };
    (value, deepest + 1)
}

/// The whole that was cut.
///
/// # Errors
/// Class `Data` if a piece is missing or the whole is nested too deep.
pub(crate) fn joined(mut whole: Value) -> Result<Value, Failure> {
    let pieces = whole.as_object_mut().and_then(|fields| fields.remove(PIECES));
    let mut pieces = match pieces {
        Some(Value::Array(pieces)) => pieces,
        _ => Vec::new(),
    };
    put_back(&mut whole, &mut pieces, 0)?;
    Ok(whole)
}

fn put_back(value: &mut Value, pieces: &mut [Value], depth: usize) -> Result<(), Failure> {
    if depth > WHOLE_DEPTH_MAX {
        return Err(Failure::data(format!("job graph: is nested too deep: more than {WHOLE_DEPTH_MAX} levels")));
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| put_back(item, pieces, depth + 1)),
        Value::Object(fields) => {
            let number = fields.get(PIECE).filter(|_| fields.len() == 1).and_then(Value::as_u64);
            let Some(number) = number else {
                return fields.values_mut().try_for_each(|field| put_back(field, pieces, depth + 1));
            };
            let piece = usize::try_from(number).ok().and_then(|number| pieces.get_mut(number)).map(Value::take);
            *value = piece.ok_or_else(|| Failure::data(format!("job graph: piece {number} is missing")))?;
            put_back(value, pieces, depth)
        }
        _ => Ok(()),
    }
}
