//! Expressions with the types and values that Flink gives them, on the rows of [`table`].
//!
//! `tests/values.tsv` has a line for each: the expression in prefix form, its type, its value in each row as `CAST`
//! writes it (`\N` for null), or `ERROR`.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringArray},
    compute,
};
use graph::{Expr, Value};
use model::{DataType, ErrorClass, Failure, Field, Schema};

use crate::{Evaluator, cast};

mod notation;
mod times;

const VALUES: &str = include_str!("tests/values.tsv");

/// Column names, types, and values of six rows as text.
const COLUMNS: &[(&str, &str, [Option<&str>; 6])] = &[
    ("i", "INT", [Some("1"), Some("2"), Some("3"), Some("4"), None, Some("6")]),
    ("b", "BIGINT", [Some("1583298367"), Some("-5"), Some("0"), Some("9007199254740993"), None, Some("123")]),
    ("d", "DOUBLE", [Some("1.5"), Some("-2.5"), Some("0"), Some("1E10"), None, Some("2.45")]),
    ("dc", "DECIMAL(10, 2)", [Some("12.34"), Some("-0.05"), Some("0.00"), Some("99999999.99"), None, Some("2.45")]),
    ("s", "STRING", [Some("abc"), Some("ABC"), Some(""), Some("aab cab"), None, Some("é日本")]),
    ("s2", "STRING", [Some("a,b"), Some("1.5"), Some(""), Some("x,y,z"), None, Some("12")]),
    (
        "ts",
        "TIMESTAMP(3)",
        [
            Some("2020-03-04 05:06:07.123"),
            Some("2021-02-28 23:59:59.999"),
            Some("1970-01-01 00:00:00.000"),
            Some("2020-12-31 23:59:59.999"),
            None,
            Some("1969-12-31 23:59:59.001"),
        ],
    ),
    (
        "dt",
        "DATE",
        [Some("2020-03-04"), Some("2021-02-28"), Some("1970-01-01"), Some("2020-12-31"), None, Some("1969-12-31")],
    ),
    ("bo", "BOOLEAN", [Some("true"), Some("false"), None, Some("true"), None, Some("false")]),
    ("n", "INT", [Some("10"), None, Some("3"), Some("-4"), None, Some("6")]),
    (
        "js",
        "STRING",
        [
            Some(r#"{"a":"x","b":{"c":true},"n":5,"l":[1,2]}"#),
            Some(r#"{"a":null,"l":[]}"#),
            Some("[1,2]"),
            Some("not json"),
            None,
            Some(r#""str""#),
        ],
    ),
];

fn schema() -> Schema {
    Schema::new(COLUMNS.iter().map(|(name, kind, _)| Field::new(*name, notation::data_type(kind))).collect())
}

fn convert(array: ArrayRef, from: &DataType, to: &DataType) -> Result<ArrayRef, Failure> {
    let input = Schema::new(vec![Field::new("value", from.clone())]);
    let cast = Expr::Cast { of: Box::new(Expr::Column(0)), to: to.clone(), safe: false };
    let batch = RecordBatch::try_new(input.to_arrow(), vec![array]).unwrap();
    Evaluator::compile(&cast, &input)?.evaluate(&batch)
}

/// The rows that the expressions are evaluated on.
fn table() -> RecordBatch {
    let columns = COLUMNS.iter().map(|(_, kind, values)| {
        let texts: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        convert(texts, &DataType::String, &notation::data_type(kind)).unwrap()
    });
    let mut columns: Vec<ArrayRef> = columns.collect();
    let mut fields = schema().fields;
    for (name, column) in notation::nested() {
        fields.push(Field::new(name, DataType::from_arrow(column.data_type()).unwrap()));
        columns.push(column);
    }
    RecordBatch::try_new(Schema::new(fields).to_arrow(), columns).unwrap()
}

fn schema_of(batch: &RecordBatch) -> Schema {
    let fields = batch.schema();
    let fields = fields.fields().iter();
    Schema::new(
        fields.map(|field| Field::new(field.name(), DataType::from_arrow(field.data_type()).unwrap())).collect(),
    )
}

/// Evaluates an expression and writes type and values as the file has them.
fn evaluated(text: &str, batch: &RecordBatch) -> Result<(String, Vec<String>), Failure> {
    let schema = schema_of(batch);
    let expr = notation::expression(text, &schema);
    let evaluator = Evaluator::compile(&expr, &schema)?;
    let array = evaluator.evaluate(batch)?;
    assert_eq!(array.len(), batch.num_rows(), "{text}");
    assert_eq!(*array.data_type(), evaluator.data_type().to_arrow(), "{text}");
    let texts = if *evaluator.data_type() == DataType::Null {
        arrow::array::new_null_array(&arrow::datatypes::DataType::Utf8, array.len())
    } else {
        convert(array, evaluator.data_type(), &DataType::String)?
    };
    let texts = arrow::array::AsArray::as_string::<i32>(&texts).clone();
    let values = texts.iter().map(|value| value.unwrap_or("\\N").to_owned()).collect();
    Ok((evaluator.data_type().to_string(), values))
}

#[test]
fn values_are_flinks() {
    let batch = table();
    let mut wrong = Vec::new();
    for line in VALUES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let (text, kind) = (cells.next().unwrap(), cells.next().unwrap());
        let expected: Vec<String> = cells.map(str::to_owned).collect();
        match evaluated(text, &batch) {
            Err(failure) if kind == "ERROR" => assert_eq!(failure.class, ErrorClass::Data, "{text}"),
            Err(failure) => wrong.push(format!("{text}: {failure}")),
            Ok(found) => {
                if found != (kind.to_owned(), expected.clone()) {
                    wrong.push(format!("{text}\n  found    {found:?}\n  expected {:?}", (kind, expected)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A batch's rows do not know of each other: any part of it has the same values.
#[test]
fn parts_of_a_batch_have_the_same_values() {
    let batch = table();
    for line in VALUES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let (text, kind) = (cells.next().unwrap(), cells.next().unwrap());
        if kind == "ERROR" {
            continue;
        }
        let expected: Vec<&str> = cells.collect();
        let (_, values) = evaluated(text, &batch.slice(2, 3)).unwrap_or_else(|failure| panic!("{text}: {failure}"));
        assert_eq!(values, expected[2..5], "{text}");
        let (_, values) = evaluated(text, &batch.slice(0, 0)).unwrap_or_else(|failure| panic!("{text}: {failure}"));
        assert!(values.is_empty(), "{text}");
    }
}

#[test]
fn case_evaluates_only_what_it_needs() {
    let batch = table();
    // Row 3 has b = 0 and no branch may divide by it.
    for text in [
        "CASE(=(b, 0L), 0L, /(100L, b))",
        "CASE(<>(b, 0L), /(100L, b), NULL)",
        "AND(<>(b, 0L), >(/(100L, b), 0L))",
        "OR(=(b, 0L), >(/(100L, b), 0L))",
        "IF(=(b, 0L), 0L, /(100L, b))",
        "COALESCE(CASE(=(b, 0L), 0L), /(100L, b))",
    ] {
        evaluated(text, &batch).unwrap_or_else(|failure| panic!("{text}: {failure}"));
    }
    assert_eq!(evaluated("/(100L, b)", &batch).unwrap_err().class, ErrorClass::Data);
}

#[test]
fn wrong_expressions_are_the_users_mistake() {
    let schema = schema();
    for text in ["NO_SUCH(i)", "UPPER(i)", "UPPER(s, s)", "+(s, i)", "=(bo, ts)", "CAST(ts, 'BOOLEAN')", "AND(i, bo)"] {
        let expr = notation::expression(text, &schema);
        assert_eq!(Evaluator::compile(&expr, &schema).unwrap_err().class, ErrorClass::User, "{text}");
    }
}

#[test]
fn fields_of_a_null_row_are_null() {
    let batch = table();
    let schema = schema_of(&batch);
    let row = Expr::Column(schema.index_of("r").unwrap());
    let field = Expr::Field { of: Box::new(row), name: "x".to_owned() };
    let array = Evaluator::compile(&field, &schema).unwrap().evaluate(&batch).unwrap();
    // The second row is null although a value stands under it.
    assert!(array.is_null(1));
    assert_eq!(compute::cast(&array, &arrow::datatypes::DataType::Utf8).unwrap().null_count(), 2);
}

#[test]
fn declared_types_of_operators_hold() {
    let batch = table();
    let schema = schema_of(&batch);
    let column = |name: &str| Expr::Column(schema.index_of(name).unwrap());
    for (expr, expected) in [
        (Expr::call("+", vec![column("i"), column("n")], DataType::BigInt), DataType::BigInt),
        (Expr::call("*", vec![column("dc"), column("dc")], DataType::Decimal(10, 1)), DataType::Decimal(10, 1)),
        (Expr::call("HOUR", vec![column("ts")], DataType::Int), DataType::Int),
        (
            Expr::Literal { value: Value::Decimal("908".to_owned()), data_type: DataType::Decimal(3, 3) },
            DataType::Decimal(3, 3),
        ),
    ] {
        let evaluator = Evaluator::compile(&expr, &schema).unwrap();
        assert_eq!(*evaluator.data_type(), expected);
        assert_eq!(crate::data_type_of(&expr, &schema).unwrap(), expected);
        assert_eq!(*evaluator.evaluate(&batch).unwrap().data_type(), expected.to_arrow());
    }
}

#[test]
fn casts_between_equal_layouts_cost_nothing() {
    assert!(cast::kernel(&DataType::Char(3), &DataType::String, false).unwrap().is_none());
    assert!(cast::kernel(&DataType::Varchar(3), &DataType::Varchar(5), false).unwrap().is_none());
}

#[test]
fn maps_are_equal_in_any_order() {
    let batch = table();
    for (text, expected) in [
        ("=(MAP('a', 1, 'b', 2), MAP('b', 2, 'a', 1))", "TRUE"),
        ("=(MAP('a', b, 'b', 2L), MAP('b', 2L, 'a', b))", "TRUE"),
        ("=(MAP('a', 1, 'b', 2), MAP('b', 1, 'a', 2))", "FALSE"),
        ("=(ARRAY(MAP('a', 1, 'b', 2)), ARRAY(MAP('b', 2, 'a', 1)))", "TRUE"),
        ("IN(MAP('a', 1, 'b', 2), MAP('b', 2, 'a', 1))", "TRUE"),
    ] {
        let (_, values) = evaluated(text, &batch).unwrap_or_else(|failure| panic!("{text}: {failure}"));
        assert!(values.iter().all(|value| value == expected), "{text}: {values:?}");
    }
}

#[test]
fn lists_and_ranges_compare_as_operators_do() {
    let batch = table();
    let (_, equal) = evaluated("=(d, dc)", &batch).unwrap();
    // 2.45 as a float is a little more than as a decimal.
    assert_eq!(equal[5], "FALSE");
    for text in ["IN(d, dc)", "BETWEEN(d, dc, dc)"] {
        assert_eq!(evaluated(text, &batch).unwrap().1, equal, "{text}");
    }
}

#[test]
fn instants_in_collections_have_a_local_time() {
    let batch = table();
    let instant = Expr::Literal { value: Value::Integer(0), data_type: DataType::TimestampLtz(3) };
    let zone = Expr::Literal { value: Value::String("Europe/Berlin".to_owned()), data_type: DataType::String };
    let array = |item: DataType| DataType::Array(Box::new(item));
    let instants = Expr::call("ARRAY", vec![instant], array(DataType::TimestampLtz(3)));
    let local = Expr::call(crate::TO_LOCAL, vec![instants, zone.clone()], array(DataType::Timestamp(3)));
    let back = Expr::call(crate::TO_INSTANT, vec![local.clone(), zone], array(DataType::TimestampLtz(3)));
    for (expr, expected) in [(local, "[1970-01-01 01:00:00.000]"), (back, "[1970-01-01 00:00:00.000]")] {
        let evaluator = Evaluator::compile(&expr, &schema_of(&batch)).unwrap();
        let array = evaluator.evaluate(&batch).unwrap();
        let texts = convert(array, evaluator.data_type(), &DataType::String).unwrap();
        let texts = arrow::array::AsArray::as_string::<i32>(&texts);
        assert!(texts.iter().all(|text| text == Some(expected)), "{texts:?}");
    }
}

/// As deep as the planner lets them be, on the small stack of a thread.
#[test]
fn deep_expressions_are_evaluated() {
    let batch = table();
    let schema = schema_of(&batch);
    let column = Expr::Column(schema.index_of("i").unwrap());
    let sum = |left, _| Expr::call("+", vec![left, column.clone()], DataType::Int);
    let deep = (0..400).fold(column.clone(), sum);
    let array = Evaluator::compile(&deep, &schema).unwrap().evaluate(&batch).unwrap();
    assert_eq!(arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(&array).value(0), 401);
}
