use std::collections::BTreeSet;

use model::{DataType, Field};

use crate::testing::{environment, read_with_restores, source_of, source_of_all, table_of};

fn columns() -> Vec<(&'static str, DataType)> {
    let row = DataType::Row(vec![Field::new("x", DataType::SmallInt), Field::new("y", DataType::String)]);
    vec![
        ("n", DataType::BigInt),
        ("i", DataType::Int),
        ("s", DataType::String),
        ("d", DataType::Decimal(10, 2)),
        ("f", DataType::Double),
        ("t", DataType::Timestamp(3)),
        ("r", row),
        ("a", DataType::Array(Box::new(DataType::TinyInt))),
        ("m", DataType::Map(Box::new(DataType::String), Box::new(DataType::Boolean))),
        ("b", DataType::Bytes),
    ]
}

const OPTIONS: &[(&str, &str)] = &[
    ("connector", "datagen"),
    ("rows-per-second", "0"),
    ("fields.n.kind", "sequence"),
    ("fields.n.start", "-5"),
    ("fields.n.end", "994"),
    ("fields.i.min", "10"),
    ("fields.i.max", "12"),
    ("fields.s.length", "3"),
    ("fields.f.null-rate", "0.5"),
    ("fields.r.x.min", "7"),
    ("fields.r.x.max", "7"),
    ("fields.b.length", "4"),
    ("fields.b.var-len", "true"),
];

#[tokio::test]
async fn values_are_as_the_options_say_and_the_same_at_any_parallelism() {
    let spec = source_of_all(table_of(&columns(), OPTIONS));
    let rows = read_with_restores(&spec, &environment(), &[], 1).await;
    assert_eq!(rows.len(), 1000);
    let fields: Vec<Vec<&str>> = rows.iter().map(|row| row.split('|').collect()).collect();
    let distinct = |column: usize| fields.iter().map(|row| row[column]).collect::<BTreeSet<_>>();
    assert_eq!(distinct(0).len(), 1000);
    assert!(distinct(0).contains("-5") && distinct(0).contains("994"));
    assert_eq!(distinct(1), BTreeSet::from(["10", "11", "12"]));
    assert!(distinct(2).iter().all(|text| text.len() == 3));
    assert!(distinct(6).iter().all(|row| row.starts_with("{x: 7, y: ")));
    let lengths: BTreeSet<usize> = distinct(9).iter().map(|bytes| bytes.len() / 2).collect();
    assert_eq!(lengths, BTreeSet::from([1, 2, 3, 4]), "two digits a byte");
    let nulls = fields.iter().filter(|row| row[4] == "null").count();
    assert!((400..600).contains(&nulls), "{nulls}");
    for stops in [vec![(2, 0)], vec![(3, 100), (1, 50), (5, 20)]] {
        assert_eq!(read_with_restores(&spec, &environment(), &stops, 4).await, rows);
    }
    let inside = source_of(spec.table, &[("r.x", DataType::SmallInt)]);
    assert_eq!(read_with_restores(&inside, &environment(), &[], 2).await, vec!["7"; 1000]);
}

#[test]
fn it_is_bounded_if_something_ends_it() {
    let unbounded = table_of(&[("a", DataType::Int)], &[("connector", "datagen")]);
    assert!(!crate::catalog().source(&unbounded).unwrap().bounded);
    let bounded = table_of(&[("a", DataType::Int)], &[("connector", "datagen"), ("number-of-rows", "3")]);
    assert!(crate::catalog().source(&bounded).unwrap().bounded);
}

#[test]
fn mistakes_are_named() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("fields.a.min", "x")], "table t: option 'fields.a.min': 'x' is not a whole number"),
        (&[("fields.a.min", "3000000000")], "table t: option 'fields.a.min': must be from -2147483648 to 2147483647"),
        (&[("fields.a.min", "3"), ("fields.a.max", "2")], "table t: option 'fields.a.min': 3 is above the maximum, 2"),
        (
            &[("fields.a.kind", "ascending")],
            "table t: option 'fields.a.kind': 'ascending' is not one of random, sequence",
        ),
        (
            &[("fields.a.kind", "sequence")],
            "table t: connector 'datagen' needs the option 'fields.a.start': the first number of the sequence",
        ),
        (
            &[("fields.b.min", "3")],
            "table t: connector 'datagen' has no option 'fields.b.min'; it has: connector, fields.a",
        ),
        (
            &[("fields.a.length", "3")],
            "table t: connector 'datagen' has no option 'fields.a.length'; it has: connector",
        ),
        (&[("fields.a.null-rate", "2")], "table t: option 'fields.a.null-rate': must be from 0 to 1"),
        (
            &[("fields.a.kind", "sequence"), ("fields.a.start", "1"), ("fields.a.end", "2147483648")],
            "table t: option 'fields.a.end': must be from -2147483648 to 2147483647, to be a INT",
        ),
    ];
    for (options, expected) in cases {
        let mut table = table_of(&[("a", DataType::Int)], options);
        table.options.insert("connector".to_owned(), "datagen".to_owned());
        let failure = crate::catalog().source(&table).expect_err(expected);
        assert!(failure.message.starts_with(expected), "{failure}");
    }
}

#[test]
fn values_stay_within_what_a_batch_can_hold() {
    let list = DataType::Array(Box::new(DataType::String));
    let options = [("connector", "datagen"), ("fields.a.length", "2000"), ("fields.a.element.length", "1000")];
    let failure = crate::catalog().source(&table_of(&[("a", list)], &options)).unwrap_err();
    assert_eq!(failure.message, "table t: option 'fields.a.length': makes values of 2000000 bytes; 262144 may be");
}

#[test]
fn sequences_stay_within_their_type() {
    let cases = [
        (DataType::TinyInt, "-128", "127", "128"),
        (DataType::Decimal(5, 2), "-999", "999", "1000"),
        (DataType::Varchar(2), "-9", "99", "100"),
        (DataType::NotNull(Box::new(DataType::SmallInt)), "-32768", "32767", "32768"),
        (DataType::BigInt, "-9223372036854775808", "9223372036854775807", "9223372036854775808"),
    ];
    for (data_type, start, end, beyond) in cases {
        let read = |end: &str| {
            let options = [("connector", "datagen"), ("fields.a.kind", "sequence"), ("fields.a.start", start)];
            let options: Vec<_> = options.into_iter().chain([("fields.a.end", end)]).collect();
            crate::catalog().source(&table_of(&[("a", data_type.clone())], &options))
        };
        assert!(read(end).is_ok(), "{data_type}");
        assert!(read(beyond).unwrap_err().message.starts_with("table t: option 'fields.a.end': "), "{data_type}");
    }
}

#[tokio::test]
async fn keys_of_maps_are_never_null_and_differ() {
    let map = |key: DataType| DataType::Map(Box::new(key), Box::new(DataType::Int));
    let options = [("connector", "datagen"), ("number-of-rows", "50"), ("rows-per-second", "0")];
    let flags = table_of(&[("m", map(DataType::Boolean))], &options);
    for row in read_with_restores(&source_of_all(flags), &environment(), &[], 1).await {
        assert!(row.matches("true:").count() <= 1 && row.matches("false:").count() <= 1, "{row}");
    }
    let options = [("connector", "datagen"), ("fields.m.key.null-rate", "0.5")];
    let failure = crate::catalog().source(&table_of(&[("m", map(DataType::String))], &options)).unwrap_err();
    assert_eq!(failure.message, "table t: option 'fields.m.key.null-rate': keys cannot be null");
}
