//! What names mean in a query, asked of the library's planner: queries that only read what another one reads.

use sqlparser::ast::{Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, With};

use crate::{catalog::Tables, plan};

/// The start of the names of queries of one value that are joined to what a query reads.
pub(crate) const JOINED_VALUE: &str = "$s";

/// Whether it is a query of one value that was joined.
pub(crate) fn is_joined_value(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Derived { alias: Some(alias), .. } if alias.name.value.starts_with(JOINED_VALUE))
}

/// One `WITH` of several around each other.
pub(crate) fn merged(with: impl IntoIterator<Item = Option<With>>) -> Option<With> {
    let mut with = with.into_iter().flatten();
    with.next().map(|mut first| {
        first.cte_tables.extend(with.flat_map(|with| with.cte_tables));
        first
    })
}

/// A query of one item over what a `SELECT` reads.
pub(crate) fn of_item(item: SelectItem, select: &Select, with: &[Option<With>]) -> Query {
    let select = Select {
        distinct: None,
        projection: vec![item],
        selection: None,
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        having: None,
        ..select.clone()
    };
    Query {
        with: merged(with.iter().cloned()),
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// A column by the parts of its name.
pub(crate) fn column(mut parts: Vec<Ident>) -> Expr {
    match parts.len() {
        1 => Expr::Identifier(parts.swap_remove(0)),
        _ => Expr::CompoundIdentifier(parts),
    }
}

/// Whether a name is that of a column, or of a field of one, of what a `SELECT` reads.
pub(crate) fn resolves(name: &[Ident], select: &Select, with: &[Option<With>], tables: &Tables) -> bool {
    let item = SelectItem::UnnamedExpr(column(name.to_vec()));
    let mut own = select.clone();
    own.from.retain(|table| !is_joined_value(&table.relation));
    !own.from.is_empty() && plan::unchecked(tables, &of_item(item, &own, with)).is_ok()
}
