//! Calls of aggregate functions: what the engine computes for each, and its result over that.

use datafusion_common::DFSchema;
use datafusion_expr::{
    Expr as Logical, ExprSchemable,
    expr::{AggregateFunction as LogicalCall, NullTreatment},
};
use graph::{Expr, Value, operator::AggregateFunction};
use model::DataType;

use super::super::{
    Relation, Scope,
    scalar::{cast_from, substitute},
};
use crate::{SqlError, aggregates, escape, typing};

/// An aggregate whose arguments and filter are still expressions over the input's base.
#[derive(Clone, PartialEq)]
pub(super) struct Call {
    pub(super) function: AggregateFunction,
    pub(super) argument: Option<Expr>,
    pub(super) second: Option<Expr>,
    pub(super) filter: Option<Expr>,
    pub(super) distinct: bool,
    pub(super) data_type: DataType,
}

impl Call {
    /// The expressions that it reads.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.argument.iter().chain(&self.second).chain(&self.filter)
    }

    /// The same over other columns.
    pub(super) fn over(self, over: &impl Fn(&Expr) -> Expr) -> Self {
        Self {
            argument: self.argument.as_ref().map(over),
            second: self.second.as_ref().map(over),
            filter: self.filter.as_ref().map(over),
            ..self
        }
    }
}

/// The aggregates of an aggregation, each once, and the results of the query's calls over them.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<Call>,
    results: Vec<Expr>,
}

impl Calls {
    pub(super) fn new<'e>(
        scope: &Scope<'_>,
        schema: &DFSchema,
        exprs: impl Iterator<Item = &'e Logical>,
    ) -> Result<Self, SqlError> {
        let mut calls = Self::default();
        for expr in exprs {
            let result = calls.lower(scope, schema, expr)?;
            calls.results.push(result);
        }
        Ok(calls)
    }

    /// The names of the aggregates behind so many groups.
    pub(super) fn names(&self, groups: usize) -> impl Iterator<Item = String> + use<> {
        (groups..groups + self.calls.len()).map(|index| format!("$a{index}"))
    }

    /// The relation of groups and aggregates as that of groups and results.
    pub(super) fn finish(results: &[Expr], groups: usize, relation: Relation, names: Vec<String>) -> Relation {
        let aggregate = |index: usize| relation.exprs[groups + index].clone();
        let results = results.iter().map(|result| substitute(result, &aggregate));
        let exprs = relation.exprs[..groups].iter().cloned().chain(results).collect();
        Relation { exprs, names, ..relation }
    }

    /// The same over other columns.
    pub(super) fn over(self, over: &impl Fn(&Expr) -> Expr) -> Self {
        Self { calls: self.calls.into_iter().map(|call| call.over(over)).collect(), ..self }
    }

    pub(super) fn into_parts(self) -> (Vec<Call>, Vec<Expr>) {
        (self.calls, self.results)
    }

    /// The column of an aggregate, which is added if there is none like it.
    fn column(&mut self, call: Call) -> Expr {
        let known = self.calls.iter().position(|known| *known == call);
        Expr::Column(known.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        }))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each function")]
    fn lower(&mut self, scope: &Scope<'_>, schema: &DFSchema, expr: &Logical) -> Result<Expr, SqlError> {
        let mut inner = expr;
        while let Logical::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let Logical::AggregateFunction(LogicalCall { func, params }) = inner else {
            return Err(SqlError::internal(format!("{expr} is no aggregate")));
        };
        let (_, field) = inner.to_field(schema).map_err(planner)?;
        let data_type = escape::flink_type(&field)?;
        let first = params.args.first().ok_or_else(|| SqlError::internal("an aggregate without an argument"))?;
        let argument = scope.lower(first)?;
        let call = Call {
            function: AggregateFunction::Count,
            argument: None,
            second: None,
            filter: params.filter.as_deref().map(|filter| scope.lower(filter)).transpose()?,
            distinct: params.distinct,
            data_type: data_type.clone(),
        };
        let of_type = || typing::typed(first, schema).map(|typed| typed.data_type.without_not_null()).map_err(planner);
        let second = |index: usize| params.args.get(index).map(|arg| scope.lower(arg)).transpose();
        let absent_on_null = is_absent(params.args.last());
        let name = func.name();
        let with = |function: AggregateFunction| Call { function, argument: Some(argument.clone()), ..call.clone() };
        Ok(match name {
            "COUNT" => {
                let count = counted(argument, call);
                self.column(count)
            }
            "SUM" => self.column(with(AggregateFunction::Sum)),
            "AVG" => self.column(with(AggregateFunction::Avg)),
            // The least of all values is the least of the distinct ones.
            "MIN" => self.column(Call { distinct: false, ..with(AggregateFunction::Min) }),
            "MAX" => self.column(Call { distinct: false, ..with(AggregateFunction::Max) }),
            "$SUM0" => {
                let sum = self.column(with(AggregateFunction::Sum));
                Expr::call("COALESCE", vec![sum, zero(&data_type)], data_type)
            }
            "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" | "VARIANCE" | "VAR_POP" | "VAR_SAMP" => {
                let distances = self.column(Call { data_type: DataType::Double, ..with(AggregateFunction::WelfordM2) });
                let count = self.column(counted(argument, Call { data_type: DataType::BigInt, ..call }));
                let variance = variance(distances, count, !name.ends_with("_POP"));
                let result = if name.starts_with("STDDEV") { root(variance) } else { variance };
                cast_from(result, &DataType::Double, &data_type, false)
            }
            "LISTAGG" => {
                self.column(with(AggregateFunction::ListAgg { separator: aggregates::separator(&params.args)? }))
            }
            "FIRST_VALUE" => self.column(Call { data_type: of_type()?, ..with(AggregateFunction::FirstValue) }),
            "LAST_VALUE" => self.column(Call { data_type: of_type()?, ..with(AggregateFunction::LastValue) }),
            "SINGLE_VALUE" => self.column(Call { data_type: of_type()?, ..with(AggregateFunction::SingleValue) }),
            "COLLECT" => {
                let data_type = DataType::Multiset(Box::new(of_type()?));
                self.column(Call { data_type, ..with(AggregateFunction::Collect) })
            }
            "ARRAY_AGG" => {
                let ignore_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
                let data_type = DataType::Array(Box::new(of_type()?));
                self.column(Call { data_type, ..with(AggregateFunction::ArrayAgg { ignore_nulls }) })
            }
            "JSON_ARRAYAGG" => self.column(Call {
                argument: Some(json(argument)),
                function: AggregateFunction::JsonArrayAgg { absent_on_null },
                ..call
            }),
            "JSON_OBJECTAGG" => self.column(Call {
                argument: Some(json(argument)),
                second: second(1)?.map(json),
                function: AggregateFunction::JsonObjectAgg { absent_on_null },
                ..call
            }),
            "PERCENTILE" => {
                let percentages = aggregates::percentages(&params.args)?;
                self.column(Call { second: second(2)?, ..with(AggregateFunction::Percentile { percentages }) })
            }
            _ => return Err(SqlError::new(format!("the aggregate function '{name}' is not supported"))),
        })
    }
}

fn planner(error: datafusion_common::DataFusionError) -> SqlError {
    SqlError::from_planner(&error, &|_| None)
}

/// `COUNT`; of what is never null it counts rows.
fn counted(argument: Expr, call: Call) -> Call {
    let counts_rows = !call.distinct && matches!(&argument, Expr::Literal { value, .. } if *value != Value::Null);
    Call { function: AggregateFunction::Count, argument: (!counts_rows).then_some(argument), ..call }
}

/// Squared distances by their number, or of a sample by one less.
fn variance(distances: Expr, count: Expr, of_sample: bool) -> Expr {
    let whole = |value: i64| Expr::Literal { value: Value::Integer(value), data_type: DataType::BigInt };
    let number = match of_sample {
        false => count,
        true => Expr::Case {
            branches: vec![(
                Expr::call("=", vec![count.clone(), whole(1)], DataType::Boolean),
                Expr::Literal { value: Value::Null, data_type: DataType::BigInt },
            )],
            otherwise: Some(Box::new(Expr::call("-", vec![count, whole(1)], DataType::BigInt))),
        },
    };
    Expr::call("/", vec![distances, number], DataType::Double)
}

fn root(of: Expr) -> Expr {
    let half = Expr::Literal { value: Value::Float(0.5), data_type: DataType::Double };
    Expr::call("POWER", vec![of, half], DataType::Double)
}

fn zero(data_type: &DataType) -> Expr {
    let value = match data_type {
        DataType::Float | DataType::Double => Value::Float(0.0),
        DataType::Decimal(..) => Value::Decimal("0".to_owned()),
        _ => Value::Integer(0),
    };
    Expr::Literal { value, data_type: data_type.clone() }
}

/// A value as a JSON text.
fn json(of: Expr) -> Expr {
    Expr::call("JSON_STRING", vec![of], DataType::String)
}

/// Whether the words behind the arguments of a JSON aggregate leave nulls out.
fn is_absent(words: Option<&Logical>) -> bool {
    use datafusion_common::ScalarValue;
    matches!(words, Some(Logical::Literal(ScalarValue::Utf8(Some(words)), _)) if words == "ABSENT ON NULL")
}
