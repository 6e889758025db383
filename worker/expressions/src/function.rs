//! What a function or operator is: names, parameters, result type and kernel. The library is a table of these.

use std::sync::Arc;

use arrow::array::ArrayRef;
use model::{DataType, Failure};

use crate::{
    arg::Inputs,
    coercion::{common_type, integer_rank, is_binary, is_text},
};

/// Computes a column from columns. The result has `inputs.rows` rows and the arrow type of `inputs.result`, or one
/// that is cast to it without loss.
pub(crate) type Kernel = Arc<dyn Fn(&Inputs<'_>) -> Result<ArrayRef, Failure> + Send + Sync>;

/// What is known of a call's arguments before it is evaluated.
pub(crate) struct Arguments<'a> {
    pub(crate) types: &'a [DataType],
    /// The value, as an array of length one, of each argument that is a constant.
    pub(crate) constants: &'a [Option<ArrayRef>],
    /// The declared type of the result; `NULL` while it is still asked for.
    pub(crate) result: &'a DataType,
}

impl Arguments<'_> {
    pub(crate) fn get(&self, index: usize) -> &DataType {
        self.types.get(index).unwrap_or(&DataType::Null)
    }

    /// The argument's text if it is a constant that is not null.
    pub(crate) fn constant_text(&self, index: usize) -> Option<&str> {
        use arrow::array::{Array, AsArray};
        let array = self.constants.get(index)?.as_ref()?.as_string_opt::<i32>()?;
        (!array.is_empty() && !array.is_null(0)).then(|| array.value(0))
    }

    /// The argument's integer if it is a constant that is not null.
    pub(crate) fn constant_integer(&self, index: usize) -> Option<i64> {
        use arrow::{array::AsArray, datatypes::Int64Type};
        let array = self.constants.get(index)?.as_ref()?;
        let array = arrow::compute::cast(array, &arrow::datatypes::DataType::Int64).ok()?;
        array.as_primitive::<Int64Type>().iter().next().flatten()
    }
}

/// What a parameter accepts, and what it is cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// Anything, as it is.
    Any,
    /// Character strings.
    Text,
    /// Character or byte strings, as they are.
    TextOrBytes,
    /// Integers, cast to `INT`.
    Int,
    /// Integers, cast to `BIGINT`.
    BigInt,
    /// Numbers, cast to `DOUBLE`.
    Double,
    /// Numbers, as they are.
    Number,
    Boolean,
    Bytes,
    /// `DATE`, `TIME`, `TIMESTAMP`, `TIMESTAMP_LTZ`, as they are.
    Temporal,
    /// Temporals, or text that is read as a time: null if it is none.
    TimestampOrText,
    Array,
    Map,
    /// All parameters of this kind are cast to their common type.
    Common,
}

/// How a kernel comes to be.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Plain(fn(&Inputs<'_>) -> Result<ArrayRef, Failure>),
    /// Prepared once for a call: patterns compiled, types looked at.
    Bound(fn(&Arguments<'_>) -> Result<Kernel, Failure>),
}

/// When the result of a call may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nullability {
    /// If an argument may be.
    Any,
    /// If all arguments may be.
    All,
    Always,
    Never,
}

type Coercion = fn(&[DataType]) -> Option<Vec<DataType>>;
type Returns = fn(&Arguments<'_>) -> Result<DataType, Failure>;

/// One entry of the library.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    parameters: &'static [Parameter],
    optional: usize,
    variadic: bool,
    returns: Returns,
    body: Body,
    /// Where the types of parameters depend on each other.
    coercion: Option<Coercion>,
    /// Whether values can make it fail, so that it must not be evaluated on rows that do not need it.
    pub(crate) fallible: bool,
    /// Whether it differs between rows or calls on equal arguments.
    pub(crate) volatile: bool,
    pub(crate) nullability: Nullability,
    /// Whether it is called by name in SQL.
    pub(crate) named: bool,
}

/// A named function with all its parameters required.
pub(crate) const fn function(
    name: &'static str,
    parameters: &'static [Parameter],
    returns: Returns,
    body: Body,
) -> Function {
    Function {
        name,
        aliases: &[],
        parameters,
        optional: 0,
        variadic: false,
        returns,
        body,
        coercion: None,
        fallible: false,
        volatile: false,
        nullability: Nullability::Any,
        named: true,
    }
}

/// An operator, which SQL writes with signs or keywords.
pub(crate) const fn operator(
    name: &'static str,
    parameters: &'static [Parameter],
    returns: Returns,
    body: Body,
) -> Function {
    let mut operator = function(name, parameters, returns, body);
    operator.named = false;
    operator
}

impl Function {
    pub(crate) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The last `count` parameters may be left out.
    pub(crate) const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    /// The last parameter may be repeated.
    pub(crate) const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    /// Arguments are cast to the types that `coercion` finds for theirs.
    pub(crate) const fn coercing(mut self, coercion: Coercion) -> Self {
        self.coercion = Some(coercion);
        self
    }

    pub(crate) const fn fallible(mut self) -> Self {
        self.fallible = true;
        self
    }

    pub(crate) const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// The result may be null whatever the arguments are.
    pub(crate) const fn nullable(mut self) -> Self {
        self.nullability = Nullability::Always;
        self
    }

    /// The result is null only if all arguments are.
    pub(crate) const fn nullable_if_all(mut self) -> Self {
        self.nullability = Nullability::All;
        self
    }

    pub(crate) const fn never_null(mut self) -> Self {
        self.nullability = Nullability::Never;
        self
    }

    /// The types that arguments of these types are cast to.
    pub(crate) fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>, Failure> {
        let least = self.parameters.len() - self.optional;
        if types.len() < least || (types.len() > self.parameters.len() && !self.variadic) {
            return Err(Failure::user(format!("function {} does not take {} arguments", self.name, types.len())));
        }
        if let Some(coercion) = self.coercion {
            return coercion(types).ok_or_else(|| {
                let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                Failure::user(format!("function {} does not take ({})", self.name, types.join(", ")))
            });
        }
        let parameter = |index: usize| self.parameters[index.min(self.parameters.len() - 1)];
        let mut common = DataType::Null;
        for (index, data_type) in types.iter().enumerate() {
            if parameter(index) == Parameter::Common {
                common = common_type(&common, data_type).ok_or_else(|| {
                    Failure::user(format!("function {}: {common} and {data_type} have no common type", self.name))
                })?;
            }
        }
        types
            .iter()
            .enumerate()
            .map(|(index, data_type)| {
                if parameter(index) == Parameter::Common {
                    return Ok(common.clone());
                }
                parameter(index).coerce(data_type).ok_or_else(|| {
                    Failure::user(format!("function {} does not take {data_type} as argument {}", self.name, index + 1))
                })
            })
            .collect()
    }

    /// The type of the result for arguments that were coerced.
    pub(crate) fn returns(&self, arguments: &Arguments<'_>) -> Result<DataType, Failure> {
        (self.returns)(arguments).map_err(|failure| failure.at(format_args!("function {}", self.name)))
    }

    /// Whether it reads a time from a text of such arguments, which may be none.
    pub(crate) fn reads_times(&self, types: &[DataType]) -> bool {
        let mut arguments = self.parameters.iter().zip(types);
        arguments.any(|(parameter, of)| *parameter == Parameter::TimestampOrText && is_text(of))
    }

    /// The kernel for arguments that were coerced.
    pub(crate) fn bind(&self, arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
        match self.body {
            Body::Plain(kernel) => Ok(Arc::new(kernel)),
            Body::Bound(bind) => bind(arguments).map_err(|failure| failure.at(format_args!("function {}", self.name))),
        }
    }
}

impl Parameter {
    fn coerce(self, from: &DataType) -> Option<DataType> {
        use DataType as T;
        let null = *from == T::Null;
        let integer = |to: T| (integer_rank(from).is_some() || null).then_some(to);
        let numeric = |to: T| (from.is_numeric() || null).then_some(to);
        match self {
            Self::Any | Self::Common => Some(from.clone()),
            Self::Text if is_text(from) => Some(from.clone()),
            Self::Text => null.then_some(T::String),
            Self::TextOrBytes if is_text(from) || is_binary(from) => Some(from.clone()),
            Self::TextOrBytes => null.then_some(T::String),
            Self::Int => integer(T::Int),
            Self::BigInt => integer(T::BigInt),
            Self::Double => numeric(T::Double),
            Self::Number if from.is_numeric() => Some(from.clone()),
            Self::Number => null.then_some(T::Int),
            Self::Boolean => (*from == T::Boolean || null).then_some(T::Boolean),
            Self::Bytes => (is_binary(from) || null).then_some(T::Bytes),
            Self::Temporal | Self::TimestampOrText => match from {
                T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) => Some(from.clone()),
                T::Null => Some(T::Timestamp(3)),
                _ if self == Self::TimestampOrText && is_text(from) => Some(from.clone()),
                _ => None,
            },
            Self::Array => matches!(from, T::Array(_) | T::Null).then(|| from.clone()),
            Self::Map => matches!(from, T::Map(..) | T::Null).then(|| from.clone()),
        }
    }
}

/// Result types that many functions share.
pub(crate) mod returns {
    use model::{DataType, Failure};

    use super::Arguments;

    macro_rules! fixed {
        ($($name:ident = $data_type:expr;)*) => {
            $(pub(crate) fn $name(_: &Arguments<'_>) -> Result<DataType, Failure> {
                Ok($data_type)
            })*
        };
    }

    fixed! {
        boolean = DataType::Boolean;
        int = DataType::Int;
        bigint = DataType::BigInt;
        double = DataType::Double;
        string = DataType::String;
        bytes = DataType::Bytes;
        date = DataType::Date;
        timestamp = DataType::Timestamp(3);
    }

    /// The type of the first argument.
    pub(crate) fn first(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
        Ok(arguments.get(0).clone())
    }

    /// The type of the first argument, a text, of any length up to its own.
    pub(crate) fn first_varying(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
        Ok(match arguments.get(0) {
            DataType::Char(length) => DataType::Varchar(*length),
            DataType::Binary(length) => DataType::Varbinary(*length),
            DataType::Null => DataType::String,
            other => other.clone(),
        })
    }

    /// The type of the second argument.
    pub(crate) fn second(arguments: &Arguments<'_>) -> Result<DataType, Failure> {
        Ok(arguments.get(1).clone())
    }
}
