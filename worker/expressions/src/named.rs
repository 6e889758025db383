//! Named functions as a planner needs them: names, parameter and result types, and evaluation of a call.

use arrow::array::ArrayRef;
use model::{DataType, Failure};

use crate::{
    arg::{Arg, Inputs},
    function::{Arguments, Function},
    registry,
};

/// A scalar function that SQL calls by name.
#[derive(Clone, Copy)]
pub struct NamedFunction(&'static Function);

/// An evaluated argument of a call.
pub enum Argument {
    /// A value for each row.
    Column(ArrayRef),
    /// One value for every row, as an array of length one.
    Constant(ArrayRef),
}

/// A named function by its upper-case name or alias.
pub fn named_function(name: &str) -> Option<NamedFunction> {
    registry::find(name).ok().filter(|function| function.named).map(NamedFunction)
}

/// All named functions; operators are not among them.
pub fn named_functions() -> impl Iterator<Item = NamedFunction> {
    registry::all().filter(|function| function.named).map(NamedFunction)
}

impl NamedFunction {
    /// The upper-case name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Other names of the function.
    pub fn aliases(self) -> &'static [&'static str] {
        self.0.aliases
    }

    /// Whether it differs between rows or calls on equal arguments.
    pub fn is_volatile(self) -> bool {
        self.0.volatile
    }

    /// The types that arguments of these types are cast to.
    ///
    /// # Errors
    /// Class `User` if the function does not take such arguments.
    pub fn coerce(self, types: &[DataType]) -> Result<Vec<DataType>, Failure> {
        self.0.coerce(types)
    }

    /// The type of a call on coerced arguments, of which some are constants (arrays of length one).
    ///
    /// # Errors
    /// Class `User` if the function does not take such arguments.
    pub fn returns(self, types: &[DataType], constants: &[Option<ArrayRef>]) -> Result<DataType, Failure> {
        self.0.returns(&Arguments { types, constants, result: &DataType::Null })
    }

    /// The result of a call on coerced arguments: one value for each row, or a constant if all arguments are.
    ///
    /// # Errors
    /// If the arguments have no type of Flink's, or the function fails on a value.
    pub fn evaluate(self, arguments: &[Argument], rows: usize, result: &DataType) -> Result<Argument, Failure> {
        let inputs: Vec<Arg> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Column(array) => Arg::array(array.clone()),
                Argument::Constant(array) => Arg::scalar(array.clone()),
            })
            .collect();
        let constants: Vec<_> = inputs.iter().map(|arg| arg.scalar.then(|| arg.array.clone())).collect();
        let types = inputs
            .iter()
            .map(|arg| DataType::from_arrow(arg.array.data_type()))
            .collect::<Result<Vec<_>, Failure>>()?;
        let kernel = self.0.bind(&Arguments { types: &types, constants: &constants, result })?;
        let is_constant = !self.0.volatile && inputs.iter().all(|arg| arg.scalar);
        let array = kernel(&Inputs { args: &inputs, rows: if is_constant { 1 } else { rows }, result })?;
        Ok(if is_constant { Argument::Constant(array) } else { Argument::Column(array) })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_call_on_constants_is_constant() {
        let length = named_function("CHAR_LENGTH").unwrap();
        let text: ArrayRef = Arc::new(StringArray::from(vec!["abc"]));
        match length.evaluate(&[Argument::Constant(text.clone())], 5, &DataType::Int).unwrap() {
            Argument::Constant(array) => assert_eq!(array.len(), 1),
            Argument::Column(_) => panic!("the argument is constant"),
        }
        match length.evaluate(&[Argument::Column(text)], 1, &DataType::Int).unwrap() {
            Argument::Column(array) => assert_eq!(array.len(), 1),
            Argument::Constant(_) => panic!("the argument is a column"),
        }
    }

    #[test]
    fn a_volatile_call_has_a_value_for_each_row() {
        let random = named_function("UUID").unwrap();
        assert!(random.is_volatile());
        match random.evaluate(&[], 3, &DataType::Char(36)).unwrap() {
            Argument::Column(array) => {
                let texts = array.as_string::<i32>();
                assert_eq!(texts.len(), 3);
                assert_ne!(texts.value(0), texts.value(1));
            }
            Argument::Constant(_) => panic!("each row has its own"),
        }
    }

    #[test]
    fn types_that_a_function_does_not_take_are_the_users_mistake() {
        let upper = named_function("UPPER").unwrap();
        assert_eq!(upper.coerce(&[DataType::Int]).unwrap_err().class, model::ErrorClass::User);
        assert_eq!(upper.returns(&[DataType::Char(3)], &[None]).unwrap(), DataType::Char(3));
        let index = named_function("SPLIT_INDEX").unwrap();
        let coerced = index.coerce(&[DataType::String, DataType::String, DataType::BigInt]).unwrap();
        assert_eq!(coerced[2], DataType::Int);
        let empty: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        assert!(upper.evaluate(&[Argument::Column(empty)], 0, &DataType::String).is_err());
    }

    #[test]
    fn operators_are_no_named_functions() {
        assert!(named_function("+").is_none());
        assert!(named_function("IS NULL").is_none());
        assert!(named_function("CHARACTER_LENGTH").is_some());
        assert!(named_functions().all(|function| named_function(function.name()).is_some()));
    }
}
