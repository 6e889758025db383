//! Flink's scalar functions as DataFusion's planner needs them: signatures and result types, and evaluation for rules
//! that ask what a predicate is on a null.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType as Arrow, Field, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_datafusion_err};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use expressions::{Argument, NamedFunction};
use model::{DataType, Failure};

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let named = expressions::named_functions();
    named.map(|function| Arc::new(ScalarUDF::new_from_impl(LibraryFunction::new(function)))).collect()
});

/// A function of Flink's by its upper-case name.
pub(super) fn find(name: &str) -> Option<Arc<ScalarUDF>> {
    let function = expressions::named_function(name)?;
    FUNCTIONS.iter().find(|udf| udf.name() == function.name()).cloned()
}

/// All of Flink's functions; operators are not among them.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    FUNCTIONS.clone()
}

struct LibraryFunction {
    function: NamedFunction,
    aliases: Vec<String>,
    signature: Signature,
}

impl LibraryFunction {
    fn new(function: NamedFunction) -> Self {
        let volatility = if function.is_volatile() { Volatility::Volatile } else { Volatility::Immutable };
        Self {
            function,
            aliases: function.aliases().iter().map(|alias| (*alias).to_owned()).collect(),
            signature: Signature::user_defined(volatility),
        }
    }
}

impl std::fmt::Debug for LibraryFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name())
    }
}

impl PartialEq for LibraryFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name() == other.function.name()
    }
}

impl Eq for LibraryFunction {}

impl Hash for LibraryFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
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
        self.function.name()
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
        Ok(arrow.map(|((to, from), arrow)| if *to == from { arrow.clone() } else { to.to_planned_arrow() }).collect())
    }

    fn return_type(&self, arg_types: &[Arrow]) -> Result<Arrow> {
        let types = types(arg_types)?;
        Ok(self.function.returns(&types, &vec![None; types.len()]).map_err(plan_error)?.to_planned_arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types = types(args.arg_fields.iter().map(|field| field.data_type()))?;
        let constants = args
            .scalar_arguments
            .iter()
            .map(|scalar| scalar.map(ScalarValue::to_array).transpose())
            .collect::<Result<Vec<_>>>()?;
        let data_type = self.function.returns(&types, &constants).map_err(plan_error)?;
        Ok(Arc::new(Field::new(self.function.name(), data_type.to_planned_arrow(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = args
            .args
            .iter()
            .map(|value| {
                Ok(match value {
                    ColumnarValue::Array(array) => Argument::Column(Arc::clone(array)),
                    ColumnarValue::Scalar(scalar) => Argument::Constant(scalar.to_array()?),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let returned = args.return_field.data_type();
        let result = DataType::from_arrow(returned).map_err(plan_error)?;
        let evaluated = self.function.evaluate(&arguments, args.number_rows, &result);
        Ok(match evaluated.map_err(|failure| exec_datafusion_err!("{failure}"))? {
            Argument::Column(array) => ColumnarValue::Array(arrow::compute::cast(&array, returned)?),
            Argument::Constant(array) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&arrow::compute::cast(&array, returned)?, 0)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array};
    use datafusion_common::config::ConfigOptions;

    use super::*;

    fn field(data_type: &DataType) -> FieldRef {
        Arc::new(Field::new("value", data_type.to_planned_arrow(), true))
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
            let udf = find(name).unwrap();
            let arg_fields: Vec<FieldRef> = types.iter().map(field).collect();
            let args = ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &constants };
            assert_eq!(*udf.return_field_from_args(args).unwrap().data_type(), result.to_planned_arrow(), "{name}");
        }
    }

    #[test]
    fn arguments_are_coerced_or_refused() {
        let coerced = |name: &str, types: &[DataType]| {
            let arrow: Vec<Arrow> = types.iter().map(DataType::to_planned_arrow).collect();
            find(name).unwrap().coerce_types(&arrow)
        };
        let texts = [DataType::String, DataType::String, DataType::BigInt];
        assert_eq!(coerced("SPLIT_INDEX", &texts).unwrap()[2], Arrow::Int32);
        assert_eq!(coerced("GREATEST", &[DataType::Int, DataType::BigInt]).unwrap(), [Arrow::Int64, Arrow::Int64]);
        assert!(coerced("UPPER", &[DataType::Int]).is_err());
        assert!(coerced("UPPER", &[]).is_err());
    }

    #[test]
    fn constants_are_folded() {
        let udf = find("CHAR_LENGTH").unwrap();
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
        assert!(find("+").is_none());
        assert!(find("IS NULL").is_none());
        assert!(find("CHARACTER_LENGTH").is_some());
    }
}
