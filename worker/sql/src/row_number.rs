//! `ROW_NUMBER() OVER (…)` on its way through the library's planner: a window function that remembers its place.

use std::sync::Arc;

use datafusion_common::{Result, not_impl_err};
use datafusion_expr::{
    PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
    function::{PartitionEvaluatorArgs, WindowUDFFieldArgs},
};
use model::DataType;
use sqlparser::{
    ast::{
        Function, FunctionArguments, Ident, ObjectName, Spanned, WindowFrame, WindowFrameBound, WindowFrameUnits,
        WindowType,
    },
    tokenizer::{Location, Span},
};

use crate::{SqlError, escape};

const NAME: &str = "$row_number";

/// The function at a place.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowNumber {
    signature: Signature,
    line: u64,
    column: u64,
}

impl RowNumber {
    /// Where it stands.
    pub(crate) fn place(&self) -> Location {
        Location::new(self.line, self.column)
    }
}

/// Prepares a call with `OVER`; only `ROW_NUMBER()` by an order is supported.
pub(crate) fn prepare(function: &mut Function) -> Result<(), SqlError> {
    let place = function.name.span();
    let unsupported = |what: &str| Err(SqlError::at_span(format!("{what} is not supported"), place));
    if !function.name.to_string().eq_ignore_ascii_case("ROW_NUMBER") {
        return unsupported("OVER");
    }
    let no_arguments = match &function.args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::Subquery(_) => false,
    };
    if !no_arguments || function.filter.is_some() || function.null_treatment.is_some() {
        return Err(SqlError::at_span("ROW_NUMBER takes no arguments", place));
    }
    let over = match &mut function.over {
        Some(WindowType::WindowSpec(over)) => over,
        Some(WindowType::NamedWindow(name)) => {
            return Err(SqlError::at_ident(format!("window '{}' not found", name.value), name));
        }
        None => return unsupported("ROW_NUMBER without OVER"),
    };
    if let Some(name) = &over.window_name {
        return Err(SqlError::at_ident(format!("window '{}' not found", name.value), name));
    }
    if over.window_frame.is_some() {
        return Err(SqlError::at_span("ROW_NUMBER takes no ROWS or RANGE", place));
    }
    if over.order_by.is_empty() {
        return Err(SqlError::at_span("ROW_NUMBER needs an ORDER BY", place));
    }
    // Of no meaning to us; without it the library would look for one that fits the order's type.
    over.window_frame = Some(WindowFrame {
        units: WindowFrameUnits::Rows,
        start_bound: WindowFrameBound::Preceding(None),
        end_bound: Some(WindowFrameBound::CurrentRow),
    });
    let name = format!("{NAME}:{}:{}", place.start.line, place.start.column);
    function.name = ObjectName::from(vec![Ident::with_span(place, name)]);
    Ok(())
}

/// The function that [`prepare`] has named.
pub(crate) fn named(name: &str) -> Option<Arc<WindowUDF>> {
    let (line, column) = name.strip_prefix(NAME)?.strip_prefix(':')?.split_once(':')?;
    let function = RowNumber {
        signature: Signature::nullary(Volatility::Immutable),
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    };
    Some(Arc::new(WindowUDF::from(function)))
}

/// An error at the function's place.
pub(crate) fn error(message: &str, place: Location) -> SqlError {
    SqlError::at_span(message, Span::new(place, place))
}

impl WindowUDFImpl for RowNumber {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("ROW_NUMBER is not evaluated by the planner")
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<arrow::datatypes::FieldRef> {
        Ok(escape::arrow_field(args.name(), &DataType::BigInt))
    }
}
