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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array};
    use datafusion_common::config::ConfigOptions;

    use super::*;

    fn field(data_type: &DataType) -> FieldRef {
        Arc::new(Field::new("value", data_type.to_arrow(), true))
    }

    #[test]
    fn planning_sees_flinks_types() {
        let one = ScalarValue::Int32(Some(1));
        for (name, types, constants, result) in [
            ("MOD", vec![DataType::BigInt, DataType::Int], vec![None, None], DataType::Int),
            ("ROUND", vec![DataType::Decimal(10, 2), DataType::Int], vec![None, Some(&one)], DataType::Decimal(10, 1)),
            ("HOUR", vec![DataType::Timestamp(3)], vec![None], DataType::BigInt),
            ("DATE_FORMAT", vec![DataType::Timestamp(3), DataType::String], vec![None, None], DataType::String),
            ("COALESCE", vec![DataType::Int, DataType::Int], vec![None, None], DataType::Int),
        ] {
            let udf = scalar_function(name).unwrap();
            let arg_fields: Vec<FieldRef> = types.iter().map(field).collect();
            let args = ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &constants };
            assert_eq!(*udf.return_field_from_args(args).unwrap().data_type(), result.to_arrow(), "{name}");
        }
    }

    #[test]
    fn arguments_are_coerced_or_refused() {
        let coerced = |name: &str, types: &[DataType]| {
            let arrow: Vec<Arrow> = types.iter().map(DataType::to_arrow).collect();
            scalar_function(name).unwrap().coerce_types(&arrow)
        };
        let texts = [DataType::String, DataType::String, DataType::BigInt];
        assert_eq!(coerced("SPLIT_INDEX", &texts).unwrap()[2], Arrow::Int32);
        assert_eq!(coerced("GREATEST", &[DataType::Int, DataType::BigInt]).unwrap(), [Arrow::Int64, Arrow::Int64]);
        assert!(coerced("UPPER", &[DataType::Int]).is_err());
        assert!(coerced("UPPER", &[]).is_err());
    }

    #[test]
    fn constants_are_folded() {
        let udf = scalar_function("CHAR_LENGTH").unwrap();
        let array: ArrayRef = Arc::new(Int32Array::from(vec![3]));
        let result = udf.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Scalar(ScalarValue::Utf8(Some("abc".to_owned())))],
            arg_fields: vec![field(&DataType::String)],
            number_rows: 1,
            return_field: field(&DataType::Int),
            config_options: Arc::new(ConfigOptions::default()),
        });
        assert_eq!(result.unwrap().into_array(1).unwrap().as_ref(), array.as_ref());
    }

    #[test]
    fn operators_are_no_functions() {
        assert!(scalar_function("+").is_none());
        assert!(scalar_function("IS NULL").is_none());
        assert!(scalar_function("CHARACTER_LENGTH").is_some());
    }
}
