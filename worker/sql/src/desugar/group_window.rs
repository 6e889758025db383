//! Windows in `GROUP BY`.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Select, Value as SqlValue};

use crate::{dialect::string, functions};

/// `GROUP BY TUMBLE(…)` groups by the parts of the window.
pub(super) fn expand(select: &mut Select) {
    let GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return };
    let part_of = |expr: &Expr, part: &str| {
        let Expr::Function(function) = expr else { return None };
        let mut function = function.clone();
        let FunctionArguments::List(list) = &mut function.args else { return None };
        let first = list.args.first_mut()?;
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = first else { return None };
        let is_window = function.name.to_string() == functions::GROUP_WINDOW;
        let is_whole = matches!(&value.value, SqlValue::SingleQuotedString(text) if text == functions::WHOLE);
        if !is_window || !is_whole {
            return None;
        }
        *first = FunctionArg::Unnamed(FunctionArgExpr::Expr(string(part, value.span)));
        Some(Expr::Function(function))
    };
    *groups = std::mem::take(groups)
        .into_iter()
        .flat_map(|group| {
            let parts: Vec<Expr> = functions::PARTS.iter().filter_map(|part| part_of(&group, part)).collect();
            if parts.is_empty() { vec![group] } else { parts }
        })
        .collect();
}
