//! The session's time zone: what depends on it is said in the graph, which knows only UTC.
//!
//! A `TIMESTAMP_LTZ` is an instant. Where an expression looks at it as a date and a time of day, it is first made the
//! local `TIMESTAMP` of the session's zone, and a local time becomes an instant the same way back. Windows over instants
//! are made of the zone's local time by their operators, which are told the zone when they are lowered.

use graph::{Edge, Expr, JobGraph, OperatorSpec, Value};
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

/// Functions that bring their arguments to one type.
const UNIFIES: [&str; 8] = ["ARRAY", "COALESCE", "GREATEST", "IF", "IFNULL", "LEAST", "MAKE_ARRAY", "NVL"];

/// Puts the zone into the expressions of a graph.
pub(super) fn apply(graph: &mut JobGraph, zone: &str) -> Result<(), SqlError> {
    for id in 0..graph.nodes.len() {
        let mut inputs: Vec<&Edge> = graph.inputs(id).collect();
        inputs.sort_by_key(|edge| edge.port);
        inputs.dedup_by_key(|edge| edge.port);
        let fields = inputs.iter().flat_map(|edge| graph.nodes[edge.from].schema.fields.clone()).collect();
        let node = &mut graph.nodes[id];
        let schema =
            if let OperatorSpec::Source(_) = node.operator { node.schema.clone() } else { Schema::new(fields) };
        Local { zone, schema }.operator(&mut node.operator)?;
    }
    Ok(())
}

/// Expressions over these columns, in a zone.
struct Local<'a> {
    zone: &'a str,
    schema: Schema,
}

impl Local<'_> {
    fn operator(&self, operator: &mut OperatorSpec) -> Result<(), SqlError> {
        match operator {
            OperatorSpec::Source(source) => self.all(source.filters.iter_mut().chain(&mut source.watermark)),
            OperatorSpec::Calc(calc) => self.all(calc.filter.iter_mut().chain(&mut calc.projection)),
            OperatorSpec::WindowJoin(join) => self.all(&mut join.condition),
            OperatorSpec::Join(join) => self.all(&mut join.condition),
            OperatorSpec::IntervalJoin(join) => self.all(&mut join.condition),
            OperatorSpec::SemiJoin(join) => self.all(&mut join.condition),
            _ => Ok(()),
        }
    }

    fn all<'e>(&self, exprs: impl IntoIterator<Item = &'e mut Expr>) -> Result<(), SqlError> {
        for expr in exprs {
            let null = Expr::Literal { value: Value::Null, data_type: DataType::Null };
            *expr = self.rewrite(std::mem::replace(expr, null))?;
        }
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
                    .collect::<Result<Vec<_>, SqlError>>()?;
                let otherwise = otherwise.map(|otherwise| self.rewrite(*otherwise)).transpose()?;
                self.case(branches, otherwise)?
            }
        })
    }

    /// A `CASE` whose results may be instants and local times.
    fn case(&self, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Result<Expr, SqlError> {
        let (conditions, mut results): (Vec<Expr>, Vec<Expr>) = branches.into_iter().unzip();
        let count = results.len();
        results.extend(otherwise);
        let mut results = self.unified(results)?;
        let otherwise = results.drain(count..).next().map(Box::new);
        Ok(Expr::Case { branches: conditions.into_iter().zip(results).collect(), otherwise })
    }

    /// Expressions that become one: if there are instants among them, local times are made such.
    fn unified(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>, SqlError> {
        let types = exprs.iter().map(|expr| self.type_of(expr)).collect::<Result<Vec<_>, _>>()?;
        let instant = types.iter().find(|data_type| matches!(data_type, DataType::TimestampLtz(_)));
        let Some(instant) = instant else { return Ok(exprs) };
        let unified = exprs.into_iter().zip(&types).map(|(expr, from)| match from {
            DataType::Timestamp(_) | DataType::Date => self.cast_to_instant(expr, from, instant),
            _ => Ok(expr),
        });
        unified.collect()
    }

    fn cast(&self, of: Expr, to: DataType, safe: bool) -> Result<Expr, SqlError> {
        let from = self.type_of(&of)?;
        if matches!((&from, &to), (DataType::TimestampLtz(_), DataType::Date)) {
            return Ok(self.date_of(of, &from, safe));
        }
        let (local_from, local_to) = (localized(&from, &to), localized(&to, &from));
        let of = match local_from == from {
            true => of,
            false => Expr::call(expressions::TO_LOCAL, vec![of, self.zone()], local_from.clone()),
        };
        if local_to == to {
            return Ok(Expr::Cast { of: Box::new(of), to, safe });
        }
        let of = match local_from == local_to {
            true => of,
            false => Expr::Cast { of: Box::new(of), to: local_to, safe },
        };
        Ok(Expr::call(expressions::TO_INSTANT, vec![of, self.zone()], to))
    }

    /// The day of an instant, also before 1970, where that of a `TIMESTAMP` is found by division towards zero.
    fn date_of(&self, instant: Expr, from: &DataType, safe: bool) -> Expr {
        let day = Expr::Literal { value: Value::String("DAY".to_owned()), data_type: DataType::String };
        let local = self.to_local(instant, from);
        let precision = if let DataType::TimestampLtz(precision) = from { *precision } else { 3 };
        let start = Expr::call("FLOOR", vec![local, day], DataType::Timestamp(precision));
        Expr::Cast { of: Box::new(start), to: DataType::Date, safe }
    }

    fn zone(&self) -> Expr {
        Expr::Literal { value: Value::String(self.zone.to_owned()), data_type: DataType::String }
    }

    fn to_local(&self, instant: Expr, data_type: &DataType) -> Expr {
        let precision = if let DataType::TimestampLtz(precision) = data_type { *precision } else { 3 };
        Expr::call(expressions::TO_LOCAL, vec![instant, self.zone()], DataType::Timestamp(precision))
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
            "UNIX_TIMESTAMP" if !args.is_empty() => {
                args.extend((args.len() == 1).then(default_pattern));
                Ok(self.in_zone(expressions::UNIX_TIMESTAMP_IN_ZONE, args, data_type))
            }
            "FLOOR" if matches!(data_type, DataType::TimestampLtz(_)) => {
                Ok(self.in_zone(expressions::FLOOR_IN_ZONE, args, data_type))
            }
            "CEIL" | "CEILING" if matches!(data_type, DataType::TimestampLtz(_)) => {
                Ok(self.in_zone(expressions::CEIL_IN_ZONE, args, data_type))
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
            "NULLIF" if self.are_mixed(&args)? => self.null_if(args, data_type),
            known if UNIFIES.contains(&known) => {
                let args = self.unified(args)?;
                Ok(Expr::call(function, args, data_type))
            }
            _ => Ok(Expr::call(function, args, data_type)),
        }
    }

    /// Whether there are instants and local times among expressions.
    fn are_mixed(&self, exprs: &[Expr]) -> Result<bool, SqlError> {
        let types = exprs.iter().map(|expr| self.type_of(expr)).collect::<Result<Vec<_>, _>>()?;
        let is_instant = |data_type: &DataType| matches!(data_type, DataType::TimestampLtz(_));
        Ok(types.iter().any(is_instant) && !types.iter().all(is_instant))
    }

    /// The first argument has its own type, but is compared as an instant.
    fn null_if(&self, args: Vec<Expr>, data_type: DataType) -> Result<Expr, SqlError> {
        let first = args.first().cloned().map(Box::new);
        let equal = self.compared("=".to_owned(), args, DataType::Boolean)?;
        let null = Expr::Literal { value: Value::Null, data_type };
        Ok(Expr::Case { branches: vec![(equal, null)], otherwise: first })
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

    /// A call that is told the zone.
    fn in_zone(&self, function: &str, mut args: Vec<Expr>, data_type: DataType) -> Expr {
        args.push(self.zone());
        Expr::call(function, args, data_type)
    }

    /// The local time of seconds since 1970, written.
    fn unixtime_written(&self, args: Vec<Expr>, data_type: DataType) -> Expr {
        let mut args = args.into_iter();
        let seconds = args.next().unwrap_or(Expr::Literal { value: Value::Null, data_type: DataType::BigInt });
        let zero = Expr::Literal { value: Value::Integer(0), data_type: DataType::Int };
        let instant = Expr::call("TO_TIMESTAMP_LTZ", vec![seconds, zero], DataType::TimestampLtz(3));
        let pattern = args.next().unwrap_or_else(default_pattern);
        let local = self.to_local(instant, &DataType::TimestampLtz(3));
        Expr::call("DATE_FORMAT", vec![local, pattern], data_type)
    }
}

/// A type whose instants are local times where a cast from or to `other` has no instants.
fn localized(data_type: &DataType, other: &DataType) -> DataType {
    use DataType::{Array, Char, Date, Map, Row, String, Time, Timestamp, TimestampLtz, Varchar};
    let boxed = |data_type: &DataType, other: &DataType| Box::new(localized(data_type, other));
    match (data_type, other) {
        (TimestampLtz(precision), Date | Time(_) | Timestamp(_) | Char(_) | Varchar(_) | String) => {
            Timestamp(*precision)
        }
        (Array(item), Array(other)) => Array(boxed(item, other)),
        (Map(key, value), Map(other_key, other_value)) => Map(boxed(key, other_key), boxed(value, other_value)),
        (Row(fields), Row(others)) if fields.len() == others.len() => {
            let of = |(field, other): (&Field, &Field)| Field {
                data_type: localized(&field.data_type, &other.data_type),
                ..field.clone()
            };
            Row(fields.iter().zip(others).map(of).collect())
        }
        // Written as a whole.
        (Array(item), Char(_) | Varchar(_) | String) => Array(boxed(item, other)),
        (Map(key, value), Char(_) | Varchar(_) | String) => Map(boxed(key, other), boxed(value, other)),
        (Row(fields), Char(_) | Varchar(_) | String) => {
            let of = |field: &Field| Field { data_type: localized(&field.data_type, other), ..field.clone() };
            Row(fields.iter().map(of).collect())
        }
        _ => data_type.clone(),
    }
}

/// The pattern of functions that are given none.
fn default_pattern() -> Expr {
    Expr::Literal { value: Value::String("yyyy-MM-dd HH:mm:ss".to_owned()), data_type: DataType::String }
}

fn is_epoch(unit: Option<&Expr>) -> bool {
    matches!(unit, Some(Expr::Literal { value: Value::String(unit), .. }) if unit == "EPOCH")
}
