//! `UNNEST` of a field of a column.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Select, TableFactor};

use super::outer_field::{self, name_of};

/// A field of a column in `UNNEST(…)` is read by a call: the library's planner knows only whole columns of what stands
/// before.
pub(super) fn read_fields(select: &mut Select) {
    let factors = |select: &Select| -> Vec<String> {
        let each = select.from.iter();
        each.flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)))
            .filter_map(name_of)
            .collect()
    };
    let tables = factors(select);
    let relations = select.from.iter_mut();
    let relations = relations.flat_map(|table| {
        std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation))
    });
    for relation in relations {
        let collections: Vec<&mut Expr> = match relation {
            TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter_mut().collect(),
            TableFactor::Table { name, args: Some(args), .. } if name.to_string().eq_ignore_ascii_case("UNNEST") => {
                let args = args.args.iter_mut();
                args.filter_map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                })
                .collect()
            }
            _ => continue,
        };
        for collection in collections {
            if let Expr::CompoundIdentifier(parts) = collection {
                let whole = 1 + usize::from(parts.first().is_some_and(|first| tables.contains(&first.value)));
                if parts.len() > whole {
                    let fields = parts.split_off(whole);
                    *collection = outer_field::read(std::mem::take(parts), fields);
                }
            }
        }
    }
}

/// Whether it is `UNNEST(…)`, in either form that the parser gives it.
pub(super) fn is_unnest(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::UNNEST { .. } => true,
        TableFactor::Table { name, args: Some(_), .. } => name.to_string().eq_ignore_ascii_case("UNNEST"),
        _ => false,
    }
}
