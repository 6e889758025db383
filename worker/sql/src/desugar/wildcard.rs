//! `*` beside other columns of the same names: written out, so that each column gets a name of its own, as in Flink.

use std::collections::HashSet;

use sqlparser::{
    ast::{Expr, Ident, Select, SelectItem, Spanned, With},
    tokenizer::Span,
};

use crate::{catalog::Tables, plan, scope};

/// Writes out what `*` stands for if two columns would have one name. What cannot be planned is left to be refused.
pub(super) fn expand(select: &mut Select, with: &[Option<With>], tables: &Tables) {
    let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let single = select.projection.len() == 1 && select.from.len() == 1 && select.from[0].joins.is_empty();
    if single || !select.projection.iter().any(is_wildcard) {
        return;
    }
    let mut written = Vec::with_capacity(select.projection.len());
    for item in &select.projection {
        if !is_wildcard(item) {
            written.push(item.clone());
            continue;
        }
        match columns(item, select, with, tables) {
            Some(columns) => written.extend(columns),
            None => return,
        }
    }
    let mut names = HashSet::new();
    if !written.iter().filter_map(name).all(|name| names.insert(name.to_owned())) {
        select.projection = written;
    }
}

fn name(item: &SelectItem) -> Option<&str> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(&ident.value),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(|last| last.value.as_str()),
        SelectItem::ExprWithAlias { alias, .. } => Some(&alias.value),
        _ => None,
    }
}

/// The columns that a wildcard stands for, each as an item.
fn columns(item: &SelectItem, select: &Select, with: &[Option<With>], tables: &Tables) -> Option<Vec<SelectItem>> {
    let planned = plan::unchecked(tables, &scope::of_item(item.clone(), select, with)).ok()?;
    let ident = |name: &str, span: Span| Ident::with_quote_and_span('`', span, name);
    let span = item.span();
    let columns = planned.schema().iter().map(|(qualifier, field)| {
        let name = ident(field.name(), span);
        SelectItem::UnnamedExpr(match qualifier {
            Some(table) => Expr::CompoundIdentifier(vec![ident(table.table(), span), name]),
            None => Expr::Identifier(name),
        })
    });
    Some(columns.collect())
}
