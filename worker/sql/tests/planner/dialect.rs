//! Expressions: those of other dialects, and the clauses of functions with a syntax of their own.

use crate::support::{error, job, nexmark};

#[test]
fn expressions_of_other_dialects_are_refused_where_they_stand() {
    for (expression, part) in [
        ("price::STRING", "a cast that is not written CAST(… AS …)"),
        ("dateTime AT TIME ZONE 'UTC'", "AT TIME ZONE"),
        ("url COLLATE utf8", "COLLATE"),
        ("url RLIKE 'a'", "RLIKE"),
        ("url ILIKE 'a'", "ILIKE"),
        ("[price]", "an array that is not written ARRAY[…]"),
        ("url IS NORMALIZED", "IS NORMALIZED"),
        ("price & 1", "the operator &"),
    ] {
        let found = error(&mut nexmark(), &format!("SELECT price,\n {expression} FROM bid"));
        assert!(found.message.contains(part) && found.message.ends_with(" is not supported"), "{expression}\n{found}");
        let column = if expression.starts_with('[') { 3 } else { 2 };
        assert_eq!((found.line, found.column), (2, column), "{expression}\n{found}");
    }
}

#[test]
fn clauses_of_json_functions_are_those_of_flink() {
    for call in [
        "JSON_VALUE(url, '$.a')",
        "JSON_VALUE(url, '$.a' RETURNING BOOLEAN NULL ON ERROR)",
        "JSON_VALUE(url, '$.a' RETURNING INTEGER NULL ON EMPTY NULL ON ERROR)",
        "JSON_VALUE(url, '$.a' RETURNING VARCHAR(3) ERROR ON ERROR ERROR ON EMPTY)",
        "JSON_VALUE(url, '$.a' RETURNING DOUBLE DEFAULT 1.5 ON EMPTY)",
        "JSON_VALUE(url, '$.a' RETURNING STRING DEFAULT NULL ON EMPTY DEFAULT 'x' ON ERROR)",
        "JSON_VALUE(url, '$.a' DEFAULT url || 'x' ON ERROR)",
        "JSON_VALUE(url, '$.a' NULL ON EMPTY ERROR ON EMPTY)",
        "JSON_QUERY(url, '$.a' RETURNING STRING NULL ON EMPTY)",
        "JSON_QUERY(url, '$.a' RETURNING VARCHAR(9) WITHOUT ARRAY WRAPPER EMPTY OBJECT ON ERROR)",
        "JSON_QUERY(url, '$.a' RETURNING ARRAY<STRING> WITH CONDITIONAL WRAPPER EMPTY ARRAY ON EMPTY ERROR ON ERROR)",
        "JSON_QUERY(url, '$.a' RETURNING STRING ARRAY WITH WRAPPER)",
        "JSON_QUERY(url, '$.a' WITH UNCONDITIONAL ARRAY WRAPPER NULL ON ERROR)",
        "JSON_EXISTS(url, '$.a')",
        "JSON_EXISTS(url, '$.a' UNKNOWN ON ERROR)",
        "JSON_OBJECT()",
        "JSON_OBJECT(NULL ON NULL)",
        "JSON_OBJECT(url : price, 'b' : 1, KEY 'c' VALUE 2, 'd' VALUE NULL ABSENT ON NULL)",
        "JSON_OBJECT('a':url,'b':JSON_OBJECT('c':JSON_ARRAY(price,url NULL ON NULL)))",
        "JSON_ARRAY()",
        "JSON_ARRAY(ABSENT ON NULL)",
        "JSON_ARRAY(price, NULL NULL ON NULL)",
    ] {
        job(&mut nexmark(), &format!("SELECT {call} FROM bid"));
    }
    for (call, place, part) in [
        ("JSON_VALUE(url, '$.a' RETURNING ARRAY<INT>)", (1, 40), "a scalar type after RETURNING"),
        ("JSON_VALUE(url, '$.a' EMPTY ARRAY ON EMPTY)", (1, 30), "NULL, ERROR or DEFAULT"),
        ("JSON_VALUE(url, '$.a' NULL ON NULL)", (1, 35), "ON EMPTY or ON ERROR"),
        ("JSON_QUERY(url, '$.a' RETURNING INTEGER)", (1, 40), "STRING, VARCHAR or ARRAY<STRING> after RETURNING"),
        ("JSON_QUERY(url, '$.a' DEFAULT '[]' ON EMPTY)", (1, 30), "NULL, ERROR, EMPTY ARRAY or EMPTY OBJECT"),
        ("JSON_EXISTS(url, '$.a' RETURNING BOOLEAN)", (1, 31), ")"),
        ("JSON_EXISTS(url, '$.a' NULL ON ERROR)", (1, 31), ")"),
        ("JSON_OBJECT('a' : 1,)", (1, 28), "an expression"),
        ("JSON_OBJECT('a' : 1, NULL ON NULL)", (1, 34), "VALUE"),
        ("JSON_OBJECT(KEY 'a' : 1)", (1, 28), "VALUE"),
        ("JSON_ARRAY(1,)", (1, 21), "an expression"),
    ] {
        let found = error(&mut nexmark(), &format!("SELECT {call} FROM bid"));
        assert!(found.message.contains(&format!("expected: {part}")), "{call}\n{found}");
        assert_eq!((found.line, found.column), place, "{call}\n{found}");
    }
}
