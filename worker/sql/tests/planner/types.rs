//! Types as `DESCRIBE` and `TYPEOF` give them: lengths of texts, and what is never null.

use graph::{Expr, OperatorSpec, Value};

use crate::support::{job, session, text};

const TABLE: &str = "CREATE TABLE t (i INT, k INT NOT NULL, s STRING, v VARCHAR(3), ts TIMESTAMP(3), dc DECIMAL(10, 2),
    PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'datagen');";

/// The type of an expression over the table, as `DESCRIBE` shows it for a view.
fn described(expression: &str) -> String {
    let script = format!("{TABLE} CREATE VIEW view_of AS SELECT {expression} AS x FROM t; DESCRIBE view_of");
    let shown = text(&mut session(), &script);
    let mut fields = shown.lines().nth(1).unwrap().split(" | ").skip(1);
    let (data_type, nullable) = (fields.next().unwrap(), fields.next().unwrap());
    if nullable == "FALSE" { format!("{data_type} NOT NULL") } else { data_type.to_owned() }
}

#[test]
fn views_know_what_is_never_null() {
    for (expression, expected) in [
        ("k", "INT NOT NULL"),
        ("k + 1", "INT NOT NULL"),
        ("i + k", "INT"),
        ("'ab'", "CHAR(2) NOT NULL"),
        ("'ab' || v", "VARCHAR(5)"),
        ("s || 'x'", "STRING"),
        ("k > 1 OR i > 1", "BOOLEAN"),
        ("k > 1 AND k < 5", "BOOLEAN NOT NULL"),
        ("i IS NULL", "BOOLEAN NOT NULL"),
        ("CAST(k AS BIGINT)", "BIGINT NOT NULL"),
        ("TRY_CAST(k AS BIGINT)", "BIGINT"),
        ("CASE WHEN i > 1 THEN 'a' ELSE 'bcd' END", "VARCHAR(3) NOT NULL"),
        ("CASE WHEN i > 1 THEN 'a' END", "CHAR(1)"),
        ("CASE k WHEN 1 THEN dc ELSE 2 END", "DECIMAL(12, 2)"),
        ("COALESCE(i, k)", "INT NOT NULL"),
        ("NULLIF(k, 1)", "INT"),
        ("SUBSTRING(v FROM 2)", "VARCHAR(3)"),
        ("ARRAY[1, i]", "ARRAY<INT> NOT NULL"),
        ("ARRAY['a', 'bc']", "ARRAY<VARCHAR(2) NOT NULL> NOT NULL"),
        ("MAP['a', 1]['a']", "INT"),
        ("(k, s)", "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` STRING> NOT NULL"),
        ("x'0102'", "BINARY(2) NOT NULL"),
        ("k BETWEEN SYMMETRIC 5 AND 1", "BOOLEAN NOT NULL"),
        ("i NOT BETWEEN SYMMETRIC 5 AND 1 AND TRUE", "BOOLEAN"),
        ("(ts, INTERVAL '1' HOUR) OVERLAPS (TIMESTAMP '2024-01-01 00:00:00', ts)", "BOOLEAN"),
        ("CURRENT_DATABASE()", "STRING NOT NULL"),
        ("JSON_VALUE(s, '$.a' RETURNING INT)", "INT"),
        ("TIMESTAMPADD(DAY, 1, ts)", "TIMESTAMP(3)"),
    ] {
        assert_eq!(described(expression), expected, "{expression}");
    }
}

#[test]
fn nullability_goes_through_queries() {
    for (query, expected) in [
        ("SELECT k AS x FROM (SELECT k FROM t WHERE i > 1)", "INT | FALSE"),
        ("SELECT x FROM (VALUES ('a'), ('bcd')) AS v(x)", "VARCHAR(3) | FALSE"),
        ("SELECT x FROM (VALUES (1), (CAST(NULL AS INT))) AS v(x)", "INT | TRUE"),
        ("SELECT 'a' AS x UNION ALL SELECT 'b'", "CHAR(1) | FALSE"),
        ("SELECT k AS x FROM t UNION ALL SELECT i FROM t", "INT | TRUE"),
        ("SELECT CAST(1.5 AS DECIMAL(10, 2)) AS x UNION ALL SELECT CAST(1e25 AS DOUBLE)", "DOUBLE | FALSE"),
        ("SELECT CAST(1.5 AS DECIMAL(5, 2)) AS x UNION ALL SELECT CAST(k AS BIGINT) FROM t", "DECIMAL(21, 2) | FALSE"),
        ("SELECT 'a' AS x UNION ALL SELECT 'bcd'", "VARCHAR(3) | FALSE"),
        ("SELECT x FROM (VALUES (1.5), (1e25)) AS v(x)", "DOUBLE | FALSE"),
        ("SELECT x FROM (VALUES (CAST(1.5 AS DECIMAL(5, 2))), (CAST(1 AS BIGINT))) AS v(x)", "DECIMAL(21, 2) | FALSE"),
        ("SELECT COUNT(*) AS x FROM t", "BIGINT | FALSE"),
        ("SELECT MAX(s) AS x FROM t GROUP BY k", "STRING | TRUE"),
        ("SELECT STDDEV_POP(dc) AS x FROM t GROUP BY k", "DECIMAL(38, 6) | TRUE"),
        ("SELECT STDDEV_POP(k) AS x FROM t GROUP BY k", "INT | FALSE"),
        ("SELECT LISTAGG(v) AS x FROM t", "VARCHAR(3) | TRUE"),
        ("SELECT LAST_VALUE(k) AS x FROM t", "INT | TRUE"),
        ("SELECT LAST_VALUE(k) AS x FROM t GROUP BY i", "INT | FALSE"),
        ("SELECT COLLECT(v) AS x FROM t", "MULTISET<VARCHAR(3)> | FALSE"),
        ("SELECT COLLECT(k) AS x FROM t GROUP BY i", "MULTISET<INT NOT NULL> | FALSE"),
        ("SELECT ARRAY_AGG(v) AS x FROM t GROUP BY k", "ARRAY<VARCHAR(3)> | TRUE"),
        ("SELECT ARRAY_AGG(k) AS x FROM t GROUP BY i", "ARRAY<INT NOT NULL> | FALSE"),
        ("SELECT JSON_ARRAYAGG(i) AS x FROM t", "VARCHAR(2000) | FALSE"),
        ("SELECT PERCENTILE(k, 0.5) AS x FROM t GROUP BY i", "DOUBLE | TRUE"),
        ("SELECT PERCENTILE(k, ARRAY[0.5]) AS x FROM t GROUP BY i", "ARRAY<DOUBLE> | TRUE"),
        ("SELECT $SUM0(i) AS x FROM t", "INT | FALSE"),
        ("SELECT TYPEOF(COLLECT(v)) AS x FROM t", "STRING | TRUE"),
    ] {
        let shown = text(&mut session(), &format!("{TABLE} CREATE VIEW w AS {query}; DESCRIBE w"));
        let line = shown.lines().nth(1).unwrap();
        assert!(line.starts_with(&format!("x | {expected}")), "{query}: {line}");
    }
}

/// The first expression of the query's Calc.
fn computed(script: &str) -> Expr {
    let job = job(&mut session(), &format!("{TABLE} {script}"));
    let calc = job.graph.nodes.iter().find_map(|node| match &node.operator {
        OperatorSpec::Calc(calc) => calc.projection.first().cloned(),
        _ => None,
    });
    calc.unwrap()
}

/// The text that a query gives in each row.
fn constant(query: &str) -> String {
    let job = job(&mut session(), &format!("{TABLE} {query}"));
    let texts = job.graph.nodes.into_iter().rev().filter_map(|node| match node.operator {
        OperatorSpec::Calc(calc) => calc.projection.into_iter().next(),
        _ => None,
    });
    let mut texts = texts.filter_map(|expr| match expr {
        Expr::Literal { value: Value::String(text), .. } => Some(text),
        _ => None,
    });
    texts.next().unwrap()
}

#[test]
fn typeof_is_known_when_planned() {
    let of_union = constant("SELECT TYPEOF(x) FROM (SELECT 'a' AS x UNION ALL SELECT 'bcd')");
    assert_eq!(of_union, "VARCHAR(3) NOT NULL");
    for (expression, expected) in [
        ("TYPEOF(1)", "INT NOT NULL"),
        ("TYPEOF(s)", "STRING"),
        ("TYPEOF(s, TRUE)", "VARCHAR(2147483647)"),
        ("TYPEOF(ARRAY['a'])", "ARRAY<CHAR(1) NOT NULL> NOT NULL"),
    ] {
        let Expr::Literal { value: Value::String(name), .. } = computed(&format!("SELECT {expression} FROM t")) else {
            panic!("{expression} is no constant");
        };
        assert_eq!(name, expected, "{expression}");
    }
}

/// Whether a function is called in an expression.
fn calls(expr: &Expr, name: &str) -> bool {
    let mut found = false;
    expr.visit(&mut |part| found |= matches!(part, Expr::Call { function, .. } if function == name));
    found
}

#[test]
fn the_zone_of_the_session_goes_into_expressions() {
    let zone = "SET 'table.local-time-zone' = 'Asia/Shanghai';";
    for (expression, function) in [
        ("CAST(TO_TIMESTAMP_LTZ(i, 3) AS TIMESTAMP(3))", expressions::TO_LOCAL),
        ("CAST(ts AS TIMESTAMP_LTZ(3))", expressions::TO_INSTANT),
        ("DATE_FORMAT(TO_TIMESTAMP_LTZ(i, 3), 'HH')", expressions::TO_LOCAL),
        ("ts > TO_TIMESTAMP_LTZ(i, 3)", expressions::TO_INSTANT),
        ("FROM_UNIXTIME(i)", expressions::TO_LOCAL),
        ("CURRENT_DATE", expressions::TO_LOCAL),
        ("EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(i, 3))", expressions::TO_LOCAL),
        ("CAST(ARRAY[TO_TIMESTAMP_LTZ(i, 3)] AS ARRAY<STRING>)", expressions::TO_LOCAL),
        ("CAST(ROW(TO_TIMESTAMP_LTZ(i, 3)) AS ROW<a STRING>)", expressions::TO_LOCAL),
        ("CAST(MAP['a', TO_TIMESTAMP_LTZ(i, 3)] AS STRING)", expressions::TO_LOCAL),
        ("CAST(ARRAY[ts] AS ARRAY<TIMESTAMP_LTZ(3)>)", expressions::TO_INSTANT),
        ("CAST(TO_TIMESTAMP_LTZ(i, 3) AS DATE)", expressions::TO_LOCAL),
        ("FLOOR(TO_TIMESTAMP_LTZ(i, 3) TO HOUR)", expressions::FLOOR_IN_ZONE),
        ("CEIL(TO_TIMESTAMP_LTZ(i, 3) TO HOUR)", expressions::CEIL_IN_ZONE),
        ("UNIX_TIMESTAMP('2020-01-01 00:00:00')", expressions::UNIX_TIMESTAMP_IN_ZONE),
        ("UNIX_TIMESTAMP('2020-01-01', 'yyyy-MM-dd')", expressions::UNIX_TIMESTAMP_IN_ZONE),
    ] {
        let query = format!("SELECT {expression} FROM t");
        assert!(calls(&computed(&format!("{zone} {query}")), function), "{expression}");
        assert!(!calls(&computed(&query), function), "{expression} in UTC");
    }
    let epoch = computed(&format!("{zone} SELECT EXTRACT(EPOCH FROM TO_TIMESTAMP_LTZ(i, 3)) FROM t"));
    assert!(!calls(&epoch, expressions::TO_LOCAL), "an epoch has no zone");
}

#[test]
fn zones_that_do_not_exist_are_refused() {
    let error = session().run("SET 'table.local-time-zone' = 'Mars/Olympus'; SELECT 1").unwrap_err();
    assert!(error.message.contains("'Mars/Olympus', which is no time zone"), "{error}");
}

const EVENTS: &str =
    "CREATE TABLE events (id INT, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen');";

/// The zones of the operators with windows of a query over `events`.
fn zones(zone: &str, query: &str) -> Vec<Option<String>> {
    let planned = job(&mut session(), &format!("SET 'table.local-time-zone' = '{zone}'; {EVENTS} {query}"));
    let zones = planned.graph.nodes.into_iter().filter_map(|node| match node.operator {
        OperatorSpec::WindowAggregate(spec) => Some(spec.zone),
        OperatorSpec::WindowAssign(spec) => Some(spec.zone),
        OperatorSpec::WindowJoin(spec) => Some(spec.zone),
        OperatorSpec::Rank(spec) => Some(spec.zone),
        _ => None,
    });
    zones.collect()
}

const HOURS: &str = "TABLE(TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' HOUR))";

#[test]
fn windows_over_instants_are_of_the_zone() {
    let berlin = || Some("Europe/Berlin".to_owned());
    let count = format!("SELECT window_start, COUNT(*) AS n FROM {HOURS} GROUP BY window_start, window_end");
    assert_eq!(zones("Europe/Berlin", &count), [berlin()]);
    assert_eq!(zones("UTC", &count), [None]);
    let join = format!(
        "SELECT l.id FROM {HOURS} l JOIN {HOURS} r
        ON l.window_start = r.window_start AND l.window_end = r.window_end AND l.id = r.id"
    );
    assert_eq!(zones("Europe/Berlin", &join), [berlin(), berlin()]);
    let first = format!(
        "SELECT id FROM (SELECT *, ROW_NUMBER() OVER
        (PARTITION BY window_start, window_end ORDER BY id) AS n FROM {HOURS}) WHERE n <= 3"
    );
    assert_eq!(zones("Europe/Berlin", &first), [berlin(), berlin()]);
    let session =
        "SELECT window_end FROM TABLE(SESSION(TABLE events PARTITION BY id, DESCRIPTOR(at), INTERVAL '1' HOUR))";
    assert_eq!(zones("Europe/Berlin", session), [berlin()]);
    let processing =
        "SELECT COUNT(*) FROM (SELECT *, PROCTIME() AS p FROM events) GROUP BY TUMBLE(p, INTERVAL '1' DAY)";
    assert_eq!(zones("Europe/Berlin", processing), [berlin()]);
    let local = "CREATE VIEW v AS SELECT id, window_time FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(at), INTERVAL '1' HOUR));
        SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(window_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end";
    assert_eq!(zones("Europe/Berlin", local), [berlin(), berlin()]);
}

#[test]
fn windows_over_local_times_are_of_no_zone() {
    let table = "CREATE TABLE local (id INT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen');";
    let query = "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE local, DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY window_start, window_end";
    assert_eq!(zones("Europe/Berlin", &format!("{table} {query}")), [None]);
}

#[test]
fn local_times_that_meet_instants_are_made_such() {
    let zone = "SET 'table.local-time-zone' = 'Asia/Shanghai';";
    for expression in [
        "CASE WHEN i > 0 THEN ts ELSE TO_TIMESTAMP_LTZ(i, 3) END",
        "COALESCE(TO_TIMESTAMP_LTZ(i, 3), ts)",
        "IF(i > 0, ts, TO_TIMESTAMP_LTZ(i, 3))",
        "GREATEST(ts, TO_TIMESTAMP_LTZ(i, 3))",
        "NULLIF(ts, TO_TIMESTAMP_LTZ(i, 3))",
        "ARRAY[ts, TO_TIMESTAMP_LTZ(i, 3)]",
    ] {
        let query = format!("SELECT {expression} FROM t");
        assert!(calls(&computed(&format!("{zone} {query}")), expressions::TO_INSTANT), "{expression}");
        assert!(!calls(&computed(&query), expressions::TO_INSTANT), "{expression} in UTC");
    }
}

#[test]
fn the_default_zone_is_the_machines() {
    let expression = |settings: &str| {
        let mut session = session();
        session.set_default_zone("Asia/Shanghai".to_owned());
        let planned = job(&mut session, &format!("{settings} {EVENTS} SELECT DATE_FORMAT(at, 'HH') FROM events"));
        planned.graph.nodes.iter().any(|node| match &node.operator {
            OperatorSpec::Calc(calc) => calc.projection.iter().any(|expr| calls(expr, expressions::TO_LOCAL)),
            _ => false,
        })
    };
    assert!(expression(""));
    assert!(expression("SET 'table.local-time-zone' = 'default';"));
    assert!(!expression("SET 'table.local-time-zone' = 'UTC';"));
}
