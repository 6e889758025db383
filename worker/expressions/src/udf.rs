//! The library as DataFusion sees it: signatures and result types for planning, and kernels for folding constants.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType as Arrow, Field, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_datafusion_err};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use model::{DataType, Failure};

use crate::{
    arg::{Arg, Inputs},
    function::{Arguments, Function},
    registry,
};

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let named = registry::all().filter(|function| function.named);
    named.map(|function| Arc::new(ScalarUDF::new_from_impl(LibraryFunction::new(function)))).collect()
});

/// A function of Flink's by its upper-case name.
pub fn scalar_function(name: &str) -> Option<Arc<ScalarUDF>> {
    let function = registry::find(name).ok().filter(|function| function.named)?;
    FUNCTIONS.iter().find(|udf| udf.name() == function.name).cloned()
}

/// All of Flink's functions; operators are not among them.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    FUNCTIONS.clone()
}

struct LibraryFunction {
    function: &'static Function,
    aliases: Vec<String>,
    signature: Signature,
}

impl LibraryFunction {
    fn new(function: &'static Function) -> Self {
        let volatility = if function.volatile { Volatility::Volatile } else { Volatility::Immutable };
        Self {
            function,
            aliases: function.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            signature: Signature::user_defined(volatility),
        }
    }
}

impl std::fmt::Debug for LibraryFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for LibraryFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for LibraryFunction {}

impl Hash for LibraryFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

fn types(arrow: impl IntoIterator<Item = impl std::borrow::Borrow<Arrow>>) -> Result<Vec<DataType>> {
    arrow.into_iter().map(|arrow| DataType::from_arrow(arrow.borrow()).map_err(plan_error)).collect()
}

fn plan_error(failure: Failure) -> DataFusionError {
    plan_datafusion_err!("{failure}")
}

impl ScalarUDFImpl for LibraryFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[Arrow]) -> Result<Vec<Arrow>> {
        let types = types(arg_types)?;
        let coerced = self.function.coerce(&types).map_err(plan_error)?;
        // A type that stays keeps its arrow form, which may not be the one that Flink's type has.
        let arrow = coerced.iter().zip(types).zip(arg_types);
        Ok(arrow.map(|((to, from), arrow)| if *to == from { arrow.clone() } else { to.to_arrow() }).collect())
    }

    fn return_type(&self, arg_types: &[Arrow]) -> Result<Arrow> {
        let types = types(arg_types)?;
        let constants = vec![None; types.len()];
        let arguments = Arguments { types: &types, constants: &constants, result: &DataType::Null };
        Ok(self.function.returns(&arguments).map_err(plan_error)?.to_arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types = types(args.arg_fields.iter().map(|field| field.data_type()))?;
        let constants = args
            .scalar_arguments
            .iter()
            .map(|scalar| scalar.map(ScalarValue::to_array).transpose())
            .collect::<Result<Vec<_>>>()?;
        let arguments = Arguments { types: &types, constants: &constants, result: &DataType::Null };
        let data_type = self.function.returns(&arguments).map_err(plan_error)?;
        Ok(Arc::new(Field::new(self.function.name, data_type.to_arrow(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let exec_error = |failure: Failure| exec_datafusion_err!("{failure}");
        let inputs = args
            .args
            .iter()
            .map(|value| {
                Ok(match value {
                    ColumnarValue::Array(array) => Arg::array(Arc::clone(array)),
                    ColumnarValue::Scalar(scalar) => Arg::scalar(scalar.to_array()?),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let constants: Vec<_> = inputs.iter().map(|arg| arg.scalar.then(|| Arc::clone(&arg.array))).collect();
        let types = types(inputs.iter().map(|arg| arg.array.data_type()))?;
        let natural = DataType::from_arrow(args.return_field.data_type()).map_err(plan_error)?;
        let arguments = Arguments { types: &types, constants: &constants, result: &natural };
        let kernel = self.function.bind(&arguments).map_err(exec_error)?;
        let scalar = !self.function.volatile && inputs.iter().all(|arg| arg.scalar);
        let rows = if scalar { 1 } else { args.number_rows };
        let array = kernel(&Inputs { args: &inputs, rows, result: &natural }).map_err(exec_error)?;
        let array = arrow::compute::cast(&array, args.return_field.data_type())?;
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}
