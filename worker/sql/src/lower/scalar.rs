//! Scalar expressions: from the library's form to the job graph's, over the columns of a relation.

use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{BinaryExpr, Case, Expr as Logical, Operator, expr::InList};
use expressions::Typed;
use graph::{Expr, Value};
use model::{DataType, Schema};

use crate::{SqlError, escape, functions, typing};

/// Functions that differ between calls: an expression with one is evaluated once, never copied.
const VOLATILE: [&str; 4] = ["RAND", "RAND_INTEGER", "UUID", "CURRENT_ROW_TIMESTAMP"];

/// Chains of more operands are made low trees.
const CHAIN_MAX: usize = 16;

/// Where the columns of an expression come from: a schema of the library's, and for each field its expression.
pub(crate) struct Scope<'a> {
    pub(crate) schema: &'a DFSchema,
    pub(crate) exprs: &'a [Expr],
}

impl Scope<'_> {
    /// The job graph's form of `expr`.
    pub(crate) fn lower(&self, expr: &Logical) -> Result<Expr, SqlError> {
        match expr {
            Logical::Alias(alias) => self.lower(&alias.expr),
            Logical::Column(column) => {
                let index = self.schema.index_of_column(column).map_err(planner)?;
                self.exprs.get(index).cloned().ok_or_else(|| SqlError::internal(format!("no column {column}")))
            }
            Logical::Literal(scalar, _) => {
                let data_type = self.type_of(expr)?;
                let value = escape::value(scalar)
                    .ok_or_else(|| SqlError::internal(format!("no literal for the constant {scalar}")))?;
                Ok(Expr::Literal { value, data_type })
            }
            Logical::BinaryExpr(binary) => self.binary(binary),
            Logical::Not(of) => self.call("NOT", [&**of]),
            Logical::IsNull(of) => self.call("IS NULL", [&**of]),
            Logical::IsNotNull(of) => self.call("IS NOT NULL", [&**of]),
            Logical::IsTrue(of) => self.call("IS TRUE", [&**of]),
            Logical::IsFalse(of) => self.call("IS FALSE", [&**of]),
            Logical::IsUnknown(of) => self.call("IS UNKNOWN", [&**of]),
            Logical::IsNotTrue(of) => self.call("IS NOT TRUE", [&**of]),
            Logical::IsNotFalse(of) => self.call("IS NOT FALSE", [&**of]),
            Logical::IsNotUnknown(of) => self.call("IS NOT UNKNOWN", [&**of]),
            Logical::Negative(of) => {
                let data_type = self.type_of(expr)?;
                Ok(Expr::call("-", vec![self.lower(of)?], data_type))
            }
            Logical::Between(between) => {
                let inside = self.call("BETWEEN", [&*between.expr, &*between.low, &*between.high])?;
                Ok(if between.negated { boolean("NOT", vec![inside]) } else { inside })
            }
            Logical::InList(list) => self.in_list(list),
            Logical::Like(like) if !like.case_insensitive => {
                let mut args = vec![self.lower(&like.expr)?, self.lower(&like.pattern)?];
                args.extend(like.escape_char.map(|escape| Expr::Literal {
                    value: Value::String(escape.to_string()),
                    data_type: DataType::Char(1),
                }));
                Ok(boolean(if like.negated { "NOT LIKE" } else { "LIKE" }, args))
            }
            Logical::Case(case) => self.case(case),
            Logical::Cast(cast) => self.cast(&cast.expr, &escape::flink_type(&cast.field)?, false),
            Logical::TryCast(cast) => self.cast(&cast.expr, &escape::flink_type(&cast.field)?, true),
            Logical::ScalarFunction(call) => {
                if call.name() == "TYPEOF" {
                    return self.type_name(&call.args);
                }
                let args = call.args.iter().map(|arg| self.lower(arg)).collect::<Result<Vec<_>, _>>()?;
                if call.name() == functions::CASE {
                    return Ok(case_of(args));
                }
                if call.name() == functions::GROUP_WINDOW {
                    return Err(SqlError::new(
                        "the start, end and time of TUMBLE, HOP and SESSION are known only where GROUP BY has the same window",
                    ));
                }
                if call.name() == functions::FIELD {
                    return field(args);
                }
                Ok(Expr::call(call.name().to_ascii_uppercase(), args, self.type_of(expr)?))
            }
            Logical::OuterReferenceColumn(_, column) => {
                Err(SqlError::new(format!("the correlated column '{}' is not supported", column.name)))
            }
            other => Err(SqlError::new(format!("the expression {other} is not supported"))),
        }
    }

    fn type_of(&self, expr: &Logical) -> Result<DataType, SqlError> {
        Ok(self.typed(expr)?.data_type.without_not_null())
    }

    fn typed(&self, expr: &Logical) -> Result<Typed, SqlError> {
        typing::typed(expr, self.schema).map_err(planner)
    }

    /// `TYPEOF`: known without its argument's value.
    fn type_name(&self, args: &[Logical]) -> Result<Expr, SqlError> {
        let Some(of) = args.first() else { return Err(SqlError::new("TYPEOF takes an argument")) };
        let mut name = typing::typed(of, self.schema).map_err(planner)?.to_string();
        if matches!(args.get(1), Some(Logical::Literal(ScalarValue::Boolean(Some(true)), _))) {
            // In full, so that it can be parsed again.
            name = name.replace("STRING", "VARCHAR(2147483647)").replace("BYTES", "VARBINARY(2147483647)");
        }
        Ok(Expr::Literal { value: Value::String(name), data_type: DataType::String })
    }

    fn call<'e>(&self, name: &str, args: impl IntoIterator<Item = &'e Logical>) -> Result<Expr, SqlError> {
        let args = args.into_iter().map(|arg| self.lower(arg)).collect::<Result<Vec<_>, _>>()?;
        Ok(boolean(name, args))
    }

    fn binary(&self, binary: &BinaryExpr) -> Result<Expr, SqlError> {
        if let Some(name) = associative(binary.op) {
            let operands = operands(binary);
            if operands.len() > CHAIN_MAX {
                let operands = operands.into_iter().map(|operand| Ok((self.lower(operand)?, self.typed(operand)?)));
                return balanced(name, operands.collect::<Result<_, SqlError>>()?);
            }
        }
        let name = match binary.op {
            Operator::Eq => "=",
            Operator::NotEq => "<>",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            Operator::And => "AND",
            Operator::Or => "OR",
            Operator::IsDistinctFrom => "IS DISTINCT FROM",
            Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            Operator::StringConcat => {
                let args = vec![self.lower(&binary.left)?, self.lower(&binary.right)?];
                let data_type = self.type_of(&Logical::BinaryExpr(binary.clone()))?;
                return Ok(Expr::call("||", args, data_type));
            }
            other => return Err(SqlError::new(format!("the operator {other} is not supported"))),
        };
        self.call(name, [&*binary.left, &*binary.right])
    }

    fn in_list(&self, list: &InList) -> Result<Expr, SqlError> {
        let name = if list.negated { "NOT IN" } else { "IN" };
        self.call(name, std::iter::once(&*list.expr).chain(&list.list))
    }

    fn case(&self, case: &Case) -> Result<Expr, SqlError> {
        let operand = case.expr.as_deref().map(|operand| self.lower(operand)).transpose()?;
        let branches = case.when_then_expr.iter().map(|(when, then)| {
            let when = self.lower(when)?;
            let condition = match &operand {
                Some(operand) => boolean("=", vec![operand.clone(), when]),
                None => when,
            };
            Ok((condition, self.lower(then)?))
        });
        let branches = branches.collect::<Result<Vec<_>, SqlError>>()?;
        let otherwise = case.else_expr.as_deref().map(|expr| self.lower(expr)).transpose()?.map(Box::new);
        Ok(Expr::Case { branches, otherwise })
    }

    fn cast(&self, of: &Logical, to: &DataType, safe: bool) -> Result<Expr, SqlError> {
        let from = self.type_of(of)?;
        Ok(cast_from(self.lower(of)?, &from, to, safe))
    }
}

/// An operator whose operands may be put together in any grouping.
fn associative(op: Operator) -> Option<&'static str> {
    match op {
        Operator::And => Some("AND"),
        Operator::Or => Some("OR"),
        Operator::StringConcat => Some("||"),
        _ => None,
    }
}

/// The operands of a chain of one operator, from left to right.
fn operands(binary: &BinaryExpr) -> Vec<&Logical> {
    let (mut found, mut next) = (Vec::new(), vec![&*binary.right, &*binary.left]);
    while let Some(expr) = next.pop() {
        match expr {
            Logical::BinaryExpr(inner) if inner.op == binary.op => next.extend([&*inner.right, &*inner.left]),
            other => found.push(other),
        }
    }
    found
}

/// A chain as a tree that is as low as can be: what walks through expressions does so by recursion.
fn balanced(name: &str, mut parts: Vec<(Expr, Typed)>) -> Result<Expr, SqlError> {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some((left, left_type)) = rest.next() {
            let Some((right, right_type)) = rest.next() else {
                pairs.push((left, left_type));
                break;
            };
            let typed = expressions::typed_call(name, &[left_type, right_type], &[None, None])?;
            pairs.push((Expr::call(name, vec![left, right], typed.data_type.without_not_null()), typed));
        }
        parts = pairs;
    }
    parts.pop().map(|(whole, _)| whole).ok_or_else(|| SqlError::internal("a chain of nothing"))
}

/// Conditions and results in turn, then what else it is.
fn case_of(args: Vec<Expr>) -> Expr {
    let mut branches = Vec::with_capacity(args.len() / 2);
    let mut args = args.into_iter();
    let mut otherwise = None;
    while let Some(condition) = args.next() {
        match args.next() {
            Some(result) => branches.push((condition, result)),
            None => otherwise = Some(Box::new(condition)),
        }
    }
    Expr::Case { branches, otherwise }
}

fn planner(error: datafusion_common::DataFusionError) -> SqlError {
    SqlError::from_planner(&error, &|_| None)
}

fn boolean(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(name, args, DataType::Boolean)
}

fn field(mut args: Vec<Expr>) -> Result<Expr, SqlError> {
    match (args.pop(), args.pop()) {
        (Some(Expr::Literal { value: Value::String(name), .. }), Some(of)) => {
            Ok(Expr::Field { of: Box::new(of), name })
        }
        _ => Err(SqlError::internal("a field has a row and a name")),
    }
}

/// A cast, left out where it does nothing and done at once on constants where it loses nothing.
pub(crate) fn cast_from(of: Expr, from: &DataType, to: &DataType, safe: bool) -> Expr {
    if from == to {
        return of;
    }
    if let Expr::Literal { value, .. } = &of
        && let Some(value) = cast_literal(value, from, to)
    {
        return Expr::Literal { value, data_type: to.clone() };
    }
    Expr::Cast { of: Box::new(of), to: to.clone(), safe }
}

fn cast_literal(value: &Value, from: &DataType, to: &DataType) -> Option<Value> {
    let rank = |data_type: &DataType| match data_type {
        DataType::TinyInt => Some(1),
        DataType::SmallInt => Some(2),
        DataType::Int => Some(3),
        DataType::BigInt => Some(4),
        _ => None,
    };
    match (value, to) {
        (Value::Null, _) => Some(Value::Null),
        (Value::Integer(value), DataType::Decimal(precision, scale)) if rank(from).is_some() => {
            let unscaled = i128::from(*value).checked_mul(10_i128.checked_pow(u32::from(*scale))?)?;
            let digits = unscaled.unsigned_abs().to_string().len();
            (digits <= usize::from(*precision)).then(|| Value::Decimal(unscaled.to_string()))
        }
        (Value::Integer(value), DataType::Double) if rank(from).is_some() && value.unsigned_abs() < 1 << 53 => {
            Some(Value::Float(*value as f64))
        }
        (Value::Integer(value), _) if rank(from)? <= rank(to)? => Some(Value::Integer(*value)),
        (Value::Decimal(digits), DataType::Decimal(precision, scale)) => {
            let DataType::Decimal(_, old_scale) = from else { return None };
            let more = u32::from(scale.checked_sub(*old_scale)?);
            let unscaled = digits.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(more)?)?;
            let fits = unscaled.unsigned_abs().to_string().len() <= usize::from(*precision);
            fits.then(|| Value::Decimal(unscaled.to_string()))
        }
        (Value::String(_), DataType::String) => Some(value.clone()),
        (Value::String(text), DataType::Varchar(length)) if text.chars().count() <= *length as usize => {
            Some(value.clone())
        }
        (Value::String(text), DataType::Char(length)) if text.chars().count() == *length as usize => {
            Some(value.clone())
        }
        (Value::Integer(value), DataType::Timestamp(0..=3)) if matches!(from, DataType::Timestamp(0..=3)) => {
            Some(Value::Integer(*value))
        }
        _ => None,
    }
}

/// `expr` with each column replaced.
pub(crate) fn substitute(expr: &Expr, column: &impl Fn(usize) -> Expr) -> Expr {
    match expr {
        Expr::Column(index) => column(*index),
        Expr::Literal { .. } => expr.clone(),
        Expr::Field { of, name } => Expr::Field { of: Box::new(substitute(of, column)), name: name.clone() },
        Expr::Call { function, args, data_type } => Expr::Call {
            function: function.clone(),
            args: args.iter().map(|arg| substitute(arg, column)).collect(),
            data_type: data_type.clone(),
        },
        Expr::Cast { of, to, safe } => Expr::Cast { of: Box::new(substitute(of, column)), to: to.clone(), safe: *safe },
        Expr::Case { branches, otherwise } => Expr::Case {
            branches: branches
                .iter()
                .map(|(condition, result)| (substitute(condition, column), substitute(result, column)))
                .collect(),
            otherwise: otherwise.as_ref().map(|otherwise| Box::new(substitute(otherwise, column))),
        },
    }
}

/// Both conditions.
pub(crate) fn conjunction(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(boolean("AND", vec![left, right])),
        (left, right) => left.or(right),
    }
}

/// The conditions that a condition is the conjunction of.
pub(crate) fn conjuncts<'e>(expr: &'e Expr, into: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Call { function, args, .. } if function == "AND" => args.iter().for_each(|arg| conjuncts(arg, into)),
        other => into.push(other),
    }
}

/// Whether an expression must be evaluated once only.
pub(crate) fn is_volatile(expr: &Expr) -> bool {
    let mut volatile = false;
    expr.visit(&mut |part| {
        if let Expr::Call { function, .. } = part {
            volatile |= VOLATILE.contains(&function.as_str());
        }
    });
    volatile
}

/// How deep an expression is nested.
pub(crate) fn depth(expr: &Expr) -> usize {
    let below = match expr {
        Expr::Column(_) | Expr::Literal { .. } => 0,
        Expr::Field { of, .. } | Expr::Cast { of, .. } => depth(of),
        Expr::Call { args, .. } => args.iter().map(depth).max().unwrap_or_default(),
        Expr::Case { branches, otherwise } => {
            let parts = branches.iter().flat_map(|(condition, result)| [condition, result]);
            parts.chain(otherwise.as_deref()).map(depth).max().unwrap_or_default()
        }
    };
    below + 1
}

/// The columns that an expression reads.
pub(crate) fn columns_of(expr: &Expr) -> Vec<usize> {
    let mut columns = Vec::new();
    expr.visit(&mut |part| {
        if let Expr::Column(index) = part {
            columns.push(*index);
        }
    });
    columns
}

/// The Flink type of an expression over these columns.
pub(crate) fn type_of(expr: &Expr, input: &Schema) -> Result<DataType, SqlError> {
    Ok(expressions::data_type_of(expr, input)?)
}
