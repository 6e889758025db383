//! The function library, a file for each family. An entry is a row in a family's `FUNCTIONS`.

pub(crate) mod arithmetic;
pub(crate) mod arrays;
pub(crate) mod comparison;
pub(crate) mod conditional;
pub(crate) mod encoding;
pub(crate) mod json;
pub(crate) mod literal;
pub(crate) mod logic;
pub(crate) mod maps;
pub(crate) mod math;
pub(crate) mod regexp;
pub(crate) mod strings;
pub(crate) mod temporal;
