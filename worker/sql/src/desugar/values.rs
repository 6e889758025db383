//! The rows of `VALUES`, brought to common types.

use model::DataType;
use sqlparser::ast::{Expr, Parens, Value as SqlValue};

use crate::{SqlError, escape};

/// Casts what `VALUES` has in a column to their common type if all types are known here: the library would choose
/// another one.
pub(super) fn alike(rows: &mut [Parens<Vec<Expr>>]) -> Result<(), SqlError> {
    let width = rows.iter().map(|row| row.len()).min().unwrap_or_default();
    for column in 0..width {
        let types: Option<Vec<DataType>> = rows.iter().map(|row| escape::known_type(&row[column])).collect();
        let Some(types) = types else { continue };
        let mut common = DataType::Null;
        for (row, other) in rows.iter().zip(&types) {
            common = expressions::common_type(&common, other).ok_or_else(|| {
                let message = format!(
                    "column {} of VALUES has the types {common} and {other}, which have no common type",
                    column + 1
                );
                SqlError::at_span(message, escape::place(&row[column]))
            })?;
        }
        let differs = |data_type: &DataType| {
            *data_type != DataType::Null && data_type.to_planned_arrow() != common.to_planned_arrow()
        };
        for (row, _) in rows.iter_mut().zip(&types).filter(|(_, data_type)| differs(data_type)) {
            let item = &mut row[column];
            let place = escape::place(item);
            let of = std::mem::replace(item, Expr::Value(SqlValue::Null.into()));
            *item = escape::cast(&common, false, of, place);
        }
    }
    Ok(())
}
