//! The library's index: every function and operator by its upper-case name.

use std::{collections::HashMap, sync::LazyLock};

use model::{DataType, Failure};

use crate::{
    function::{Arguments, Function},
    functions,
};

static FAMILIES: &[&[Function]] = &[
    functions::arithmetic::FUNCTIONS,
    functions::arrays::FUNCTIONS,
    functions::comparison::FUNCTIONS,
    functions::conditional::FUNCTIONS,
    functions::encoding::FUNCTIONS,
    functions::json::FUNCTIONS,
    functions::logic::FUNCTIONS,
    functions::maps::FUNCTIONS,
    functions::math::FUNCTIONS,
    functions::regexp::FUNCTIONS,
    functions::strings::FUNCTIONS,
    functions::temporal::FUNCTIONS,
    functions::temporal::zone::FUNCTIONS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let mut by_name = HashMap::new();
    for function in all() {
        for name in std::iter::once(&function.name).chain(function.aliases) {
            by_name.insert(*name, function);
        }
    }
    by_name
});

/// Every function and operator.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

pub(crate) fn find(name: &str) -> Result<&'static Function, Failure> {
    BY_NAME.get(name).copied().ok_or_else(|| Failure::user(format!("unknown function {name}")))
}

/// Whether a scalar function or operator of this upper-case name exists.
pub fn is_function(name: &str) -> bool {
    BY_NAME.contains_key(name)
}

/// The type of a call of a function or operator on arguments of these types, none of them constant.
///
/// # Errors
/// Class `User` if there is no such function or it does not take such arguments.
pub fn call_type(name: &str, types: &[DataType]) -> Result<DataType, Failure> {
    let function = find(name)?;
    let types = function.coerce(types)?;
    let constants = vec![None; types.len()];
    function.returns(&Arguments { types: &types, constants: &constants, result: &DataType::Null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_upper_case() {
        let mut names: Vec<_> =
            all().flat_map(|function| std::iter::once(&function.name).chain(function.aliases)).collect();
        let count = names.len();
        assert!(names.iter().all(|name| **name == name.to_uppercase()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
