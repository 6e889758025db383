//! The session's time zone: what depends on it is said in the graph, which knows only UTC.
//!
//! A `TIMESTAMP_LTZ` is an instant. Where an expression looks at it as a date and a time of day, it is first made the
//! local `TIMESTAMP` of the session's zone, and a local time becomes an instant the same way back.

use std::collections::BTreeSet;

use graph::{
    Edge, Expr, JobGraph, Node, NodeId, OperatorSpec, Partitioning, Value,
    operator::{CalcSpec, WindowKind},
};
use model::{DataType, Field, Schema};

use super::scalar;
use crate::SqlError;

/// Functions that read the local time of their argument.
const READS_LOCAL: [&str; 11] = [
    "DATE_FORMAT",
    "DAYOFMONTH",
    "DAYOFWEEK",
    "DAYOFYEAR",
    "HOUR",
    "MINUTE",
    "MONTH",
    "QUARTER",
    "SECOND",
    "WEEK",
    "YEAR",
];

/// Comparisons, whose sides are brought to one type.
const COMPARES: [&str; 11] =
    ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "BETWEEN", "IN", "NOT IN"];

/// The graph with the zone in its expressions and windows.
pub(super) fn apply(graph: &JobGraph, zone: &str) -> Result<JobGraph, SqlError> {
    let mut zoned =
        Zoned { zone, graph: JobGraph { nodes: Vec::new(), edges: Vec::new(), ..graph.clone() }, bounds: Vec::new() };
    let mut position = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let mut edges: Vec<Edge> = graph.inputs(id).cloned().collect();
        for edge in &mut edges {
            edge.from = position[edge.from];
        }
        position.push(zoned.add(node.clone(), edges)?);
    }
    Ok(zoned.graph)
}

/// A graph under construction.
struct Zoned<'a> {
    zone: &'a str,
    graph: JobGraph,
    /// For each node the columns of its output that are the start or end of a window over instants. They are
    /// instants too, though typed as local times, for as long as only operators with windows read them.
    bounds: Vec<BTreeSet<usize>>,
}

impl Zoned<'_> {
    fn add(&mut self, mut node: Node, mut edges: Vec<Edge>) -> Result<NodeId, SqlError> {
        let kept = keeps_bounds(&node.operator) && {
            let mut all = edges.iter().map(|edge| &self.bounds[edge.from]);
            let first = all.next();
            !matches!(node.operator, OperatorSpec::Calc(_)) || all.all(|other| Some(other) == first)
        };
        if !kept {
            for edge in &mut edges {
                edge.from = self.localized(edge.from);
            }
        }
        edges.sort_by_key(|edge| edge.port);
        let mut ports: Vec<&Edge> = edges.iter().collect();
        ports.dedup_by_key(|edge| edge.port);
        let mut fields = Vec::new();
        let mut bounds = BTreeSet::new();
        for edge in ports {
            bounds.extend(self.bounds[edge.from].iter().map(|column| column + fields.len()));
            fields.extend(self.graph.nodes[edge.from].schema.fields.clone());
        }
        let local = Local { zone: self.zone, schema: Schema::new(fields), bounds };
        let out = local.operator(&mut node.operator, &node.schema)?;
        let id = self.graph.add(node);
        self.bounds.push(out);
        self.graph.edges.extend(edges.into_iter().map(|edge| Edge { to: id, ..edge }));
        Ok(id)
    }

    /// The node, or a Calc behind it that makes the bounds of windows local times.
    fn localized(&mut self, node: NodeId) -> NodeId {
        if self.bounds[node].is_empty() {
            return node;
        }
        let below = self.graph.nodes[node].clone();
        let local = Local { zone: self.zone, schema: below.schema.clone(), bounds: self.bounds[node].clone() };
        let projection = (0..below.schema.len()).map(|column| local.with_bounds(&Expr::Column(column))).collect();
        let calc =
            self.graph.add(Node { operator: OperatorSpec::Calc(CalcSpec { filter: None, projection }), ..below });
        self.bounds.push(BTreeSet::new());
        self.graph.edges.push(Edge { from: node, to: calc, port: 0, partitioning: Partitioning::Forward });
        calc
    }
}

/// Whether an operator takes the bounds of windows as instants.
fn keeps_bounds(operator: &OperatorSpec) -> bool {
    matches!(
        operator,
        OperatorSpec::Calc(_)
            | OperatorSpec::WindowAssign(_)
            | OperatorSpec::WindowAggregate(_)
            | OperatorSpec::WindowJoin(_)
            | OperatorSpec::Rank(_)
            | OperatorSpec::Deduplicate(_)
            | OperatorSpec::Limit(_)
    )
}

/// Windows whose bounds are whole in the zone's local time.
fn aligned(window: WindowKind, zone: &str) -> Result<WindowKind, SqlError> {
    let size = match window {
        WindowKind::Tumble { size, .. } | WindowKind::Hop { size, .. } | WindowKind::Cumulate { size, .. } => size,
        WindowKind::Session { .. } => return Ok(window),
    };
    let offsets = expressions::zone_offsets(zone).unwrap_or_default();
    let shifts: BTreeSet<i64> = offsets.iter().map(|offset| offset.rem_euclid(size)).collect();
    let (Some(shift), 1) = (shifts.first(), shifts.len()) else {
        return Err(SqlError::new(format!(
            "windows of {} s over a TIMESTAMP_LTZ in the time zone {zone}, whose offset from UTC changes, are not \
             supported; windows that divide an hour are, and a TIMESTAMP as the time",
            size / 1000
        )));
    };
    Ok(match window {
        WindowKind::Tumble { size, offset } => WindowKind::Tumble { size, offset: offset - shift },
        WindowKind::Hop { size, slide, offset } => WindowKind::Hop { size, slide, offset: offset - shift },
        WindowKind::Cumulate { size, step, offset } => WindowKind::Cumulate { size, step, offset: offset - shift },
        WindowKind::Session { gap } => WindowKind::Session { gap },
    })
}

/// Expressions over these columns, in a zone.
struct Local<'a> {
    zone: &'a str,
    schema: Schema,
    /// Those that are bounds of windows.
    bounds: BTreeSet<usize>,
}

impl Local<'_> {
    /// Puts the zone into an operator; gives the columns of its output that are bounds of windows.
    fn operator(&self, operator: &mut OperatorSpec, output: &Schema) -> Result<BTreeSet<usize>, SqlError> {
        let mut out = BTreeSet::new();
        match operator {
            OperatorSpec::Source(source) => {
                let local = Local { zone: self.zone, schema: output.clone(), bounds: BTreeSet::new() };
                local.all(&mut source.filters)?;
                source.watermark.iter_mut().try_for_each(|watermark| local.replace(watermark))?;
            }
            OperatorSpec::Calc(calc) => {
                calc.filter.iter_mut().try_for_each(|filter| self.replace(filter))?;
                for (index, expr) in calc.projection.iter_mut().enumerate() {
                    if self.is_bound(expr) {
                        out.insert(index);
                    } else {
                        self.replace(expr)?;
                    }
                }
            }
            OperatorSpec::WindowAssign(spec) => {
                out = self.bounds.clone();
                if self.is_of_instants(spec.time, spec.processing) {
                    spec.window = aligned(spec.window, self.zone)?;
                    out.extend([self.schema.len(), self.schema.len() + 1]);
                }
            }
            OperatorSpec::WindowAggregate(spec) => {
                out.extend((0..spec.keys.len()).filter(|index| self.bounds.contains(&spec.keys[*index])));
                if spec.aggregates.iter().any(|call| call.argument.is_some_and(|of| self.bounds.contains(&of))) {
                    let message = "an aggregate of the start or end of windows over a TIMESTAMP_LTZ is not supported";
                    return Err(SqlError::new(format!("{message} in the time zone {}", self.zone)));
                }
                if self.is_of_instants(spec.time, spec.processing) {
                    spec.window = aligned(spec.window, self.zone)?;
                    let start = spec.keys.len() + spec.aggregates.len();
                    out.extend([start, start + 1]);
                }
            }
            OperatorSpec::WindowJoin(join) => {
                out = self.bounds.clone();
                join.condition.iter_mut().try_for_each(|condition| self.replace(condition))?;
            }
            OperatorSpec::Join(join) => join.condition.iter_mut().try_for_each(|condition| self.replace(condition))?,
            OperatorSpec::IntervalJoin(join) => {
                join.condition.iter_mut().try_for_each(|condition| self.replace(condition))?;
            }
            OperatorSpec::SemiJoin(join) => {
                join.condition.iter_mut().try_for_each(|condition| self.replace(condition))?;
            }
            OperatorSpec::Rank(_) | OperatorSpec::Deduplicate(_) | OperatorSpec::Limit(_) => out = self.bounds.clone(),
            _ => {}
        }
        Ok(out)
    }

    /// Whether the time of a window is an instant.
    fn is_of_instants(&self, time: usize, processing: bool) -> bool {
        let is_instant = |field: &Field| matches!(field.data_type, DataType::TimestampLtz(_));
        processing || self.bounds.contains(&time) || self.schema.fields.get(time).is_some_and(is_instant)
    }

    /// Whether an expression is the bound of a window, or a fixed time away from it, as the last time in a window is.
    fn is_bound(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.bounds.contains(column),
            Expr::Call { function, args, .. } => match (function.as_str(), args.as_slice()) {
                ("+" | "-", [of, Expr::Literal { data_type: DataType::IntervalDayTime, .. }]) => self.is_bound(of),
                _ => false,
            },
            _ => false,
        }
    }

    /// The expression with the bounds of windows as local times.
    fn with_bounds(&self, expr: &Expr) -> Expr {
        scalar::substitute(expr, &|column| match self.bounds.contains(&column) {
            true => Expr::call(expressions::TO_LOCAL, vec![Expr::Column(column), self.zone()], DataType::Timestamp(3)),
            false => Expr::Column(column),
        })
    }

    fn all(&self, exprs: &mut [Expr]) -> Result<(), SqlError> {
        exprs.iter_mut().try_for_each(|expr| self.replace(expr))
    }

    fn replace(&self, expr: &mut Expr) -> Result<(), SqlError> {
        let null = Expr::Literal { value: Value::Null, data_type: DataType::Null };
        let taken = std::mem::replace(expr, null);
        *expr = self.rewrite(if self.bounds.is_empty() { taken } else { self.with_bounds(&taken) })?;
        Ok(())
    }

    fn type_of(&self, expr: &Expr) -> Result<DataType, SqlError> {
        scalar::type_of(expr, &self.schema)
    }

    /// The same expression where the zone is the session's, from the inside out.
    fn rewrite(&self, expr: Expr) -> Result<Expr, SqlError> {
        Ok(match expr {
            Expr::Column(_) | Expr::Literal { .. } => expr,
            Expr::Field { of, name } => Expr::Field { of: Box::new(self.rewrite(*of)?), name },
            Expr::Cast { of, to, safe } => self.cast(self.rewrite(*of)?, to, safe)?,
            Expr::Call { function, args, data_type } => {
                let args = args.into_iter().map(|arg| self.rewrite(arg)).collect::<Result<Vec<_>, _>>()?;
                self.call(function, args, data_type)?
            }
            Expr::Case { branches, otherwise } => {
                let branches = branches.into_iter();
                let branches = branches
                    .map(|(condition, result)| Ok((self.rewrite(condition)?, self.rewrite(result)?)))
                    .collect::<Result<_, SqlError>>()?;
                let otherwise = otherwise.map(|otherwise| self.rewrite(*otherwise)).transpose()?.map(Box::new);
                Expr::Case { branches, otherwise }
            }
        })
    }

    fn cast(&self, of: Expr, to: DataType, safe: bool) -> Result<Expr, SqlError> {
        let from = self.type_of(&of)?;
        let is_text =
            |data_type: &DataType| matches!(data_type, DataType::Char(_) | DataType::Varchar(_) | DataType::String);
        let is_local = |data_type: &DataType| {
            matches!(data_type, DataType::Date | DataType::Time(_) | DataType::Timestamp(_)) || is_text(data_type)
        };
        Ok(match (&from, &to) {
            (DataType::TimestampLtz(_), to_type) if is_local(to_type) => {
                let local = self.to_local(of, &from);
                Expr::Cast { of: Box::new(local), to, safe }
            }
            (from, DataType::TimestampLtz(precision)) if is_local(from) => {
                let local = DataType::Timestamp(*precision);
                let of = if *from == local { of } else { Expr::Cast { of: Box::new(of), to: local, safe } };
                self.to_instant(of, *precision)
            }
            _ => Expr::Cast { of: Box::new(of), to, safe },
        })
    }

    fn zone(&self) -> Expr {
        Expr::Literal { value: Value::String(self.zone.to_owned()), data_type: DataType::String }
    }

    fn to_local(&self, instant: Expr, data_type: &DataType) -> Expr {
        let precision = if let DataType::TimestampLtz(precision) = data_type { *precision } else { 3 };
        Expr::call(expressions::TO_LOCAL, vec![instant, self.zone()], DataType::Timestamp(precision))
    }

    fn to_instant(&self, local: Expr, precision: u8) -> Expr {
        Expr::call(expressions::TO_INSTANT, vec![local, self.zone()], DataType::TimestampLtz(precision))
    }

    fn localized(&self, arg: Expr) -> Result<Expr, SqlError> {
        let data_type = self.type_of(&arg)?;
        Ok(if matches!(data_type, DataType::TimestampLtz(_)) { self.to_local(arg, &data_type) } else { arg })
    }

    fn call(&self, function: String, mut args: Vec<Expr>, data_type: DataType) -> Result<Expr, SqlError> {
        let now = || Expr::call("CURRENT_TIMESTAMP", Vec::new(), DataType::TimestampLtz(3));
        let local_now = || self.to_local(now(), &DataType::TimestampLtz(3));
        match function.as_str() {
            "CURRENT_DATE" | "CURRENT_TIME" | "LOCALTIME" => {
                Ok(Expr::Cast { of: Box::new(local_now()), to: data_type, safe: false })
            }
            "LOCALTIMESTAMP" => Ok(local_now()),
            "FROM_UNIXTIME" => Ok(self.unixtime_written(args, data_type)),
            "UNIX_TIMESTAMP" if !args.is_empty() => Ok(self.unix_timestamp(args)),
            "FLOOR" | "CEIL" | "CEILING" if matches!(data_type, DataType::TimestampLtz(_)) => {
                self.rounded(function, args, &data_type)
            }
            "EXTRACT" | "DATE_PART" if !is_epoch(args.first()) => {
                if let Some(of) = args.pop() {
                    args.push(self.localized(of)?);
                }
                Ok(Expr::call(function, args, data_type))
            }
            "TIMESTAMPDIFF" => self.compared(function, args, data_type),
            known if READS_LOCAL.contains(&known) => {
                if !args.is_empty() {
                    let first = self.localized(args.remove(0))?;
                    args.insert(0, first);
                }
                Ok(Expr::call(function, args, data_type))
            }
            known if COMPARES.contains(&known) => self.compared(function, args, data_type),
            _ => Ok(Expr::call(function, args, data_type)),
        }
    }

    /// A call that has instants and local times: all become instants.
    fn compared(&self, function: String, args: Vec<Expr>, data_type: DataType) -> Result<Expr, SqlError> {
        let types = args.iter().map(|arg| self.type_of(arg)).collect::<Result<Vec<_>, _>>()?;
        let instant = types.iter().find(|data_type| matches!(data_type, DataType::TimestampLtz(_)));
        let Some(instant) = instant.cloned() else { return Ok(Expr::call(function, args, data_type)) };
        // The first argument of TIMESTAMPDIFF is a unit.
        let skipped = usize::from(function == "TIMESTAMPDIFF");
        let args = args.into_iter().enumerate().map(|(index, arg)| {
            if index < skipped { Ok(arg) } else { self.cast_to_instant(arg, &types[index], &instant) }
        });
        Ok(Expr::call(function, args.collect::<Result<Vec<_>, SqlError>>()?, data_type))
    }

    fn cast_to_instant(&self, arg: Expr, from: &DataType, instant: &DataType) -> Result<Expr, SqlError> {
        match from {
            DataType::Timestamp(precision) => self.cast(arg, DataType::TimestampLtz(*precision), false),
            DataType::Date | DataType::Char(_) | DataType::Varchar(_) | DataType::String => {
                self.cast(arg, instant.clone(), false)
            }
            _ => Ok(arg),
        }
    }

    /// To a unit of local time.
    fn rounded(&self, function: String, args: Vec<Expr>, data_type: &DataType) -> Result<Expr, SqlError> {
        let precision = if let DataType::TimestampLtz(precision) = data_type { *precision } else { 3 };
        let args = args.into_iter().map(|arg| self.localized(arg)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.to_instant(Expr::call(function, args, DataType::Timestamp(precision)), precision))
    }

    /// The local time of seconds since 1970, written.
    fn unixtime_written(&self, args: Vec<Expr>, data_type: DataType) -> Expr {
        let mut args = args.into_iter();
        let seconds = args.next().unwrap_or(Expr::Literal { value: Value::Null, data_type: DataType::BigInt });
        let zero = Expr::Literal { value: Value::Integer(0), data_type: DataType::Int };
        let instant = Expr::call("TO_TIMESTAMP_LTZ", vec![seconds, zero], DataType::TimestampLtz(3));
        let pattern = args.next().unwrap_or_else(|| Expr::Literal {
            value: Value::String("yyyy-MM-dd HH:mm:ss".to_owned()),
            data_type: DataType::String,
        });
        let local = self.to_local(instant, &DataType::TimestampLtz(3));
        Expr::call("DATE_FORMAT", vec![local, pattern], data_type)
    }

    /// Seconds since 1970 of a local time that is written; what cannot be read is the least number, as in UTC.
    fn unix_timestamp(&self, args: Vec<Expr>) -> Expr {
        let text = args.first().cloned();
        let local = Expr::call("TO_TIMESTAMP", args, DataType::Timestamp(3));
        let epoch = Expr::Literal { value: Value::String("EPOCH".to_owned()), data_type: DataType::String };
        let seconds = Expr::call("EXTRACT", vec![epoch, self.to_instant(local, 3)], DataType::BigInt);
        let least = Expr::Literal { value: Value::Integer(i64::MIN), data_type: DataType::BigInt };
        let read = Expr::call("COALESCE", vec![seconds, least], DataType::BigInt);
        let there = text.map(|text| Expr::call("IS NOT NULL", vec![text], DataType::Boolean));
        Expr::Case { branches: there.map(|there| (there, read)).into_iter().collect(), otherwise: None }
    }
}

fn is_epoch(unit: Option<&Expr>) -> bool {
    matches!(unit, Some(Expr::Literal { value: Value::String(unit), .. }) if unit == "EPOCH")
}
