//! Lowering: from the optimised logical plan to the job graph.
//!
//! Projections and filters are not lowered by themselves: a [`Relation`] carries them as expressions over the output
//! of an operator, until a stateful operator or a sink needs its columns; then one Calc computes them all.

mod aggregate;
mod finish;
mod fold;
mod grouping_sets;
mod join;
mod limit;
mod rank;
pub(crate) mod scalar;
mod semi_join;
mod sink;
mod source;
mod state_id;
mod union;
mod unnest;
mod values;
mod window;
mod zone;

use std::collections::BTreeMap;

use datafusion_common::JoinType;
use datafusion_expr::LogicalPlan;
use expressions::Evaluator;
use graph::{
    Catalog, ChangelogMode, Edge, Expr, JobGraph, Node, NodeId, OperatorSpec, Partitioning, Value,
    operator::{CalcSpec, Options, WindowKind},
};
use model::{DataType, Field, Schema};

use crate::{
    SqlError,
    catalog::PhysicalTable,
    nodes::{WatermarkNode, WindowNode},
    statement::StateId,
    unnest::UnnestNode,
};
use rank::Numbered;
use scalar::{Scope, conjunction, is_volatile, substitute};

pub(crate) use sink::Target;

/// Rows not yet computed: expressions over the columns of a base.
#[derive(Clone, Debug)]
struct Relation {
    base: Base,
    /// A field's expression over the base's columns.
    exprs: Vec<Expr>,
    names: Vec<String>,
    filter: Option<Expr>,
}

#[derive(Clone, Debug)]
enum Base {
    /// The output of an operator.
    Node {
        node: NodeId,
        /// If it has the columns of a window.
        window: Option<WindowColumns>,
    },
    /// A window table function that is not an operator yet: the input's fields, then the window's three columns.
    Window { input: Box<Relation>, of: WindowOf },
    /// Numbered rows that are not an operator yet.
    Numbered(Box<Numbered>),
}

/// What a window is taken of.
#[derive(Clone, Debug)]
struct WindowOf {
    /// The input's field.
    time: usize,
    window: WindowKind,
    processing: bool,
    /// Whether the time is an instant, so that windows are of the session zone's local time.
    of_instants: bool,
    /// The fields that are the keys of sessions; none if the aggregation says them.
    partition: Option<Vec<usize>>,
}

/// Where an operator's output has the columns of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WindowColumns {
    start: usize,
    end: usize,
    /// None if nothing reads it.
    time: Option<usize>,
    window: WindowKind,
    processing: bool,
    /// As of the [`WindowOf`] it comes from.
    of_instants: bool,
}

impl WindowOf {
    fn is_session(&self) -> bool {
        matches!(self.window, WindowKind::Session { .. })
    }

    /// The columns behind `width` others.
    fn columns(&self, width: usize) -> WindowColumns {
        let &Self { window, processing, of_instants, .. } = self;
        WindowColumns { start: width, end: width + 1, time: Some(width + 2), window, processing, of_instants }
    }
}

/// The name of a column that is there only so that rows have one.
const ROW: &str = "$row";

/// How deep an expression may be that is evaluated.
const DEPTH_MAX: usize = 400;

/// A job graph under construction.
pub(crate) struct Lowering<'a> {
    catalog: &'a dyn Catalog,
    graph: JobGraph,
    /// The one source of each table, by name and options.
    sources: BTreeMap<(String, Options), NodeId>,
    /// The watermark of a source, over its table's physical columns.
    watermarks: BTreeMap<NodeId, Expr>,
    /// The session's time zone; none for UTC.
    zone: Option<String>,
    /// What a `LIMIT` above the next `ORDER BY` lets through: the rows after the first number, up to the second.
    limits: Option<(i64, i64)>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(name: &str, catalog: &'a dyn Catalog, zone: Option<String>) -> Self {
        let graph = JobGraph::new(name);
        Self { catalog, graph, sources: BTreeMap::new(), watermarks: BTreeMap::new(), zone, limits: None }
    }

    /// The zone of windows, if they are of instants.
    fn zone_of(&self, of_instants: bool) -> Option<String> {
        self.zone.clone().filter(|_| of_instants)
    }

    /// Adds a query that is written to `target`.
    pub(crate) fn write(&mut self, plan: &LogicalPlan, target: &Target<'_>) -> Result<(), SqlError> {
        let mut relation = self.relation(plan)?;
        if matches!(plan, LogicalPlan::Values(_)) {
            relation.names = (0..relation.names.len()).map(|index| format!("EXPR${index}")).collect();
        }
        self.sink(relation, target)
    }

    fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation, SqlError> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.computed_once(&projection.input)?;
                let scope = Scope { schema: projection.input.schema(), exprs: &input.exprs };
                let exprs = projection.expr.iter().map(|expr| scope.lower(expr)).collect::<Result<_, _>>()?;
                Ok(Relation { exprs, names: names(plan), ..input })
            }
            LogicalPlan::Filter(filter) => {
                let input = self.computed_once(&filter.input)?;
                let condition =
                    Scope { schema: filter.input.schema(), exprs: &input.exprs }.lower(&filter.predicate)?;
                Ok(Relation { filter: conjunction(input.filter, Some(condition)), ..input })
            }
            LogicalPlan::SubqueryAlias(alias) => match StateId::of_alias(alias.alias.table()) {
                Some(id) => self.with_state_id(&alias.input, id),
                None => self.relation(&alias.input),
            },
            LogicalPlan::TableScan(scan) => {
                let table = scan
                    .source
                    .downcast_ref::<PhysicalTable>()
                    .ok_or_else(|| SqlError::internal(format!("'{}' is no declared table", scan.table_name)))?;
                self.scan(&table.spec, scan.projection.as_deref())
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct.input()),
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => self.join(join),
            LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti) => {
                self.semi_join(join)
            }
            LogicalPlan::Join(join) if matches!(join.join_type, JoinType::LeftMark | JoinType::RightMark) => {
                Err(SqlError::new("IN and EXISTS with a query are only supported as conditions joined by AND"))
            }
            LogicalPlan::Join(join) => Err(SqlError::new(format!("{} JOIN is not supported", join.join_type))),
            LogicalPlan::Window(window) => self.row_number(window),
            LogicalPlan::Union(union) => self.union(union, names(plan)),
            LogicalPlan::Values(values) => self.values(values, names(plan)),
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => self.one_row(),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Sort(sort) => self.top(sort),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(mark) = node.downcast_ref::<WatermarkNode>() {
                    self.watermark(mark)
                } else if let Some(window) = node.downcast_ref::<WindowNode>() {
                    self.window(window)
                } else if let Some(unnest) = node.downcast_ref::<UnnestNode>() {
                    self.unnest(unnest)
                } else {
                    Err(SqlError::internal(format!("unknown plan node {}", extension.node.name())))
                }
            }
            other => {
                let text = other.display().to_string();
                let kind = text.split([':', ' ']).next().unwrap_or_default();
                Err(SqlError::new(format!("{kind} is not supported on streams")))
            }
        }
    }

    /// The input of a projection or filter: what must be computed once is computed before it is copied.
    fn computed_once(&mut self, plan: &LogicalPlan) -> Result<Relation, SqlError> {
        let relation = self.relation(plan)?;
        if !relation.exprs.iter().any(is_volatile) {
            return Ok(relation);
        }
        let names = relation.names.clone();
        let (node, window) = self.materialize(relation)?;
        let exprs = (0..names.len()).map(Expr::Column).collect();
        Ok(Relation { base: Base::Node { node, window }, exprs, names, filter: None })
    }

    /// The operator whose output is the base, and its window columns.
    fn base(&mut self, base: Base) -> Result<(NodeId, Option<WindowColumns>), SqlError> {
        match base {
            Base::Node { node, window } => Ok((node, window)),
            Base::Window { input, of } => self.assign_windows(*input, &of),
            Base::Numbered(numbered) => {
                let names = numbered.input.names.clone();
                let exprs = (0..=names.len()).map(Expr::Column).collect();
                let relation = self.ranked(*numbered, exprs, names, None)?;
                self.base(relation.base)
            }
        }
    }

    /// The operator that computes a relation, with the window's columns if they are among its fields.
    fn materialize(&mut self, relation: Relation) -> Result<(NodeId, Option<WindowColumns>), SqlError> {
        let relation = relation.with_a_column();
        let relation = match relation.base {
            Base::Numbered(numbered) => self.ranked(*numbered, relation.exprs, relation.names, relation.filter)?,
            _ => relation,
        };
        let (base, window) = self.base(relation.base)?;
        let position = |column: usize| relation.exprs.iter().position(|expr| *expr == Expr::Column(column));
        let window = window.and_then(|window| {
            Some(WindowColumns {
                start: position(window.start)?,
                end: position(window.end)?,
                time: window.time.and_then(position),
                ..window
            })
        });
        let node = self.calc(base, relation.filter, relation.exprs, relation.names)?;
        Ok((node, window))
    }

    /// A Calc over an operator; none where it would do nothing.
    fn calc(
        &mut self,
        input: NodeId,
        filter: Option<Expr>,
        projection: Vec<Expr>,
        names: Vec<String>,
    ) -> Result<NodeId, SqlError> {
        let projection = match &filter {
            Some(filter) => fold::given(filter, projection),
            None => projection,
        };
        let from = &self.graph.nodes[input];
        // What is wrong with it is said here, not by the task that would evaluate it.
        for expr in filter.iter().chain(&projection) {
            if scalar::depth(expr) > DEPTH_MAX {
                let message =
                    format!("the expressions of queries over each other are nested more than {DEPTH_MAX} deep");
                return Err(SqlError::new(message));
            }
            Evaluator::compile(expr, &from.schema)?;
        }
        let is_source = matches!(from.operator, OperatorSpec::Source(_));
        let identity = filter.is_none()
            && projection.len() == from.schema.len()
            && projection.iter().enumerate().all(|(index, expr)| *expr == Expr::Column(index));
        if identity && !is_source {
            return Ok(input);
        }
        let fields = names.into_iter().zip(&projection);
        let fields = fields.map(|(name, expr)| Ok(Field::new(name, scalar::type_of(expr, &from.schema)?)));
        let schema = Schema::new(fields.collect::<Result<_, SqlError>>()?);
        let node = self.add(OperatorSpec::Calc(CalcSpec { filter, projection }), schema);
        self.connect(input, node, 0, Partitioning::Forward);
        Ok(node)
    }

    fn add(&mut self, operator: OperatorSpec, schema: Schema) -> NodeId {
        self.graph.add(Node {
            uid: String::new(),
            name: String::new(),
            parallelism: None,
            schema,
            changelog: ChangelogMode::APPEND,
            operator,
        })
    }

    fn connect(&mut self, from: NodeId, to: NodeId, port: usize, partitioning: Partitioning) {
        self.graph.edges.push(Edge { from, to, port, partitioning });
    }

    /// Rows spread by key columns; all to one subtask if there are none.
    fn connect_by_key(&mut self, from: NodeId, to: NodeId, port: usize, keys: &[usize]) {
        if keys.is_empty() {
            self.graph.nodes[to].parallelism = Some(1);
            self.connect(from, to, port, Partitioning::Global);
        } else {
            self.connect(from, to, port, Partitioning::Hash(keys.to_vec()));
        }
    }

    /// The columns of a base.
    fn base_schema(&self, base: &Base) -> Result<Schema, SqlError> {
        match base {
            Base::Numbered(numbered) => self.numbered_schema(numbered),
            Base::Node { node, .. } => Ok(self.graph.nodes[*node].schema.clone()),
            Base::Window { input, of } => {
                let types = self.types(input)?;
                let time_type = types.get(of.time).cloned().unwrap_or(DataType::Timestamp(3));
                let fields = input.names.iter().cloned().zip(types);
                let mut fields: Vec<Field> = fields.map(|(name, data_type)| Field::new(name, data_type)).collect();
                fields.extend(window::fields(&time_type));
                Ok(Schema::new(fields))
            }
        }
    }

    /// The types of a relation's fields.
    fn types(&self, relation: &Relation) -> Result<Vec<DataType>, SqlError> {
        let schema = self.base_schema(&relation.base)?;
        relation.exprs.iter().map(|expr| scalar::type_of(expr, &schema)).collect()
    }
}

impl Relation {
    /// The same relation over an operator whose output has the columns of a window.
    fn in_window(self, window: WindowColumns) -> Self {
        match self.base {
            Base::Node { node, .. } => Self { base: Base::Node { node, window: Some(window) }, ..self },
            _ => self,
        }
    }

    /// The same relation with a column that says nothing, if it has none: the output of every operator has columns.
    fn with_a_column(mut self) -> Self {
        if self.exprs.is_empty() {
            self.exprs.push(Expr::Literal { value: Value::Boolean(true), data_type: DataType::Boolean });
            self.names.push(ROW.to_owned());
        }
        self
    }

    /// An expression over the fields as one over the base's columns.
    fn over_base(&self, expr: &Expr) -> Expr {
        substitute(expr, &|index| self.exprs.get(index).cloned().unwrap_or(Expr::Column(index)))
    }
}

/// The field names of a plan's output.
fn names(plan: &LogicalPlan) -> Vec<String> {
    plan.schema().fields().iter().map(|field| field.name().clone()).collect()
}
