//! Expressions: literals typed as Flink types them, and special syntax as calls.

use std::ops::ControlFlow;

use graph::Value;
use model::DataType;
use sqlparser::{
    ast::{
        AccessExpr, BinaryOperator, CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
        FunctionArguments, Ident, ObjectName, Query, SetExpr, Spanned, Subscript, TableFactor, TableWithJoins,
        TrimWhereField, UnaryOperator, Value as SqlValue,
    },
    parser::Parser,
    tokenizer::Span,
};

use super::{last_ident, refused, unsupported};
use crate::{
    SqlError,
    dialect::{FlinkDialect, call, is_minus, string},
    escape::{self, Escape},
    functions, literal, row_number, visit,
};

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(SqlValue::Null.into()))
}

/// An expression whose parts were rewritten before.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
pub(super) fn rewrite(expr: &mut Expr) -> Result<(), SqlError> {
    let span = expr.span();
    match expr {
        Expr::Value(value) => match &value.value {
            SqlValue::Number(text, _) => *expr = literal::number(text, value.span)?,
            SqlValue::HexStringLiteral(digits) if digits.len() % 2 == 1 => {
                return Err(SqlError::at_span("a binary literal has an even number of digits", value.span));
            }
            SqlValue::SingleQuotedString(_) | SqlValue::HexStringLiteral(_) | SqlValue::Boolean(_) | SqlValue::Null => {
            }
            other => return unsupported(&format!("the literal {other}"), value),
        },
        Expr::UnaryOp { op, expr: inner } => match op {
            UnaryOperator::Plus => *expr = take(inner),
            UnaryOperator::Not => {}
            op if is_minus(op) => {
                if let Some(negated) = negated(inner) {
                    *expr = negated;
                }
            }
            _ => return unsupported(&format!("the operator {op}"), &**inner),
        },
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => *expr = overlaps(left, right, span)?,
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Eq | BinaryOperator::NotEq), right } => {
            if let Some(equal) = rows_equal(left, right) {
                let negated = *op == BinaryOperator::NotEq;
                *expr = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(equal) } } else { equal };
            }
        }
        Expr::InList { expr: of, list, negated } if !list.is_empty() => {
            let equal: Option<Vec<Expr>> = list.iter().map(|item| rows_equal(of, item)).collect();
            let any = equal.and_then(|equal| joined(equal, BinaryOperator::Or));
            if let Some(any) = any {
                *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any };
            }
        }
        Expr::BinaryOp { left, op, right } => {
            let sign = match op {
                BinaryOperator::Plus => "+",
                BinaryOperator::Minus => "-",
                BinaryOperator::Multiply => "*",
                BinaryOperator::Divide => "/",
                BinaryOperator::Modulo => "%",
                BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
                | BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::StringConcat => return Ok(()),
                other => return unsupported(&format!("the operator {other}"), &**left),
            };
            *expr = escape::operator(sign, take(left), take(right));
        }
        Expr::TypedString(typed) => {
            let text = typed.value.clone().into_string().unwrap_or_default();
            let kind = typed.data_type.to_string().to_ascii_uppercase();
            *expr = literal::temporal(&kind, &text, span)?;
        }
        Expr::Extract { field, expr: of, .. } => {
            let unit = string(&field.to_string().to_ascii_uppercase(), span);
            *expr = call("EXTRACT", span, vec![unit, take(of)]);
        }
        Expr::Ceil { expr: of, field } => *expr = rounded("CEIL", of, field, span)?,
        Expr::Floor { expr: of, field } => *expr = rounded("FLOOR", of, field, span)?,
        Expr::Position { expr: what, r#in } => *expr = call("POSITION", span, vec![take(what), take(r#in)]),
        Expr::Substring { expr: of, substring_from, substring_for, .. } => {
            let mut args = vec![take(of)];
            args.extend(substring_from.as_deref_mut().map(take));
            args.extend(substring_for.as_deref_mut().map(take));
            *expr = call("SUBSTRING", span, args);
        }
        Expr::Overlay { expr: of, overlay_what, overlay_from, overlay_for } => {
            let mut args = vec![take(of), take(overlay_what), take(overlay_from)];
            args.extend(overlay_for.as_deref_mut().map(take));
            *expr = call("OVERLAY", span, args);
        }
        Expr::Trim { .. } => *expr = trim(expr, span)?,
        Expr::Case { operand, conditions, else_result, .. } => {
            let operand = operand.as_deref_mut().map(take);
            let mut args = Vec::with_capacity(2 * conditions.len() + 1);
            for when in conditions {
                let condition = take(&mut when.condition);
                args.push(match &operand {
                    Some(operand) => Expr::BinaryOp {
                        left: Box::new(operand.clone()),
                        op: BinaryOperator::Eq,
                        right: Box::new(condition),
                    },
                    None => condition,
                });
                args.push(take(&mut when.result));
            }
            args.extend(else_result.as_deref_mut().map(take));
            *expr = call(functions::CASE, span, args);
        }
        Expr::CompoundFieldAccess { root, access_chain } => *expr = access(root, access_chain, span)?,
        // `(a, b)` is a row.
        Expr::Tuple(items) => *expr = call("ROW", span, std::mem::take(items)),
        Expr::Function(function) => {
            let name = last_ident(&function.name)?;
            if function.over.is_some() {
                return row_number::prepare(function);
            }
            if let Some((window, part)) = functions::group_window(&name.value)
                && let FunctionArguments::List(list) = &mut function.args
            {
                let named = [part, window].map(|text| string(text, name.span));
                let named = named.into_iter().map(|text| FunctionArg::Unnamed(FunctionArgExpr::Expr(text)));
                list.args.splice(0..0, named);
                function.name = ObjectName::from(vec![Ident::with_span(name.span, functions::GROUP_WINDOW)]);
                return Ok(());
            }
            functions::check(&name)?;
            refused::in_call(function, &name)?;
            if !function.within_group.is_empty() {
                return Err(SqlError::at_ident(format!("WITHIN GROUP of '{}' is not supported", name.value), &name));
            }
        }
        Expr::Subquery(_) => {
            return unsupported("a scalar subquery but in WHERE, as one aggregate without GROUP BY,", &*expr);
        }
        Expr::InSubquery { expr: of, subquery, negated } if row_fields(of).is_some_and(|fields| fields.len() > 1) => {
            if *negated {
                return unsupported("NOT IN of a row with a query", &**subquery);
            }
            *expr = row_in_query(of, subquery)?;
        }
        // Its comparison would be taken for a filter of the query, and nulls in the query would no longer count.
        Expr::InSubquery { expr: of, negated: true, .. } if !reads_column(of) => {
            let message = "a constant before NOT IN with a query is not supported";
            return Err(SqlError::at_span(message, escape::place(of)));
        }
        Expr::ILike { .. } => return unsupported("ILIKE", &*expr),
        Expr::RLike { .. }
        | Expr::Cast { .. }
        | Expr::Convert { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Collate { .. }
        | Expr::IsNormalized { .. }
        | Expr::JsonAccess { .. }
        | Expr::MemberOf(_)
        | Expr::Array(_)
        | Expr::Struct { .. }
        | Expr::Map(_)
        | Expr::Lambda(_)
        | Expr::Interval(_) => return refused::expression(expr),
        Expr::SimilarTo { negated, expr: of, pattern, escape_char } => {
            let mut args = vec![take(of), take(pattern)];
            if let Some(escape) = escape_char {
                let escape = escape.value.clone().into_string().unwrap_or_default();
                args.push(string(&escape, span));
            }
            let similar = call("SIMILAR TO", span, args);
            *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(similar) } } else { similar };
        }
        _ => {}
    }
    Ok(())
}

/// `= ANY (SELECT …)` is `IN`, and `<> ALL (SELECT …)` is `NOT IN`; other comparisons with `ANY` and `ALL` are refused.
pub(super) fn quantified(expr: &mut Expr) -> Result<(), SqlError> {
    let (of, op, right, word) = match expr {
        Expr::AnyOp { left, compare_op, right, is_some } => {
            (left, compare_op, right, if *is_some { "SOME" } else { "ANY" })
        }
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, "ALL"),
        _ => return Ok(()),
    };
    let negated = match (word, &*op) {
        ("ANY" | "SOME", BinaryOperator::Eq) => false,
        ("ALL", BinaryOperator::NotEq) => true,
        _ => return unsupported(&format!("{op} {word}"), &**of),
    };
    let place = of.span();
    let (of, right) = (take(of), take(right));
    match right {
        Expr::Subquery(subquery) => *expr = Expr::InSubquery { expr: Box::new(of), subquery, negated },
        _ => return Err(SqlError::at_span(format!("{word} takes a query"), place)),
    }
    Ok(())
}

/// `(a, b) IN (SELECT …)`: there is a row of the query with these fields.
fn row_in_query(of: &Expr, subquery: &mut Query) -> Result<Expr, SqlError> {
    let fields = row_fields(of).unwrap_or_default();
    let names: Vec<Ident> = (0..fields.len()).map(|index| Ident::with_quote('`', format!("$r{index}"))).collect();
    let written: Vec<String> = names.iter().map(Ident::to_string).collect();
    let text = format!("SELECT {} FROM (SELECT 1) AS `$in` ({})", written[0], written.join(", "));
    let mut found = Parser::new(&FlinkDialect).try_with_sql(&text)?.parse_query()?;
    let equal = fields.into_iter().zip(names).map(|(field, name)| Expr::BinaryOp {
        left: Box::new(field.clone()),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::Identifier(name)),
    });
    if let SetExpr::Select(select) = &mut *found.body {
        select.selection = joined(equal.collect(), BinaryOperator::And);
        if let Some(TableWithJoins { relation: TableFactor::Derived { subquery: inner, .. }, .. }) =
            select.from.first_mut()
        {
            std::mem::swap(&mut **inner, subquery);
        }
    }
    Ok(Expr::Exists { subquery: found, negated: false })
}

/// Conditions joined in brackets by `AND` or `OR`.
fn joined(conditions: Vec<Expr>, op: BinaryOperator) -> Option<Expr> {
    let join = |left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) };
    Some(Expr::Nested(Box::new(conditions.into_iter().reduce(join)?)))
}

/// `(a, b) = (c, d)` field by field: it is unknown only if a field decides nothing.
fn rows_equal(left: &Expr, right: &Expr) -> Option<Expr> {
    let (left, right) = (row_fields(left)?, row_fields(right)?);
    if left.len() != right.len() {
        return None;
    }
    let equal = |(left, right): (&Expr, &Expr)| {
        rows_equal(left, right).unwrap_or_else(|| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::Eq,
            right: Box::new(right.clone()),
        })
    };
    joined(left.into_iter().zip(right).map(equal).collect(), BinaryOperator::And)
}

/// The fields of a row that is made here.
fn row_fields(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Nested(inner) => row_fields(inner),
        Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) if name.to_string() == "ROW" => {
            let fields = list.args.iter().map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(field)) => Some(field),
                _ => None,
            });
            fields.collect()
        }
        _ => None,
    }
}

/// `(a, b) OVERLAPS (c, d)`, where each pair is two times or a time and how long: the periods have a time in common.
fn overlaps(left: &mut Expr, right: &mut Expr, span: Span) -> Result<Expr, SqlError> {
    let (a, b) = period(left)?;
    let (c, d) = period(right)?;
    let reaches = |one: [&Expr; 2], other: [&Expr; 2]| Expr::BinaryOp {
        left: Box::new(call("GREATEST", span, one.map(Expr::clone).to_vec())),
        op: BinaryOperator::GtEq,
        right: Box::new(call("LEAST", span, other.map(Expr::clone).to_vec())),
    };
    let (first, second) = (reaches([&a, &b], [&c, &d]), reaches([&c, &d], [&a, &b]));
    let both = Expr::BinaryOp { left: Box::new(first), op: BinaryOperator::And, right: Box::new(second) };
    Ok(Expr::Nested(Box::new(both)))
}

/// The ends of a period; the pair is a row by now.
fn period(pair: &mut Expr) -> Result<(Expr, Expr), SqlError> {
    let wrong = SqlError::at_span("OVERLAPS compares pairs of times", escape::place(pair));
    let Expr::Function(function) = pair else { return Err(wrong) };
    let FunctionArguments::List(list) = &function.args else { return Err(wrong) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(from)), FunctionArg::Unnamed(FunctionArgExpr::Expr(to))] =
        list.args.as_slice()
    else {
        return Err(wrong);
    };
    let is_length = matches!(
        escape::of_syntax(to),
        Some((Escape::Literal { data_type: DataType::IntervalDayTime | DataType::IntervalYearMonth, .. }, _))
    );
    let end = if is_length { escape::operator("+", from.clone(), to.clone()) } else { to.clone() };
    Ok((from.clone(), end))
}

/// Whether an expression reads any column.
fn reads_column(expr: &Expr) -> bool {
    let found = visit::expressions(expr, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The constant with the opposite sign.
fn negated(expr: &Expr) -> Option<Expr> {
    let (Escape::Literal { value, data_type }, span) = escape::of_syntax(expr)? else { return None };
    let value = match value {
        // `- 2147483648` fits in an INT, though the number alone does not.
        Value::Integer(2_147_483_648) if data_type == DataType::BigInt => {
            return Some(escape::integer(i64::from(i32::MIN), &DataType::Int, span));
        }
        Value::Integer(value) => Value::Integer(value.checked_neg()?),
        Value::Float(value) => Value::Float(-value),
        Value::Decimal(digits) if digits == literal::LEAST_BIGINT && data_type == DataType::Decimal(19, 0) => {
            return Some(escape::integer(i64::MIN, &DataType::BigInt, span));
        }
        Value::Decimal(digits) => Value::Decimal(format!("-{digits}")),
        _ => return None,
    };
    Some(escape::literal(value, &data_type, span))
}

fn rounded(name: &str, of: &mut Expr, field: &CeilFloorKind, span: Span) -> Result<Expr, SqlError> {
    let mut args = vec![take(of)];
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
        CeilFloorKind::DateTimeField(unit) => args.push(string(&unit.to_string().to_ascii_uppercase(), span)),
        CeilFloorKind::Scale(scale) => args.push(literal::number(&scale.value.to_string(), scale.span)?),
    }
    Ok(call(name, span, args))
}

fn trim(expr: &mut Expr, span: Span) -> Result<Expr, SqlError> {
    let Expr::Trim { trim_where, trim_what, expr: of, trim_characters } = expr else {
        return Err(SqlError::internal("not a TRIM"));
    };
    let name = match trim_where {
        Some(TrimWhereField::Leading) => "LTRIM",
        Some(TrimWhereField::Trailing) => "RTRIM",
        Some(TrimWhereField::Both) | None => "TRIM",
    };
    let mut args = vec![take(of)];
    args.extend(trim_what.as_deref_mut().map(take));
    args.extend(trim_characters.iter_mut().flatten().map(take));
    Ok(call(name, span, args))
}

/// `a[1]`, `m['k']`, `f(x).b`
fn access(root: &mut Expr, chain: &mut [AccessExpr], span: Span) -> Result<Expr, SqlError> {
    let mut of = take(root);
    for step in chain {
        of = match step {
            AccessExpr::Dot(Expr::Identifier(field)) => match of {
                Expr::Identifier(first) => Expr::CompoundIdentifier(vec![first, field.clone()]),
                Expr::CompoundIdentifier(mut parts) => {
                    parts.push(field.clone());
                    Expr::CompoundIdentifier(parts)
                }
                other => call(functions::FIELD, span, vec![other, string(&field.value, field.span)]),
            },
            AccessExpr::Subscript(Subscript::Index { index }) => call(functions::ITEM, span, vec![of, take(index)]),
            _ => return Err(SqlError::at_span("this kind of access is not supported", span)),
        };
    }
    Ok(of)
}
