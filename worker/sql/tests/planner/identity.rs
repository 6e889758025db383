//! Uids: what follows from the query, and what the user gives.

use std::collections::BTreeMap;

use graph::{JobGraph, OperatorSpec};

use crate::support::{error, job, nexmark, session};

const TABLES: &str = "
    CREATE TABLE a (k INT, v BIGINT, w BIGINT) WITH ('connector' = 'datagen');
    CREATE TABLE b (k INT, v BIGINT, w BIGINT) WITH ('connector' = 'datagen');
    CREATE TABLE o (k INT, s BIGINT) WITH ('connector' = 'print');
    CREATE TABLE p (k INT, s BIGINT) WITH ('connector' = 'print');";

fn planned(queries: &str) -> JobGraph {
    job(&mut session(), &format!("{TABLES} {queries}")).graph
}

fn set(inserts: &[&str]) -> JobGraph {
    planned(&format!("EXECUTE STATEMENT SET BEGIN {}; END;", inserts.join("; ")))
}

/// The uids of operators with state, and what they do.
fn uids(graph: &JobGraph) -> BTreeMap<String, &OperatorSpec> {
    let stateful = graph.nodes.iter().filter(|node| node.operator.keeps_state());
    stateful.map(|node| (node.uid.clone(), &node.operator)).collect()
}

fn names(graph: &JobGraph) -> Vec<String> {
    uids(graph).into_keys().collect()
}

#[test]
fn statements_that_change_places_leave_uids_as_they_are() {
    let inserts = [
        "INSERT INTO o SELECT k, SUM(v) FROM a GROUP BY k",
        "INSERT INTO o SELECT k, SUM(v) FROM b GROUP BY k",
        "INSERT INTO p SELECT k, SUM(w) FROM a GROUP BY k",
        "INSERT INTO p SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM a) WHERE n <= 3",
        "INSERT INTO p SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY w) AS n FROM a) WHERE n <= 3",
        "INSERT INTO p SELECT a.k, b.v FROM a JOIN b ON a.k = b.k",
        "INSERT INTO p SELECT b.k, a.v FROM b JOIN a ON a.k = b.k",
        "INSERT INTO p SELECT k, v FROM a WHERE k IN (SELECT k FROM b)",
        "INSERT INTO o SELECT DISTINCT k, v FROM b",
    ];
    let first = set(&inserts);
    let mut reversed = inserts;
    reversed.reverse();
    let second = set(&reversed);
    assert_eq!(uids(&first), uids(&second));
    assert_eq!(names(&first).len(), first.nodes.iter().filter(|node| node.operator.keeps_state()).count());
}

#[test]
fn a_statement_more_and_a_column_more_leave_uids_as_they_are() {
    let alone = planned("INSERT INTO o SELECT k, SUM(v) FROM a GROUP BY k");
    let more = set(&[
        "INSERT INTO p SELECT k, w FROM a WHERE w > 5",
        "INSERT INTO p SELECT k, COUNT(w) FROM a GROUP BY k",
        "INSERT INTO o SELECT k, SUM(v) FROM a GROUP BY k",
    ]);
    let more = names(&more);
    // The sink has a second INSERT neither before nor after.
    assert!(names(&alone).iter().all(|uid| more.contains(uid)), "{:?} {more:?}", names(&alone));
}

#[test]
fn names_of_columns_and_the_form_of_a_query_leave_uids_as_they_are() {
    let one = planned("INSERT INTO o SELECT k, SUM(v) AS s FROM a WHERE v > 1 AND k < 5 GROUP BY k");
    let other = planned(
        "INSERT INTO o SELECT x, SUM(y) AS total FROM (SELECT v AS y, k AS x FROM (SELECT * FROM a WHERE k < 5) WHERE v > 1) \
         GROUP BY x",
    );
    assert_eq!(names(&one), names(&other));
}

#[test]
fn two_phases_and_mini_batches_leave_uids_as_they_are() {
    let query = "INSERT INTO o SELECT k, SUM(v) FROM a GROUP BY k";
    let mini_batch = "SET 'table.exec.mini-batch.enabled' = 'true'; SET 'table.exec.mini-batch.allow-latency' = '1 s';
        SET 'table.exec.mini-batch.size' = '100';";
    assert_eq!(names(&planned(query)), names(&planned(&format!("{mini_batch} {query}"))));
}

#[test]
fn the_hint_gives_the_last_operator_with_state_its_uid() {
    for (query, kind) in [
        ("SELECT /*+ STATE_ID('orders.v-1') */ k, SUM(v) FROM a GROUP BY k", "group-aggregate"),
        ("SELECT /*+ STATE_ID('orders.v-1') */ DISTINCT k, v FROM a", "group-aggregate"),
        ("SELECT /*+ STATE_ID ( 'orders.v-1' ) */ a.k, b.v FROM a JOIN b ON a.k = b.k", "join"),
        (
            "SELECT x.k, x.s FROM (SELECT /*+ STATE_ID('orders.v-1') */ k, SUM(v) AS s FROM a GROUP BY k) x
             JOIN b ON x.k = b.k",
            "group-aggregate",
        ),
        (
            "SELECT /*+ STATE_ID('orders.v-1') */ k, v FROM
             (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM a) WHERE n <= 3",
            "rank",
        ),
        (
            "SELECT k, v FROM
             (SELECT /*+ STATE_ID('orders.v-1') */ *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM a) WHERE n <= 3",
            "rank",
        ),
        (
            "SELECT k, v FROM b UNION ALL SELECT /*+ STATE_ID('orders.v-1') */ k, SUM(v) FROM a GROUP BY k",
            "group-aggregate",
        ),
        (
            "WITH x AS (SELECT /*+ STATE_ID('orders.v-1') */ k, MAX(v) AS m FROM a GROUP BY k) SELECT * FROM x",
            "group-aggregate",
        ),
    ] {
        let graph = planned(&format!("INSERT INTO o {query}"));
        let pinned = graph.nodes.iter().find(|node| node.uid == "orders.v-1").expect(query);
        assert_eq!(pinned.operator.kind(), kind, "{query}");
        let plain = planned(&format!("INSERT INTO o {}", without_hint(query)));
        let identities = graph.identities.as_ref().expect("known");
        let derived = &identities.operators["orders.v-1"].derived;
        assert!(names(&plain).contains(derived), "{query}: {derived} {:?}", names(&plain));
        assert_eq!(names(&graph).len(), names(&plain).len(), "{query}");
    }
}

fn without_hint(query: &str) -> String {
    let (start, end) = (query.find("/*+").expect("a hint"), query.find("*/").expect("its end"));
    format!("{}{}", &query[..start], &query[end + 2..])
}

#[test]
fn a_hint_that_says_nothing_is_refused() {
    for (query, part) in [
        ("SELECT /*+ STATE_ID('x') */ auction FROM bid", "the query keeps no state"),
        (
            "SELECT /*+ STATE_ID('x') */ auction, n + 1 FROM
             (SELECT /*+ STATE_ID('y') */ auction, COUNT(*) AS n FROM bid GROUP BY auction)",
            "the query keeps no state but that with the id 'y'",
        ),
        ("SELECT auction /*+ STATE_ID('x') */ FROM bid", "belongs behind SELECT"),
        ("SELECT * FROM bid /*+ STATE_ID('x') */", "belongs behind SELECT"),
        ("SELECT /*+ STATE_ID('a/b') */ COUNT(*) FROM bid", "letters, digits"),
        ("SELECT /*+ STATE_ID('') */ COUNT(*) FROM bid", "letters, digits"),
        ("SELECT /*+ STATE_ID(x) */ COUNT(*) FROM bid", "has one id"),
        ("SELECT /*+ STATE_ID('x'), BROADCAST(bid) */ COUNT(*) FROM bid", "stands alone"),
        (
            "SELECT /*+ STATE_ID('x') */ auction, COUNT(*) FROM bid GROUP BY auction
             UNION ALL SELECT /*+ STATE_ID('x') */ bidder, COUNT(*) FROM bid GROUP BY bidder",
            "two operators of the job have the id 'x'",
        ),
    ] {
        let found = error(&mut nexmark(), query);
        assert!(found.message.contains(part), "{query}\n{found}");
    }
}
