//! Mistakes and where they are found.

use model::{ErrorClass, Failure};

use crate::support::{error, nexmark, session};

#[test]
fn mistakes_have_a_message_and_a_place() {
    for (script, place, part) in [
        ("SELECT price\n  , prise FROM bid", (2, 5), "column 'prise' not found"),
        ("SELECT B.prise FROM bid B", (1, 8), "column 'prise' not found in 'B'"),
        // Not the first of its name.
        ("SELECT A.id,\n B.id FROM auction A, bid B", (2, 2), "column 'id' not found in 'B'"),
        ("SELECT p FROM (SELECT price AS p FROM bid)\n WHERE price > 1", (2, 8), "column 'price' not found"),
        ("SELECT price = 1,\n price = channel FROM bid", (2, 2), "cannot apply '=' to arguments"),
        ("SELECT price FROM bit", (1, 19), "table 'bit' not found"),
        ("SELECT 1,\n COUNTT(price) FROM bid", (2, 2), "function 'COUNTT' not found"),
        ("SELECT PARSE_JSON(channel) FROM bid", (1, 8), "function 'PARSE_JSON' is not supported: there is no type"),
        ("SELECT GROUPING(bidder) FROM bid GROUP BY auction", (1, 1), "GROUPING is asked of"),
        ("SELECT price = channel FROM bid", (1, 8), "cannot apply '=' to arguments of type BIGINT and STRING"),
        ("SELECT price FRUM bid", (1, 19), "expected: end of statement, found: bid"),
        ("SELECT FROM", (1, 8), "expected"),
        ("SELECT 'a", (1, 8), "unterminated string"),
        ("FLY ME", (1, 1), "FLY statements are not supported"),
        ("SELECT price FROM bid ORDER BY price", (1, 32), "ORDER BY without LIMIT on a stream is not supported"),
        ("SELECT price /*+ OPTIONS('a'='b') */ FROM bid", (1, 14), "OPTIONS belongs behind the name of a table"),
        ("SELECT price FROM bid /*+ OPTIONS(a) */", (1, 23), "the hint OPTIONS: "),
        ("ALTER TABLE bid DROP nothing", (1, 13), "table 'bid' not found"),
        ("ALTER CATALOG a RENAME TO b", (1, 7), "ALTER CATALOG is not supported"),
        ("USE elsewhere", (1, 5), "database 'elsewhere' not found"),
        ("SELECT 1 FROM elsewhere.bid", (1, 25), "table 'elsewhere.bid' not found"),
        ("CREATE TABLE hive.a.b (c INT)", (1, 14), "catalog 'hive' not found"),
        ("CREATE TABLE a.b (c INT)", (1, 16), "database 'a' not found"),
        ("EXPLAIN ESTIMATED_COST SELECT 1", (1, 9), "plans are not chosen by cost"),
        ("SHOW CREATE TABLE bid", (1, 19), "'bid' is a view"),
        (
            "SELECT price FROM bid WHERE 5 NOT IN (SELECT id FROM person)",
            (1, 29),
            "a constant before NOT IN with a query",
        ),
        (
            "SELECT price, COUNT(*) FROM bid GROUP BY channel",
            (1, 8),
            "column 'price' is neither in GROUP BY nor in an aggregate function",
        ),
        ("SELECT 1,\n STDDEV_POP(channel) FROM bid", (2, 2), "STDDEV_POP does not take STRING"),
        ("SELECT LISTAGG(price) FROM bid", (1, 8), "LISTAGG does not take BIGINT"),
        ("SELECT LISTAGG(channel, url) FROM bid", (1, 8), "the separator of 'LISTAGG' must be a constant text"),
        ("SELECT LISTAGG(channel) WITHIN GROUP (ORDER BY url) FROM bid", (1, 8), "WITHIN GROUP of 'LISTAGG'"),
        ("SELECT ARRAY_AGG(channel ORDER BY url) FROM bid", (1, 8), "ORDER BY in 'ARRAY_AGG' is not supported"),
        ("SELECT FIRST_VALUE(channel, 2) FROM bid", (1, 8), "FIRST_VALUE does not take 2 arguments"),
        ("SELECT LAST_VALUE(channel) IGNORE NULLS FROM bid", (1, 8), "not permitted for LAST_VALUE"),
        ("SELECT JSON_OBJECTAGG(KEY price VALUE url) FROM bid", (1, 8), "JSON_OBJECTAGG does not take BIGINT"),
        ("SELECT JSON_OBJECTAGG(KEY url) FROM bid", (1, 30), "expected: VALUE"),
        ("SELECT PERCENTILE(price, 1.5) FROM bid", (1, 8), "the percentage of 'PERCENTILE' must be a constant from 0"),
        (
            "SELECT PERCENTILE(price, price) FROM bid",
            (1, 8),
            "the percentage of 'PERCENTILE' must be a constant from 0",
        ),
        ("SELECT PERCENTILE(channel, 0.5) FROM bid", (1, 8), "PERCENTILE does not take STRING"),
        ("SELECT PERCENTILE(price, 0.5, 1.5) FROM bid", (1, 8), "PERCENTILE does not take BIGINT, DECIMAL(2, 1), "),
        ("SELECT COUNT(DISTINCT price, url) FROM bid", (1, 8), "'COUNT' takes one argument"),
        ("SELECT APPROX_COUNT_DISTINCT(price) FROM bid", (1, 8), "'APPROX_COUNT_DISTINCT' is not supported on streams"),
        ("SELECT LEAD(price) FROM bid", (1, 8), "function 'LEAD' not found"),
        ("SELECT price FROM bid LIMIT price", (1, 29), "column 'price' not found"),
        ("SELECT price FROM bid WHERE channel IN (SELECT id FROM person)", (1, 29), "cannot apply 'IN' to arguments"),
        ("SELECT 1 FROM bid WHERE dateTime IN (SELECT DATE '2024-01-01')", (1, 25), "cannot apply 'IN' to arguments"),
        (
            "SELECT 1 FROM (SELECT price FROM bid) a JOIN (SELECT channel AS price FROM bid) b USING (price)",
            (1, 1),
            "cannot apply 'USING' to arguments of type BIGINT and STRING",
        ),
        ("SELECT MAX(ARRAY[price]) FROM bid", (1, 8), "MAX does not take ARRAY"),
        ("SELECT ARRAY[1, 2][0] FROM bid", (1, 1), "positions in an array count from 1"),
        ("SELECT price FROM bid WHERE channel LIKE 'a!b' ESCAPE '!'", (1, 1), "escape"),
        ("SELECT channel FROM bid UNION ALL SELECT DATE '2024-01-01'", (1, 1), "column 1 of a UNION has the types"),
        ("SELECT x FROM (VALUES\n ('x'),\n (DATE '2024-01-01')) v(x)", (3, 8), "column 1 of VALUES has the types"),
        ("SELECT price FROM bid LIMIT 1.5", (1, 1), "expected LIMIT to be an integer"),
        ("SELECT x FROM bid, UNNEST(price) AS t (x)", (1, 27), "UNNEST takes an array or a map, not BIGINT"),
        ("SELECT COUNT(*) FROM bid LIMIT 3", (1, 1), "LIMIT of a query that updates its rows is not supported"),
        ("SELECT * FROM bid B LEFT JOIN auction A ON A.id = B.auction", (1, 31), "LEFT JOIN is not supported"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY price) FROM bid", (1, 8), "OVER is not supported"),
        ("SELECT SUM(price) OVER (ORDER BY dateTime) FROM bid", (1, 8), "OVER is not supported"),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY price) n FROM bid) WHERE n > 3",
            (1, 26),
            "OVER is not supported but for ROW_NUMBER with a constant upper bound",
        ),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY price) n FROM bid) WHERE n < 1",
            (1, 26),
            "no row has a ROW_NUMBER that the query wants",
        ),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY price) n FROM bid) WHERE n = 1",
            (1, 26),
            "ROW_NUMBER needs an ORDER BY",
        ),
        (
            "SELECT price FROM bid WHERE price = 1 OR auction IN (SELECT id FROM auction)",
            (1, 42),
            "only supported as conditions joined by AND",
        ),
        ("SELECT id FROM auction EXCEPT ALL SELECT id FROM person", (1, 1), "EXCEPT ALL is not supported"),
        ("SELECT price + channel FROM bid", (1, 8), "cannot apply '+' to arguments of type BIGINT and STRING"),
        ("SELECT bid.prise FROM nexmark", (1, 12), "field 'prise' not found; fields are auction"),
        ("SELECT CAST(price AS BIGGINT) FROM bid", (1, 22), "a data type"),
        ("SELECT INTERVAL '1x' DAY", (1, 17), "'1x' is no interval of DAY"),
        ("SELECT DATE '2020-13-01'", (1, 13), "is no DATE"),
        ("INSERT INTO nowhere SELECT 1", (1, 13), "table 'nowhere' not found"),
        ("INSERT INTO bid SELECT 1", (1, 13), "'bid' is a view"),
        ("CREATE TABLE t (a INT, a INT) WITH ('connector' = 'x')", (1, 24), "column 'a' is declared twice"),
        ("CREATE TABLE t (a INT, b AS c + 1) WITH ('connector' = 'x')", (1, 29), "column 'c' not found"),
        (
            "CREATE TABLE t (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'x')",
            (1, 38),
            "watermark column 'a' is INT",
        ),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a)) WITH ('connector' = 'x')", (1, 24), "must be NOT ENFORCED"),
        (
            "CREATE TABLE t (a INT METADATA) WITH ('connector' = 'x')",
            (1, 17),
            "column 'a': connector 'x' has no metadata",
        ),
        (
            "CREATE TABLE t (b INT, a STRING METADATA FROM 'offset') WITH ('connector' = 'files')",
            (1, 24),
            "column 'a': connector 'files' has no metadata 'offset'; it has: 'file.path' (STRING), 'file.name' (STRING)",
        ),
        (
            "CREATE TABLE t (a DATE METADATA FROM 'file.size') WITH ('connector' = 'files')",
            (1, 17),
            "column 'a' cannot be DATE: the metadata 'file.size' is BIGINT",
        ),
        ("CREATE TABLE t (a INT METADATA FROM x) WITH ('connector' = 'x')", (1, 37), "a quoted string"),
        ("CREATE VIEW bid AS SELECT 1", (1, 13), "'bid' already exists"),
        ("CREATE VIEW v AS SELECT nothing FROM bid", (1, 25), "column 'nothing' not found"),
        ("DROP TABLE nothing", (1, 12), "table 'nothing' not found"),
        (
            "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(price), INTERVAL '1' DAY))",
            (1, 50),
            "'price' is no time attribute",
        ),
        (
            "SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(dateTime), INTERVAL '1' DAY))",
            (1, 34),
            "table 'bids' not found",
        ),
        (
            "SELECT * FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '3' SECOND, INTERVAL '10' SECOND))",
            (1, 79),
            "must be a multiple of its slide",
        ),
        (
            "SELECT * FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0.001' SECOND, INTERVAL '1' DAY))",
            (1, 83),
            "HOP puts each row into 86400000 windows, more than the 100000 that are supported",
        ),
        (
            "SELECT * FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0.001' SECOND, INTERVAL '1' DAY))",
            (1, 88),
            "CUMULATE puts each row into 86400000 windows",
        ),
        (
            "SELECT COUNT(*)\nFROM bid GROUP BY HOP(dateTime, INTERVAL '0.007' SECOND, INTERVAL '1' DAY)",
            (2, 19),
            "HOP puts each row into 12342858 windows",
        ),
        (
            "SELECT * FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' DAY, INTERVAL '3' DAY))",
            (1, 81),
            "must be a multiple of its step",
        ),
        ("SELECT COUNT(*) FROM bid GROUP BY TUMBLE(price, INTERVAL '1' DAY)", (1, 42), "'price' is no time attribute"),
        (
            "SELECT TUMBLE_START(dateTime, INTERVAL '1' DAY) FROM bid",
            (1, 1),
            "known only where GROUP BY has the same window",
        ),
        ("CREATE FUNCTION f AS 'com.example.F'", (1, 22), "no function for the class 'com.example.F'"),
        ("CREATE FUNCTION f AS 'f' LANGUAGE PYTHON", (1, 26), "only functions of the LANGUAGE JAVA are known"),
        ("DROP FUNCTION f", (1, 15), "function 'f' not found"),
    ] {
        let found = error(&mut nexmark(), script);
        assert!(found.to_string().contains(part), "{script}\n{found}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
        assert_eq!(found.class, ErrorClass::User, "{script}\n{found}");
    }
}

#[test]
fn a_time_attribute_is_lost_by_a_join_and_a_computation() {
    for script in [
        "CREATE VIEW j AS SELECT B.dateTime AS at FROM bid B JOIN auction A ON A.id = B.auction;
         SELECT * FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(at), INTERVAL '1' DAY))",
        "CREATE VIEW j AS SELECT dateTime + INTERVAL '1' SECOND AS at FROM bid;
         SELECT * FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(at), INTERVAL '1' DAY))",
    ] {
        let found = error(&mut nexmark(), script);
        assert!(found.message.contains("'at' is no time attribute"), "{found}");
        assert_eq!(found.line, 2);
    }
}

#[test]
fn columns_of_query_and_sink_must_agree() {
    let mut session = session();
    session
        .run(
            "CREATE TABLE t (a BIGINT, s STRING) WITH ('connector' = 'datagen');
             CREATE TABLE u (a INT, s STRING, c AS a + 1) WITH ('connector' = 'blackhole');",
        )
        .unwrap();
    let count = error(&mut session, "INSERT INTO u SELECT a FROM t").to_string();
    assert!(count.contains("different number of columns"), "{count}");
    assert!(count.contains("query schema: [a: BIGINT]; sink schema: [a: INT, s: STRING]"), "{count}");
    let kind = error(&mut session, "INSERT INTO u SELECT a, s FROM t").to_string();
    assert!(kind.contains("incompatible types for sink column 'a' at position 0"), "{kind}");
    let computed = error(&mut session, "INSERT INTO u (a, c) SELECT 1, 2").to_string();
    assert!(computed.contains("column 'c' is computed"), "{computed}");
    session.run("INSERT INTO u (s) SELECT s FROM t").unwrap();
    session.run("INSERT INTO u SELECT 1, NULL").unwrap();
}

#[test]
fn a_mistake_of_the_connector_names_the_table() {
    let mut session = session();
    session.run("CREATE TABLE hole (a INT) WITH ('connector' = 'blackhole')").unwrap();
    let failure = Failure::from(error(&mut session, "SELECT a FROM hole"));
    assert_eq!(failure.class, ErrorClass::User);
    assert!(failure.message.contains("table 'hole': connector 'blackhole' is no source"), "{failure}");
}

#[test]
fn no_script_makes_the_planner_panic() {
    let scripts = [
        "",
        ";;",
        "SELECT",
        "SELECT * FROM bid, bid",
        "SELECT price FROM bid GROUP BY auction",
        "SELECT COUNT(*) FROM bid HAVING",
        "SELECT COUNT() FROM bid",
        "SELECT SUM(channel) FROM bid",
        "SELECT * FROM (SELECT * FROM bid B JOIN auction A ON TRUE) t",
        "SELECT x.y.z.w.v FROM bid x",
        "WITH w AS (SELECT 1) SELECT * FROM w",
        "SELECT 99999999999999999999999999999999999999999",
        "SELECT -2147483648, 2147483648",
        "SELECT MAP['a', 1]['a'], ARRAY[1, 2][1]",
        "SELECT * FROM TABLE(TUMBLE())",
        "SELECT * FROM TABLE(SESSION(TABLE bid PARTITION BY, DESCRIPTOR(dateTime), INTERVAL '1' DAY))",
        "SELECT * FROM TABLE(TUMBLE(TABLE (SELECT 1), DESCRIPTOR(dateTime), INTERVAL '1' DAY))",
        "SELECT 1 FROM bid GROUP BY TUMBLE()",
        "SELECT 1 FROM bid GROUP BY TUMBLE(dateTime)",
        "SELECT 1 FROM bid GROUP BY SESSION(dateTime, price)",
        "SELECT 1 FROM bid GROUP BY HOP(dateTime, 1, 2), TUMBLE(dateTime, INTERVAL '1' DAY)",
        "SELECT price IN (SELECT id FROM auction) FROM bid",
        "SELECT EXISTS (SELECT 1) FROM bid",
        "SELECT 1 FROM bid WHERE 1 NOT IN (SELECT 1)",
        "SELECT 1 FROM bid WHERE NOT EXISTS (SELECT 1 FROM auction)",
        "SELECT * FROM TUMBLE(bid)",
        "SELECT a.* FROM bid",
        "SELECT CASE price WHEN 1 THEN 'a' END FROM bid",
        "SELECT price FROM bid WHERE channel",
        "SELECT (SELECT 1)",
        "SELECT $1, ?",
        "CREATE TABLE t () WITH ()",
        "CREATE TABLE t (a ROW<b ARRAY<ROW<c INT>>>) WITH ('connector' = 'datagen'); SELECT a.b[1].c FROM t",
        "EXPLAIN",
        "SET",
        "RESET",
        "SHOW",
    ];
    for script in scripts {
        let _ = nexmark().run(script);
    }
}

#[test]
fn what_is_nested_too_deep_has_a_place() {
    for (query, column, part) in [
        (format!("SELECT {}price FROM bid", "price + ".repeat(200)), 8, "nested more than 128 deep"),
        (format!("SELECT 1 FROM bid WHERE {}TRUE", "price > 1 AND ".repeat(3000)), 25, "more than 2000 operands"),
    ] {
        let error = error(&mut nexmark(), &query);
        assert!(error.message.contains(part) && (error.line, error.column) == (1, column), "{error}");
    }
    // Together they are deeper than each of them.
    let queries =
        (0..5).fold("bid".to_owned(), |from, _| format!("(SELECT price{} AS price FROM {from})", " + 1".repeat(100)));
    let error = error(&mut nexmark(), &format!("SELECT price FROM {queries}"));
    assert!(error.message.contains("nested more than 400 deep"), "{error}");
}
