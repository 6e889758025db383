//! What each operator is to do. Column numbers refer to the operator's input (of the port, where it has two).

mod join;

use std::collections::BTreeMap;

use model::{DataType, Schema};
use serde::{Deserialize, Serialize};

pub use self::join::{IntervalJoinSpec, JoinSpec, SemiJoinSpec, WindowJoinKind, WindowJoinSpec};
pub use crate::aggregate::AggregateFunction;
use crate::{ChangelogMode, Expr};

/// An operator's specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorSpec {
    /// Reads a table.
    Source(SourceSpec),
    /// Filters, then projects.
    Calc(CalcSpec),
    /// Adds `window_start`, `window_end`, `window_time`; HOP repeats the row for each window, SESSION keeps it until its
    /// session has ended.
    WindowAssign(WindowAssignSpec),
    /// Groups by window and keys; emits when the watermark passes the window's end.
    WindowAggregate(WindowAggregateSpec),
    /// Groups by keys; emits updates.
    GroupAggregate(GroupAggregateSpec),
    /// Groups by keys before the exchange; emits what the aggregation behind it merges.
    LocalAggregate(LocalAggregateSpec),
    /// Joins two inputs for all time.
    Join(JoinSpec),
    /// Joins rows whose times are near each other.
    IntervalJoin(IntervalJoinSpec),
    /// Keeps the first rows of each partition, by an order.
    Rank(RankSpec),
    /// Keeps one row for each key, the first or the last by event time.
    Deduplicate(DeduplicateSpec),
    /// Emits the rows of the left input that have a match in the right one, or have none.
    SemiJoin(SemiJoinSpec),
    /// Joins the rows of two inputs that are in the same window.
    WindowJoin(WindowJoinSpec),
    /// Repeats each row for each element of an array or entry of a map.
    Unnest(UnnestSpec),
    /// Passes on the first rows; runs as one subtask.
    Limit(LimitSpec),
    /// Writes a table.
    Sink(SinkSpec),
}

impl OperatorSpec {
    /// The kind of operator, as uids begin with it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Calc(_) => "calc",
            Self::WindowAssign(_) => "window-table-function",
            Self::WindowAggregate(_) => "window-aggregate",
            Self::GroupAggregate(_) => "group-aggregate",
            Self::LocalAggregate(_) => "local-group-aggregate",
            Self::Join(_) => "join",
            Self::IntervalJoin(_) => "interval-join",
            Self::Rank(spec) if spec.window_end.is_some() => "window-rank",
            Self::Rank(_) => "rank",
            Self::Deduplicate(_) => "deduplicate",
            Self::SemiJoin(_) => "semi-join",
            Self::WindowJoin(_) => "window-join",
            Self::Unnest(_) => "unnest",
            Self::Limit(_) => "limit",
            Self::Sink(_) => "sink",
        }
    }

    /// Whether snapshots hold something of it.
    pub fn keeps_state(&self) -> bool {
        match self {
            Self::WindowAssign(spec) => matches!(spec.window, WindowKind::Session { .. }),
            Self::Calc(_) | Self::LocalAggregate(_) | Self::Unnest(_) => false,
            _ => true,
        }
    }
}

/// A source: the planner has pruned its columns and pushed down what may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The table as declared.
    pub table: crate::TableSpec,
    /// The output columns: flat, each a physical column or a field inside one. Only these are decoded.
    pub columns: Vec<SourceColumn>,
    /// Conditions over the output columns that hold for every row the query needs. A connector may use them to skip
    /// rows; a Calc behind the source filters again.
    #[serde(default)]
    pub filters: Vec<Expr>,
    /// The watermark, a timestamp over the output columns, as `WATERMARK FOR … AS` declares it.
    #[serde(default)]
    pub watermark: Option<Expr>,
}

/// One output column of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceColumn {
    /// `["bid", "price"]` is the field `price` of the physical column `bid`.
    pub path: Vec<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// Filter and projection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalcSpec {
    /// Rows where this is not true are dropped.
    pub filter: Option<Expr>,
    /// The output columns.
    pub projection: Vec<Expr>,
}

/// A window table function's windows. All lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Fixed, adjacent windows.
    Tumble {
        /// Length.
        size: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// Windows of one length at regular distances, which overlap or leave gaps.
    Hop {
        /// Length.
        size: i64,
        /// Distance between starts.
        slide: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// Windows of one start and growing length; `size` is a multiple of `step`.
    Cumulate {
        /// Length of the last one.
        size: i64,
        /// By which each is longer than the one before.
        step: i64,
        /// Shift of the alignment.
        offset: i64,
    },
    /// For each key, from a row until no row has come for the gap.
    Session {
        /// Rows that are farther apart are in different windows.
        gap: i64,
    },
}

/// Windows over a time column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowAssignSpec {
    /// The event-time column.
    pub time: usize,
    /// The windows.
    pub window: WindowKind,
    /// The zone whose local time the windows are made of, where the times are instants; none for UTC.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whether rows belong to the time at which they are processed; `time` is not read then.
    #[serde(default)]
    pub processing: bool,
    /// The columns that are the keys of sessions; none for sessions of all rows, and with other windows.
    #[serde(default)]
    pub keys: Vec<usize>,
}

/// A windowed aggregation. Output: keys, aggregates, `window_start`, `window_end`, `window_time`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowAggregateSpec {
    /// Grouping columns beside the window.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// The event-time column.
    pub time: usize,
    /// The windows.
    pub window: WindowKind,
    /// The zone whose local time the windows are made of, where the times are instants; none for UTC.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whether rows belong to the time at which they are processed; `time` is not read then.
    #[serde(default)]
    pub processing: bool,
    /// What the input may carry.
    #[serde(default)]
    pub input: ChangelogMode,
    /// If the input comes from a local aggregate: the columns of that one's input, which the other numbers are about.
    #[serde(default)]
    pub partial: Option<Schema>,
}

/// An unwindowed aggregation. Output: keys, aggregates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupAggregateSpec {
    /// Grouping columns; none for a global aggregate.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may carry.
    pub input: ChangelogMode,
    /// Whether the consumer wants −U before each +U.
    pub emit_update_before: bool,
    /// If the input comes from a local aggregate: the columns of that one's input, which `keys` and `aggregates` are
    /// about.
    #[serde(default)]
    pub partial: Option<Schema>,
}

/// The first of two phases of a [`GroupAggregateSpec`] or [`WindowAggregateSpec`], over an append-only input. Output: keys,
/// with windows the end of the slice of time in milliseconds (a `BIGINT`), and the accumulators as `BYTES`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalAggregateSpec {
    /// Grouping columns; none for a global aggregate.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// The event-time column and the windows, if there are any.
    #[serde(default)]
    pub window: Option<(usize, WindowKind)>,
    /// The zone whose local time the windows are made of, where the times are instants; none for UTC.
    #[serde(default)]
    pub zone: Option<String>,
}

/// One aggregate of an aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// The argument column; none for `COUNT(*)`.
    pub argument: Option<usize>,
    /// The column of the second argument, of functions that have one.
    #[serde(default)]
    pub second: Option<usize>,
    /// `FILTER (WHERE …)`: a boolean column.
    #[serde(default)]
    pub filter: Option<usize>,
    /// Whether equal values count once.
    #[serde(default)]
    pub distinct: bool,
    /// The type of the argument; `Null` for `COUNT(*)`.
    pub argument_type: DataType,
    /// The type of the result.
    #[serde(rename = "type")]
    pub data_type: DataType,
}

impl AggregateCall {
    /// The columns that it reads.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.argument.into_iter().chain(self.second).chain(self.filter)
    }
}

/// `ROW_NUMBER()` within bounds. Output: the input's columns, then the number if it is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankSpec {
    /// The columns of `PARTITION BY`; none for one partition of all rows.
    pub partition: Vec<usize>,
    /// The columns of `ORDER BY`. Rows that are equal in them are numbered as they arrive; all, if there are none.
    pub order: Vec<SortColumn>,
    /// The first number that is kept, 1 at least.
    pub from: u64,
    /// The last number that is kept.
    pub to: u64,
    /// Whether of rows that are equal in the order the one that arrives last is numbered first.
    #[serde(default)]
    pub latest_first: bool,
    /// Where rows are numbered in each window of event time: the column of the partition with the window's end. The
    /// window's rows come out once, when the watermark has passed it; the input is append-only.
    #[serde(default)]
    pub window_end: Option<usize>,
    /// The zone of which the window's end is a local time, where windows are of instants; none for UTC.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whether the number, a `BIGINT`, is the last column of the output.
    pub with_number: bool,
    /// What the input may carry.
    pub input: ChangelogMode,
    /// Whether the consumer wants −U before each +U.
    pub emit_update_before: bool,
}

impl RankSpec {
    /// Whether rows replace each other: by number if it is in the output, or as the only row of a partition.
    pub fn replaces(&self) -> bool {
        self.with_number || (self.from, self.to) == (1, 1)
    }
}

/// A column of `ORDER BY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortColumn {
    /// The column.
    pub column: usize,
    /// `DESC`
    #[serde(default)]
    pub descending: bool,
    /// Whether nulls come before all values.
    pub nulls_first: bool,
}

/// One row for each key by time; the input is append-only. Output: the input's columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeduplicateSpec {
    /// The key columns.
    pub keys: Vec<usize>,
    /// The event-time column.
    pub time: usize,
    /// Whether rows are in the order of their arrival; `time` is not read then.
    #[serde(default)]
    pub processing: bool,
    /// Which row is kept.
    pub keep: Keep,
    /// Whether the consumer wants −U before each +U.
    #[serde(default)]
    pub emit_update_before: bool,
}

/// Which of several rows is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The earliest, once the watermark says that it is; of rows of the same time the one that came first. In the order
    /// of arrival the first, at once.
    First,
    /// The latest so far; of rows of the same time the one that came last.
    Last,
}

/// `UNNEST`. Output: the input's columns, those of the elements (the fields of rows; key and value of maps), the ordinal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnnestSpec {
    /// The array or map.
    pub column: usize,
    /// Whether it is read by what follows; else it comes out as null, so that it is not repeated for its own elements.
    pub keep: bool,
    /// Whether a row without elements is emitted once, with nulls.
    pub outer: bool,
    /// Whether elements are numbered, from 1.
    pub ordinality: bool,
}

/// `LIMIT … OFFSET …`, of an input without updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSpec {
    /// How many rows.
    pub limit: u64,
    /// Behind how many.
    pub offset: u64,
}

/// A sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkSpec {
    /// The table as declared; the input has its physical columns in order.
    pub table: crate::TableSpec,
    /// What the input carries.
    pub input: ChangelogMode,
}

/// Options in `WITH (…)`.
pub type Options = BTreeMap<String, String>;
