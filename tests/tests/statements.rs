//! Statements over small tables of JSON lines give the rows that Flink gives, in every setup.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{changelog, matrix};

/// A script over tables in a folder, and the rows of its last query.
struct Case<'a> {
    tables: &'a [Table<'a>],
    script: &'a str,
    rows: &'a [&'a str],
}

/// Name, columns and rows.
type Table<'a> = (&'a str, &'a str, &'a [&'a str]);

fn declare(folder: &Path, (name, columns, rows): &Table<'_>) -> Result<String> {
    let path = folder.join(format!("{name}.jsonl"));
    std::fs::write(&path, rows.iter().map(|row| format!("{row}\n")).collect::<String>())?;
    let path = path.display();
    Ok(format!(
        "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');\n"
    ))
}

fn check(case: &Case<'_>) -> Result<()> {
    let mut expected: Vec<Value> = case.rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>()?;
    expected.sort_by_key(Value::to_string);
    for setup in matrix::setups() {
        let folder = tempfile::tempdir()?;
        let mut script = String::from("SET 'table.local-time-zone' = 'UTC';\n");
        for table in case.tables {
            script.push_str(&declare(folder.path(), table)?);
        }
        script.push_str(&case.script.replace("${DIR}", &folder.path().display().to_string()));
        let path = folder.path().join("job.sql");
        std::fs::write(&path, script)?;
        let found = changelog::rows(&setup.run(&path)?)?;
        ensure!(found == expected, "{setup}\n{}\n{found:#?}\ninstead of\n{expected:#?}", case.script);
    }
    Ok(())
}

#[test]
fn operators_bind_as_tightly_as_in_flink() -> Result<()> {
    check(&Case {
        tables: &[(
            "t",
            "id INT, k INT, s STRING, p BOOLEAN, q BOOLEAN, r BOOLEAN",
            &[
                r#"{"id":1,"k":1,"s":"ab","p":false,"q":true,"r":false}"#,
                r#"{"id":2,"s":"b","p":false,"q":false,"r":false}"#,
                r#"{"id":3,"k":3,"s":"ac","p":true,"q":false,"r":true}"#,
                r#"{"id":4,"k":4,"s":"d","p":true,"q":true,"r":true}"#,
                r#"{"id":5,"r":true}"#,
            ],
        )],
        script: "
            SELECT 'and' AS kind, id FROM t WHERE p IS NOT DISTINCT FROM q AND r
            UNION ALL SELECT 'or', id FROM t WHERE p IS DISTINCT FROM q OR p
            UNION ALL SELECT 'is', id FROM t WHERE p IS DISTINCT FROM q IS NOT TRUE
            UNION ALL SELECT 'like', id FROM t WHERE p = s LIKE 'a%'
            UNION ALL SELECT 'between', id FROM t WHERE r = id BETWEEN 3 AND 4 AND p
            UNION ALL SELECT 'in', id FROM t WHERE q = id IN (1, 4) AND NOT r
            UNION ALL SELECT 'join', a.id FROM t AS a JOIN t AS b ON a.k IS NOT DISTINCT FROM b.k AND a.id = b.id;",
        rows: &[
            r#"{"kind":"and","id":4}"#,
            r#"{"kind":"and","id":5}"#,
            r#"{"kind":"or","id":1}"#,
            r#"{"kind":"or","id":3}"#,
            r#"{"kind":"or","id":4}"#,
            r#"{"kind":"is","id":2}"#,
            r#"{"kind":"is","id":4}"#,
            r#"{"kind":"is","id":5}"#,
            r#"{"kind":"like","id":2}"#,
            r#"{"kind":"like","id":3}"#,
            r#"{"kind":"between","id":3}"#,
            r#"{"kind":"between","id":4}"#,
            r#"{"kind":"in","id":1}"#,
            r#"{"kind":"in","id":2}"#,
            r#"{"kind":"join","id":1}"#,
            r#"{"kind":"join","id":2}"#,
            r#"{"kind":"join","id":3}"#,
            r#"{"kind":"join","id":4}"#,
            r#"{"kind":"join","id":5}"#,
        ],
    })
}

const SMALL: &[Table<'static>] = &[
    ("l", "a INT, b DOUBLE", &[r#"{"a":1,"b":2.0}"#, r#"{"a":1,"b":2.0}"#, r#"{"a":3,"b":3.5}"#, r#"{"b":5.0}"#]),
    ("r", "c INT, d DOUBLE", &[r#"{"c":3,"d":3.0}"#, r#"{"c":1,"d":0.5}"#, r#"{"d":5.0}"#]),
    ("none", "c INT", &[r#"{"c":1}"#]),
];

#[test]
fn rows_without_columns_are_rows() -> Result<()> {
    for (script, rows) in [
        ("SELECT a FROM l WHERE EXISTS (SELECT * FROM r) AND b > 3", &[r#"{"a":3}"#, r#"{"a":null}"#][..]),
        ("SELECT a FROM l WHERE NOT EXISTS (SELECT * FROM r)", &[]),
        ("SELECT b FROM l WHERE NOT EXISTS (SELECT 1 FROM none WHERE c > 1) AND a = 3", &[r#"{"b":3.5}"#]),
        ("SELECT COUNT(*) AS n FROM l WHERE EXISTS (SELECT 1 FROM r)", &[r#"{"n":4}"#]),
        ("SELECT COUNT(*) AS n FROM l, r", &[r#"{"n":12}"#]),
        ("SELECT COUNT(*) AS n FROM (SELECT 1 FROM l UNION ALL SELECT 2 FROM r)", &[r#"{"n":7}"#]),
        ("SELECT COUNT(*) AS n FROM (SELECT DISTINCT a FROM l)", &[r#"{"n":3}"#]),
        ("SELECT COUNT(*) AS n FROM (SELECT DISTINCT 1 FROM l)", &[r#"{"n":1}"#]),
        ("SELECT COUNT(*) AS n FROM (SELECT MAX(a) FROM l)", &[r#"{"n":1}"#]),
        ("SELECT COUNT(*) AS n FROM (SELECT a FROM l LIMIT 2)", &[r#"{"n":2}"#]),
        ("SELECT 1 AS n FROM r WHERE EXISTS (SELECT 1 FROM l)", &[r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":1}"#]),
        ("SELECT 1 AS n WHERE EXISTS (SELECT 1 FROM l)", &[r#"{"n":1}"#]),
    ] {
        check(&Case { tables: SMALL, script, rows })?;
    }
    Ok(())
}

#[test]
fn fields_of_outer_columns_are_read() -> Result<()> {
    let tables: &[Table<'_>] = &[
        ("s1", "ext ROW<nested STRING>", &[r#"{"ext":{"nested":"same"}}"#]),
        (
            "s2",
            "rec ROW<a ROW<b ROW<c STRING>>>",
            &[r#"{"rec":{"a":{"b":{"c":"other"}}}}"#, r#"{"rec":{"a":{"b":{"c":"same"}}}}"#],
        ),
    ];
    for (condition, row) in [
        ("NOT EXISTS (SELECT 1 FROM s1 t1 WHERE t1.ext.nested = t2.rec.a.b.c)", r#"{"o":"other"}"#),
        ("EXISTS (SELECT 1 FROM s1 WHERE ext.nested = rec.a.b.c)", r#"{"o":"same"}"#),
        ("t2.rec.a.b.c IN (SELECT ext.nested FROM s1 WHERE t2.rec.a.b.c <> 'x')", r#"{"o":"same"}"#),
    ] {
        let script = format!("SELECT t2.rec.a.b.c AS o FROM s2 t2 WHERE {condition}");
        check(&Case { tables, script: &script, rows: &[row] })?;
    }
    Ok(())
}

#[test]
fn windows_of_group_by_may_overlap_in_part_or_leave_gaps() -> Result<()> {
    let rows = [1, 2, 3, 4, 7, 6, 8, 16, 32].map(|ms| format!(r#"{{"at":"1970-01-01 00:00:00.{ms:03}"}}"#));
    let rows = rows.each_ref().map(String::as_str);
    let columns = "`at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '0.01' SECOND";
    let tables = &[("t", columns, &rows[..])];
    let query = |slide: &str, size: &str| {
        let hop = format!("(`at`, INTERVAL '{slide}' SECOND, INTERVAL '{size}' SECOND)");
        format!("SELECT EXTRACT(MILLISECOND FROM HOP_START{hop}) AS s, COUNT(*) AS n FROM t GROUP BY HOP{hop}")
    };
    check(&Case {
        tables,
        script: &query("0.004", "0.005"),
        rows: &[
            r#"{"s":0,"n":4}"#,
            r#"{"s":4,"n":4}"#,
            r#"{"s":8,"n":1}"#,
            r#"{"s":12,"n":1}"#,
            r#"{"s":16,"n":1}"#,
            r#"{"s":28,"n":1}"#,
            r#"{"s":32,"n":1}"#,
        ],
    })?;
    check(&Case {
        tables,
        script: &query("0.005", "0.003"),
        rows: &[r#"{"s":0,"n":2}"#, r#"{"s":5,"n":2}"#, r#"{"s":15,"n":1}"#, r#"{"s":30,"n":1}"#],
    })
}

#[test]
fn a_json_value_that_is_none_of_the_type_is_an_error_of_the_call() -> Result<()> {
    let documents = [
        r#"{"v": 1}"#,
        r#"{"v": true}"#,
        r#"{"v": "x"}"#,
        r#"{"v": "12"}"#,
        r#"{"v": 1.5}"#,
        r#"{"v": 2.0}"#,
        r#"{"v": 3000000000}"#,
        r#"{"v": [1]}"#,
        "no json",
    ];
    let rows = documents.iter().zip(1..).map(|(doc, id)| serde_json::json!({ "id": id, "doc": doc }).to_string());
    let rows: Vec<String> = rows.chain([r#"{"id":10}"#.to_owned()]).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let value = |clauses: &str| format!("JSON_VALUE(doc, 'lax $.v' {clauses})");
    let script = format!(
        "SELECT id, {} AS b, {} AS i, {} AS f, {} AS s FROM t",
        value("RETURNING BOOLEAN NULL ON ERROR"),
        value("RETURNING INTEGER DEFAULT -1 ON EMPTY DEFAULT -2 ON ERROR"),
        value("RETURNING DOUBLE"),
        value("RETURNING VARCHAR(9) DEFAULT 'none' ON EMPTY"),
    );
    check(&Case {
        tables: &[("t", "id INT, doc STRING", &rows)],
        script: &script,
        rows: &[
            r#"{"id":1,"b":null,"i":1,"f":1.0,"s":"1"}"#,
            r#"{"id":2,"b":true,"i":-2,"f":null,"s":"true"}"#,
            r#"{"id":3,"b":null,"i":-2,"f":null,"s":"x"}"#,
            r#"{"id":4,"b":null,"i":12,"f":12.0,"s":"12"}"#,
            r#"{"id":5,"b":null,"i":-2,"f":1.5,"s":"1.5"}"#,
            r#"{"id":6,"b":null,"i":2,"f":2.0,"s":"2.0"}"#,
            r#"{"id":7,"b":null,"i":-2,"f":3000000000.0,"s":"300000000"}"#,
            r#"{"id":8,"b":null,"i":-1,"f":null,"s":"none"}"#,
            r#"{"id":9,"b":null,"i":-1,"f":null,"s":"none"}"#,
            r#"{"id":10,"b":null,"i":null,"f":null,"s":null}"#,
        ],
    })
}

#[test]
fn what_follows_an_insert_in_step_reads_what_it_wrote() -> Result<()> {
    let script = "
        CREATE TABLE made (n INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/made', 'format' = 'json');
        CREATE TABLE more (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/more', 'format' = 'json');
        SET 'table.dml-sync' = 'true';
        INSERT INTO made VALUES (1), (2), (3);
        INSERT INTO more SELECT n * 10 FROM made;
        SELECT n FROM more;";
    check(&Case { tables: &[], script, rows: &[r#"{"n":10}"#, r#"{"n":20}"#, r#"{"n":30}"#] })
}
