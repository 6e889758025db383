//! Row kinds: what operators give, who needs −U, and what sinks refuse.

use graph::{JobGraph, OperatorSpec, Partitioning};

use crate::support::{error, job, session};

const TABLES: &str = "
    CREATE TABLE t (k STRING, a BIGINT, b BIGINT) WITH ('connector' = 'datagen');
    CREATE TABLE hole (k STRING, n BIGINT) WITH ('connector' = 'blackhole');
    CREATE TABLE printed (k STRING, n BIGINT) WITH ('connector' = 'print');
    CREATE TABLE appended (k STRING, n BIGINT) WITH ('connector' = 'filesystem');
    CREATE TABLE keyed (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'upsert');
    CREATE TABLE changes (k STRING, a BIGINT) WITH ('connector' = 'cdc');
    CREATE TABLE upserts (k STRING PRIMARY KEY NOT ENFORCED, a BIGINT) WITH ('connector' = 'upsert');
";

fn planned(script: &str) -> JobGraph {
    let mut session = session();
    session.run(TABLES).unwrap();
    job(&mut session, script).graph
}

fn mistake(script: &str) -> String {
    let mut session = session();
    session.run(TABLES).unwrap();
    error(&mut session, script).to_string()
}

/// The row kinds of each aggregation, in order.
fn aggregations(graph: &JobGraph) -> Vec<(String, bool)> {
    graph
        .nodes
        .iter()
        .filter_map(|node| match &node.operator {
            OperatorSpec::GroupAggregate(spec) => Some((node.changelog.to_string(), spec.emit_update_before)),
            _ => None,
        })
        .collect()
}

fn sink_input(graph: &JobGraph) -> String {
    match &graph.nodes.last().unwrap().operator {
        OperatorSpec::Sink(sink) => sink.input.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_aggregation_leaves_out_update_before_unless_the_sink_wants_it() {
    let hole = planned("INSERT INTO hole SELECT k, COUNT(*) FROM t GROUP BY k");
    assert_eq!(aggregations(&hole), [("I,UA".to_owned(), false)]);
    assert_eq!(sink_input(&hole), "I,UA");
    let printed = planned("INSERT INTO printed SELECT k, COUNT(*) FROM t GROUP BY k");
    assert_eq!(aggregations(&printed), [("I,UB,UA".to_owned(), true)]);
}

#[test]
fn an_aggregation_of_updates_needs_the_rows_they_replace() {
    let graph = planned(
        "INSERT INTO hole SELECT CAST(n AS STRING), COUNT(*) FROM (SELECT k, COUNT(*) n FROM t GROUP BY k) GROUP BY n",
    );
    assert_eq!(aggregations(&graph), [("I,UB,UA".to_owned(), true), ("I,UA,D".to_owned(), false)]);
}

#[test]
fn a_filter_on_a_value_needs_update_before_and_one_on_the_key_does_not() {
    let on_value = planned("INSERT INTO hole SELECT k, n FROM (SELECT k, COUNT(*) n FROM t GROUP BY k) WHERE n > 3");
    assert_eq!(aggregations(&on_value), [("I,UB,UA".to_owned(), true)]);
    let on_key = planned("INSERT INTO hole SELECT k, COUNT(*) FROM t GROUP BY k HAVING k LIKE 'a%'");
    assert_eq!(aggregations(&on_key), [("I,UA".to_owned(), false)]);
}

#[test]
fn distinct_rows_never_change() {
    let graph = planned("INSERT INTO appended SELECT DISTINCT k, a FROM t");
    assert_eq!(aggregations(&graph), [("I".to_owned(), false)]);
}

#[test]
fn a_sink_of_inserts_refuses_updates_by_name() {
    let message = mistake("INSERT INTO appended SELECT k, COUNT(*) FROM t GROUP BY k");
    assert!(message.contains("table sink 'appended' doesn't support consuming update changes"), "{message}");
    assert!(message.contains("GroupAggregate(groupBy=[k]"), "{message}");
}

#[test]
fn a_join_gives_what_its_inputs_give() {
    let graph = planned("INSERT INTO hole SELECT t.k, c.a FROM t JOIN changes c ON t.k = c.k");
    let join = graph.nodes.iter().find_map(|node| match &node.operator {
        OperatorSpec::Join(join) => Some((join.left_input, join.right_input, node.changelog)),
        _ => None,
    });
    let (left, right, output) = join.unwrap();
    assert_eq!((left.to_string(), right.to_string()), ("I".to_owned(), "I,UB,UA,D".to_owned()));
    assert_eq!(output.to_string(), "I,UB,UA,D");
}

#[test]
fn semi_joins_take_back_what_the_right_side_takes_back_and_anti_joins_anything() {
    let modes = |script: &str| {
        let graph = planned(script);
        let join = graph.nodes.iter().find(|node| matches!(node.operator, OperatorSpec::SemiJoin(_))).unwrap();
        join.changelog.to_string()
    };
    assert_eq!(modes("INSERT INTO appended SELECT k, a FROM t WHERE k IN (SELECT k FROM t WHERE a > 3)"), "I");
    assert_eq!(modes("INSERT INTO hole SELECT k, a FROM t WHERE k IN (SELECT k FROM changes)"), "I,D");
    assert_eq!(
        modes("INSERT INTO hole SELECT k, a FROM t WHERE NOT EXISTS (SELECT 1 FROM t u WHERE u.k = t.k)"),
        "I,D"
    );
    assert_eq!(modes("INSERT INTO hole SELECT k, a FROM changes WHERE k IN (SELECT k FROM t)"), "I,UB,UA,D");
}

#[test]
fn a_window_is_told_what_its_input_carries() {
    let script = "
        CREATE TABLE changed (k STRING, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'cdc');
        SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE changed, DESCRIPTOR(at), INTERVAL '1' HOUR))
        GROUP BY window_start, window_end";
    let graph = planned(script);
    let input = graph.nodes.iter().find_map(|node| match &node.operator {
        OperatorSpec::WindowAggregate(spec) => Some(spec.input.to_string()),
        _ => None,
    });
    assert_eq!(input.as_deref(), Some("I,UB,UA,D"));
}

#[test]
fn upserts_cannot_be_aggregated_without_what_they_replace() {
    let message = mistake("INSERT INTO hole SELECT k, SUM(a) FROM upserts GROUP BY k");
    assert!(message.contains("table 'upserts'") && message.contains("-U"), "{message}");
}

#[test]
fn updates_reach_a_keyed_sink_by_its_key() {
    let by_key = planned("INSERT INTO keyed SELECT k, COUNT(*) FROM t GROUP BY k");
    let into_sink =
        |graph: &JobGraph| graph.edges.iter().find(|e| e.to == graph.nodes.len() - 1).unwrap().partitioning.clone();
    assert_eq!(into_sink(&by_key), Partitioning::Forward, "the aggregation has spread them by the key already");
    let from_source = planned("INSERT INTO keyed SELECT k, a FROM upserts");
    assert_eq!(into_sink(&from_source), Partitioning::Hash(vec![0]));
    let message = mistake("INSERT INTO keyed SELECT CAST(a AS STRING), COUNT(*) FROM t GROUP BY a, b");
    assert!(message.contains("differs from the table's primary key [k]"), "{message}");
}

#[test]
fn a_key_is_lost_where_rows_go_by_another_column() {
    // Both halves of an update of `k` can reach different subtasks of the join.
    let message = mistake(
        "INSERT INTO keyed SELECT l.k, r.a FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) l
         JOIN (SELECT a, COUNT(*) AS n FROM t GROUP BY a) r ON l.n = r.n",
    );
    assert!(message.contains("updates rows by the key none"), "{message}");
    planned(
        "INSERT INTO keyed SELECT l.k, r.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) l
         JOIN (SELECT k, COUNT(*) AS n FROM t GROUP BY k) r ON l.k = r.k",
    );
}

#[test]
fn a_key_is_lost_by_a_cast_that_makes_different_values_equal() {
    let one = |column: &str| {
        format!(
            "CREATE TABLE numbers (d DOUBLE, i INT) WITH ('connector' = 'datagen');
             CREATE TABLE big (k BIGINT PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ('connector' = 'upsert');
             INSERT INTO big SELECT CAST({column} AS BIGINT), COUNT(*) FROM numbers GROUP BY {column}"
        )
    };
    planned(&one("i"));
    let message = mistake(&one("d"));
    assert!(message.contains("differs from the table's primary key [k]"), "{message}");
}

#[test]
fn a_global_aggregation_runs_once_and_so_does_what_follows() {
    let graph = planned("SELECT COUNT(*), MAX(a) + 1 FROM t WHERE b > 0");
    let parallelisms: Vec<_> = graph.nodes.iter().map(|node| node.parallelism).collect();
    assert_eq!(parallelisms, [None, None, Some(1), Some(1), Some(1)]);
    assert!(graph.edges.iter().any(|edge| edge.partitioning == Partitioning::Global));
}

#[test]
fn a_rank_replaces_rows_by_number_or_as_the_only_one() {
    let from = |input: &str, wanted: &str| {
        format!("FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM {input}) WHERE {wanted}")
    };
    let only = planned(&format!("INSERT INTO keyed SELECT k, a {}", from("t", "rn = 1")));
    assert_eq!(sink_input(&only), "I,UA");
    assert!(
        only.edges.iter().all(|edge| edge.to != only.nodes.len() - 1 || edge.partitioning == Partitioning::Forward)
    );
    let two = planned(&format!("INSERT INTO printed SELECT k, a {}", from("t", "rn < 3")));
    assert_eq!(sink_input(&two), "I,D");
    let numbered = planned(&format!("INSERT INTO printed SELECT k, rn {}", from("t", "rn BETWEEN 2 AND 3")));
    assert_eq!(sink_input(&numbered), "I,UB,UA");
    let updated = "(SELECT k, b, COUNT(*) AS a FROM t GROUP BY k, b)";
    let of_updates = planned(&format!("INSERT INTO printed SELECT k, rn {}", from(updated, "rn <= 3")));
    assert_eq!(sink_input(&of_updates), "I,UB,UA,D");
    let refused = mistake(&format!("INSERT INTO keyed SELECT k, a {}", from("t", "rn <= 2")));
    assert!(refused.contains("differs from the table's primary key [k]"), "{refused}");
}

#[test]
fn changes_with_event_time_are_ranked_and_joined_like_any_others() {
    let graph = planned(
        "CREATE TABLE timed (k STRING, a BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'cdc');
         INSERT INTO printed SELECT l.k, r.a
         FROM (SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM timed) WHERE rn = 1) l
         JOIN timed r ON l.k = r.k
         JOIN timed s ON r.k = s.k AND r.ts BETWEEN s.ts AND s.ts + INTERVAL '1' MINUTE",
    );
    let by_time =
        |node: &graph::Node| matches!(node.operator, OperatorSpec::Deduplicate(_) | OperatorSpec::IntervalJoin(_));
    assert!(!graph.nodes.iter().any(by_time));
    assert!(graph.nodes.iter().any(|node| matches!(node.operator, OperatorSpec::Rank(_))));
}

#[test]
fn a_window_needs_times_that_are_kept() {
    let script = |input: &str| {
        format!(
            "CREATE TABLE timed (k STRING, a BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = '{input}');
             INSERT INTO printed SELECT k, n
             FROM (SELECT k, COUNT(*) AS n, window_end
                   FROM TABLE(TUMBLE(TABLE (
                       SELECT l.k, l.ts FROM timed l JOIN timed r
                       ON l.k = r.k AND l.ts BETWEEN r.ts AND r.ts + INTERVAL '1' MINUTE),
                     DESCRIPTOR(ts), INTERVAL '1' HOUR))
                   GROUP BY k, window_start, window_end)"
        )
    };
    let refused = mistake(&script("cdc"));
    assert!(refused.contains("does not keep the order of time"), "{refused}");
    let graph = planned(&script("datagen"));
    assert!(graph.nodes.iter().any(|node| matches!(node.operator, OperatorSpec::IntervalJoin(_))));
}
