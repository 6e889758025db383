//! The aggregate functions that the engine computes, with what is constant in a call.

use serde::{Deserialize, Serialize};

/// An aggregate function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// `COUNT(*)` without, `COUNT(x)` with an argument
    Count,
    /// `SUM`
    Sum,
    /// `MIN`
    Min,
    /// `MAX`
    Max,
    /// `AVG`; truncates on integers, as in Flink
    Avg,
    /// The sum of the squared distances from the mean, of which variances and deviations are made
    WelfordM2,
    /// `LISTAGG`
    ListAgg {
        /// What stands between two values.
        separator: String,
    },
    /// `FIRST_VALUE`, in the order of arrival, of those that are not null
    FirstValue,
    /// `LAST_VALUE`
    LastValue,
    /// The value of the only row; more rows are an error
    SingleValue,
    /// `COLLECT`
    Collect,
    /// `ARRAY_AGG`
    ArrayAgg {
        /// `IGNORE NULLS`
        ignore_nulls: bool,
    },
    /// `JSON_ARRAYAGG`, of JSON texts
    JsonArrayAgg {
        /// `ABSENT ON NULL`
        absent_on_null: bool,
    },
    /// `JSON_OBJECTAGG`, of keys and, as the second argument, JSON texts
    JsonObjectAgg {
        /// `ABSENT ON NULL`
        absent_on_null: bool,
    },
    /// `PERCENTILE`; the second argument is how often a value counts
    Percentile {
        /// From 0 to 1. As many as the result has elements, or one.
        percentages: Vec<f64>,
    },
}

impl AggregateFunction {
    /// Its name in SQL.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Avg => "AVG",
            Self::WelfordM2 => "$WELFORD_M2",
            Self::ListAgg { .. } => "LISTAGG",
            Self::FirstValue => "FIRST_VALUE",
            Self::LastValue => "LAST_VALUE",
            Self::SingleValue => "SINGLE_VALUE",
            Self::Collect => "COLLECT",
            Self::ArrayAgg { .. } => "ARRAY_AGG",
            Self::JsonArrayAgg { .. } => "JSON_ARRAYAGG",
            Self::JsonObjectAgg { .. } => "JSON_OBJECTAGG",
            Self::Percentile { .. } => "PERCENTILE",
        }
    }
}
