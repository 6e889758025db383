//! Clauses that the parser reads and that mean nothing here: each is refused, so that none is left out unseen.

use sqlparser::{
    ast::{
        Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, Spanned, TableFactor,
    },
    tokenizer::Span,
};

use crate::{SqlError, escape, functions};

/// The first clause that is there.
fn refuse(clauses: &[(bool, &str)], place: Span) -> Result<(), SqlError> {
    match clauses.iter().find(|(is_there, _)| *is_there) {
        Some((_, clause)) => Err(SqlError::at_span(format!("{clause} is not supported"), place)),
        None => Ok(()),
    }
}

/// Expressions of other dialects.
pub(super) fn expression(expr: &Expr) -> Result<(), SqlError> {
    let what = match expr {
        Expr::RLike { .. } => "RLIKE or REGEXP",
        Expr::Cast { .. } => "a cast that is not written CAST(… AS …) or TRY_CAST(… AS …)",
        Expr::Convert { .. } => "CONVERT",
        Expr::AtTimeZone { .. } => "AT TIME ZONE",
        Expr::Collate { .. } => "COLLATE",
        Expr::IsNormalized { .. } => "IS NORMALIZED",
        Expr::JsonAccess { .. } => "a path behind a colon",
        Expr::MemberOf(_) => "MEMBER OF",
        Expr::Array(_) => "an array that is not written ARRAY[…]",
        Expr::Map(_) => "a map that is not written MAP[…]",
        Expr::Lambda(_) => "a lambda expression",
        Expr::Interval(_) => "an interval that is no constant",
        _ => "this expression",
    };
    // The syntax tree does not say where some of them are, but where their operand is.
    let operand = match expr {
        Expr::RLike { expr, .. } => expr,
        other => other,
    };
    refuse(&[(true, what)], escape::place(operand))
}

/// Clauses behind a query.
pub(super) fn in_query(query: &Query) -> Result<(), SqlError> {
    let clauses = [
        (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE"),
        (query.for_clause.is_some(), "FOR XML or FOR JSON"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
        (!query.pipe_operators.is_empty(), "|>"),
    ];
    refuse(&clauses, query.body.span())
}

/// Clauses of a `SELECT`.
pub(super) fn in_select(select: &Select) -> Result<(), SqlError> {
    let clauses = [
        (select.top.is_some(), "SELECT TOP"),
        (select.select_modifiers.is_some(), "a word between SELECT and its columns"),
        (select.value_table_mode.is_some(), "SELECT AS"),
        (select.exclude.is_some(), "EXCLUDE"),
        (select.into.is_some(), "SELECT … INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
    ];
    refuse(&clauses, select.select_token.0.span)
}

/// Clauses behind a table or query in `FROM`.
pub(super) fn in_table(factor: &TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Table {
            name,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => {
            let clauses = [
                (version.is_some(), "FOR SYSTEM_TIME AS OF"),
                (*with_ordinality, "WITH ORDINALITY behind what is no UNNEST"),
                (!with_hints.is_empty(), "WITH (…) behind a table"),
                (sample.is_some(), "TABLESAMPLE"),
                (!partitions.is_empty(), "PARTITION behind a table"),
                (json_path.is_some(), "a path behind a table"),
                (!index_hints.is_empty(), "an index hint"),
            ];
            refuse(&clauses, name.span())
        }
        TableFactor::Derived { sample: Some(_), subquery, .. } => {
            refuse(&[(true, "TABLESAMPLE")], subquery.body.span())
        }
        _ => Ok(()),
    }
}

/// Clauses of a call: those of aggregates, of a function that is none; and `*`, which only `COUNT` takes.
pub(super) fn in_call(function: &Function, name: &Ident) -> Result<(), SqlError> {
    let at = |message: String| Err(SqlError::at_ident(message, name));
    let list = match &function.args {
        FunctionArguments::List(list) => list,
        FunctionArguments::None => return Ok(()),
        FunctionArguments::Subquery(_) => return at(format!("'{}' does not take a query", name.value)),
    };
    let star = list.args.iter().any(|arg| match arg {
        FunctionArg::Unnamed(arg) | FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } => {
            !matches!(arg, FunctionArgExpr::Expr(_))
        }
    });
    let counts_rows = name.value.eq_ignore_ascii_case("COUNT")
        && list.duplicate_treatment.is_none()
        && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
    if star && !counts_rows {
        return at(format!("'{}' does not take *; only COUNT(*) does", name.value));
    }
    if functions::aggregate(&name.value).is_some() {
        return Ok(());
    }
    let clauses = [
        (list.duplicate_treatment.is_some(), "DISTINCT or ALL"),
        (function.filter.is_some(), "FILTER"),
        (function.null_treatment.is_some(), "IGNORE or RESPECT NULLS"),
        (!list.clauses.is_empty(), "clause behind its arguments"),
        (!matches!(function.parameters, FunctionArguments::None), "second list of arguments"),
    ];
    match clauses.iter().find(|(is_there, _)| *is_there) {
        Some((_, clause)) => at(format!("'{}' is no aggregate function: it takes no {clause}", name.value)),
        None => Ok(()),
    }
}
