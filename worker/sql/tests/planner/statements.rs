//! Statements other than queries.

use sql::{JobKind, Outcome};

use crate::support::{error, job, nexmark, session, text};

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
name | type | null | key | extras | watermark | comment
id | BIGINT | FALSE | PRI |  |  | the id
price | DECIMAL(10, 2) | TRUE |  |  |  |
note | VARCHAR(20) | TRUE |  |  |  |
tags | ARRAY<STRING> | TRUE |  |  |  |
attributes | MAP<STRING, ROW<`a` INT, `b` TIMESTAMP_LTZ(3)>> | TRUE |  |  |  |
at | TIMESTAMP(3) | TRUE |  |  | at - INTERVAL '5' SECOND |
total | DECIMAL(21, 2) | TRUE |  | AS price * 2 |  |";
    let normal = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(normal(&described), normal(expected));
    assert_eq!(text(&mut session, "SHOW TABLES"), "large\norders");
    assert_eq!(text(&mut session, "SHOW VIEWS"), "large");
    assert!(text(&mut session, "DESCRIBE large").contains("cost | DECIMAL(21, 2)"));
    assert_eq!(
        text(&mut session, "SHOW CREATE VIEW large"),
        "CREATE VIEW `default_catalog`.`default_database`.`large` (`id`, `cost`) AS\n\
         SELECT id, total FROM orders WHERE total > 100"
    );
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
    // What is declared comes first; types that are declared count.
    let script = "CREATE TABLE dearer (
            note STRING, twice DECIMAL(20, 0), thrice AS auction * 3, PRIMARY KEY (auction) NOT ENFORCED
        ) WITH ('connector' = 'upsert') AS SELECT auction, price * 2 AS twice FROM bid";
    let planned = job(&mut session, script);
    let names: Vec<_> = planned.graph.nodes.last().unwrap().schema.fields.iter().map(|f| f.name.clone()).collect();
    assert_eq!(names, ["note", "twice", "auction"]);
    assert!(text(&mut session, "DESCRIBE dearer").contains("twice | DECIMAL(20, 0)"));
    let refused = "CREATE TABLE a (b AS 1) WITH ('connector' = 'x') AS SELECT 1 AS b";
    let message = crate::support::error(&mut session, refused).message;
    assert!(message.contains("column 'b' comes from the query and must be physical"), "{message}");
}

#[test]
fn a_table_that_is_replaced_by_a_query_stays_if_the_query_is_wrong() {
    let mut session = nexmark();
    session.run("CREATE TABLE t (old INT) WITH ('connector' = 'blackhole')").unwrap();
    let wrong = "CREATE OR REPLACE TABLE t WITH ('connector' = 'datagen') AS SELECT COUNT(*) AS n FROM bid";
    crate::support::error(&mut session, wrong);
    assert!(text(&mut session, "DESCRIBE t").contains("old"));
    job(&mut session, "CREATE OR REPLACE TABLE t WITH ('connector' = 'blackhole') AS SELECT price FROM bid");
    assert!(text(&mut session, "DESCRIBE t").contains("price"));
    session.run("CREATE OR REPLACE TABLE t (new INT) WITH ('connector' = 'datagen')").unwrap();
    assert!(text(&mut session, "DESCRIBE t").contains("new"));
    let message = crate::support::error(&mut session, "CREATE OR REPLACE TABLE bid (a INT)").message;
    assert_eq!(message, "'bid' already exists");
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

const WRITTEN: &str = "\
CREATE TEMPORARY TABLE `default_catalog`.`default_database`.`t` (
  `id` BIGINT NOT NULL COMMENT 'who''s',
  `part` STRING,
  `at` TIMESTAMP(3) NOT NULL,
  `next` AS id + 1,
  WATERMARK FOR `at` AS at - INTERVAL '1' SECOND,
  CONSTRAINT `pk` PRIMARY KEY (`id`) NOT ENFORCED
)
COMMENT 'all'
DISTRIBUTED BY HASH (`id`) INTO 4 BUCKETS
PARTITIONED BY (`part`)
WITH (
  'connector' = 'datagen',
  'k' = 'it''s'
)";

#[test]
fn what_is_shown_of_a_table_declares_it_again() {
    let mut session = session();
    session
        .run(
            "CREATE TEMPORARY TABLE t (id BIGINT COMMENT 'who''s', part STRING, at TIMESTAMP(3) NOT NULL, next AS id + 1,
                WATERMARK FOR at AS at - INTERVAL '1' SECOND, CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED)
             COMMENT 'all' DISTRIBUTED BY HASH(id) INTO 4 BUCKETS PARTITIONED BY (part)
             WITH ('connector' = 'datagen', 'k' = 'it''s')",
        )
        .unwrap();
    assert_eq!(text(&mut session, "SHOW CREATE TABLE t"), WRITTEN);
    let described = text(&mut session, "DESCRIBE t");
    session.run("DROP TEMPORARY TABLE t").unwrap();
    session.run(WRITTEN).unwrap();
    assert_eq!(text(&mut session, "SHOW CREATE TABLE t"), WRITTEN);
    assert_eq!(text(&mut session, "DESCRIBE t"), described);
    session.run("CREATE TABLE u LIKE t (EXCLUDING DISTRIBUTION EXCLUDING PARTITIONS EXCLUDING OPTIONS)").unwrap();
    let like = text(&mut session, "SHOW CREATE TABLE u");
    assert!(like.contains("COMMENT 'who''s'") && like.contains("CONSTRAINT `pk`"), "{like}");
    assert!(
        !like.contains("'all'")
            && !like.contains("DISTRIBUTED")
            && !like.contains("PARTITIONED")
            && !like.contains("WITH"),
        "{like}"
    );
    session.run("CREATE TABLE v (a INT) DISTRIBUTED INTO 2 BUCKETS WITH ('connector' = 'x')").unwrap();
}

/// The columns of a table, as `DESCRIBE` names them.
fn names(session: &mut sql::Session, table: &str) -> Vec<String> {
    let described = text(session, &format!("DESCRIBE {table}"));
    described.lines().skip(1).map(|line| line.split(" | ").next().unwrap().to_owned()).collect()
}

#[test]
fn tables_are_altered() {
    let mut session = session();
    let mut run = |script: &str| session.run(script).unwrap_or_else(|error| panic!("{error}\n{script}"));
    run("CREATE TABLE t (a INT, b STRING, c AS a + 1) WITH ('connector' = 'datagen', 'k' = 'v', 'l' = 'w')");
    run("ALTER TABLE t ADD (d BIGINT NOT NULL FIRST, e TIMESTAMP(3) AFTER a, WATERMARK FOR e AS e,
            PRIMARY KEY (d) NOT ENFORCED)");
    run("ALTER TABLE t ADD f AS b || 'x' COMMENT 'six'");
    run("ALTER TABLE t MODIFY (b VARCHAR(3) AFTER f, WATERMARK FOR e AS e - INTERVAL '1' SECOND)");
    run("ALTER TABLE t RENAME d TO key");
    run("ALTER TABLE t SET ('k' = 'x', 'm' = 'y'); ALTER TABLE t RESET ('l')");
    run("ALTER TABLE IF EXISTS nothing ADD g INT");
    assert_eq!(names(&mut session, "t"), ["key", "a", "e", "c", "f", "b"]);
    let written = text(&mut session, "SHOW CREATE TABLE t");
    for part in [
        "PRIMARY KEY (`key`)",
        "`b` VARCHAR(3)",
        "`f` AS b || 'x' COMMENT 'six'",
        "AS e - INTERVAL '1' SECOND",
        "'k' = 'x',\n  'm' = 'y'\n",
    ] {
        assert!(written.contains(part), "{part} in {written}");
    }
    session
        .run("ALTER TABLE t DROP WATERMARK; ALTER TABLE t DROP PRIMARY KEY; ALTER TABLE t DROP (e, f, key); ALTER TABLE t RENAME TO u")
        .unwrap();
    assert_eq!(names(&mut session, "u"), ["a", "c", "b"]);
    let mut mistake = |script: &str| crate::support::error(&mut session, script).message;
    assert_eq!(mistake("DESCRIBE t"), "table 't' not found");
    assert_eq!(mistake("ALTER TABLE u DROP a"), "column 'a' is used by the computed column 'c'");
    assert_eq!(mistake("ALTER TABLE u RENAME a TO b"), "column 'b' is already in the table 'u'");
    assert_eq!(mistake("ALTER TABLE u ADD a INT"), "column 'a' is already in the table 'u'");
    assert_eq!(mistake("ALTER TABLE u MODIFY WATERMARK FOR a AS a"), "the table has no WATERMARK; ADD gives it one");
    assert!(mistake("ALTER TABLE u ADD WATERMARK FOR b AS b").contains("watermark column 'b' is VARCHAR(3)"));
    assert_eq!(names(&mut session, "u"), ["a", "c", "b"]);
}

#[test]
fn views_follow_their_tables() {
    let mut session = session();
    session
        .run(
            "CREATE TABLE t (a INT) WITH ('connector' = 'datagen');
             CREATE VIEW v (x) AS SELECT a FROM t; CREATE VIEW w AS SELECT x + 1 AS y FROM v;
             ALTER TABLE t ADD b INT; ALTER TABLE t SET ('rows-per-second' = '3')",
        )
        .unwrap();
    let graph = job(&mut session, "SELECT * FROM w").graph;
    let graph::OperatorSpec::Source(source) = &graph.nodes[0].operator else { panic!("no source") };
    assert_eq!(source.table.options["rows-per-second"], "3");
    session.run("ALTER VIEW v AS SELECT b AS x FROM t; ALTER VIEW w RENAME TO z").unwrap();
    let graph = job(&mut session, "SELECT * FROM z").graph;
    let graph::OperatorSpec::Source(source) = &graph.nodes[0].operator else { panic!("no source") };
    assert_eq!(source.columns[0].path, ["b"]);
    session.run("CREATE OR REPLACE VIEW v AS SELECT a AS x FROM t; DROP TABLE t").unwrap();
    assert_eq!(crate::support::error(&mut session, "SELECT * FROM v").message, "view 'v': table 't' not found");
    let twice = crate::support::error(&mut session, "CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1");
    assert_eq!(twice.message, "OR REPLACE and IF NOT EXISTS exclude each other");
}

#[test]
fn databases_hold_tables_of_the_same_name() {
    let mut session = session();
    let script = "
        CREATE DATABASE IF NOT EXISTS other COMMENT 'x' WITH ('k' = 'v');
        CREATE TABLE t (a INT) WITH ('connector' = 'datagen');
        CREATE TABLE other.t (b INT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen');
        USE other;
        CREATE VIEW v AS SELECT t.b, d.a FROM t JOIN default_database.t AS d ON t.b = d.a;
        CREATE TABLE s (b INT, a INT) WITH ('connector' = 'blackhole');
        USE CATALOG default_catalog;
        INSERT INTO default_catalog.other.s SELECT * FROM v";
    let planned = job(&mut session, script);
    assert!(matches!(planned.kind, JobKind::Insert { sinks } if sinks == ["other.s"]));
    let mut uids: Vec<_> = planned.graph.nodes.iter().map(|node| node.uid.as_str()).collect();
    uids.sort();
    let has = |prefix: &str| uids.iter().any(|uid| uid.starts_with(prefix));
    assert!(has("source-other.t-") && has("source-t-"), "{uids:?}");
    assert_eq!(text(&mut session, "SHOW TABLES"), "s\nt\nv");
    assert_eq!(text(&mut session, "SHOW TABLES FROM default_database"), "t");
    assert_eq!(text(&mut session, "SHOW VIEWS IN default_catalog.other LIKE 'v'"), "v");
    assert_eq!(text(&mut session, "SHOW CURRENT DATABASE"), "other");
    assert_eq!(text(&mut session, "SHOW DATABASES"), "default_database\nother");
    let windows = "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE other.t, DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY window_start, window_end";
    job(&mut session, windows);
    job(&mut session, "WITH t AS (SELECT 1 AS one) SELECT one FROM t");
    let mut mistake = |script: &str| crate::support::error(&mut session, script).message;
    assert_eq!(mistake("CREATE DATABASE other"), "database 'other' already exists");
    assert_eq!(mistake("DROP DATABASE other"), "database 'other' is the current one and cannot be dropped");
    assert!(mistake("DROP DATABASE default_database").contains("is not empty"));
    session.run("USE default_database; DROP DATABASE other CASCADE; DROP DATABASE IF EXISTS other RESTRICT").unwrap();
    assert_eq!(crate::support::error(&mut session, "SELECT * FROM other.t").message, "table 'other.t' not found");
}

#[test]
fn options_are_given_where_a_table_is_used() {
    let mut session = session();
    let script = "
        CREATE TABLE t (a INT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen', 'k' = '1');
        CREATE TABLE s (a INT) WITH ('connector' = 'blackhole');
        INSERT INTO s /*+ OPTIONS('x' = 'y') */
            SELECT t.a FROM t /*+ options('k'='2', 'l'='3') */ UNION ALL SELECT l.a FROM t l, t /*+ OPTIONS('k'='4')*/ AS r
            WHERE l.a = r.a";
    let graph = job(&mut session, script).graph;
    let option = |key: &str| {
        let tables = graph.nodes.iter().filter_map(|node| match &node.operator {
            graph::OperatorSpec::Source(source) => Some(&source.table),
            graph::OperatorSpec::Sink(sink) => Some(&sink.table),
            _ => None,
        });
        tables.map(|table| table.options.get(key).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(option("k"), ["2", "1", "4", ""]);
    assert_eq!(option("x"), ["", "", "", "y"]);
    let windows =
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t /*+ OPTIONS('k'='7') */, DESCRIPTOR(at), INTERVAL '1' DAY))
        GROUP BY window_start, window_end";
    let graph = job(&mut session, windows).graph;
    let graph::OperatorSpec::Source(source) = &graph.nodes[0].operator else { panic!("no source") };
    assert_eq!(source.table.options["k"], "7");
    session.run("CREATE VIEW v AS SELECT a FROM t").unwrap();
    let mut mistake = |script: &str| crate::support::error(&mut session, script).message;
    assert!(mistake("SELECT * FROM v /*+ OPTIONS('k'='v') */").contains("'v' is a view: it takes no OPTIONS"));
    assert!(mistake("SELECT a /*+ OPTIONS('k'='v') */ FROM t").contains("belongs behind the name of a table"));
    assert!(mistake("SELECT * FROM t /*+ OPTIONS('k'='v'), BROADCAST(t) */").contains("stands alone"));
}

#[test]
fn partitions_are_given_with_the_insert() {
    let mut session = session();
    let script = "
        CREATE TABLE t (a INT, day STRING, hour INT) PARTITIONED BY (day, hour) WITH ('connector' = 'blackhole');
        INSERT INTO t PARTITION (day = '2020-01-01', hour) SELECT 1 AS x, 5 AS y";
    let graph = job(&mut session, script).graph;
    let has_day = graph.nodes.iter().any(|node| match &node.operator {
        graph::OperatorSpec::Calc(calc) => format!("{:?}", calc.projection).contains("2020-01-01"),
        _ => false,
    });
    assert!(has_day, "{graph:?}");
    job(&mut session, "INSERT INTO t PARTITION (day = 'x', hour = 1) (a) VALUES (1), (2)");
    let mut mistake = |script: &str| crate::support::error(&mut session, script).message;
    assert_eq!(mistake("INSERT INTO t PARTITION (a = 1) SELECT 'x', 1"), "column 'a' is no partition column of 't'");
    assert_eq!(mistake("INSERT INTO t PARTITION (day = 'x') (day) SELECT 'x'"), "column 'day' is given twice");
}

#[test]
fn plans_are_explained_as_json() {
    let mut session = nexmark();
    let json = text(&mut session, "EXPLAIN CHANGELOG_MODE, JSON_EXECUTION_PLAN SELECT price FROM bid WHERE price > 3");
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    let nodes = plan["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["pact"], "Data Source");
    assert_eq!(nodes[1]["predecessors"][0]["id"], 1);
    let set = "EXPLAIN STATEMENT SET BEGIN
        INSERT INTO a SELECT price FROM bid; INSERT INTO b SELECT auction FROM bid; END";
    let tables = "CREATE TABLE a (p BIGINT) WITH ('connector' = 'blackhole'); CREATE TABLE b LIKE a;";
    let explained = text(&mut session, &format!("{tables} {set}"));
    assert!(explained.contains("Sink(table=[a]") && explained.contains("Sink(table=[b]"), "{explained}");
    let created = "EXPLAIN CREATE TABLE c WITH ('connector' = 'blackhole') AS SELECT price FROM bid";
    assert!(text(&mut session, created).contains("Sink(table=[c], columns=[price])"));
    assert_eq!(crate::support::error(&mut session, "DESCRIBE c").message, "table 'c' not found");
}

/// The tables that a script's last query reads.
fn read(script: &str) -> Vec<String> {
    let nodes = job(&mut session(), script).graph.nodes;
    let tables = nodes.into_iter().filter_map(|node| match node.operator {
        graph::OperatorSpec::Source(source) => Some(source.table.name),
        _ => None,
    });
    tables.collect()
}

#[test]
fn a_view_does_not_read_itself() {
    let tables = "CREATE TABLE t (x INT) WITH ('connector' = 'datagen');";
    for (script, part) in [
        ("CREATE VIEW v AS SELECT x FROM t; CREATE OR REPLACE VIEW v AS SELECT x + 1 AS x FROM v", "it reads itself"),
        ("CREATE VIEW v AS SELECT x FROM t; ALTER VIEW v AS SELECT x FROM v", "it reads itself"),
        (
            "CREATE VIEW a AS SELECT x FROM t; CREATE VIEW b AS SELECT x FROM a; ALTER VIEW a AS SELECT x FROM b",
            "view 'b': view 'a': it reads itself",
        ),
        // By names that are given anew.
        (
            "CREATE VIEW v AS SELECT x FROM t; DROP TABLE t; ALTER VIEW v RENAME TO t; SELECT * FROM t",
            "it reads itself",
        ),
    ] {
        let error = error(&mut session(), &format!("{tables} {script}"));
        assert!(error.message.contains(part) && error.line == 1, "{script}: {error}");
    }
    let views: String =
        (0..40).map(|number| format!("CREATE VIEW v{} AS SELECT * FROM v{number};", number + 1)).collect();
    let error = error(&mut session(), &format!("{tables} CREATE VIEW v0 AS SELECT * FROM t; {views}"));
    assert!(error.message.contains("more than 32 views"), "{error}");
}

#[test]
fn names_from_with_are_known_in_their_query_only() {
    let tables = "CREATE TABLE t (x INT) WITH ('connector' = 'datagen'); CREATE DATABASE o;
        CREATE TABLE o.t (x INT) WITH ('connector' = 'datagen');";
    for (query, expected) in [
        ("WITH t AS (SELECT 42 AS x) SELECT x FROM default_database.t", "t"),
        ("WITH t AS (SELECT x FROM t) SELECT x FROM t", "t"),
        ("USE o; WITH t AS (SELECT x FROM t) SELECT x FROM t", "o.t"),
        ("USE o; SELECT x FROM (WITH t AS (SELECT 1 AS x) SELECT x FROM t) a UNION ALL SELECT x FROM t", "o.t"),
        ("USE o; WITH s AS (SELECT x FROM t) SELECT x FROM (SELECT x FROM s)", "o.t"),
    ] {
        let read = read(&format!("{tables} {query}"));
        assert_eq!(read.iter().filter(|name| *name != "values").collect::<Vec<_>>(), [expected], "{query}");
    }
}

#[test]
fn metadata_stays_what_it_is_under_another_name() {
    let mut session = session();
    session.run("CREATE TABLE f (a INT, `file.name` STRING METADATA) WITH ('connector' = 'files')").unwrap();
    session.run("ALTER TABLE f RENAME `file.name` TO n").unwrap();
    assert!(text(&mut session, "SHOW CREATE TABLE f").contains("METADATA FROM 'file.name'"));
}

#[test]
fn columns_of_one_name_get_numbers() {
    let tables = "CREATE TABLE a (id INT, ts INT) WITH ('connector' = 'datagen');
        CREATE TABLE b (id INT, ts INT) WITH ('connector' = 'datagen');";
    for (query, expected) in [
        ("SELECT *, ts FROM a", ["id", "ts", "ts0"].as_slice()),
        ("SELECT *, ts + 1 AS ts FROM a", &["id", "ts", "ts0"]),
        ("SELECT b.*, a.* FROM a JOIN b ON a.id = b.id", &["id", "ts", "id0", "ts0"]),
        ("SELECT * FROM a JOIN b ON a.id = b.id", &["id", "ts", "id0", "ts0"]),
        ("SELECT ts0 FROM (SELECT * FROM a JOIN b ON a.id = b.id)", &["ts0"]),
        (
            "WITH j AS (SELECT a.*, b.ts FROM a, b WHERE a.id = b.id) SELECT ts0, j.* FROM j",
            &["ts0", "id", "ts", "ts00"],
        ),
        ("CREATE VIEW v AS SELECT * FROM a JOIN b ON a.id = b.id; SELECT * FROM v", &["id", "ts", "id0", "ts0"]),
        ("WITH s AS (SELECT id FROM a), d AS (SELECT *, id FROM s) SELECT * FROM d", &["id", "id0"]),
    ] {
        let planned = job(&mut session(), &format!("{tables} {query}"));
        let sql::JobKind::Select { schema, .. } = planned.kind else { panic!("{query}") };
        let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, expected, "{query}");
    }
}
