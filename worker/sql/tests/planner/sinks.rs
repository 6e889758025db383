//! What sinks ask for: rows by partition, event time, a parallelism.

use graph::{JobGraph, OperatorSpec, Partitioning};

use crate::support::{error, job, nexmark, session};

#[test]
fn a_sink_may_want_partitions_together_and_event_time() {
    let mut session = session();
    session
        .run(
            "CREATE TABLE t (a INT, dt STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'x');
             CREATE TABLE u (a INT, dt STRING) PARTITIONED BY (dt) WITH ('connector' = 'x', 'by-partition' = 'y')",
        )
        .unwrap();
    let graph = job(&mut session, "INSERT INTO u SELECT a, dt FROM t").graph;
    assert_eq!(graph.edges.last().unwrap().partitioning, Partitioning::Hash(vec![1]));
    let has_watermark = |graph: &JobGraph| {
        graph.nodes.iter().any(|node| matches!(&node.operator, OperatorSpec::Source(s) if s.watermark.is_some()))
    };
    assert!(!has_watermark(&graph), "nobody needs it");
    session.run("CREATE TABLE v (a INT) WITH ('connector' = 'x', 'event-time' = 'y')").unwrap();
    assert!(has_watermark(&job(&mut session, "INSERT INTO v SELECT a FROM t").graph));

    session.run("CREATE TABLE w (record STRING) WITH ('connector' = 'x', 'by-partition' = 'y')").unwrap();
    session.set("pipeline.dead-letter-table", "w");
    let message = error(&mut session, "INSERT INTO v SELECT a FROM t").message;
    let expected =
        "option 'pipeline.dead-letter-table': every task writes the table 'w', so its rows cannot come by partition";
    assert_eq!(message, expected);
}

#[test]
fn a_sink_has_the_parallelism_of_its_table_and_its_rows_stay_in_order() {
    let planned = |parallelism: u32, key: &str, query: &str| {
        let mut session = nexmark();
        let table = format!(
            "CREATE TABLE o (a BIGINT NOT NULL, n BIGINT NOT NULL{key})
             WITH ('connector' = 'print', 'sink.parallelism' = '{parallelism}')"
        );
        session.run(&table).unwrap();
        session.run(&format!("INSERT INTO o {query}")).map(|mut outcomes| match outcomes.pop() {
            Some(sql::Outcome::Job(job)) => {
                let last = job.graph.nodes.len() - 1;
                let into = job.graph.inputs(last).next().unwrap().partitioning.clone();
                (job.graph.nodes[last].parallelism, into)
            }
            other => panic!("{other:?}"),
        })
    };
    let (append, updates) = ("SELECT auction, price FROM bid", "SELECT auction, COUNT(*) FROM bid GROUP BY auction");
    let key = ", PRIMARY KEY (a) NOT ENFORCED";
    assert_eq!(planned(3, "", append), Ok((Some(3), Partitioning::Rebalance)));
    assert_eq!(planned(1, "", updates), Ok((Some(1), Partitioning::Global)));
    assert_eq!(planned(3, key, updates), Ok((Some(3), Partitioning::Hash(vec![0]))));
    assert!(planned(3, "", updates).unwrap_err().message.contains("'sink.parallelism' needs a PRIMARY KEY"));
}
