//! Flink's types of the library's expressions: lengths of texts, and whether a value may be null.
//!
//! The library's own types know neither. A pass over each plan writes ours into the metadata of what projections
//! name, from where columns have them.

#![expect(clippy::cast_possible_truncation, reason = "numbers of a plan are small")]

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion_common::{
    Column, DFSchema, DataFusionError, ExprSchema, Result, ScalarValue,
    metadata::FieldMetadata,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::{
    Aggregate, BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, Operator, Projection, Union, Values,
    expr::ScalarFunction,
};
use expressions::{Typed, typed_call};
use model::DataType;

use crate::{SqlError, escape, functions};

/// The plan with our types in the metadata of its fields.
pub(crate) fn annotate(plan: LogicalPlan) -> Result<LogicalPlan> {
    let annotated = plan.transform_up_with_subqueries(|plan| match checked(plan)? {
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            let level = level(schema) + 1;
            let exprs = projection.expr.into_iter().map(|expr| with_type(expr, schema, level));
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            let projection = Projection::try_new(exprs, Arc::clone(&projection.input))?;
            Ok(Transformed::yes(LogicalPlan::Projection(projection)))
        }
        LogicalPlan::Aggregate(aggregate) => Ok(Transformed::yes(LogicalPlan::Aggregate(typed_aggregate(aggregate)?))),
        LogicalPlan::Union(union) => Ok(Transformed::yes(LogicalPlan::Union(typed_union(union)?))),
        LogicalPlan::Values(values) => Ok(Transformed::yes(LogicalPlan::Values(typed_values(values)?))),
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    })?;
    Ok(annotated.data)
}

/// The plan, if what `USING` and `IN` compare may be compared by `=`: the library would cast it.
fn checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    if let LogicalPlan::Join(join) = &plan {
        for (left, right) in &join.on {
            check_equal("USING", left, &typed(left, join.left.schema())?, &typed(right, join.right.schema())?)?;
        }
    }
    let LogicalPlan::Filter(filter) = &plan else { return Ok(plan) };
    filter.predicate.apply(|expr| {
        if let Expr::InSubquery(query) = expr
            && let Some((_, field)) = query.subquery.subquery.schema().iter().next()
        {
            let left = typed(&query.expr, filter.input.schema())?;
            check_equal("IN", &query.expr, &left, &escape::typed_field(field)?)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(plan)
}

fn check_equal(operator: &str, of: &Expr, left: &Typed, right: &Typed) -> Result<()> {
    if typed_call("=", &[left.clone(), right.clone()], &[None, None]).is_ok() {
        return Ok(());
    }
    let (left, right) = (&left.data_type, &right.data_type);
    let error = SqlError::new(format!("cannot apply '{operator}' to arguments of type {left} and {right}"));
    let columns = of.column_refs();
    let span = columns.iter().find_map(|column| column.spans().first());
    Err(match span {
        Some(span) => SqlError { line: span.start.line, column: span.start.column, ..error },
        None => error,
    }
    .into())
}

/// Where it is kept how many projections over each other a computed column has come through. The library takes two that
/// are written alike for one, though `a + 1 AS a` twice is not it once.
const LEVEL_KEY: &str = "sluice.level";

/// The highest level of any column.
fn level(schema: &DFSchema) -> usize {
    let levels = schema.fields().iter().filter_map(|field| field.metadata().get(LEVEL_KEY)?.parse().ok());
    levels.max().unwrap_or_default()
}

/// A named expression that remembers its type and level; columns have theirs already.
fn with_type(expr: Expr, schema: &DFSchema, level: usize) -> Result<Expr> {
    let Expr::Alias(mut alias) = expr else { return Ok(expr) };
    if !matches!(*alias.expr, Expr::Column(_)) {
        let mut metadata = escape::typed_metadata(&typed(&alias.expr, schema)?);
        metadata.insert(LEVEL_KEY.to_owned(), level.to_string());
        alias.metadata = Some(FieldMetadata::from(metadata));
    }
    Ok(Expr::Alias(alias))
}

/// The aggregation with the types of groups and of aggregates in its fields.
fn typed_aggregate(aggregate: Aggregate) -> Result<Aggregate> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    let aggregate = Aggregate::try_new(input, group_expr, aggr_expr)?;
    let schema = aggregate.input.schema();
    let first = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let sets = first != aggregate.group_expr.len();
    let fields = aggregate.schema.iter().enumerate().map(|(index, (qualifier, field))| {
        let known = match index.checked_sub(first) {
            Some(call) => aggregate_type(&aggregate.aggr_expr[call], schema, aggregate.group_expr.is_empty())?,
            // A group that a set leaves out is null.
            None if sets => None,
            None => Some(typed(&aggregate.group_expr[index], schema)?),
        };
        let field = match known.filter(|typed| typed.data_type.to_planned_arrow() == *field.data_type()) {
            Some(typed) => Arc::new(field.as_ref().clone().with_metadata(escape::typed_metadata(&typed))),
            None => Arc::clone(field),
        };
        Ok((qualifier.cloned(), field))
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    let schema = DFSchema::new_with_metadata(fields, std::collections::HashMap::new())?;
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    Aggregate::try_new_with_schema(input, group_expr, aggr_expr, Arc::new(schema))
}

/// As many characters Flink says that `JSON_ARRAYAGG` and `JSON_OBJECTAGG` give.
const JSON_LENGTH: u32 = 2000;

/// The type of an aggregate: an empty group has a count, and nothing else.
fn aggregate_type(expr: &Expr, schema: &DFSchema, global: bool) -> Result<Option<Typed>> {
    let Expr::AggregateFunction(call) = expr.clone().unalias() else { return Ok(None) };
    let data_type = escape::flink_type(&expr.to_field(schema)?.1)?;
    let name = call.func.name();
    if name.starts_with("GROUP") {
        return Ok(Some(Typed::not_null(data_type)));
    }
    let Some(argument) = call.params.args.first() else { return Ok(None) };
    let argument = typed(argument, schema)?;
    let nullable = argument.nullable || global || call.params.filter.is_some();
    let element = || match argument.nullable {
        true => Box::new(argument.data_type.clone()),
        false => Box::new(DataType::NotNull(Box::new(argument.data_type.clone()))),
    };
    Ok(Some(match call.func.name() {
        "COUNT" | "$SUM0" => Typed::not_null(data_type),
        // Flink's types, though the text of many values may be longer.
        "LISTAGG" => argument,
        "JSON_ARRAYAGG" | "JSON_OBJECTAGG" => Typed::not_null(DataType::Varchar(JSON_LENGTH)),
        "COLLECT" => Typed::not_null(DataType::Multiset(element())),
        "ARRAY_AGG" => Typed { data_type: DataType::Array(element()), nullable },
        "PERCENTILE" => Typed::nullable(data_type),
        _ if argument.data_type.to_planned_arrow() == data_type.to_planned_arrow() => Typed { nullable, ..argument },
        _ => Typed { data_type, nullable },
    }))
}

fn typed_values(values: Values) -> Result<Values> {
    let none = DFSchema::empty();
    let rows = values.values.iter().map(|row| row.iter().map(|expr| typed(expr, &none)).collect::<Result<Vec<_>>>());
    let schema = with_types(&values.schema, rows.collect::<Result<Vec<_>>>()?)?;
    Ok(Values { schema, values: values.values })
}

fn typed_union(union: Union) -> Result<Union> {
    let fields = |plan: &Arc<LogicalPlan>| {
        let fields = plan.schema().fields().iter();
        fields.map(|field| Ok(escape::typed_field(field)?)).collect::<Result<Vec<_>>>()
    };
    let rows = union.inputs.iter().map(fields).collect::<Result<Vec<_>>>()?;
    let mut common = rows.first().cloned().unwrap_or_default();
    for row in rows.iter().skip(1) {
        for (index, (common, other)) in common.iter_mut().zip(row).enumerate() {
            *common = common.common(other).ok_or_else(|| {
                let (left, right, column) = (&common.data_type, &other.data_type, index + 1);
                SqlError::new(format!(
                    "column {column} of a UNION has the types {left} and {right}, which have no common type"
                ))
            })?;
        }
    }
    let inputs = union.inputs.into_iter().zip(&rows);
    let inputs = inputs.map(|(input, row)| if *row == common { Ok(input) } else { brought_to(input, &common) });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let fields = union.schema.iter().zip(&common).map(|((qualifier, field), typed)| {
        let field = escape::typed_arrow_field(field.name(), typed);
        (qualifier.cloned(), field)
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), std::collections::HashMap::new())?;
    Ok(Union { inputs, schema: Arc::new(schema) })
}

/// The plan with its columns cast to these types: the library would choose other ones.
fn brought_to(plan: Arc<LogicalPlan>, types: &[Typed]) -> Result<Arc<LogicalPlan>> {
    let columns = plan.schema().iter().zip(types).map(|((qualifier, field), typed)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        let cast = match *field.data_type() == typed.data_type.to_planned_arrow() {
            true => column,
            false => {
                let field = escape::arrow_field("", &typed.data_type);
                Expr::Cast(Cast::new_from_field(Box::new(column), field))
            }
        };
        let metadata = FieldMetadata::from(escape::typed_metadata(typed));
        cast.alias_qualified_with_metadata(qualifier.cloned(), field.name(), Some(metadata))
    });
    let columns = columns.collect::<Vec<_>>();
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, plan)?)))
}

/// The schema of what has rows of these types.
fn with_types(schema: &DFSchema, rows: Vec<Vec<Typed>>) -> Result<Arc<DFSchema>> {
    let mut columns: Vec<Option<Typed>> = vec![None; schema.fields().len()];
    for row in rows {
        for (column, next) in columns.iter_mut().zip(row) {
            *column = match column {
                // What has no common type is refused with its place when the plan is lowered.
                Some(common) => Some(common.common(&next).unwrap_or_else(|| common.clone())),
                None => Some(next),
            };
        }
    }
    let fields = schema.iter().zip(columns).map(|((qualifier, field), typed)| {
        let fits = |typed: &Typed| typed.data_type.to_planned_arrow() == *field.data_type();
        let field = match typed.filter(fits) {
            Some(typed) => Arc::new(field.as_ref().clone().with_metadata(escape::typed_metadata(&typed))),
            None => Arc::clone(field),
        };
        (qualifier.cloned(), field)
    });
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), std::collections::HashMap::new())?))
}

/// The Flink type of an expression over the columns of a schema.
pub(crate) fn typed(expr: &Expr, schema: &DFSchema) -> Result<Typed> {
    Ok(match expr {
        Expr::Alias(alias) => typed(&alias.expr, schema)?,
        Expr::Column(column) => escape::typed_field(schema.field_from_column(column)?)?,
        Expr::OuterReferenceColumn(field, _) => escape::typed_field(field)?,
        Expr::Literal(scalar, _) => literal(scalar, escape::flink_type(&expr.to_field(schema)?.1)?),
        Expr::Cast(cast) => {
            Typed { data_type: escape::flink_type(&cast.field)?, nullable: typed(&cast.expr, schema)?.nullable }
        }
        Expr::TryCast(cast) => Typed::nullable(escape::flink_type(&cast.field)?),
        Expr::BinaryExpr(binary) => binary_type(binary, schema)?,
        Expr::Not(of) | Expr::Negative(of) => typed(of, schema)?,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Exists(_) => Typed::not_null(DataType::Boolean),
        Expr::Between(between) => condition([&*between.expr, &*between.low, &*between.high], schema)?,
        Expr::InList(list) => condition(std::iter::once(&*list.expr).chain(&list.list), schema)?,
        Expr::Like(like) => condition([&*like.expr, &*like.pattern], schema)?,
        Expr::Case(case) => case_type(case, schema)?,
        Expr::ScalarFunction(call) => call_type(call, expr, schema)?,
        other => escape::typed_field(&other.to_field(schema)?.1)?,
    })
}

fn literal(scalar: &ScalarValue, known: DataType) -> Typed {
    let data_type = match (scalar, known) {
        (ScalarValue::Utf8(Some(text)), DataType::String) => DataType::Char(text.chars().count() as u32),
        (ScalarValue::Binary(Some(bytes)), DataType::Bytes) => DataType::Binary(bytes.len() as u32),
        (_, known) => known,
    };
    Typed { data_type, nullable: scalar.is_null() }
}

fn binary_type(binary: &BinaryExpr, schema: &DFSchema) -> Result<Typed> {
    let operands = [&*binary.left, &*binary.right];
    match binary.op {
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => Ok(Typed::not_null(DataType::Boolean)),
        Operator::StringConcat => {
            let args = operands.into_iter().map(|arg| typed(arg, schema)).collect::<Result<Vec<_>>>()?;
            Ok(typed_call("||", &args, &[None, None]).map_err(SqlError::from)?)
        }
        op => {
            if let Some(sign) = comparison(op) {
                let args = operands.into_iter().map(|arg| typed(arg, schema)).collect::<Result<Vec<_>>>()?;
                return Ok(typed_call(sign, &args, &[None, None]).map_err(SqlError::from)?);
            }
            condition(operands, schema)
        }
    }
}

fn comparison(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        _ => return None,
    })
}

/// A truth value that is unknown if one of its parts is null.
fn condition<'e>(parts: impl IntoIterator<Item = &'e Expr>, schema: &DFSchema) -> Result<Typed> {
    let mut nullable = false;
    for part in parts {
        nullable |= typed(part, schema)?.nullable;
    }
    Ok(Typed { data_type: DataType::Boolean, nullable })
}

fn case_type(case: &Case, schema: &DFSchema) -> Result<Typed> {
    let results = case.when_then_expr.iter().map(|(_, then)| &**then);
    branches(results.collect(), case.else_expr.as_deref(), schema)
}

fn branches(results: Vec<&Expr>, otherwise: Option<&Expr>, schema: &DFSchema) -> Result<Typed> {
    let mut common = Typed { data_type: DataType::Null, nullable: otherwise.is_none() };
    for result in results.into_iter().chain(otherwise) {
        let next = typed(result, schema)?;
        common = common.common(&next).ok_or_else(|| {
            let (left, right) = (&common.data_type, &next.data_type);
            SqlError::new(format!("CASE has results of the types {left} and {right}, which have no common type"))
        })?;
    }
    Ok(common)
}

fn call_type(call: &ScalarFunction, expr: &Expr, schema: &DFSchema) -> Result<Typed> {
    match call.name() {
        functions::CASE => {
            let (otherwise, pairs) = match call.args.len() % 2 {
                1 => call.args.split_last().map_or((None, &call.args[..]), |(last, pairs)| (Some(last), pairs)),
                _ => (None, &call.args[..]),
            };
            return branches(pairs.iter().skip(1).step_by(2).collect(), otherwise, schema);
        }
        functions::GROUP_WINDOW => {
            return escape::typed_field(&expr.to_field(schema)?.1).map_err(DataFusionError::from);
        }
        functions::FIELD => return field_type(&call.args, expr, schema),
        _ => {}
    }
    let args = call.args.iter().map(|arg| typed(arg, schema)).collect::<Result<Vec<_>>>()?;
    let constants = call.args.iter().map(constant).collect::<Result<Vec<_>>>()?;
    Ok(typed_call(&call.name().to_ascii_uppercase(), &args, &constants).map_err(SqlError::from)?)
}

fn constant(expr: &Expr) -> Result<Option<ArrayRef>> {
    match expr {
        Expr::Literal(scalar, _) => Ok(Some(scalar.to_array()?)),
        _ => Ok(None),
    }
}

/// A field of a row is null if the row is.
fn field_type(args: &[Expr], expr: &Expr, schema: &DFSchema) -> Result<Typed> {
    if let [row, Expr::Literal(ScalarValue::Utf8(Some(name)), _)] = args {
        let row = typed(row, schema)?;
        if let DataType::Row(fields) = &row.data_type
            && let Some(field) = fields.iter().find(|field| field.name == *name)
        {
            return Ok(Typed { data_type: field.data_type.clone(), nullable: row.nullable || field.nullable });
        }
    }
    // Says what is wrong.
    Ok(escape::typed_field(&expr.to_field(schema)?.1)?)
}
