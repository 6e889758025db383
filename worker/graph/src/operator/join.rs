//! What joins are to do.

use model::Schema;
use serde::{Deserialize, Serialize};

use crate::{ChangelogMode, Expr};

/// A regular join. Output: left columns, right columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinSpec {
    /// Equal columns of the left input.
    pub left_keys: Vec<usize>,
    /// Equal columns of the right input.
    pub right_keys: Vec<usize>,
    /// Whether null keys are equal; else they match nothing.
    #[serde(default)]
    pub nulls_equal: bool,
    /// The rest of the condition, over left columns then right columns.
    pub condition: Option<Expr>,
    /// What the left input may carry.
    pub left_input: ChangelogMode,
    /// What the right input may carry.
    pub right_input: ChangelogMode,
    /// The left input's columns.
    pub left_schema: Schema,
    /// The right input's columns.
    pub right_schema: Schema,
}

/// A join of append-only inputs by time. Output: left columns, right columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalJoinSpec {
    /// Equal columns of the left input.
    pub left_keys: Vec<usize>,
    /// Equal columns of the right input.
    pub right_keys: Vec<usize>,
    /// Whether null keys are equal; else they match nothing.
    #[serde(default)]
    pub nulls_equal: bool,
    /// The event-time column of the left input.
    pub left_time: usize,
    /// The event-time column of the right input.
    pub right_time: usize,
    /// By how many milliseconds the right time is later at least; negative if it may be earlier.
    pub lower: i64,
    /// By how many milliseconds the right time is later at most.
    pub upper: i64,
    /// The whole condition but the keys, over left columns then right columns.
    pub condition: Option<Expr>,
    /// The left input's columns.
    pub left_schema: Schema,
    /// The right input's columns.
    pub right_schema: Schema,
}

/// A semi or anti join, for all time. Output: left columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SemiJoinSpec {
    /// Whether rows without a match are emitted, instead of those with one.
    pub anti: bool,
    /// Equal columns of the left input.
    pub left_keys: Vec<usize>,
    /// Equal columns of the right input.
    pub right_keys: Vec<usize>,
    /// Whether null keys are equal; else they match nothing.
    #[serde(default)]
    pub nulls_equal: bool,
    /// The rest of the condition, over left columns then right columns.
    pub condition: Option<Expr>,
    /// What the left input may carry.
    pub left_input: ChangelogMode,
    /// What the right input may carry.
    pub right_input: ChangelogMode,
    /// The left input's columns.
    pub left_schema: Schema,
    /// The right input's columns.
    pub right_schema: Schema,
}

/// Which rows a join of windows emits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowJoinKind {
    /// Pairs of rows: left columns, right columns.
    #[default]
    Inner,
    /// The left rows that have a match.
    Semi,
    /// The left rows that have none.
    Anti,
}

/// A join of windows, of inputs without updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowJoinSpec {
    /// What it emits.
    #[serde(default)]
    pub kind: WindowJoinKind,
    /// Equal columns of the left input, the start and end of the window among them.
    pub left_keys: Vec<usize>,
    /// Equal columns of the right input.
    pub right_keys: Vec<usize>,
    /// Whether null keys are equal; else they match nothing.
    #[serde(default)]
    pub nulls_equal: bool,
    /// The left column with the end of the window.
    pub left_end: usize,
    /// The right column with the end of the window.
    pub right_end: usize,
    /// The zone of which the ends are local times, where windows are of instants; none for UTC.
    #[serde(default)]
    pub zone: Option<String>,
    /// The rest of the condition, over left columns then right columns.
    pub condition: Option<Expr>,
    /// The left input's columns.
    pub left_schema: Schema,
    /// The right input's columns.
    pub right_schema: Schema,
}
