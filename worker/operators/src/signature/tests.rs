//! Descriptions are stored as ever, and texts of earlier builds are what they were.

use std::sync::Arc;

use checkpoint::Item;
use graph::{
    Expr, Value,
    operator::{SortColumn, WindowKind},
};
use model::{DataType, ErrorClass, Field, Schema};

use super::*;
use crate::{
    fixtures::Fixture,
    tests::{
        harness::{TestClock, context},
        rows,
    },
};

fn described() -> Description {
    let schema = Schema::new(vec![
        Field::new("k", DataType::BigInt),
        Field::new("EXPR$1", DataType::String),
        Field::new("t", DataType::Timestamp(3)),
    ]);
    let sort = SortColumn { column: 1, descending: true, nulls_first: true };
    let less = Expr::call("<", vec![Expr::Column(0), Expr::Column(3)], DataType::Boolean);
    Description::of("some-operator")
        .rows(&schema, &[0, 1])
        .at(&schema, 2)
        .changing(true)
        .keys(&schema, &[0])
        .calls(&rows::calls()[..9], &rows::schema())
        .order(&[sort], &schema)
        .kept("first 3")
        .windows(Some(WindowKind::Hop { size: 10, slide: 5, offset: 0 }), Some("Europe/Berlin".to_owned()))
        .length("slice", 100)
        .property("anti", true)
        .property("nulls equal", false)
        .condition(Some(&less), [&schema, &schema])
}

#[test]
fn descriptions_are_stored_as_ever() {
    let mut fixture = Fixture::open("signature", VERSION);
    let fine = Schema::new(vec![Field::new("k", DataType::Timestamp(9)), Field::new("l", DataType::TimestampLtz(7))]);
    let examples = [
        ("of everything", described()),
        ("of nothing", Description::of("limit")),
        ("of fine timestamps", Description::of("join").rows(&fine, &[0])),
    ];
    for (name, description) in examples {
        let frozen = fixture.written(name, &serde_json::to_vec(&description).unwrap());
        let read: Description = serde_json::from_slice(&frozen).unwrap();
        assert_eq!(read, description);
        assert_eq!(serde_json::to_vec(&read).unwrap(), frozen);
        compare(&frozen, &description, "", false).unwrap();
    }
    fixture.finish();
}

#[test]
fn another_state_is_refused_with_what_differs() {
    let stored = serde_json::to_vec(&described()).unwrap();
    let refused = compare(&stored, &described().kept("all"), "", false).unwrap_err();
    assert_eq!(refused.class, ErrorClass::User);
    assert_eq!(refused.message, "the snapshot holds state of another query: kept \"first 3\" instead of \"all\"");
    let refused = compare(b"first 3", &described(), "all", false).unwrap_err();
    assert_eq!(refused.message, "the snapshot holds state of another query: 'first 3' instead of 'all'");
    compare(b"all", &described(), "all", false).unwrap();
    let refused = compare(br#"{"version":9,"operator":"rank"}"#, &described(), "", false).unwrap_err();
    assert_eq!(refused.class, ErrorClass::Data);
}

#[test]
fn every_subtask_of_the_snapshot_is_compared() {
    let mut context = context(&[], &Arc::<TestClock>::default());
    let item = |description: &Description| Item(serde_json::to_vec(description).unwrap());
    let items = vec![item(&described()), item(&described().kept("all"))];
    context.restored.insert(NAME.to_owned(), items);
    assert!(Signature::new(&described(), "", &context).is_err());
}

#[test]
fn names_of_columns_count_only_where_the_user_gives_the_uid() {
    let of = |key: &str, time: &str, data_type: DataType| {
        let schema = Schema::new(vec![Field::new(key, data_type), Field::new(time, DataType::Timestamp(3))]);
        let sort = SortColumn { column: 1, descending: true, nulls_first: false };
        let less = Expr::call("<", vec![Expr::Column(0), Expr::Column(2)], DataType::Boolean);
        let description = Description::of("rank").rows(&schema, &[0]).at(&schema, 1).order(&[sort], &schema);
        description.condition(Some(&less), [&schema, &schema])
    };
    let stored = serde_json::to_vec(&of("k", "t", DataType::BigInt)).unwrap();
    for renamed in [of("key", "t", DataType::BigInt), of("k", "at", DataType::BigInt)] {
        compare(&stored, &renamed, "", true).unwrap();
        let refused = compare(&stored, &renamed, "", false).unwrap_err();
        assert!(refused.message.contains("inputs"), "{refused}");
    }
    let refused = compare(&stored, &of("k", "t", DataType::Int), "", true).unwrap_err();
    assert!(refused.message.contains("BIGINT") && !refused.message.contains("condition"), "{refused}");
}

#[test]
fn arguments_are_known_by_which_are_the_same() {
    let calls = rows::calls();
    let moved = |by: usize| {
        let fields = (0..by).map(|index| Field::new(format!("f{index}"), DataType::Int));
        let schema = Schema::new(fields.chain(rows::schema().fields).collect());
        let calls: Vec<_> = calls
            .iter()
            .map(|call| graph::operator::AggregateCall {
                argument: call.argument.map(|column| column + by),
                second: call.second.map(|column| column + by),
                filter: call.filter.map(|column| column + by),
                ..call.clone()
            })
            .collect();
        Description::of("group-aggregate").calls(&calls, &schema)
    };
    assert_eq!(moved(0), moved(3));
}

#[test]
fn state_of_timestamps_in_64_bits_is_refused_by_its_reason() {
    let of = |precision| {
        let schema = Schema::new(vec![
            Field::new("k", DataType::Array(Box::new(DataType::Timestamp(precision)))),
            Field::new("l", DataType::TimestampLtz(precision)),
        ]);
        (Description::of("join").rows(&schema, &[0]), format!("rows {}", types::types_at(&schema, &[0, 1])))
    };
    let (fine, text) = of(9);
    let now = serde_json::to_string(&fine).unwrap();
    compare(now.as_bytes(), &fine, &text, false).unwrap();
    let earlier = now.replace(WIDE, "");
    for stored in [earlier.as_str(), "rows ARRAY<TIMESTAMP(9)>, TIMESTAMP_LTZ(9)"] {
        let refused = compare(stored.as_bytes(), &fine, &text, false).unwrap_err();
        assert_eq!(refused.class, ErrorClass::User);
        assert!(refused.message.contains("in 64 bits, as earlier builds kept them"), "{refused}");
        assert!(refused.message.contains("TIMESTAMP_LTZ(9)"), "{refused}");
    }
    let (other, other_text) = of(6);
    let (stored, _) = of(3);
    let refused = compare(&serde_json::to_vec(&stored).unwrap(), &fine, &text, false).unwrap_err();
    assert!(refused.message.contains("state of another query"), "{refused}");
    let refused = compare(earlier.as_bytes(), &other, &other_text, false).unwrap_err();
    assert!(refused.message.contains("state of another query"), "{refused}");
}

/// Texts that builds before version 2 wrote.
#[test]
fn texts_of_earlier_builds_are_what_they_were() {
    let mut fixture = Fixture::open("signature", 1);
    let fields = vec![
        Field { name: "a b".to_owned(), data_type: DataType::Decimal(10, 2), nullable: false },
        Field::new("\"", DataType::Array(Box::new(DataType::Varchar(3)))),
    ];
    let nested = DataType::Map(Box::new(DataType::String), Box::new(DataType::Row(fields)));
    let literals = [
        Value::Null,
        Value::Boolean(true),
        Value::Integer(-7),
        Value::Float(1.0),
        Value::Decimal("-5".to_owned()),
        Value::String("it's \"\n\u{e9}".to_owned()),
        Value::Bytes(vec![0, 255]),
    ];
    let literals = literals.map(|value| Expr::Literal { value, data_type: nested.clone() });
    let column = || Box::new(Expr::Column(3));
    let expressions = [
        Expr::Field { of: column(), name: "a".to_owned() },
        Expr::call("<=", literals.to_vec(), DataType::Boolean),
        Expr::Cast { of: column(), to: DataType::TimestampLtz(3), safe: true },
        Expr::Case { branches: vec![(Expr::Column(0), Expr::Column(1))], otherwise: Some(column()) },
        Expr::Case { branches: vec![], otherwise: None },
    ];
    for (index, expr) in expressions.iter().enumerate() {
        fixture.written(&format!("expression {index}"), former::expression(expr).as_bytes());
    }
    let windows = [
        WindowKind::Tumble { size: 10, offset: -1 },
        WindowKind::Hop { size: 10, slide: 5, offset: 0 },
        WindowKind::Cumulate { size: 10, step: 5, offset: 2 },
        WindowKind::Session { gap: 7 },
    ];
    for (index, window) in windows.iter().enumerate() {
        fixture.written(&format!("window {index}"), former::window(window).as_bytes());
    }
    let sort = |column, descending, nulls_first| SortColumn { column, descending, nulls_first };
    let order = former::order(&[sort(0, true, false), sort(12, false, true)]);
    fixture.written("order", order.as_bytes());
    fixture.written("positions", former::positions(&[0, 12]).as_bytes());
    fixture.written("no positions", former::positions(&[]).as_bytes());
    fixture.finish();
}
