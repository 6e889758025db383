//! Logical plan nodes that the library does not have: watermarks and window table functions.

use std::{cmp::Ordering, collections::HashSet, fmt, sync::Arc};

use datafusion_common::{Column, DFSchema, DFSchemaRef, DataFusionError, ExprSchema, Result, TableReference};
use datafusion_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use graph::operator::WindowKind;
use model::DataType;

use crate::escape;

/// `WATERMARK FOR time AS watermark`: makes a column a time attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WatermarkNode {
    pub(crate) input: LogicalPlan,
    pub(crate) time: Column,
    pub(crate) watermark: Expr,
}

impl PartialOrd for WatermarkNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

/// The positions of the columns that `exprs` read.
fn positions(schema: &DFSchema, exprs: &[Expr]) -> Vec<usize> {
    exprs.iter().flat_map(Expr::column_refs).filter_map(|column| schema.index_of_column(column).ok()).collect()
}

impl UserDefinedLogicalNodeCore for WatermarkNode {
    fn name(&self) -> &str {
        "Watermark"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![Expr::Column(self.time.clone()), self.watermark.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watermark: {} AS {}", self.time, self.watermark)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (exprs.as_slice(), inputs.pop()) {
            ([Expr::Column(time), watermark], Some(input)) => {
                Ok(Self { input, time: time.clone(), watermark: watermark.clone() })
            }
            _ => Err(DataFusionError::Internal("a watermark has a column, an expression and an input".into())),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut needed = output_columns.to_vec();
        needed.extend(positions(self.input.schema(), &self.expressions()));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// Names of the columns that a window table function adds.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Their names where the input has columns of those names.
const MORE_WINDOW_COLUMNS: [[&str; 3]; 3] = [
    ["window_start0", "window_end0", "window_time0"],
    ["window_start1", "window_end1", "window_time1"],
    ["window_start2", "window_end2", "window_time2"],
];

/// Names of the columns that a window adds to those of a schema.
pub(crate) fn window_columns(schema: &DFSchema) -> Option<[&'static str; 3]> {
    let mut names = WINDOW_COLUMNS;
    for (index, name) in names.iter_mut().enumerate() {
        let more = MORE_WINDOW_COLUMNS.iter().map(|names| names[index]);
        let is_free = |name: &&str| !schema.has_column_with_unqualified_name(name);
        *name = [*name].into_iter().chain(more).find(is_free)?;
    }
    Some(names)
}

/// Their names where `GROUP BY TUMBLE(…)` adds them, which no query can read.
pub(crate) const GROUP_WINDOW_COLUMNS: [&str; 3] = ["$window_start", "$window_end", "$window_time"];

/// What a window is taken of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Windowing {
    pub(crate) time: Column,
    pub(crate) window: WindowKind,
    /// Whether the time is that of processing.
    pub(crate) processing: bool,
    /// The keys of sessions; none if the aggregation says them.
    pub(crate) partition: Option<Vec<Column>>,
    /// The names of the columns that are added.
    pub(crate) names: [&'static str; 3],
}

/// `TUMBLE(…)`, `HOP(…)`, `CUMULATE(…)`, `SESSION(…)`: the input's columns and the window's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WindowNode {
    pub(crate) input: LogicalPlan,
    pub(crate) of: Windowing,
    /// Whether the window's own columns are all still there; they always are.
    schema: DFSchemaRef,
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl WindowNode {
    pub(crate) fn try_new(input: LogicalPlan, of: Windowing) -> Result<Self> {
        let fields = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let time_type = escape::flink_type(input.schema().field_from_column(&of.time)?)?;
        let types = [DataType::Timestamp(3), DataType::Timestamp(3), time_type];
        let added = of
            .names
            .iter()
            .zip(types)
            .map(|(name, data_type)| (None::<TableReference>, escape::arrow_field(name, &data_type)));
        let schema = DFSchema::new_with_metadata(fields.chain(added).collect(), Default::default())?;
        Ok(Self { schema: Arc::new(schema), input, of })
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "WindowTableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let partition = self.of.partition.iter().flatten();
        std::iter::once(&self.of.time).chain(partition).cloned().map(Expr::Column).collect()
    }

    /// Rows that are not wanted behind a session are part of it nevertheless, unless they are of another key.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let mut prevented: HashSet<String> = self.of.names.iter().map(|name| (*name).to_owned()).collect();
        if let (WindowKind::Session { .. }, Some(keys)) = (self.of.window, &self.of.partition) {
            let names = self.input.schema().fields().iter().map(|field| field.name());
            prevented.extend(names.filter(|name| keys.iter().all(|key| key.name != **name)).cloned());
        }
        prevented
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window: {} {:?}", self.of.time, self.of.window)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let columns: Option<Vec<Column>> = exprs
            .into_iter()
            .map(|expr| match expr {
                Expr::Column(column) => Some(column),
                _ => None,
            })
            .collect();
        match (columns.as_deref(), inputs.pop()) {
            (Some([time, partition @ ..]), Some(input)) => {
                let partition = self.of.partition.as_ref().map(|_| partition.to_vec());
                Self::try_new(input, Windowing { time: time.clone(), partition, ..self.of.clone() })
            }
            _ => Err(DataFusionError::Internal("a window has a time column and an input".into())),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|&column| column < width).collect();
        needed.extend(positions(self.input.schema(), &self.expressions()));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
