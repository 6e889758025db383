//! Compiled expressions: a tree of kernels over the columns of a batch.
//!
//! An expression that can fail is evaluated only on rows that need it (`CASE`, the right side of `AND` and `OR`);
//! everything else is evaluated on whole columns.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array},
    compute,
    datatypes::Float64Type,
};
use graph::{Expr, Value};
use model::{DataType, Failure, Schema};

use crate::{
    arg::{Arg, Inputs},
    case::{self, Case},
    cast,
    coercion::common_type,
    function::{Arguments, Kernel},
    functions::{literal, logic},
    registry,
};

/// An expression ready to be evaluated on batches with a given input schema.
#[derive(Clone, Debug)]
pub struct Evaluator {
    root: Arc<Node>,
}

impl Evaluator {
    /// Compiles an expression over rows of `input`.
    ///
    /// # Errors
    /// Class `User` if a function is unknown or does not take its arguments; `Internal` if a column is missing.
    pub fn compile(expr: &Expr, input: &Schema) -> Result<Self, Failure> {
        Ok(Self { root: Arc::new(compile(expr, input)?) })
    }

    /// A column of `data_type()` with a value for each row of the batch.
    ///
    /// # Errors
    /// Class `Data` if a value cannot be computed, as for a failed `CAST` or a division by zero.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, Failure> {
        let rows = Rows { columns: batch.columns(), count: batch.num_rows() };
        self.root.evaluate(&rows)?.into_array(batch.num_rows())
    }

    /// A condition for each row; null is neither true nor false.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`]; class `Internal` if the expression is not a condition.
    pub fn evaluate_predicate(&self, batch: &RecordBatch) -> Result<BooleanArray, Failure> {
        let array = self.evaluate(batch)?;
        array.as_boolean_opt().cloned().ok_or_else(|| {
            Failure::internal(format!("a condition has type {} instead of BOOLEAN", self.root.data_type))
        })
    }

    /// The type of the result.
    pub fn data_type(&self) -> &DataType {
        &self.root.data_type
    }
}

/// The type of an expression over rows of `input`.
///
/// # Errors
/// As [`Evaluator::compile`] for columns, fields and branches; functions are not looked up.
pub fn data_type_of(expr: &Expr, input: &Schema) -> Result<DataType, Failure> {
    Ok(match expr {
        Expr::Column(index) => column_type(*index, input)?.clone(),
        Expr::Literal { data_type, .. } | Expr::Call { data_type, .. } => data_type.clone(),
        Expr::Cast { to, .. } => to.clone(),
        Expr::Field { of, name } => field_of(&data_type_of(of, input)?, name)?.1,
        Expr::Case { branches, otherwise } => {
            let mut common = DataType::Null;
            for result in branches.iter().map(|(_, result)| result).chain(otherwise.as_deref()) {
                common = merge(&common, &data_type_of(result, input)?)?;
            }
            common
        }
    })
}

fn merge(common: &DataType, branch: &DataType) -> Result<DataType, Failure> {
    common_type(common, branch)
        .ok_or_else(|| Failure::user(format!("case has branches of types {common} and {branch}")))
}

fn column_type(index: usize, input: &Schema) -> Result<&DataType, Failure> {
    let field = input.fields.get(index);
    field.map(|field| &field.data_type).ok_or_else(|| {
        Failure::internal(format!("expression reads column {index} of an input of {} columns", input.len()))
    })
}

fn field_of(row: &DataType, name: &str) -> Result<(usize, DataType), Failure> {
    let DataType::Row(fields) = row else {
        return Err(Failure::user(format!("field {name} of a value of type {row}")));
    };
    let index = fields.iter().position(|field| field.name == name);
    let index = index.ok_or_else(|| Failure::user(format!("{row} has no field {name}")))?;
    Ok((index, fields[index].data_type.clone()))
}

/// The columns that an expression is evaluated on. Columns an expression does not read may have another length.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) columns: &'a [ArrayRef],
    pub(crate) count: usize,
}

/// A compiled expression.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) data_type: DataType,
    /// Whether values can make it fail.
    pub(crate) fallible: bool,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Column(usize),
    Literal(Arg),
    Field { of: Box<Node>, index: usize },
    Call { name: String, args: Vec<Node>, kernel: Kernel, volatile: bool },
    Logic { and: bool, left: Box<Node>, right: Box<Node> },
    Case(Case),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Column(index) => write!(f, "${index}"),
            Kind::Literal(arg) => write!(f, "{:?}", arg.array),
            Kind::Field { of, index } => write!(f, "{of:?}.{index}"),
            Kind::Call { name, args, .. } => write!(f, "{name}{args:?}"),
            Kind::Logic { and, left, right } => {
                write!(f, "({left:?} {} {right:?})", if *and { "AND" } else { "OR" })
            }
            Kind::Case(case) => write!(f, "{case:?}"),
        }
    }
}

impl Node {
    pub(crate) fn evaluate(&self, rows: &Rows<'_>) -> Result<Arg, Failure> {
        match &self.kind {
            Kind::Column(index) => {
                let column = rows.columns.get(*index);
                let column = column.ok_or_else(|| Failure::internal(format!("a batch has no column {index}")))?;
                Ok(Arg::array(Arc::clone(column)))
            }
            Kind::Literal(arg) => Ok(arg.clone()),
            Kind::Field { of, index } => {
                let row = of.evaluate(rows)?;
                Ok(Arg { array: field_array(&row.array, *index)?, scalar: row.scalar })
            }
            Kind::Call { name, args, kernel, volatile } => {
                let args = args.iter().map(|arg| arg.evaluate(rows)).collect::<Result<Vec<_>, _>>()?;
                call(kernel, &args, rows.count, &self.data_type, *volatile)
                    .map_err(|failure| failure.at(format_args!("function {name}")))
            }
            Kind::Logic { and, left, right } => logic::evaluate(*and, left, right, rows),
            Kind::Case(case) => case.evaluate(rows, &self.data_type),
        }
    }

    /// Whether evaluating it costs nothing.
    pub(crate) fn is_free(&self) -> bool {
        match &self.kind {
            Kind::Column(_) | Kind::Literal(_) => true,
            Kind::Field { of, .. } => of.is_free(),
            _ => false,
        }
    }

    /// Adds the columns that it reads.
    pub(crate) fn reads(&self, columns: &mut Vec<usize>) {
        match &self.kind {
            Kind::Column(index) => columns.push(*index),
            Kind::Literal(_) => {}
            Kind::Field { of, .. } => of.reads(columns),
            Kind::Call { args, .. } => args.iter().for_each(|arg| arg.reads(columns)),
            Kind::Logic { left, right, .. } => {
                left.reads(columns);
                right.reads(columns);
            }
            Kind::Case(case) => case.reads(columns),
        }
    }

    fn constant(&self) -> Option<ArrayRef> {
        match &self.kind {
            Kind::Literal(arg) => Some(Arc::clone(&arg.array)),
            _ => None,
        }
    }

    /// A node for a call, evaluated now if nothing but constants go in.
    pub(crate) fn call(
        name: &str,
        args: Vec<Self>,
        kernel: Kernel,
        data_type: DataType,
        fallible: bool,
        volatile: bool,
    ) -> Self {
        let fallible = fallible || args.iter().any(|arg| arg.fallible);
        let constant = !volatile && args.iter().all(|arg| matches!(arg.kind, Kind::Literal(_)));
        let node = Self { kind: Kind::Call { name: name.to_owned(), args, kernel, volatile }, data_type, fallible };
        if constant && let Ok(arg) = node.evaluate(&Rows { columns: &[], count: 1 }) {
            let arg = Arg::scalar(arg.array);
            return Self { kind: Kind::Literal(arg), data_type: node.data_type, fallible: false };
        }
        node
    }

    /// The same value as another type.
    pub(crate) fn cast(self, to: &DataType, safe: bool) -> Result<Self, Failure> {
        if self.data_type == *to {
            return Ok(self);
        }
        let Some(kernel) = cast::kernel(&self.data_type, to, safe)? else {
            return Ok(Self { data_type: to.clone(), ..self });
        };
        let fallible = !safe && cast::is_fallible(&self.data_type, to);
        Ok(Self::call("CAST", vec![self], kernel, to.clone(), fallible, false))
    }
}

fn call(kernel: &Kernel, args: &[Arg], rows: usize, result: &DataType, volatile: bool) -> Result<Arg, Failure> {
    let scalar = !volatile && args.iter().all(|arg| arg.scalar);
    let rows = if scalar { 1 } else { rows };
    let array = kernel(&Inputs { args, rows, result })?;
    if array.len() != rows {
        return Err(Failure::internal(format!("{} values for {rows} rows", array.len())));
    }
    let expected = result.to_arrow();
    let array = if *array.data_type() == expected { array } else { compute::cast(&array, &expected)? };
    Ok(Arg { array, scalar })
}

fn field_array(row: &ArrayRef, index: usize) -> Result<ArrayRef, Failure> {
    let row = row.as_struct_opt().ok_or_else(|| Failure::internal(format!("a row is {}", row.data_type())))?;
    let field = row.column(index);
    if row.null_count() == 0 {
        return Ok(Arc::clone(field));
    }
    let nulls = arrow::buffer::NullBuffer::union(row.nulls(), field.nulls());
    Ok(arrow::array::make_array(field.to_data().into_builder().nulls(nulls).build()?))
}

fn compile(expr: &Expr, input: &Schema) -> Result<Node, Failure> {
    match expr {
        Expr::Column(index) => {
            Ok(Node { kind: Kind::Column(*index), data_type: column_type(*index, input)?.clone(), fallible: false })
        }
        Expr::Literal { value, data_type } => compile_literal(value, data_type),
        Expr::Field { of, name } => {
            let of = compile(of, input)?;
            let (index, data_type) = field_of(&of.data_type, name)?;
            let fallible = of.fallible;
            Ok(Node { kind: Kind::Field { of: Box::new(of), index }, data_type, fallible })
        }
        Expr::Cast { of, to, safe } => {
            compile(of, input)?.cast(to, *safe).map_err(|failure| failure.at(format_args!("cast to {to}")))
        }
        Expr::Call { function, args, data_type } => {
            let args = args.iter().map(|arg| compile(arg, input)).collect::<Result<Vec<_>, _>>()?;
            compile_call(function, args, data_type)
        }
        Expr::Case { branches, otherwise } => {
            let branches = branches
                .iter()
                .map(|(condition, result)| Ok((compile(condition, input)?, compile(result, input)?)))
                .collect::<Result<Vec<_>, Failure>>()?;
            let otherwise = otherwise.as_deref().map(|expr| compile(expr, input)).transpose()?;
            let mut data_type = DataType::Null;
            for result in branches.iter().map(|(_, result)| result).chain(&otherwise) {
                data_type = merge(&data_type, &result.data_type)?;
            }
            case::compile(branches, otherwise, data_type)
        }
    }
}

/// Whether a division or remainder has a constant divisor that is not zero, so that it cannot fail.
fn divides_by_constant(name: &str, constants: &[Option<ArrayRef>]) -> bool {
    let Some(Some(divisor)) = constants.get(1).filter(|_| matches!(name, "/" | "%" | "MOD")) else { return false };
    let divisor = compute::cast(divisor, &arrow::datatypes::DataType::Float64);
    let divisor = divisor.ok().and_then(|divisor| divisor.as_primitive::<Float64Type>().iter().next().flatten());
    divisor.is_some_and(|divisor| divisor != 0.0)
}

/// `COALESCE` whose later arguments must not be evaluated where an earlier one has a value.
fn first_of(mut args: Vec<Node>, data_type: &DataType) -> Result<Node, Failure> {
    let common = args.iter().try_fold(DataType::Null, |common, arg| merge(&common, &arg.data_type))?;
    let otherwise = args.pop();
    let branches = args.into_iter().map(|arg| {
        let is_there = compile_call("IS NOT NULL", vec![arg.clone()], &DataType::Boolean)?;
        Ok((is_there, arg))
    });
    let chosen = case::compile(branches.collect::<Result<_, Failure>>()?, otherwise, common)?;
    if *data_type == DataType::Null { Ok(chosen) } else { chosen.cast(data_type, false) }
}

fn type_of(node: Option<&Node>) -> DataType {
    node.map_or(DataType::Null, |node| node.data_type.clone())
}

fn compile_literal(value: &Value, data_type: &DataType) -> Result<Node, Failure> {
    let array = literal::array(value, data_type)?;
    Ok(Node { kind: Kind::Literal(Arg::scalar(array)), data_type: data_type.clone(), fallible: false })
}

fn null_literal(data_type: &DataType) -> Node {
    let array = new_null_array(&data_type.to_arrow(), 1);
    Node { kind: Kind::Literal(Arg::scalar(array)), data_type: data_type.clone(), fallible: false }
}

/// Compiles a call. Functions that choose among their arguments become a `CASE`, so that what is not chosen is not
/// evaluated.
pub(crate) fn compile_call(name: &str, mut args: Vec<Node>, data_type: &DataType) -> Result<Node, Failure> {
    match name {
        "AND" | "OR" if args.len() >= 2 => return logic::compile(name == "AND", args),
        "IF" if args.len() == 3 => {
            let (otherwise, result, condition) = (args.pop(), args.pop(), args.pop());
            let common = merge(&type_of(otherwise.as_ref()), &type_of(result.as_ref()))?;
            let branches = condition.zip(result).into_iter().collect();
            let chosen = case::compile(branches, otherwise, common)?;
            return if *data_type == DataType::Null { Ok(chosen) } else { chosen.cast(data_type, false) };
        }
        "COALESCE" | "IFNULL" if args.iter().skip(1).any(|arg| arg.fallible) => return first_of(args, data_type),
        _ => {}
    }
    let function = registry::find(name)?;
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    let types = function.coerce(&types)?;
    let args = args.into_iter().zip(&types).map(|(arg, to)| arg.cast(to, false)).collect::<Result<Vec<_>, _>>()?;
    let constants: Vec<Option<ArrayRef>> = args.iter().map(Node::constant).collect();
    let natural = function.returns(&Arguments { types: &types, constants: &constants, result: &DataType::Null })?;
    // What the planner declared wins: operators compute to it, the result of a function is cast to it.
    let computed = if function.named || *data_type == DataType::Null { &natural } else { data_type };
    let kernel = function.bind(&Arguments { types: &types, constants: &constants, result: computed })?;
    let fallible = function.fallible && !divides_by_constant(name, &constants);
    let node = Node::call(name, args, kernel, computed.clone(), fallible, function.volatile);
    if *data_type == DataType::Null {
        return if natural == DataType::Null { Ok(null_literal(&natural)) } else { Ok(node) };
    }
    node.cast(data_type, false)
}
