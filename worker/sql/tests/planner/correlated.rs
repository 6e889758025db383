//! Queries in conditions: which become joins, and where the others are refused.

use model::ErrorClass;

use crate::support::{error, job, nexmark, text};

fn plan(query: &str) -> String {
    text(&mut nexmark(), &format!("EXPLAIN {query}"))
}

#[test]
fn correlated_subqueries_that_would_give_other_rows_are_refused_where_they_stand() {
    let of =
        |column: &str| format!("correlated subquery not supported: it reads the column '{column}' of the outer query");
    for (script, place, column) in [
        // Of one value.
        ("SELECT id FROM auction WHERE\n (SELECT COUNT(*) FROM bid WHERE id = bid.auction) > 0", (2, 3), "id"),
        ("SELECT id FROM auction A WHERE reserve > (SELECT MAX(price) + A.id FROM bid)", (1, 43), "id"),
        (
            "SELECT 1 FROM bid B WHERE price = (SELECT MAX(reserve) FROM auction JOIN person ON B.bidder = seller)",
            (1, 36),
            "bidder",
        ),
        (
            "WITH b AS (SELECT * FROM bid) SELECT 1 FROM b WHERE price > (SELECT MAX(id) FROM auction WHERE bidder = id)",
            (1, 62),
            "bidder",
        ),
        ("SELECT 1 FROM nexmark N WHERE 1 < (SELECT COUNT(*) FROM auction WHERE id = N.bid.auction)", (1, 36), "bid"),
        ("SELECT 1 FROM nexmark WHERE 1 < (SELECT COUNT(*) FROM auction WHERE id = bid.auction)", (1, 34), "bid"),
        // A row comes of no rows.
        ("SELECT id FROM auction A WHERE EXISTS (SELECT COUNT(*) FROM bid WHERE bid.auction = A.id)", (1, 40), "id"),
        (
            "SELECT id FROM auction A WHERE NOT EXISTS (SELECT MAX(price) FROM bid WHERE bid.auction = A.id)",
            (1, 44),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE reserve IN (SELECT COUNT(*) FROM bid WHERE bid.auction = A.id)",
            (1, 44),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE reserve NOT IN (SELECT MAX(price) FROM bid WHERE bid.auction = A.id)",
            (1, 48),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE NOT (reserve IN (SELECT MAX(price) FROM bid WHERE bid.auction = A.id))",
            (1, 49),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE reserve IN (SELECT COALESCE(MAX(price), 0) FROM bid WHERE bid.auction = A.id)",
            (1, 44),
            "id",
        ),
        // Which rows are left depends on the outer row.
        (
            "SELECT id FROM auction A WHERE reserve IN (SELECT price FROM bid WHERE bid.auction = A.id LIMIT 1)",
            (1, 44),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM bid WHERE bid.auction = A.id LIMIT 1 OFFSET 2)",
            (1, 40),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM (SELECT price, ROW_NUMBER() OVER (ORDER BY price) n FROM bid WHERE bid.auction = A.id) WHERE n = 1 AND price > 1)",
            (1, 40),
            "id",
        ),
        (
            "SELECT id FROM auction A WHERE reserve IN (SELECT MAX(price) FROM bid WHERE bid.auction > A.id)",
            (1, 44),
            "id",
        ),
        // Elsewhere than in conditions.
        ("SELECT id FROM auction A WHERE reserve IN (SELECT A.id + price FROM bid)", (1, 44), "id"),
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM bid UNION ALL SELECT 1 FROM person WHERE id = A.seller)",
            (1, 40),
            "seller",
        ),
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM bid JOIN person P ON P.id = A.seller)",
            (1, 40),
            "seller",
        ),
        // Of a query that is not the next one around.
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM bid WHERE EXISTS\n(SELECT 1 FROM person P WHERE P.id = A.seller))",
            (2, 2),
            "seller",
        ),
        // Not the one before it, which is supported.
        (
            "SELECT id FROM auction A WHERE EXISTS (SELECT 1 FROM bid WHERE bid.auction = A.id) AND\n EXISTS (SELECT COUNT(*) FROM bid WHERE bid.auction = A.id)",
            (2, 10),
            "id",
        ),
    ] {
        let found = error(&mut nexmark(), script);
        assert_eq!(found.message, of(column), "{script}\n{found}");
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
        assert_eq!(found.class, ErrorClass::User);
    }
    // In a view, where the view says it.
    let view = error(
        &mut nexmark(),
        "CREATE VIEW v AS SELECT id FROM auction A WHERE\n EXISTS (SELECT COUNT(*) FROM bid WHERE A.id = price)",
    );
    assert_eq!((view.line, view.column, &view.message), (2, 10, &of("id")), "{view}");
    // A column that is nowhere is not found.
    let missing =
        error(&mut nexmark(), "SELECT 1 FROM bid WHERE 1 < (SELECT COUNT(*) FROM auction WHERE id = nothing)");
    assert!(missing.message.starts_with("column 'nothing' not found"), "{missing}");
}

#[test]
fn correlated_subqueries_become_semi_and_anti_joins() {
    for (condition, join) in [
        ("EXISTS (SELECT 1 FROM bid WHERE bid.auction = A.id)", "LeftSemiJoin"),
        ("NOT EXISTS (SELECT * FROM bid WHERE bid.auction = A.id AND price > A.reserve LIMIT 3)", "LeftAntiJoin"),
        ("NOT (EXISTS (SELECT DISTINCT price FROM bid WHERE bid.auction = A.id))", "LeftAntiJoin"),
        ("reserve IN (SELECT price FROM bid WHERE bid.auction = id)", "LeftSemiJoin"),
        ("reserve = ANY (SELECT price FROM bid WHERE bid.auction = A.id)", "LeftSemiJoin"),
        ("reserve NOT IN (SELECT price FROM bid WHERE bid.auction = A.id)", "LeftAntiJoin"),
        ("reserve IN (SELECT MAX(price) FROM bid WHERE bid.auction = A.id)", "LeftSemiJoin"),
        ("EXISTS (SELECT 1 FROM bid WHERE bid.auction = A.id GROUP BY bidder HAVING COUNT(*) > 1)", "LeftSemiJoin"),
        ("EXISTS (SELECT 1 FROM bid B JOIN person P ON B.bidder = P.id WHERE B.auction = A.id)", "LeftSemiJoin"),
        (
            "EXISTS (SELECT 1 FROM bid B WHERE B.auction = A.id AND EXISTS (SELECT 1 FROM person P WHERE P.id = B.bidder))",
            "LeftSemiJoin",
        ),
        ("EXISTS (SELECT 1 FROM nexmark N WHERE N.bid.auction = A.id)", "LeftSemiJoin"),
    ] {
        let planned = plan(&format!("SELECT id FROM auction A WHERE {condition}"));
        assert!(planned.contains(join), "{condition}\n{planned}");
    }
    // Fields of columns of the outer query, deep ones and without the name of their table.
    for field in ["N.bid.auction", "bid.auction", "W.r.f.g", "r.f.g"] {
        let from = if field.contains('r') && field.contains('g') { "w AS W" } else { "nexmark AS N" };
        let view = "CREATE VIEW w AS SELECT CAST(ROW(ROW(price)) AS ROW<f ROW<g BIGINT>>) AS r FROM bid;";
        let script = format!(
            "{view} EXPLAIN SELECT 1 FROM {from} WHERE NOT EXISTS (SELECT 1 FROM person P WHERE P.id = {field})"
        );
        let planned = text(&mut nexmark(), &script);
        assert!(planned.contains("LeftAntiJoin"), "{script}\n{planned}");
    }
}

#[test]
fn a_query_in_a_condition_is_refused_where_it_is_none() {
    for (script, place) in [
        ("SELECT price IN (SELECT id FROM auction) FROM bid", (1, 8)),
        ("SELECT 1 FROM bid WHERE\n NOT (price > 1 AND EXISTS (SELECT 1 FROM auction))", (2, 29)),
        ("SELECT CASE WHEN EXISTS (SELECT 1 FROM auction) THEN 1 END FROM bid", (1, 26)),
        ("SELECT 1 FROM bid JOIN auction A ON A.id = bid.auction AND price IN (SELECT 1)", (1, 60)),
        ("SELECT COUNT(*) FROM bid GROUP BY price IN (SELECT 1)", (1, 35)),
        ("SELECT 1 FROM bid WHERE (price IN (SELECT 1)) IN (SELECT TRUE)", (1, 26)),
    ] {
        let found = error(&mut nexmark(), script);
        assert!(
            found.message.starts_with("IN and EXISTS with a query are only supported as conditions"),
            "{script}\n{found}"
        );
        assert_eq!((found.line, found.column), place, "{script}\n{found}");
    }
}

#[test]
fn every_operator_has_columns() {
    for query in [
        "SELECT price FROM bid WHERE EXISTS (SELECT * FROM auction)",
        "SELECT price FROM bid WHERE NOT EXISTS (SELECT 1 FROM auction WHERE reserve > 1)",
        "SELECT COUNT(*) FROM bid",
        "SELECT COUNT(*) FROM (SELECT 1 FROM bid UNION ALL SELECT 2 FROM auction)",
        "SELECT COUNT(*) FROM bid, auction",
        "SELECT 1 FROM bid, auction",
        "SELECT COUNT(*) FROM (SELECT price FROM bid LIMIT 5)",
        "SELECT COUNT(*) FROM (SELECT DISTINCT 1 FROM bid)",
        "SELECT COUNT(*) FROM (SELECT MAX(price) FROM bid)",
        "SELECT COUNT(*) FROM (VALUES (1), (2)) AS v(x)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM bid)",
        "SELECT COUNT(*) FROM bid WHERE EXISTS (SELECT 1 FROM auction)",
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))",
    ] {
        let job = job(&mut nexmark(), query);
        let mut nodes = job.graph.nodes.iter();
        assert!(nodes.all(|node| !node.schema.fields.is_empty()), "{query}");
    }
}
