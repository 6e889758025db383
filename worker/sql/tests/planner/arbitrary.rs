//! Arbitrary texts through the parser and the planner: they give an outcome or an error, whatever they are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use crate::support::{DDL, session};

/// Statements that are changed.
const STATEMENTS: &[&str] = &[
    include_str!("plans/aggregates.sql"),
    include_str!("plans/cumulate.sql"),
    include_str!("plans/deduplicate_first.sql"),
    include_str!("plans/except.sql"),
    include_str!("plans/group_window.sql"),
    include_str!("plans/grouping_sets.sql"),
    include_str!("plans/hop.sql"),
    include_str!("plans/in.sql"),
    include_str!("plans/interval_join.sql"),
    include_str!("plans/order_limit.sql"),
    include_str!("plans/ddl.sql"),
    "SELECT * FROM bid B WHERE NOT EXISTS (SELECT 1 FROM auction A WHERE A.id = B.auction AND A.reserve > B.price);",
    "SELECT price FROM bid WHERE price > (SELECT MAX(reserve) FROM auction WHERE id = auction) AND price IS DISTINCT FROM 1;",
    "SELECT CASE WHEN price BETWEEN SYMMETRIC 1 AND 2 THEN 'a' ELSE url || 'b' END, channel LIKE 'a%' ESCAPE '!' FROM bid;",
    "SELECT JSON_VALUE(url, 'lax $.a' RETURNING INTEGER DEFAULT -1 ON EMPTY NULL ON ERROR), JSON_OBJECT('a' : price) FROM bid;",
    "SELECT CAST(ROW(1, 'a') AS ROW<a BIGINT, b ARRAY<STRING NOT NULL>>).a, MAP['a', 1]['a'], ARRAY[1, 2][1] FROM bid;",
    "SELECT x, o FROM bid CROSS JOIN UNNEST(SPLIT(url, '/')) WITH ORDINALITY AS t (x, o);",
    "SELECT TIMESTAMPADD(DAY, 1, dateTime), EXTRACT(HOUR FROM dateTime), (dateTime, INTERVAL '1' DAY) OVERLAPS (dateTime, dateTime) FROM bid;",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO nowhere SELECT 1; INSERT INTO nowhere (a) VALUES (1), (2); END;",
    "WITH a AS (SELECT price FROM bid), b AS (SELECT * FROM a) SELECT * FROM b UNION SELECT * FROM a INTERSECT SELECT 1;",
    "CREATE VIEW v (a, b) AS SELECT DISTINCT price, url FROM bid; DESCRIBE v; SHOW CREATE VIEW v; ALTER VIEW v RENAME TO w; DROP VIEW w;",
    "CREATE TABLE u (PRIMARY KEY (a) NOT ENFORCED) PARTITIONED BY (a) WITH ('connector' = 'print') LIKE t (EXCLUDING OPTIONS);",
    "SET 'a' = 'b'; RESET 'a'; USE default_database; SHOW TABLES LIKE '%a'; EXPLAIN CHANGELOG_MODE SELECT 1; CREATE DATABASE d;",
    "ALTER TABLE t ADD (c INT COMMENT 'c' AFTER a, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND); ALTER TABLE t DROP (a, b);",
];

/// What is put between tokens.
const TOKENS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "UNION ALL",
    "EXCEPT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "IS",
    "DISTINCT",
    "IN",
    "EXISTS",
    "BETWEEN",
    "LIKE",
    "CASE",
    "WHEN",
    "END",
    "CAST",
    "INTERVAL",
    "DAY",
    "OVER",
    "PARTITION BY",
    "JOIN",
    "ON",
    "USING",
    "LATERAL",
    "TABLE",
    "TUMBLE",
    "HOP",
    "DESCRIPTOR",
    "ROW",
    "ARRAY",
    "MAP",
    "VALUES",
    "WITH",
    "INSERT INTO",
    "CREATE",
    "EXPLAIN",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ".",
    ";",
    ":",
    "::",
    "=>",
    "->",
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "?",
    "@",
    "#",
    "$",
    "&",
    "^",
    "~",
    "'",
    "`",
    "\"",
    "''",
    "'a'",
    "x'0'",
    "1",
    "1e999",
    "0.5",
    "99999999999999999999999",
    "-1",
    "bid",
    "auction",
    "price",
    "url",
    "t",
    "COUNT(*)",
    "SUM",
    "ROW_NUMBER()",
    "JSON_VALUE",
    "/*+ OPTIONS('a'='b') */",
    "/*",
    "--",
    "\u{0}",
    "é",
    "😀",
];

/// Words, numbers, quoted texts and signs.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_inside = false;
    for letter in text.chars() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        match found.last_mut() {
            Some(last) if is_word && is_inside => last.push(letter),
            _ => found.push(letter.to_string()),
        }
        is_inside = is_word;
    }
    found
}

fn changed(rng: &mut SmallRng, texts: &[&str]) -> String {
    let mut tokens = tokens(texts.choose(rng).unwrap());
    for _ in 0..rng.random_range(1..6) {
        if tokens.is_empty() {
            break;
        }
        let (at, other) = (rng.random_range(0..tokens.len()), rng.random_range(0..tokens.len()));
        match rng.random_range(0..8) {
            0 => drop(tokens.remove(at)),
            1 => tokens.swap(at, other),
            2 => tokens[at] = TOKENS.choose(rng).unwrap().to_string(),
            3 => tokens.insert(at, format!(" {} ", TOKENS.choose(rng).unwrap())),
            4 => tokens.truncate(at.max(1)),
            5 => tokens[at] = tokens[other].clone(),
            6 => {
                let copied = tokens[at.min(other)..at.max(other)].to_vec();
                tokens.splice(at..at, copied);
            }
            _ => {
                let spliced = self::tokens(texts.choose(rng).unwrap());
                let end = rng.random_range(0..=spliced.len());
                tokens.splice(at.., spliced[end.saturating_sub(20)..end].iter().cloned());
            }
        }
    }
    tokens.concat()
}

fn arbitrary(rng: &mut SmallRng) -> String {
    match rng.random_range(0..10) {
        0 => (0..rng.random_range(0..60)).map(|_| rng.random::<char>()).collect(),
        1 => (0..rng.random_range(0..40)).map(|_| format!("{} ", TOKENS.choose(rng).unwrap())).collect(),
        _ => changed(rng, STATEMENTS),
    }
}

/// Runs a script in a session that has tables; a panic is a failure of the test that names the text.
fn run(script: &str) {
    let planned = catch_unwind(AssertUnwindSafe(|| {
        let mut session = session();
        session.run(DDL).unwrap();
        session.run("CREATE TABLE t (a INT, b STRING, ts TIMESTAMP(3)) WITH ('connector' = 'files')").unwrap();
        match session.run(script) {
            Ok(outcomes) => outcomes.len(),
            Err(error) => {
                assert!(!error.message.is_empty() && error.class != model::ErrorClass::Internal, "{error}");
                0
            }
        }
    }));
    let shown: String = script.chars().take(2000).collect();
    assert!(planned.is_ok(), "{} characters: {shown}", script.chars().count());
}

#[test]
fn changed_statements_are_planned_or_refused() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    let count = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    println!("seed {seed}, {count} texts");
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..count {
        run(&arbitrary(&mut rng));
    }
}

#[test]
fn texts_of_any_depth_are_refused_or_planned() {
    for (start, repeated, middle, closed, end) in [
        ("SELECT ", "(", "1", ")", ""),
        ("SELECT ", "NOT ", "TRUE", "", ""),
        ("SELECT ", "- ", "1", "", ""),
        ("SELECT 1", " + 1", "", "", ""),
        ("SELECT 1", " - price", " FROM bid", "", ""),
        ("SELECT 'a'", " || 'b'", "", "", ""),
        ("SELECT TRUE", " AND TRUE", "", "", ""),
        ("SELECT price FROM bid WHERE price = 1", " OR price = 2", "", "", ""),
        ("SELECT TRUE", " IS TRUE", "", "", ""),
        ("SELECT 1", " IS DISTINCT FROM 1", "", "", ""),
        ("SELECT 1", " BETWEEN 1 AND 1", "", "", ""),
        ("SELECT url", "[1]", " FROM bid", "", ""),
        ("SELECT bid", ".price", " FROM bid", "", ""),
        ("SELECT ", "UPPER(", "'a'", ")", ""),
        ("SELECT ", "CASE WHEN TRUE THEN ", "1", " END", ""),
        ("SELECT ", "CAST(", "1", " AS INT)", ""),
        ("SELECT ", "ARRAY[", "1", "]", ""),
        ("SELECT ", "JSON_OBJECT('a' : ", "1", ")", ""),
        ("SELECT CAST(NULL AS ", "ARRAY<", "INT", ">", ")"),
        ("SELECT CAST(NULL AS ", "ROW<a ", "INT", ">", ")"),
        ("SELECT CAST(NULL AS INT", " ARRAY", "", "", ")"),
        ("SELECT CAST(NULL AS INT", " NOT NULL ARRAY", "", "", ")"),
        ("CREATE TABLE x (a ", "MAP<INT, ", "INT", ">", ") WITH ('connector' = 'files')"),
        ("SELECT * FROM ", "(SELECT * FROM ", "bid", ")", ""),
        ("", "(", "SELECT 1", ")", ""),
        ("SELECT 1", " UNION ALL SELECT 1", "", "", ""),
        ("SELECT 1", " UNION SELECT 1", "", "", ""),
        ("SELECT 1", " INTERSECT SELECT 1", "", "", ""),
        ("SELECT 1 FROM bid", ", bid", "", "", ""),
        ("SELECT 1 FROM bid", " CROSS JOIN auction", "", "", ""),
        ("SELECT 1 FROM ", "(bid CROSS JOIN ", "auction", ")", ""),
        ("SELECT 1 FROM bid WHERE ", "EXISTS (SELECT 1 FROM bid WHERE ", "TRUE", ")", ""),
        ("SELECT 1 FROM bid WHERE price IN (", "SELECT price FROM bid WHERE price IN (", "SELECT 1", ")", ")"),
        (
            "SELECT 1 FROM bid WHERE price > (",
            "SELECT MAX(price) FROM bid WHERE price > (",
            "SELECT MAX(1) FROM bid",
            ")",
            ")",
        ),
        (
            "SELECT 1 FROM TABLE(",
            "TUMBLE(TABLE (SELECT * FROM ",
            "bid",
            "), DESCRIPTOR(dateTime), INTERVAL '1' DAY)",
            ")",
        ),
        ("", "EXPLAIN ", "SELECT 1", "", ""),
        ("", "EXECUTE ", "SELECT 1", "", ""),
        ("", "EXPLAIN EXECUTE ", "SELECT 1", "", ""),
        ("", "WITH a AS (", "SELECT 1", ") SELECT * FROM a", ""),
        ("SELECT ", "price, ", "1 FROM bid", "", ""),
        ("VALUES (1)", ", (1)", "", "", ""),
        ("", "; ", "SELECT 1", "", ""),
        ("", "/* ", "SELECT 1", " */", ""),
        ("SELECT ", "'", "a", "'", ""),
        ("SELECT 1 FROM bid GROUP BY ", "ROLLUP (", "price", ")", ""),
        ("SELECT INTERVAL ", "-", "'1' DAY", "", ""),
    ] {
        for count in [10, 130, 2000] {
            println!("{count} times {repeated:?}");
            let text = [start, &repeated.repeat(count), middle, &closed.repeat(count), end].concat();
            run(&text);
        }
    }
}
