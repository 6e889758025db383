//! Statements other than queries.

use sql::{JobKind, Outcome};

use crate::support::{job, nexmark, session, text};

#[test]
fn settings_are_in_force_from_where_they_are_set() {
    let mut session = session();
    session.set("parallelism.default", "2");
    let script = "
        SET 'pipeline.name' = 'counts'; -- a comment
        SELECT 1;
        SET 'table.exec.mini-batch.enabled' = 'true';
        SELECT 2;
        RESET 'pipeline.name';";
    let outcomes = session.run(script).unwrap();
    let jobs: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Job(job) => (job.graph.name.clone(), job.settings.len()),
            Outcome::Text(text) => panic!("{text}"),
        })
        .collect();
    assert_eq!(jobs, [("counts".to_owned(), 2), ("counts".to_owned(), 3)]);
    assert_eq!(session.settings().len(), 2);
    assert_eq!(session.settings()["parallelism.default"], "2");
}

#[test]
fn each_insert_is_a_job() {
    let mut session = nexmark();
    let script = "
        CREATE TEMPORARY TABLE a (p BIGINT) WITH ('connector' = 'blackhole');
        CREATE TABLE IF NOT EXISTS a (p STRING) WITH ('connector' = 'blackhole');
        INSERT INTO a SELECT price FROM bid;
        INSERT INTO a SELECT id FROM person;
        SELECT price FROM bid;";
    let outcomes = session.run(script).unwrap();
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Job(job) => match &job.kind {
                JobKind::Insert { sinks } => sinks.join(","),
                JobKind::Select { schema, changelog } => format!("{} {changelog}", schema.fields[0].name),
            },
            Outcome::Text(text) => panic!("{text}"),
        })
        .collect();
    assert_eq!(kinds, ["a", "a", "price I"]);
}

#[test]
fn tables_are_described_and_listed() {
    let mut session = session();
    let script = "
        CREATE TABLE orders (
            id BIGINT NOT NULL COMMENT 'the id',
            price DECIMAL(10, 2),
            note VARCHAR(20),
            tags ARRAY<STRING>,
            attributes MAP<STRING, ROW<a INT, b TIMESTAMP_LTZ(3)>>,
            at TIMESTAMP(3),
            total AS price * 2,
            WATERMARK FOR at AS at - INTERVAL '5' SECOND,
            CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED
        ) COMMENT 'orders' PARTITIONED BY (note) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
        CREATE VIEW large (id, cost) AS SELECT id, total FROM orders WHERE total > 100;
        DESCRIBE orders";
    let described = text(&mut session, script);
    let expected = "\
name | type | null | key | extras | watermark
id | BIGINT | FALSE | PRI |  | 
price | DECIMAL(10, 2) | TRUE |  |  | 
note | VARCHAR(20) | TRUE |  |  | 
tags | ARRAY<STRING> | TRUE |  |  | 
attributes | MAP<STRING, ROW<`a` INT, `b` TIMESTAMP_LTZ(3)>> | TRUE |  |  | 
at | TIMESTAMP(3) | TRUE |  |  | at - INTERVAL '5' SECOND
total | DECIMAL(21, 2) | TRUE |  | AS price * 2 | ";
    let normal = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(normal(&described), normal(expected));
    assert_eq!(text(&mut session, "SHOW TABLES"), "large\norders");
    assert_eq!(text(&mut session, "SHOW VIEWS"), "large");
    assert!(text(&mut session, "DESCRIBE large").contains("cost | DECIMAL(21, 2)"));
    assert!(text(&mut session, "SHOW CREATE VIEW large").starts_with("CREATE VIEW large (id, cost) AS SELECT"));
    assert_eq!(text(&mut session, "SHOW TABLES LIKE 'l%'"), "large");
    assert_eq!(text(&mut session, "SHOW TABLES NOT LIKE 'l_rge'"), "orders");
    assert_eq!(text(&mut session, "SHOW CURRENT CATALOG"), "default_catalog");
    assert_eq!(text(&mut session, "SHOW COLUMNS FROM large LIKE 'i%'").lines().count(), 2);
    assert!(text(&mut session, "SHOW FUNCTIONS ILIKE 'to_d%'").contains("TO_DATE"));
    assert!(text(&mut session, "SHOW FUNCTIONS").lines().any(|line| line == "DATE_FORMAT"));
    session.run("DROP VIEW large; DROP TABLE IF EXISTS large; DROP TABLE orders").unwrap();
    assert_eq!(text(&mut session, "SHOW TABLES"), "");
}

#[test]
fn a_table_keeps_its_key_and_partitions() {
    let script = "
        CREATE TABLE t (a INT, `group` STRING, b AS a + 1, c INT, PRIMARY KEY (c, a) NOT ENFORCED)
        PARTITIONED BY (`group`) WITH ('connector' = 'upsert', 'k' = 'it''s');
        INSERT INTO t SELECT 1, 'x', 2";
    let graph = job(&mut session(), script).graph;
    let graph::OperatorSpec::Sink(sink) = &graph.nodes.last().unwrap().operator else { panic!("no sink") };
    assert_eq!(sink.table.schema.fields.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a", "group", "c"]);
    assert_eq!(sink.table.primary_key, [2, 0]);
    assert_eq!(sink.table.partitioned_by, [1]);
    assert_eq!(sink.table.options["k"], "it's");
}

#[test]
fn words_of_sql_are_names_where_flink_lets_them() {
    let script = "
        CREATE TABLE t (name STRING, state STRING, category INT, channel STRING, url STRING, extra STRING, num BIGINT)
        WITH ('connector' = 'datagen');
        SELECT name, state, category, channel, url, extra, num FROM t";
    job(&mut session(), script);
}

#[test]
fn a_table_may_be_like_another() {
    let base = "
        CREATE TABLE base (
            id BIGINT, price INT, at TIMESTAMP(3), total AS price * 2,
            WATERMARK FOR at AS at - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED
        ) PARTITIONED BY (price) WITH ('connector' = 'datagen', 'rows-per-second' = '1');";
    let described = |create: &str| {
        let mut session = session();
        let lines = text(&mut session, &format!("{base} {create}; DESCRIBE t"));
        lines.lines().skip(1).map(|line| line.replace(" |  ", "").trim().to_owned()).collect::<Vec<_>>()
    };
    let all = described("CREATE TABLE t (note STRING) WITH ('rows-per-second' = '2') LIKE base");
    assert_eq!(all.len(), 5);
    assert!(all[0].contains("PRI") && all[3].contains("AS price * 2") && all[4].starts_with("note"), "{all:?}");
    assert!(all[2].contains("INTERVAL '5' SECOND"), "{all:?}");
    let some = described(
        "CREATE TABLE t (note STRING, total AS price * 3, WATERMARK FOR at AS at) WITH ('connector' = 'x')
         LIKE base (EXCLUDING OPTIONS EXCLUDING CONSTRAINTS OVERWRITING GENERATED OVERWRITING WATERMARKS)",
    );
    assert!(!some[0].contains("PRI") && some[4].contains("AS price * 3"), "{some:?}");
    assert!(!some[2].contains("INTERVAL"), "{some:?}");
    let mistake = |create: &str| crate::support::error(&mut session(), &format!("{base} {create}")).message;
    assert!(mistake("CREATE TABLE t (price INT) LIKE base").contains("column 'price' is already in the table 'base'"));
    assert!(mistake("CREATE TABLE t (WATERMARK FOR at AS at) LIKE base").contains("a WATERMARK is declared here and"));
    assert!(mistake("CREATE TABLE t LIKE nothing").contains("table 'nothing' not found"));
    assert!(mistake("CREATE TABLE t WITH ('a' = 'b')").contains("the columns, LIKE or AS"));
}

#[test]
fn a_table_may_be_made_of_a_query() {
    let mut session = nexmark();
    let script = "CREATE TABLE dear WITH ('connector' = 'blackhole') AS SELECT auction, price * 2 AS twice FROM bid";
    let planned = job(&mut session, script);
    assert!(matches!(planned.kind, JobKind::Insert { sinks } if sinks == ["dear"]));
    assert!(text(&mut session, "DESCRIBE dear").contains("twice | BIGINT"));
    let message =
        crate::support::error(&mut session, "CREATE TABLE a (b INT) WITH ('connector' = 'x') AS SELECT 1").message;
    assert!(message.contains("are those of its query"), "{message}");
}

#[test]
fn functions_are_declared_under_any_name() {
    let mut session = nexmark();
    let script = "
        CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS hits AS 'com.github.nexmark.flink.udf.CountChar' LANGUAGE JAVA
            USING JAR 'nexmark.jar';
        CREATE VIEW counted AS SELECT HITS(extra, 'c') AS n FROM bid;
        EXPLAIN SELECT n FROM counted";
    assert!(text(&mut session, script).contains("COUNT_CHAR(bid.extra, 'c') AS n"));
    session.run("DROP TEMPORARY SYSTEM FUNCTION hits; DROP FUNCTION IF EXISTS hits").unwrap();
    assert!(
        crate::support::error(&mut session, "SELECT hits(extra, 'c') FROM bid").message.contains("'hits' not found")
    );
}
