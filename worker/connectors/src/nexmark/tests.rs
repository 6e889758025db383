use std::collections::BTreeMap;

use graph::{Expr, Value};
use model::DataType;

use super::*;
use crate::{
    build_source,
    testing::{context, environment, read_with_restores, restored, snapshot, source_of, source_of_all, table_of},
};

fn wide_table(options: &[(&str, &str)]) -> TableSpec {
    let mut table = table_of(&[], options);
    table.schema = columns::schema();
    table.options.insert("connector".to_owned(), "nexmark".to_owned());
    table
}

fn only(mut spec: SourceSpec, kind: i64) -> SourceSpec {
    let column = spec.columns.iter().position(|column| column.path[0] == "event_type").unwrap();
    let literal = Expr::Literal { value: Value::Integer(kind), data_type: DataType::Int };
    spec.filters = vec![Expr::call("=", vec![Expr::Column(column), literal], DataType::Boolean)];
    spec
}

const BID: &[(&str, DataType)] = &[
    ("event_type", DataType::Int),
    ("bid.auction", DataType::BigInt),
    ("bid.bidder", DataType::BigInt),
    ("bid.price", DataType::BigInt),
    ("bid.channel", DataType::String),
    ("bid.url", DataType::String),
    ("bid.dateTime", DataType::Timestamp(3)),
    ("bid.extra", DataType::String),
];

async fn rows(spec: &SourceSpec, parallelism: u32) -> Vec<String> {
    read_with_restores(spec, &environment(), &[], parallelism).await
}

#[tokio::test]
async fn parallelism_and_restores_change_nothing() {
    let spec = source_of_all(wide_table(&[("events.num", "30001")]));
    let expected = rows(&spec, 1).await;
    assert_eq!(expected.len(), 30_001);
    assert_eq!(rows(&spec, 3).await, expected);
    for stops in [vec![(1, 0)], vec![(2, 5000), (3, 1)], vec![(4, 3000), (1, 0), (2, 9000)]] {
        assert_eq!(read_with_restores(&spec, &environment(), &stops, 3).await, expected);
    }
}

#[tokio::test]
async fn positions_among_other_rows_are_refused() {
    let spec = source_of(wide_table(&[("events.num", "500")]), BID);
    let mut lists = snapshot(&mut [build_source(&spec, &mut context(0, 1), &environment()).unwrap()]);
    assert!(build_source(&spec, &mut restored(0, 1, &lists), &environment()).is_ok());
    for item in lists.values_mut().flatten() {
        item.0 = String::from_utf8(item.0.clone()).unwrap().replace("\"version\":1,", "").into_bytes();
    }
    let failure = build_source(&spec, &mut restored(0, 1, &lists), &environment()).err().unwrap();
    assert!(failure.message.contains("makes other rows (version 0 instead of 1)"), "{failure}");
}

#[tokio::test]
async fn another_seed_gives_other_rows() {
    let of_seed = |seed| source_of(wide_table(&[("events.num", "500"), ("seed", seed)]), BID);
    let (first, again, other) =
        (rows(&of_seed("1"), 1).await, rows(&of_seed("1"), 1).await, rows(&of_seed("2"), 1).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[tokio::test]
async fn kinds_keep_their_proportions_and_pruning_changes_no_value() {
    let table = wide_table(&[("events.num", "5000")]);
    let all = rows(&source_of(table.clone(), BID), 1).await;
    let mut counts = BTreeMap::new();
    for row in &all {
        *counts.entry(row.split('|').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("0".to_owned(), 100), ("1".to_owned(), 300), ("2".to_owned(), 4600)]));
    let bids: Vec<_> = all.iter().filter(|row| row.starts_with("2|")).cloned().collect();
    assert!(all.iter().all(|row| row.starts_with("2|") != row.contains("|null|")));
    assert_eq!(rows(&only(source_of(table.clone(), BID), 2), 2).await, bids);
    let whole = source_of(table.clone(), &[("bid", columns::schema().fields[3].data_type.clone())]);
    assert_eq!(rows(&whole, 1).await.iter().filter(|row| *row != "null").count(), 4600);
    let auctions = only(source_of(table, &[("event_type", DataType::Int), ("auction.id", DataType::BigInt)]), 1);
    let expected: Vec<_> = (1000..1300).map(|id| format!("1|{id}")).collect();
    assert_eq!(rows(&auctions, 1).await, expected);
}

#[tokio::test]
async fn values_look_like_nexmark() {
    let table = wide_table(&[("events.num", "100000"), ("bid.avg-size", "100 b")]);
    let bids = rows(&only(source_of(table.clone(), BID), 2), 1).await;
    let bids: Vec<Vec<&str>> = bids.iter().map(|row| row.split('|').collect()).collect();
    let share = |matches: &dyn Fn(&[&str]) -> bool| {
        bids.iter().filter(|row| matches(row.as_slice())).count() as f64 / bids.len() as f64
    };
    let hot = ["Google", "Facebook", "Baidu", "Apple"];
    let hot_channels = share(&|bid| hot.contains(&bid[4]));
    assert!((0.49..0.51).contains(&hot_channels), "{hot_channels}");
    let with_id = share(&|bid| bid[5].contains("&channel_id="));
    assert!((0.44..0.46).contains(&with_id), "{with_id}");
    // The hot auction, and the open ones that have its number.
    let hot_auctions = share(&|bid| bid[1].ends_with("00"));
    assert!((0.5..0.52).contains(&hot_auctions), "{hot_auctions}");
    let hot_bidders = share(&|bid| bid[2].ends_with("01"));
    assert!((0.75..0.78).contains(&hot_bidders), "{hot_bidders}");
    let lowest = bids.iter().map(|bid| bid[2].parse::<i64>().unwrap()).min();
    assert_eq!(lowest, Some(2000), "persons begin at 1000, but bidders at twice that");
    let cheap = share(&|bid| bid[3].parse::<i64>().unwrap() < 100_000);
    assert!((0.49..0.51).contains(&cheap), "{cheap}");
    let sizes: usize = bids.iter().map(|bid| bid[7].len() + 32).sum();
    assert!((98..102).contains(&(sizes / bids.len())), "{}", sizes / bids.len());
    assert!(
        bids.iter()
            .all(|bid| { bid[5].starts_with("https://www.nexmark.com/") && bid[5].contains("/item.htm?query=1") })
    );

    let auctions = only(
        source_of(
            table.clone(),
            &[
                ("event_type", DataType::Int),
                ("auction.category", DataType::BigInt),
                ("auction.initialBid", DataType::BigInt),
                ("auction.reserve", DataType::BigInt),
                ("auction.dateTime", DataType::Timestamp(3)),
                ("auction.expires", DataType::Timestamp(3)),
                ("auction.extra", DataType::String),
                ("auction.itemName", DataType::String),
                ("auction.description", DataType::String),
            ],
        ),
        1,
    );
    let auctions = rows(&auctions, 1).await;
    let mut size = 0;
    for auction in &auctions {
        let auction: Vec<&str> = auction.split('|').collect();
        assert!((10..15).contains(&auction[1].parse::<i64>().unwrap()));
        assert!(auction[3].parse::<i64>().unwrap() > auction[2].parse::<i64>().unwrap());
        assert!(auction[5] > auction[4]);
        assert_eq!(auction[7].trim(), auction[7]);
        size += 48 + auction[6..].iter().map(|text| text.len()).sum::<usize>();
    }
    assert!((495..505).contains(&(size / auctions.len())), "{}", size / auctions.len());

    let persons = only(
        source_of(
            table,
            &[
                ("event_type", DataType::Int),
                ("person.id", DataType::BigInt),
                ("person.name", DataType::String),
                ("person.emailAddress", DataType::String),
                ("person.creditCard", DataType::String),
                ("person.state", DataType::String),
            ],
        ),
        0,
    );
    let persons = rows(&persons, 2).await;
    assert_eq!(persons.len(), 2000);
    for person in &persons {
        let person: Vec<&str> = person.split('|').collect();
        assert_eq!(person[2].split(' ').count(), 2);
        assert!(person[3].contains('@') && person[3].ends_with(".com"));
        assert_eq!(person[4].split(' ').map(str::len).collect::<Vec<_>>(), [4, 4, 4, 4]);
        assert!(["AZ", "CA", "ID", "OR", "WA", "WY"].contains(&person[5]));
    }
}

#[tokio::test]
async fn event_time_follows_the_rates() {
    let times = |options: &'static [(&'static str, &'static str)]| async move {
        let column = [("bid.dateTime", DataType::TimestampLtz(3)), ("event_type", DataType::Int)];
        rows(&only(source_of(wide_table(options), &column), 2), 1).await
    };
    let fast = times(&[("events.num", "50000"), ("first-event.rate", "10000"), ("next-event.rate", "10000")]).await;
    assert!(fast.contains(&"2026-01-01T00:00:00Z|2".to_owned()));
    assert!(fast.contains(&"2026-01-01T00:00:04.999Z|2".to_owned()));
    assert!(!fast.iter().any(|time| time.starts_with("2026-01-01T00:00:05")));
    let slow = times(&[("events.num", "50"), ("first-event.rate", "10"), ("base-time", "0")]).await;
    assert!(slow.contains(&"1970-01-01T00:00:04.900Z|2".to_owned()));
    // 10 events in the first second, 1 in the next.
    let wave = times(&[
        ("events.num", "100"),
        ("first-event.rate", "10"),
        ("next-event.rate", "1"),
        ("rate.period", "2 s"),
        ("base-time", "0"),
    ])
    .await;
    assert!(wave.contains(&"1970-01-01T00:00:18Z|2".to_owned()));
    assert!(wave.contains(&"1970-01-01T00:00:16.900Z|2".to_owned()));
}

#[test]
fn elapsed_time_is_the_same_however_it_is_computed() {
    for rate in [10_000, 10_007, 999_983, 10_000_000] {
        let shape = Shape {
            persons: 1,
            auctions: 3,
            bids: 46,
            first_rate: rate,
            next_rate: rate,
            half_period_ms: 1,
            base_ms: 0,
        };
        for first in [0, 12_345, 3_000_000_007] {
            let events = Events::new(&shape, first, 5000, Some(Kind::Auction));
            let expected: Vec<u64> = events.iter().map(|event| shape.elapsed_ms(event.number)).collect();
            assert_eq!(events.elapsed_ms(), expected);
        }
    }
}

#[tokio::test]
async fn a_count_needs_no_columns() {
    let spec = source_of(wide_table(&[("events.num", "4242")]), &[]);
    assert_eq!(rows(&spec, 2).await.len(), 4242);
}

#[tokio::test]
async fn a_limited_source_takes_its_time() {
    let started = std::time::Instant::now();
    let spec = source_of(wide_table(&[("events.num", "300"), ("scan.rows-per-second", "1000")]), BID);
    assert_eq!(rows(&spec, 1).await.len(), 300);
    assert!(started.elapsed().as_millis() >= 250, "{:?}", started.elapsed());
}

#[test]
fn columns_are_checked() {
    let cases = [
        (
            "bids",
            DataType::BigInt,
            "table t: nexmark has no column bids; it has: event_type INT, person ROW<`id` BIGINT",
        ),
        ("event_type", DataType::BigInt, "table t: column event_type of nexmark is of type INT, not BIGINT"),
        ("bid", DataType::BigInt, "table t: column bid of nexmark is a ROW, not BIGINT"),
        (
            "bid",
            DataType::Row(vec![model::Field::new("price", DataType::String)]),
            "table t: column bid.price of nexmark is of type BIGINT, not STRING",
        ),
    ];
    for (name, data_type, expected) in cases {
        let table = table_of(&[(name, data_type)], &[("connector", "nexmark")]);
        let failure = crate::catalog().source(&table).expect_err(expected);
        assert!(failure.message.starts_with(expected), "{failure}");
    }
    for (option, value, expected) in [
        ("person.proportion", "0", "table t: option 'person.proportion': must be above 0"),
        ("keep-alive", "true", "table t: option 'keep-alive': is only supported as false"),
        ("rate.shape", "SINE", "table t: option 'rate.shape': 'SINE' is not one of SQUARE"),
        ("scan.rows-per-second", "-1", "table t: option 'scan.rows-per-second': must be above 0 and finite"),
    ] {
        let failure = crate::catalog().source(&wide_table(&[(option, value)])).expect_err(expected);
        assert_eq!(failure.message, expected);
    }
}
