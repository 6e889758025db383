//! What the state of an operator is about, kept beside it, so that a snapshot of another query is refused with a clear
//! error instead of being misread.
//!
//! A [`Description`] is stored as JSON. It has what decides how state is read: names of types, and the names of the columns
//! that state is kept by, never positions in an input. Names count only if the user has given the operator its uid: a
//! derived uid covers the columns themselves, so that a column may be renamed. What is described in addition gets a field
//! with a default, which is not written, so that older descriptions stay equal. Builds before version 2 wrote a text
//! ([`former`]).

mod describe;
pub(crate) mod former;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use dataflow::{OpenContext, Snapshot};
use graph::operator::WindowKind;
use model::Failure;
use serde::{Deserialize, Serialize};

use self::types::WIDE;
pub(crate) use self::types::type_name;

/// The name of the operator state.
const NAME: &str = "signature";

/// The version that is written.
const VERSION: u32 = 2;

/// What the state of an operator is about: equal for operators whose state is exchangeable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Description {
    /// [`VERSION`] of the writer.
    version: u32,
    /// The kind of operator.
    operator: String,
    /// What is kept of each input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input>,
    /// The calls that the accumulators are of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
    /// The order of rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    order: Vec<Sort>,
    /// Which rows are kept, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    /// The windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowKind>,
    /// The zone of local times in state.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// The condition by which rows were matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// Lengths by name, in milliseconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    lengths: BTreeMap<String, i64>,
    /// What else is so.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    properties: BTreeSet<String>,
}

/// What is kept of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Input {
    /// The types of the columns of kept rows; none if no rows are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
    keys: Vec<Column>,
    /// The column by whose time rows are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Column>,
    /// Whether rows are also taken away.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    changes: bool,
}

/// A column that has a meaning for state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    /// Empty if the query gives it none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "type")]
    data_type: String,
}

/// A call of an aggregate function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    function: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<Argument>,
    /// The number of the column that says which rows count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    distinct: bool,
    /// Whether nulls are not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    skips_nulls: bool,
}

/// An argument of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Argument {
    /// Equal for equal columns: columns are numbered in the order in which the calls name them.
    number: usize,
    #[serde(rename = "type")]
    data_type: String,
}

/// A column of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sort {
    column: Column,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    descending: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nulls_first: bool,
}

/// A description, as it is stored.
pub(crate) struct Signature(Vec<u8>);

impl Signature {
    /// Compares a description with that of the snapshot the operator starts from. `former` is what builds before
    /// version 2 would have written.
    pub(crate) fn new(description: &Description, former: &str, context: &OpenContext) -> Result<Self, Failure> {
        for item in context.restored(NAME) {
            compare(&item.0, description, former, context.is_uid_derived)?;
        }
        let json = serde_json::to_vec(description);
        json.map(Self).map_err(|error| Failure::internal(format!("signature: {error}")))
    }

    /// Puts it into a snapshot.
    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot) {
        snapshot.add(NAME, self.0.clone());
    }
}

/// Checks that a stored description, or a text of an earlier build, is of the same state.
fn compare(stored: &[u8], description: &Description, former: &str, is_uid_derived: bool) -> Result<(), Failure> {
    let other =
        |difference: String| Err(Failure::user(format!("the snapshot holds state of another query: {difference}")));
    if stored.first() != Some(&b'{') {
        let stored = String::from_utf8_lossy(stored);
        if stored == former {
            return Ok(());
        }
        if stored == former.replace(WIDE, "") {
            return Err(narrow_timestamps(&stored));
        }
        return other(format!("'{stored}' instead of '{former}'"));
    }
    let read: Description =
        serde_json::from_slice(stored).map_err(|error| Failure::data(format!("the stored signature: {error}")))?;
    if read.version > VERSION {
        let version = read.version;
        return Err(Failure::data(format!("version {version} of signatures is newer than this build's {VERSION}")));
    }
    let counts = |description| if is_uid_derived { without_names(description) } else { description };
    let (read, mine) = (counts(Description { version: VERSION, ..read }), counts(description.clone()));
    if read == mine {
        return Ok(());
    }
    let difference = difference(&read, &mine);
    if is_of_narrow_timestamps(&read, &mine) { Err(narrow_timestamps(&difference)) } else { other(difference) }
}

/// A description without names of columns, and without the condition, which consists of them.
fn without_names(mut description: Description) -> Description {
    let kept_by = description.inputs.iter_mut().flat_map(|input| input.keys.iter_mut().chain(&mut input.time));
    let columns = kept_by.chain(description.order.iter_mut().map(|sort| &mut sort.column));
    columns.for_each(|column| column.name.clear());
    description.condition = None;
    description
}

/// Whether a stored description differs in nothing but how timestamps of more than six digits were held.
fn is_of_narrow_timestamps(stored: &Description, mine: &Description) -> bool {
    let former = serde_json::to_string(mine).map(|json| json.replace(WIDE, ""));
    matches!((serde_json::to_string(stored), former), (Ok(stored), Ok(former)) if stored == former)
}

/// The refusal of state in which timestamps of more than six digits have 64 bits.
fn narrow_timestamps(difference: &str) -> Failure {
    Failure::user(format!(
        "the snapshot holds timestamps of more than six digits in 64 bits, as earlier builds kept them; they have 128 \
         bits now, so this state cannot be read: {difference}"
    ))
}

/// The parts in which two descriptions differ.
fn difference(stored: &Description, mine: &Description) -> String {
    let parts = |description: &Description| match serde_json::to_value(description) {
        Ok(serde_json::Value::Object(parts)) => parts.into_iter().collect::<BTreeMap<_, _>>(),
        _ => BTreeMap::new(),
    };
    let (stored, mine) = (parts(stored), parts(mine));
    let names: BTreeSet<&String> = stored.keys().chain(mine.keys()).collect();
    let differing = names.into_iter().filter(|name| *name != "version" && stored.get(*name) != mine.get(*name));
    let text = |part: Option<&serde_json::Value>| part.map_or("none".to_owned(), ToString::to_string);
    let differing =
        differing.map(|name| format!("{name} {} instead of {}", text(stored.get(name)), text(mine.get(name))));
    differing.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
