//! What is read, shared and computed where.

use graph::{Expr, JobGraph, OperatorSpec, operator::SourceSpec};
use model::DataType;

use crate::support::{job, nexmark, session, text};

fn sources(graph: &JobGraph) -> Vec<&SourceSpec> {
    graph
        .nodes
        .iter()
        .filter_map(|node| match &node.operator {
            OperatorSpec::Source(source) => Some(source),
            _ => None,
        })
        .collect()
}

fn paths(source: &SourceSpec) -> Vec<String> {
    source.columns.iter().map(|column| column.path.join(".")).collect()
}

fn result_types(script: &str) -> Vec<String> {
    let mut session = session();
    session
        .run(
            "CREATE TABLE t (i INT, b BIGINT, d DOUBLE, dc DECIMAL(10, 2), s STRING, ts TIMESTAMP(3), dt DATE,
                bo BOOLEAN, n INT) WITH ('connector' = 'datagen')",
        )
        .unwrap();
    let graph = job(&mut session, script).graph;
    graph.nodes.last().unwrap().schema.fields.iter().map(|field| field.data_type.to_string()).collect()
}

#[test]
fn a_source_reads_only_the_fields_that_are_used() {
    let graph = job(&mut nexmark(), "SELECT auction, price FROM bid WHERE price > 10").graph;
    let source = sources(&graph)[0];
    assert_eq!(paths(source), ["event_type", "bid.auction", "bid.price"]);
    assert!(source.watermark.is_none(), "nothing needs event time");
    assert_eq!(source.filters.len(), 2, "{:?}", source.filters);
}

#[test]
fn a_whole_row_is_read_once() {
    let graph = job(&mut nexmark(), "SELECT bid, bid.price FROM nexmark").graph;
    assert_eq!(paths(sources(&graph)[0]), ["bid"]);
}

#[test]
fn counting_rows_reads_one_cheap_column() {
    let graph = job(&mut nexmark(), "SELECT COUNT(*) FROM nexmark").graph;
    assert_eq!(paths(sources(&graph)[0]), ["event_type"]);
}

#[test]
fn aggregates_of_different_casts_of_a_column_are_different() {
    let types = result_types("SELECT SUM(CAST(b AS INT)), SUM(CAST(b AS DOUBLE)), SUM(b) FROM t");
    assert_eq!(types, ["INT", "DOUBLE", "BIGINT"]);
    let types = result_types(
        "SELECT CAST(d AS INT), CAST(d AS BIGINT), COUNT(*) FROM t GROUP BY CAST(d AS INT), CAST(d AS BIGINT)",
    );
    assert_eq!(types, ["INT", "BIGINT", "BIGINT"]);
    let query =
        "SELECT JSON_OBJECTAGG(KEY s VALUE CAST(b AS INT)), JSON_OBJECTAGG(KEY s VALUE CAST(b AS DOUBLE)) FROM t";
    assert_eq!(result_types(query).len(), 2);
}

#[test]
fn joined_queries_without_names_are_told_apart() {
    let script = "SELECT * FROM (SELECT i, b FROM t) JOIN (SELECT i, d FROM t) USING (i)";
    assert_eq!(result_types(script), ["INT", "BIGINT", "DOUBLE"]);
    let script = "SELECT b, d FROM (SELECT i AS x, b FROM t), (SELECT i AS y, d FROM t) WHERE x = y";
    assert_eq!(result_types(script), ["BIGINT", "DOUBLE"]);
}

#[test]
fn what_is_filtered_behind_a_session_is_part_of_it() {
    let script = "SELECT bidder, price, window_start FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, \
                  DESCRIPTOR(dateTime), INTERVAL '1' SECOND)) WHERE price > 10 AND bidder < 5";
    let graph = job(&mut nexmark(), script).graph;
    let filters = &sources(&graph)[0].filters;
    assert!(filters.iter().all(|filter| !format!("{filter:?}").contains("Integer(10)")), "{filters:?}");
    assert_eq!(filters.len(), 2, "kinds of events and keys: {filters:?}");
}

#[test]
fn tables_are_read_once_in_a_job() {
    let script = "SELECT A.id, B.price FROM auction A JOIN bid B ON A.id = B.auction";
    let graph = job(&mut nexmark(), script).graph;
    let found = sources(&graph);
    assert_eq!(found.len(), 1);
    assert_eq!(paths(found[0]), ["event_type", "auction.id", "bid.auction", "bid.price"]);
    let Expr::Call { function, .. } = &found[0].filters[0] else { panic!("{:?}", found[0].filters) };
    assert_eq!(function, "OR", "a row is needed if either side needs it");
}

#[test]
fn a_statement_set_is_one_job() {
    let script = "
        CREATE TABLE prices (price BIGINT) WITH ('connector' = 'blackhole');
        CREATE TABLE names (name STRING) WITH ('connector' = 'blackhole');
        EXECUTE STATEMENT SET BEGIN
            INSERT INTO prices SELECT price FROM bid;
            INSERT INTO names SELECT name FROM person;
        END;";
    let graph = job(&mut nexmark(), script).graph;
    let sinks = graph.nodes.iter().filter(|node| matches!(node.operator, OperatorSpec::Sink(_)));
    assert_eq!((sinks.count(), sources(&graph).len()), (2, 1));
    let uids: std::collections::HashSet<_> = graph.nodes.iter().map(|node| &node.uid).collect();
    assert_eq!(uids.len(), graph.nodes.len(), "uids are unique");
    for edge in &graph.edges {
        assert!(edge.from < edge.to, "in topological order");
    }
}

#[test]
fn windows_make_the_source_give_watermarks() {
    let script = "SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
        GROUP BY window_start, window_end";
    let graph = job(&mut nexmark(), script).graph;
    assert!(sources(&graph)[0].watermark.is_some());
}

#[test]
fn a_window_over_windows_is_a_window() {
    let script = "
        SELECT MAX(bids), wend FROM (
            SELECT COUNT(*) AS bids, window_start AS wstart, window_end AS wend
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end)
        GROUP BY wstart, wend";
    let graph = job(&mut nexmark(), script).graph;
    let windows = graph.nodes.iter().filter(|node| matches!(node.operator, OperatorSpec::WindowAggregate(_))).count();
    assert_eq!(windows, 2);
    assert!(graph.nodes.last().unwrap().changelog.is_append());
}

#[test]
fn cascaded_windows_use_window_time() {
    let script = "
        CREATE VIEW seconds AS
        SELECT window_time AS at, COUNT(*) AS bids
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end, window_time;
        SELECT window_end, SUM(bids) FROM TABLE(TUMBLE(TABLE seconds, DESCRIPTOR(at), INTERVAL '1' MINUTE))
        GROUP BY window_start, window_end";
    let graph = job(&mut nexmark(), script).graph;
    let windows = graph.nodes.iter().filter(|node| matches!(node.operator, OperatorSpec::WindowAggregate(_))).count();
    assert_eq!(windows, 2);
}

#[test]
fn windows_that_are_not_aggregated_are_assigned() {
    let script = "SELECT price, window_start FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' HOUR))";
    let graph = job(&mut nexmark(), script).graph;
    assert!(graph.nodes.iter().any(|node| matches!(node.operator, OperatorSpec::WindowAssign(_))));
}

#[test]
fn results_have_flinks_types() {
    for (expression, expected) in [
        ("i + n", "INT"),
        ("i + b", "BIGINT"),
        ("i * 3", "INT"),
        ("-i", "INT"),
        ("dc * 2", "DECIMAL(21, 2)"),
        ("dc + b", "DECIMAL(22, 2)"),
        ("dc / 3", "DECIMAL(21, 13)"),
        ("0.908 * b", "DECIMAL(24, 3)"),
        (".5 + i", "DECIMAL(12, 1)"),
        ("i + d", "DOUBLE"),
        ("1e3", "DOUBLE"),
        ("i > 2", "BOOLEAN"),
        ("ts + INTERVAL '1' DAY", "TIMESTAMP(3)"),
        ("ts - INTERVAL '1-2' YEAR TO MONTH", "TIMESTAMP(3)"),
        ("CAST(s AS VARCHAR(2))", "VARCHAR(2)"),
        ("CAST(i AS DECIMAL(5, 2))", "DECIMAL(5, 2)"),
        ("TRY_CAST(s AS DOUBLE)", "DOUBLE"),
        ("TIME '10:11:12'", "TIME(0)"),
        ("TIMESTAMP '2020-01-01 00:00:00.123'", "TIMESTAMP(3)"),
        ("s || 'x'", "STRING"),
        ("CASE WHEN bo THEN i ELSE b END", "BIGINT"),
        ("s IN ('a', 'b')", "BOOLEAN"),
        ("s IS NOT JSON OBJECT", "BOOLEAN"),
        ("s SIMILAR TO 'a+'", "BOOLEAN"),
        ("EXTRACT(YEAR FROM ts)", "BIGINT"),
        ("FLOOR(ts TO HOUR)", "TIMESTAMP(3)"),
        ("TIMESTAMPADD(DAY, 1, dt)", "DATE"),
        ("TIMESTAMPDIFF(MONTH, ts, TIMESTAMP '2021-01-31 00:00:00')", "INT"),
        ("SUBSTRING(s FROM 2 FOR 2)", "STRING"),
        ("TRIM(LEADING 'a' FROM s)", "STRING"),
        ("POSITION('b' IN s)", "INT"),
        ("OVERLAY(s PLACING 'ZZ' FROM 2 FOR 1)", "STRING"),
        ("ARRAY[1, 2][1]", "INT"),
        ("MAP['a', 1]['a']", "INT"),
        ("CAST(ROW(i, s) AS ROW<x INT, y STRING>).y", "STRING"),
        ("COALESCE(n, i, 0)", "INT"),
        ("IF(bo, 'big', 'small')", "VARCHAR(5)"),
        ("CASE WHEN bo THEN 'a' ELSE 'bc' END", "VARCHAR(2)"),
        ("UPPER('abc')", "CHAR(3)"),
        ("ROUND(dc, 1)", "DECIMAL(10, 1)"),
        ("CURRENT_DATE", "DATE"),
        ("dt BETWEEN DATE '2020-01-01' AND DATE '2020-02-01'", "BOOLEAN"),
    ] {
        assert_eq!(result_types(&format!("SELECT {expression} FROM t")), [expected], "{expression}");
    }
    for (aggregate, expected) in [
        ("SUM(i)", "INT"),
        ("AVG(b)", "BIGINT"),
        ("AVG(dc)", "DECIMAL(38, 6)"),
        ("SUM(dc)", "DECIMAL(38, 2)"),
        ("COUNT(s)", "BIGINT"),
        ("MAX(ts)", "TIMESTAMP(3)"),
        ("MIN(s)", "STRING"),
        ("STDDEV_POP(i)", "INT"),
        ("VARIANCE(d)", "DOUBLE"),
        ("STDDEV(dc)", "DECIMAL(38, 6)"),
        ("LISTAGG(s, '-')", "STRING"),
        ("LAST_VALUE(ts)", "TIMESTAMP(3)"),
        ("SINGLE_VALUE(dc)", "DECIMAL(10, 2)"),
        ("COLLECT(i)", "MULTISET<INT>"),
        ("ARRAY_AGG(ts)", "ARRAY<TIMESTAMP(3)>"),
        ("JSON_OBJECTAGG(KEY s VALUE i)", "STRING"),
        ("JSON_ARRAYAGG(dc NULL ON NULL)", "STRING"),
        ("PERCENTILE(i, 0.5)", "DOUBLE"),
        ("PERCENTILE(dc, ARRAY[0, 0.5], b)", "ARRAY<DOUBLE>"),
        ("$SUM0(i)", "INT"),
    ] {
        assert_eq!(result_types(&format!("SELECT {aggregate} FROM t")), [expected], "{aggregate}");
    }
}

#[test]
fn columns_have_flinks_names() {
    let graph = job(&mut nexmark(), "SELECT B.price, price * 2, B.price, auction AS a FROM bid B").graph;
    let names: Vec<_> = graph.nodes.last().unwrap().schema.fields.iter().map(|field| field.name.clone()).collect();
    assert_eq!(names, ["price", "EXPR$1", "price0", "a"]);
}

#[test]
fn values_are_a_source() {
    let graph =
        job(&mut session(), "SELECT a + 1, b FROM (VALUES (1, 'x'), (2, CAST(NULL AS STRING))) AS v(a, b)").graph;
    let source = sources(&graph)[0];
    assert_eq!(source.table.options["connector"], "values");
    assert_eq!(source.table.options["rows"], r#"[[1,"x"],[2,null]]"#);
    assert_eq!(source.columns[0].data_type, DataType::Int);
    let computed =
        job(&mut session(), "VALUES (TIMESTAMP '2020-01-01 00:00:00', 1.5), (NULL, CHAR_LENGTH('ab'))").graph;
    let types: Vec<_> = computed.nodes.last().unwrap().schema.fields.iter().map(|f| f.data_type.to_string()).collect();
    assert_eq!(types, ["TIMESTAMP(3)", "DECIMAL(11, 1)"]);
    job(&mut session(), "SELECT 1, 'a'");
}

#[test]
fn unions_have_one_type() {
    let graph = job(&mut nexmark(), "SELECT id FROM person UNION ALL SELECT CAST(price AS INT) FROM bid").graph;
    assert_eq!(graph.nodes.last().unwrap().schema.fields[0].data_type, DataType::BigInt);
    let distinct = job(&mut nexmark(), "SELECT id FROM person UNION SELECT price FROM bid").graph;
    assert!(distinct.nodes.iter().any(|node| matches!(node.operator, OperatorSpec::GroupAggregate(_))));
}

#[test]
fn graphs_survive_being_stored() {
    let graph = job(&mut nexmark(), include_str!("plans/q5.sql")).graph;
    assert_eq!(JobGraph::from_json(&graph.to_json().unwrap()).unwrap(), graph);
}

/// A text so often, with something between.
fn repeated(text: &str, between: &str, times: usize) -> String {
    vec![text; times].join(between)
}

#[test]
fn long_chains_and_deep_expressions_are_stored_and_read() {
    let pairs: Vec<String> = (0..500).map(|number| format!("({number}, {number})")).collect();
    for query in [
        format!("SELECT price FROM bid WHERE {}", repeated("price > bidder", " AND ", 1000)),
        format!("SELECT price FROM bid WHERE {}", repeated("(price = 1 AND bidder = 2)", " OR ", 1000)),
        format!("SELECT {} FROM bid", repeated("channel", " || ", 1000)),
        format!("SELECT {} FROM bid", repeated("price", " + ", 100)),
        format!("SELECT price FROM bid WHERE (auction, bidder) IN ({})", pairs.join(", ")),
        format!("SELECT {}price{} FROM bid", "ABS(".repeat(40), ")".repeat(40)),
    ] {
        let graph = job(&mut nexmark(), &query).graph;
        let json = graph.to_json().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", &query[..60]);
        assert_eq!(JobGraph::from_json(&json).unwrap(), graph, "{}", &query[..60]);
    }
}

const EVENTS: &str = "
    CREATE TABLE events (id INT, name STRING, v BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen');
    CREATE VIEW hours AS SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' HOUR));
    CREATE VIEW sessions AS
        SELECT * FROM TABLE(SESSION(TABLE events PARTITION BY id, DESCRIPTOR(at), INTERVAL '5' MINUTE));";

/// The stateful operators of a query over [`EVENTS`], in order.
fn operators(query: &str) -> Vec<String> {
    let graph = job(&mut session(), &format!("{EVENTS} {query}")).graph;
    let kinds = graph.nodes.iter().filter_map(|node| match &node.operator {
        OperatorSpec::WindowAssign(spec) => Some(format!("assign {:?}", spec.keys)),
        OperatorSpec::WindowAggregate(spec) => Some(format!("aggregate {}", spec.keys.len())),
        OperatorSpec::GroupAggregate(_) => Some("updates".to_owned()),
        OperatorSpec::WindowJoin(spec) => Some(format!("join {:?}", spec.kind)),
        OperatorSpec::Join(_) | OperatorSpec::SemiJoin(_) => Some("regular join".to_owned()),
        OperatorSpec::Rank(spec) => Some(format!("rank in windows: {}", spec.window_end.is_some())),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn sessions_are_assigned_where_an_aggregation_does_not_do_it() {
    let of = |select: &str| operators(select);
    let by = |keys: &str| of(&format!("SELECT window_end, COUNT(*) FROM sessions GROUP BY {keys}"));
    assert_eq!(by("id, window_start, window_end"), ["aggregate 1"]);
    assert_eq!(by("window_start, window_end"), ["assign [0]", "aggregate 1"]);
    assert_eq!(by("id, name, window_start, window_end"), ["assign [0]", "aggregate 3"]);
    assert_eq!(
        by("GROUPING SETS ((id, window_start, window_end), (window_start, window_end))"),
        ["assign [0]", "aggregate 3"]
    );
    assert_eq!(of("SELECT id, window_start, window_time FROM sessions"), ["assign [0]"]);
    let global = "TABLE(SESSION(TABLE events, DESCRIPTOR(at), INTERVAL '5' MINUTE))";
    assert_eq!(
        of(&format!("SELECT name, COUNT(*) FROM {global} GROUP BY name, window_start, window_end")),
        ["assign []", "aggregate 2"]
    );
    assert_eq!(of(&format!("SELECT COUNT(*) FROM {global} GROUP BY window_start, window_end")), ["aggregate 0"]);
    assert_eq!(
        of("SELECT l.id FROM sessions l JOIN sessions r
            ON l.id = r.id AND l.window_start = r.window_start AND l.window_end = r.window_end"),
        ["assign [0]", "join Inner"]
    );
    assert_eq!(
        of("SELECT id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS n
            FROM sessions) WHERE n <= 3"),
        ["assign [0]", "rank in windows: true"]
    );
    assert_eq!(
        of("SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE sessions, DESCRIPTOR(window_time), INTERVAL '1' HOUR))
            GROUP BY window_start0, window_end0"),
        ["assign [0]", "aggregate 0"]
    );
}

#[test]
fn windows_are_joined_where_in_and_exists_compare_them() {
    let same = "l.window_start = r.window_start AND l.window_end = r.window_end";
    let exists = format!("EXISTS (SELECT * FROM hours r WHERE {same} AND l.id = r.id AND l.v < r.v)");
    let query = |condition: &str| operators(&format!("SELECT id FROM hours l WHERE {condition}"));
    assert_eq!(query(&exists).last().unwrap(), "join Semi");
    assert_eq!(query(&format!("NOT {exists}")).last().unwrap(), "join Anti");
    assert_eq!(query(&format!("l.id IN (SELECT id FROM hours r WHERE {same})")).last().unwrap(), "join Semi");
    assert_eq!(query("l.id IN (SELECT id FROM hours r)").last().unwrap(), "regular join");
    let counted = operators(&format!(
        "SELECT window_end, COUNT(*) FROM hours l WHERE {exists} GROUP BY window_start, window_end"
    ));
    assert_eq!(counted.last().unwrap(), "aggregate 0");
}

#[test]
fn a_union_of_windows_is_one() {
    let union =
        "(SELECT id, window_start, window_end FROM hours UNION ALL SELECT 7, window_start, window_end FROM hours)";
    let counted = operators(&format!("SELECT window_end, COUNT(*) FROM {union} GROUP BY window_start, window_end"));
    assert_eq!(counted.last().unwrap(), "aggregate 0");
    let other = "(SELECT window_start, window_end FROM hours UNION ALL SELECT window_start, window_end FROM
        TABLE(TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '2' HOUR)))";
    let counted = operators(&format!("SELECT window_end, COUNT(*) FROM {other} GROUP BY window_start, window_end"));
    assert_eq!(counted.last().unwrap(), "updates");
}

#[test]
fn arguments_of_windows_have_names_and_offsets() {
    for call in [
        "TUMBLE(DATA => TABLE events, TIMECOL => DESCRIPTOR(at), SIZE => INTERVAL '1' MINUTE)",
        "TUMBLE(SIZE => INTERVAL '1' MINUTE, DATA => TABLE events, TIMECOL => DESCRIPTOR(at), OFFSET => INTERVAL '10' SECOND)",
        "HOP(DATA => TABLE events, TIMECOL => DESCRIPTOR(at), SLIDE => INTERVAL '1' MINUTE, SIZE => INTERVAL '2' MINUTE)",
        "CUMULATE(DATA => TABLE events, TIMECOL => DESCRIPTOR(at), STEP => INTERVAL '1' MINUTE, SIZE => INTERVAL '2' MINUTE)",
        "SESSION(DATA => TABLE events PARTITION BY id, TIMECOL => DESCRIPTOR(at), GAP => INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' DAY, INTERVAL '-8' HOUR)",
        "TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' DAY, -INTERVAL '8' HOUR)",
        "HOP(TABLE events, DESCRIPTOR(at), INTERVAL '1' HOUR, INTERVAL '1' DAY, INTERVAL '15' MINUTE)",
        "CUMULATE(TABLE events, DESCRIPTOR(at), INTERVAL '1' HOUR, INTERVAL '1' DAY, INTERVAL '15' MINUTE)",
    ] {
        let query = format!("SELECT id, window_end, COUNT(*) FROM TABLE({call}) GROUP BY id, window_start, window_end");
        assert_eq!(operators(&query), ["aggregate 1"], "{call}");
    }
    let offset = "TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' DAY, INTERVAL '-8' HOUR)";
    let query = format!("{EVENTS} EXPLAIN SELECT COUNT(*) FROM TABLE({offset}) GROUP BY window_start, window_end");
    assert!(crate::support::text(&mut session(), &query).contains("size=[1 d], offset=[-8 h]"));
}

#[test]
fn group_windows_have_all_their_parts() {
    let script = "
        SELECT HOP_START(at, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), HOP_END(at, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE),
            HOP_ROWTIME(at, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), COUNT(*)
        FROM events GROUP BY HOP(at, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)";
    let types = |script: &str| {
        let graph = job(&mut session(), &format!("{EVENTS} {script}")).graph;
        graph.nodes.last().unwrap().schema.fields.iter().map(|field| field.data_type.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(types(script), ["TIMESTAMP(3)", "TIMESTAMP(3)", "TIMESTAMP(3)", "BIGINT"]);
    let script = "
        SELECT SESSION_START(p, INTERVAL '1' MINUTE), SESSION_END(p, INTERVAL '1' MINUTE),
            SESSION_PROCTIME(p, INTERVAL '1' MINUTE), id
        FROM (SELECT *, PROCTIME() AS p FROM events) GROUP BY id, SESSION(p, INTERVAL '1' MINUTE)";
    assert_eq!(types(script), ["TIMESTAMP(3)", "TIMESTAMP(3)", "TIMESTAMP_LTZ(3)", "INT"]);
    let cascade = "
        SELECT TUMBLE_END(r, INTERVAL '1' HOUR), SUM(n) FROM (
            SELECT TUMBLE_ROWTIME(at, INTERVAL '1' MINUTE) AS r, COUNT(*) AS n FROM events GROUP BY TUMBLE(at, INTERVAL '1' MINUTE)
        ) GROUP BY TUMBLE(r, INTERVAL '1' HOUR)";
    assert_eq!(operators(cascade), ["aggregate 0", "aggregate 0"]);
}

#[test]
fn queries_over_each_other_that_are_written_alike_are_all_computed() {
    for between in ["", " WHERE price > 1"] {
        let query =
            (0..5).fold("bid".to_owned(), |from, _| format!("(SELECT price + 1 AS price FROM {from}{between})"));
        let graph = job(&mut nexmark(), &format!("SELECT price FROM {query}")).graph;
        let mut sums = 0;
        for node in &graph.nodes {
            let OperatorSpec::Calc(calc) = &node.operator else { continue };
            calc.projection[0].visit(&mut |part| sums += usize::from(matches!(part, Expr::Call { .. })));
        }
        assert_eq!(sums, 5, "{between}");
    }
}

/// A `DECIMAL` is compared with a `DOUBLE` as one, so that it can be a key.
#[test]
fn a_decimal_and_a_double_can_be_keys_of_a_join() {
    let mut session = session();
    let plan = text(
        &mut session,
        "CREATE TABLE l (d DECIMAL(10, 2)) WITH ('connector' = 'datagen');
        CREATE TABLE r (f DOUBLE) WITH ('connector' = 'datagen');
        EXPLAIN SELECT d FROM l JOIN r ON d = f;",
    );
    assert!(plan.contains("CAST(d AS DOUBLE) AS $k"), "{plan}");
    assert!(plan.contains("hash[f]"), "{plan}");
}
