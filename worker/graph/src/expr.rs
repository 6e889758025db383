//! Scalar expressions over the columns of one input.

use model::DataType;
use serde::{Deserialize, Serialize};

/// A scalar expression. Types are explicit: every coercion is a [`Expr::Cast`] that the planner put there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// The input column at this position.
    Column(usize),
    /// A constant.
    Literal {
        /// Its value.
        value: Value,
        /// Its type.
        #[serde(rename = "type")]
        data_type: DataType,
    },
    /// A field of a `ROW`; null if the row is.
    Field {
        /// The row.
        of: Box<Expr>,
        /// The field's name.
        name: String,
    },
    /// A function or operator by its Flink name in upper case: `+`, `=`, `AND`, `IS NULL`, `LIKE`, `DATE_FORMAT`.
    Call {
        /// The name.
        function: String,
        /// The arguments, already of the types that the function takes.
        args: Vec<Expr>,
        /// The type of the result.
        #[serde(rename = "type")]
        data_type: DataType,
    },
    /// `CAST` or `TRY_CAST`.
    Cast {
        /// What is cast.
        of: Box<Expr>,
        /// To which type.
        to: DataType,
        /// Whether failure gives null (`TRY_CAST`).
        #[serde(default)]
        safe: bool,
    },
    /// `CASE WHEN … THEN … ELSE … END`
    Case {
        /// Condition and result, in order.
        branches: Vec<(Expr, Expr)>,
        /// The result if no condition holds; null if absent.
        otherwise: Option<Box<Expr>>,
    },
}

/// The value of a literal; its type stands beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Null of any type.
    Null,
    /// A boolean.
    Boolean(bool),
    /// Integers; dates (days); times, timestamps and intervals (in the unit of their arrow type).
    Integer(i64),
    /// `FLOAT` and `DOUBLE`.
    Float(f64),
    /// `DECIMAL`: the unscaled value in decimal digits (JSON numbers do not hold 38).
    Decimal(String),
    /// Character strings.
    String(String),
    /// Binary strings.
    Bytes(Vec<u8>),
}

impl Expr {
    /// A call.
    pub fn call(function: impl Into<String>, args: Vec<Self>, data_type: DataType) -> Self {
        Self::Call { function: function.into(), args, data_type }
    }

    /// Visits this expression and all below it.
    pub fn visit(&self, visitor: &mut impl FnMut(&Self)) {
        visitor(self);
        match self {
            Self::Column(_) | Self::Literal { .. } => {}
            Self::Field { of, .. } | Self::Cast { of, .. } => of.visit(visitor),
            Self::Call { args, .. } => args.iter().for_each(|arg| arg.visit(visitor)),
            Self::Case { branches, otherwise } => {
                for (condition, result) in branches {
                    condition.visit(visitor);
                    result.visit(visitor);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.visit(visitor);
                }
            }
        }
    }
}
