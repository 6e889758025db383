//! What is read and not supported is refused at its place, and what is another form of something known is planned as that.

use model::{ErrorClass, Failure};

use crate::support::{error, job, nexmark, session, text};

#[test]
fn no_clause_is_left_out_unseen() {
    for (script, place, part) in [
        ("SELECT SUM(*) FROM bid", (1, 8), "'SUM' does not take *"),
        ("SELECT 1,\n MAX(*) FROM bid", (2, 2), "'MAX' does not take *"),
        ("SELECT COUNT(DISTINCT *) FROM bid", (1, 8), "'COUNT' does not take *"),
        ("SELECT COUNT(bid.*) FROM bid", (1, 8), "'COUNT' does not take *"),
        ("SELECT UPPER(*) FROM bid", (1, 8), "'UPPER' does not take *"),
        ("SELECT * FROM bid TABLESAMPLE SYSTEM (10)", (1, 15), "TABLESAMPLE is not supported"),
        ("SELECT * FROM (SELECT price FROM bid) TABLESAMPLE BERNOULLI (10)", (1, 16), "TABLESAMPLE is not supported"),
        ("SELECT UPPER(channel) FILTER (WHERE price > 1) FROM bid", (1, 8), "it takes no FILTER"),
        ("SELECT UPPER(DISTINCT channel) FROM bid", (1, 8), "it takes no DISTINCT"),
        ("SELECT UPPER(channel) IGNORE NULLS FROM bid", (1, 8), "it takes no IGNORE"),
        ("SELECT * FROM bid WITH ORDINALITY", (1, 15), "WITH ORDINALITY"),
        ("SELECT * FROM bid WITH (NOLOCK)", (1, 15), "WITH (…) behind a table"),
        ("SELECT price FROM bid FOR UPDATE", (1, 1), "FOR UPDATE or FOR SHARE is not supported"),
        ("SELECT price FROM bid FOR JSON AUTO", (1, 1), "FOR XML or FOR JSON is not supported"),
        ("SELECT price INTO t FROM bid", (1, 1), "SELECT … INTO is not supported"),
        ("SELECT * FROM bid /*+ STATE_TTL ('bid'='1d') */", (1, 19), "the hint STATE_TTL is not supported"),
        ("SELECT /*+ BROADCAST(a), STATE_TTL('b'='1d') */ * FROM bid", (1, 8), "the hint STATE_TTL is not supported"),
        ("SELECT /*+ NOSUCH(a) */ * FROM bid", (1, 8), "there is no hint NOSUCH"),
        ("SELECT * FROM bid /*+ BROADCAST(bid), OPTIONS ('a'='b') */", (1, 19), "the hint OPTIONS stands alone"),
    ] {
        let found = error(&mut nexmark(), script);
        assert!(found.message.contains(part), "{script}\n{found}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
    }
    job(&mut nexmark(), "SELECT /*+ broadcast(bid), Shuffle_Hash(auction) */ COUNT(*), COUNT(ALL price) FROM bid");
}

#[test]
fn what_flink_has_and_is_not_there_yet_is_named() {
    for (script, place, part) in [
        (
            "SELECT * FROM bid\n JOIN auction FOR SYSTEM_TIME AS OF bid.dateTime ON id = auction",
            (2, 15),
            "a temporal join (FOR SYSTEM_TIME AS OF) is not supported yet",
        ),
        ("SELECT * FROM bid MATCH_RECOGNIZE (PARTITION BY a)", (1, 19), "MATCH_RECOGNIZE is not supported yet"),
        ("INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING", (1, 24), "ON CONFLICT is not supported yet"),
        ("INSERT INTO t SELECT price FROM bid ON CONFLICT DO ERROR", (1, 37), "ON CONFLICT is not supported yet"),
        ("SELECT * FROM auction, LATERAL (SELECT * FROM bid) t", (1, 33), "LATERAL with a query"),
        ("SELECT * FROM auction, LATERAL TABLE(f(id)) t", (1, 32), "LATERAL with a table function"),
        ("SELECT price FROM bid WHERE price > ALL (SELECT id FROM auction)", (1, 29), "> ALL is not supported"),
        ("SELECT price FROM bid WHERE price >= ANY (SELECT id FROM auction)", (1, 29), ">= ANY is not supported"),
        ("SELECT id FROM auction INTERSECT ALL SELECT id FROM person", (1, 1), "INTERSECT ALL is not supported"),
        ("SELECT price FROM bid FETCH FIRST 10 PERCENT ROWS ONLY", (1, 35), "FETCH … PERCENT is not supported"),
        ("SELECT price FROM bid FETCH FIRST 3 ROWS WITH TIES", (1, 35), "FETCH … WITH TIES is not supported"),
        ("SELECT id FROM person WHERE (id, name) NOT IN (SELECT 1, 'a')", (1, 48), "NOT IN of a row"),
    ] {
        let found = error(&mut nexmark(), script);
        assert!(found.message.contains(part), "{script}\n{found}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
    }
    job(&mut nexmark(), "SELECT `for`.system_time FROM (SELECT 1 AS system_time) AS `for`");
}

#[test]
fn mistakes_are_told_in_the_language_of_sql() {
    for (script, place, message) in [
        ("SELECT UPPER(price) FROM bid", (1, 8), "function UPPER does not take BIGINT as argument 1"),
        ("SELECT 1,\n ARRAY[1, 'a']", (2, 2), "function ARRAY: INT and STRING have no common type"),
        (
            "SELECT COUNT(*) FROM bid GROUP BY channel HAVING price > 1",
            (1, 50),
            "column 'price' is neither in GROUP BY nor in an aggregate function",
        ),
        ("SELECT price FROM bid WHERE price", (1, 1), "WHERE and HAVING take a condition of type BOOLEAN"),
        ("SELECT 1 FROM bid JOIN auction ON price", (1, 1), "JOIN … ON takes a condition of type BOOLEAN"),
        ("SELECT 1 FROM bid WHERE channel AND TRUE", (1, 1), "AND and OR take values of type BOOLEAN"),
        ("SELECT CASE WHEN price THEN 1 END FROM bid", (1, 1), "WHEN takes a condition of type BOOLEAN, not BIGINT"),
        ("VALUES (ARRAY[1]), (MAP['a', 1])", (1, 8), "the rows of VALUES have different types: CAST them to one"),
        ("SELECT 1,\n 1e400", (2, 2), "the number 1e400 is out of range"),
        ("SELECT MAP[]", (1, 8), "MAP[] without entries has no type"),
        (
            "SELECT * FROM auction a JOIN person a ON a.id = a.seller",
            (1, 37),
            "two tables are called 'a' in FROM: give one of them another alias",
        ),
        ("SELECT 1 FROM bid, bid", (1, 20), "two tables are called 'bid' in FROM: give one of them another alias"),
    ] {
        let found = error(&mut nexmark(), script);
        assert_eq!(found.message, message, "{script}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
    }
}

/// The plan of a query over the tables of Nexmark.
fn plan(query: &str) -> String {
    text(&mut nexmark(), &format!("EXPLAIN {query}"))
}

#[test]
fn other_forms_are_planned_as_what_they_stand_for() {
    for (query, same) in [
        ("SELECT price FROM bid FETCH FIRST 3 ROWS ONLY", "SELECT price FROM bid LIMIT 3"),
        ("SELECT price FROM bid FETCH NEXT ROW ONLY", "SELECT price FROM bid LIMIT 1"),
        (
            "SELECT price FROM bid ORDER BY price OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY",
            "SELECT price FROM bid ORDER BY price LIMIT 3 OFFSET 2",
        ),
        ("TABLE bid", "SELECT * FROM bid"),
        (
            "SELECT price FROM bid WHERE price = ANY (SELECT id FROM auction)",
            "SELECT price FROM bid WHERE price IN (SELECT id FROM auction)",
        ),
        (
            "SELECT price FROM bid WHERE price <> ALL (SELECT id FROM auction)",
            "SELECT price FROM bid WHERE price NOT IN (SELECT id FROM auction)",
        ),
        (
            "SELECT price FROM (SELECT *, ROW_NUMBER() OVER w AS n FROM bid
                WINDOW v AS (PARTITION BY auction), w AS (v ORDER BY price)) WHERE n < 3",
            "SELECT price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) AS n FROM bid)
                WHERE n < 3",
        ),
        (
            "SELECT CASE price WHEN 1, 2 THEN 'a' WHEN 3 THEN 'b' END FROM bid",
            "SELECT CASE WHEN price IN (1, 2) THEN 'a' WHEN price IN (3) THEN 'b' END FROM bid",
        ),
    ] {
        assert_eq!(plan(query), plan(same), "{query}");
    }
    let unknown = error(&mut nexmark(), "SELECT ROW_NUMBER() OVER w FROM bid WINDOW v AS (ORDER BY price)");
    assert_eq!(unknown.to_string(), "line 1, column 26: window 'w' not found");
}

#[test]
fn a_query_of_one_value_is_joined() {
    let average = plan("SELECT * FROM (SELECT price, auction FROM bid) WHERE price > (SELECT AVG(price) FROM bid)");
    let join = average.lines().find(|line| line.contains("Join(")).unwrap();
    assert!(join.contains("InnerJoin") && join.contains("price > $a0"), "{average}");
    assert!(
        average.contains("columns=[price, auction])") && average.contains("GroupAggregate(groupBy=[]"),
        "{average}"
    );
    let most = plan(
        "SELECT B.price FROM bid B, auction A WHERE B.price = (SELECT MAX(price) + 1 FROM bid) AND A.id = B.auction",
    );
    assert_eq!(most.matches("Join(").count(), 2, "{most}");
    for (script, place, part) in [
        ("SELECT price FROM bid WHERE price > (SELECT price FROM bid)", (1, 38), "a scalar subquery but in WHERE"),
        ("SELECT (SELECT MAX(price) FROM bid) FROM bid", (1, 9), "a scalar subquery but in WHERE"),
        (
            "SELECT 1 FROM bid WHERE price > (SELECT MAX(id) FROM auction GROUP BY seller)",
            (1, 34),
            "a scalar subquery but in WHERE",
        ),
        (
            "SELECT 1 FROM bid B WHERE price > (SELECT MAX(id) FROM auction WHERE id = B.auction)",
            (1, 36),
            "correlated subquery not supported: it reads the column 'auction' of the outer query",
        ),
    ] {
        let found = error(&mut nexmark(), script);
        assert!(found.message.contains(part), "{script}\n{found}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
    }
}

#[test]
fn rows_are_looked_for_in_a_query() {
    let explained = plan("SELECT id FROM person WHERE (id, name) IN (SELECT seller, itemName FROM auction)");
    let join = explained.lines().find(|line| line.contains("Join(")).unwrap();
    assert!(join.contains("LeftSemiJoin") && join.contains("id = $r0 AND name = $r1"), "{explained}");
    let both = error(&mut nexmark(), "SELECT id FROM person WHERE (id, name) IN (SELECT seller FROM auction)");
    assert_eq!(both.class, ErrorClass::User, "{both}");
}

#[test]
fn a_created_table_may_order_the_columns_of_its_query() {
    let mut session = nexmark();
    let create = "CREATE TABLE c (price, auction) WITH ('connector' = 'blackhole') AS SELECT auction, price FROM bid";
    let graph = job(&mut session, create).graph;
    assert_eq!(text(&mut session, "DESCRIBE c").lines().nth(1).unwrap().split(' ').next(), Some("price"));
    let sink = graph.nodes.iter().find_map(|node| match &node.operator {
        graph::OperatorSpec::Sink(sink) => Some(sink.table.schema.clone()),
        _ => None,
    });
    let names: Vec<_> = sink.unwrap().fields.into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["price", "auction"]);
    assert!(plan("SELECT 1").contains("Sink"));
    for (columns, place, part) in [
        ("(price, nothing)", (1, 24), "the query has no column 'nothing'"),
        ("(price)", (1, 17), "the query has 2 columns, but 1 are named"),
        ("(price, price)", (1, 24), "column 'price' is named twice"),
    ] {
        let script =
            format!("CREATE TABLE d {columns} WITH ('connector' = 'blackhole') AS SELECT auction, price FROM bid");
        let found = error(&mut session, &script);
        assert!(found.message.contains(part), "{found}");
        assert_eq!((found.line, found.column), place, "{found}");
    }
    let untyped = error(&mut session, "CREATE TABLE d (a, b) WITH ('connector' = 'blackhole')");
    assert_eq!(untyped.to_string(), "line 1, column 17: column 'a' has no type, and there is no AS");
    let twice = "CREATE TABLE d WITH ('connector' = 'blackhole') AS SELECT auction, price, price FROM bid";
    job(&mut session, twice);
    let names = text(&mut session, "DESCRIBE d");
    assert!(names.lines().any(|line| line.starts_with("price0 ")), "{names}");
}

#[test]
fn constraints_are_dropped_by_their_name_and_columns_together() {
    let mut session = session();
    session
        .run(
            "CREATE TABLE t (id INT, a INT, b AS a + 1, CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED)
                WITH ('connector' = 'datagen');
             CREATE TABLE u (id INT CONSTRAINT pk PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'datagen')",
        )
        .unwrap();
    let wrong = error(&mut session, "ALTER TABLE t DROP CONSTRAINT nosuch");
    assert_eq!(wrong.message, "the table has no constraint 'nosuch'");
    assert!(text(&mut session, "SHOW CREATE TABLE t").contains("PRIMARY KEY"));
    session
        .run("ALTER TABLE t DROP CONSTRAINT pk; ALTER TABLE u DROP CONSTRAINT pk; ALTER TABLE t DROP (a, b)")
        .unwrap();
    let written = text(&mut session, "SHOW CREATE TABLE t");
    assert!(!written.contains("PRIMARY KEY") && !written.contains("`a`") && !written.contains("`b`"), "{written}");
}

#[test]
fn names_that_are_one_for_jobs_are_not_both_declared() {
    let mut session = session();
    let with = "(a INT) WITH ('connector' = 'datagen')";
    session.run(&format!("CREATE DATABASE d; CREATE TABLE d.t {with}; CREATE TABLE `d.u` {with}")).unwrap();
    for name in ["`d.t`", "d.u", "default_database.`d.u`", "d.t"] {
        let found = error(&mut session, &format!("CREATE TABLE {name} {with}"));
        assert!(found.message.contains("already exists"), "{name}: {found}");
    }
    session.run(&format!("CREATE TABLE t {with}; CREATE TABLE `d.v` {with}; CREATE TABLE d.w {with}")).unwrap();
}

#[test]
fn types_stand_before_their_collection() {
    let mut session = session();
    session.run("CREATE TABLE t (a INT MULTISET, b INT ARRAY MULTISET) WITH ('connector' = 'datagen')").unwrap();
    let described = text(&mut session, "DESCRIBE t");
    assert!(described.contains("MULTISET<INT>") && described.contains("MULTISET<ARRAY<INT>>"), "{described}");
}

#[test]
fn an_option_that_is_refused_is_refused_at_its_place() {
    let mut session = session();
    session.check_options(|name, _| match name {
        "known" => Ok(()),
        _ => Err(Failure::user(format!("unknown option {name}"))),
    });
    let found = error(&mut session, "SET 'known' = '1';\n  SET 'nothing' = '1'");
    assert_eq!(found.to_string(), "line 2, column 3: unknown option nothing");
    assert_eq!(session.settings().keys().collect::<Vec<_>>(), ["known"]);
}

/// The parts of a `CASE` are not copied for each of its values.
#[test]
fn nested_cases_of_many_values_are_planned() {
    let values: Vec<String> = (0..400).map(|value| value.to_string()).collect();
    let values = values.join(", ");
    let inner = format!("CASE price WHEN {values} THEN 1 ELSE 0 END");
    let outer = format!("SELECT CASE auction WHEN {values} THEN {inner} ELSE 0 END FROM bid");
    let calls = format!("{:?}", job(&mut nexmark(), &outer).graph).matches("Literal").count();
    assert!(calls < 2_000, "{calls} literals");
}
