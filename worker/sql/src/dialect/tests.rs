//! Which operands operators take, against brackets.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Expr, VisitMut, VisitorMut},
    parser::Parser,
    tokenizer::Token,
};

use super::FlinkDialect;

/// Writes brackets around every operation, and only there.
struct Brackets;

impl VisitorMut for Brackets {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        while let Expr::Nested(inner) = expr {
            *expr = std::mem::replace(&mut **inner, Expr::Tuple(Vec::new()));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_operand = matches!(
            expr,
            Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::Value(_)
                | Expr::Function(_)
                | Expr::Tuple(_)
                | Expr::Subquery(_)
                | Expr::Dictionary(_)
        );
        if !is_operand {
            *expr = Expr::Nested(Box::new(std::mem::replace(expr, Expr::Tuple(Vec::new()))));
        }
        ControlFlow::Continue(())
    }
}

fn bracketed(text: &str) -> String {
    let mut parser = Parser::new(&FlinkDialect).try_with_sql(text).expect(text);
    let mut expr = parser.parse_expr().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(parser.peek_token().token, Token::EOF, "{text}");
    assert!(expr.visit(&mut Brackets).is_continue());
    expr.to_string()
}

/// An expression without brackets, and the same one with all that make no difference.
const EXPRESSIONS: &[(&str, &str)] = &[
    // AND, OR, NOT
    ("a OR b AND c", "a OR (b AND c)"),
    ("a AND b OR c AND d", "(a AND b) OR (c AND d)"),
    ("NOT a AND b", "(NOT a) AND b"),
    ("NOT a OR b", "(NOT a) OR b"),
    ("NOT NOT a = b", "NOT (NOT (a = b))"),
    ("a AND NOT b = c OR d", "(a AND (NOT (b = c))) OR d"),
    ("NOT a IS NULL", "NOT (a IS NULL)"),
    ("NOT a BETWEEN b AND c AND d", "(NOT (a BETWEEN b AND c)) AND d"),
    ("NOT a IN (b) OR c", "(NOT (a IN (b))) OR c"),
    ("NOT a LIKE b AND c", "(NOT (a LIKE b)) AND c"),
    ("NOT a IS DISTINCT FROM b", "NOT (a IS DISTINCT FROM b)"),
    // IS … and comparisons
    ("a IS TRUE AND b", "(a IS TRUE) AND b"),
    ("a OR b IS NOT FALSE", "a OR (b IS NOT FALSE)"),
    ("a = b IS UNKNOWN", "(a = b) IS UNKNOWN"),
    ("a < b IS NOT UNKNOWN OR c", "((a < b) IS NOT UNKNOWN) OR c"),
    ("a + b IS NULL", "(a + b) IS NULL"),
    ("a IS NULL IS TRUE", "(a IS NULL) IS TRUE"),
    ("a IS NOT NULL IS NOT TRUE AND b", "((a IS NOT NULL) IS NOT TRUE) AND b"),
    ("a IN (b) IS TRUE", "(a IN (b)) IS TRUE"),
    ("a LIKE b IS FALSE", "(a LIKE b) IS FALSE"),
    ("a BETWEEN b AND c IS UNKNOWN", "(a BETWEEN b AND c) IS UNKNOWN"),
    ("a IS JSON AND b IS NOT JSON OBJECT", "(a IS JSON) AND (b IS NOT JSON OBJECT)"),
    ("a || b IS JSON ARRAY OR c", "((a || b) IS JSON ARRAY) OR c"),
    ("a = b = c", "(a = b) = c"),
    ("a = b <> c", "(a = b) <> c"),
    ("a < b = c > d", "((a < b) = c) > d"),
    ("a + b = c * d", "(a + b) = (c * d)"),
    ("a = b || c", "a = (b || c)"),
    // IS [NOT] DISTINCT FROM
    ("a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"),
    ("a IS NOT DISTINCT FROM b AND c", "(a IS NOT DISTINCT FROM b) AND c"),
    ("a IS DISTINCT FROM b OR c", "(a IS DISTINCT FROM b) OR c"),
    ("a AND b IS NOT DISTINCT FROM c OR d", "(a AND (b IS NOT DISTINCT FROM c)) OR d"),
    ("a IS DISTINCT FROM b IS TRUE", "(a IS DISTINCT FROM b) IS TRUE"),
    ("a IS NOT DISTINCT FROM b IS NOT NULL", "(a IS NOT DISTINCT FROM b) IS NOT NULL"),
    ("a IS DISTINCT FROM b = c", "(a IS DISTINCT FROM b) = c"),
    ("a = b IS DISTINCT FROM c", "(a = b) IS DISTINCT FROM c"),
    ("a IS DISTINCT FROM b IS DISTINCT FROM c", "(a IS DISTINCT FROM b) IS DISTINCT FROM c"),
    ("a IS DISTINCT FROM b + c", "a IS DISTINCT FROM (b + c)"),
    ("a + b IS DISTINCT FROM c || d AND e", "((a + b) IS DISTINCT FROM (c || d)) AND e"),
    ("a IS DISTINCT FROM b IN (c)", "a IS DISTINCT FROM (b IN (c))"),
    ("a IS DISTINCT FROM b BETWEEN c AND d", "a IS DISTINCT FROM (b BETWEEN c AND d)"),
    ("a IS NOT DISTINCT FROM b LIKE c", "a IS NOT DISTINCT FROM (b LIKE c)"),
    // BETWEEN, IN, LIKE, SIMILAR TO
    ("a = b BETWEEN c AND d", "a = (b BETWEEN c AND d)"),
    ("a BETWEEN b AND c = d", "(a BETWEEN b AND c) = d"),
    ("a BETWEEN b AND c AND d", "(a BETWEEN b AND c) AND d"),
    ("a NOT BETWEEN b AND c OR d", "(a NOT BETWEEN b AND c) OR d"),
    ("a BETWEEN b + c AND d - e OR f", "(a BETWEEN (b + c) AND (d - e)) OR f"),
    ("a BETWEEN b = c AND d", "a BETWEEN (b = c) AND d"),
    ("a BETWEEN b OR c AND d", "a BETWEEN (b OR c) AND d"),
    ("a BETWEEN b IS NULL AND c IS NULL", "(a BETWEEN (b IS NULL) AND c) IS NULL"),
    ("a BETWEEN b AND c BETWEEN d AND e", "(a BETWEEN b AND c) BETWEEN d AND e"),
    ("a BETWEEN b AND c LIKE d", "a BETWEEN b AND (c LIKE d)"),
    ("a BETWEEN b AND c IN (d)", "(a BETWEEN b AND c) IN (d)"),
    ("a BETWEEN SYMMETRIC b AND c AND d", "(a BETWEEN SYMMETRIC b AND c) AND d"),
    ("a = b NOT BETWEEN SYMMETRIC c AND d OR e", "(a = (b NOT BETWEEN SYMMETRIC c AND d)) OR e"),
    ("a BETWEEN ASYMMETRIC b AND c = d", "(a BETWEEN ASYMMETRIC b AND c) = d"),
    ("a = b IN (c, d)", "a = (b IN (c, d))"),
    ("a NOT IN (b) = c", "(a NOT IN (b)) = c"),
    ("a + b IN (c) AND d", "((a + b) IN (c)) AND d"),
    ("a = b LIKE c", "a = (b LIKE c)"),
    ("a < b NOT LIKE c OR d", "(a < (b NOT LIKE c)) OR d"),
    ("a LIKE b || c AND d", "(a LIKE (b || c)) AND d"),
    ("a || b LIKE c ESCAPE '!' OR d", "((a || b) LIKE c ESCAPE '!') OR d"),
    ("a LIKE b = c", "(a LIKE b) = c"),
    ("a LIKE b ESCAPE '!' = c", "(a LIKE b ESCAPE '!') = c"),
    ("a = b SIMILAR TO c AND d", "(a = (b SIMILAR TO c)) AND d"),
    ("a NOT SIMILAR TO b || c ESCAPE '!' = d", "(a NOT SIMILAR TO (b || c) ESCAPE '!') = d"),
    // OVERLAPS
    ("(a, b) OVERLAPS (c, d) AND e", "((a, b) OVERLAPS (c, d)) AND e"),
    ("NOT (a, b) OVERLAPS (c, d)", "NOT ((a, b) OVERLAPS (c, d))"),
    ("(a, b) OVERLAPS (c, d) = e", "((a, b) OVERLAPS (c, d)) = e"),
    ("(a, b) OVERLAPS (c, d) IS TRUE", "((a, b) OVERLAPS (c, d)) IS TRUE"),
    // Arithmetic and ||
    ("a + b * c", "a + (b * c)"),
    ("a - b - c", "(a - b) - c"),
    ("a / b * c % d", "((a / b) * c) % d"),
    ("a + b || c", "a + (b || c)"),
    ("a || b + c", "(a || b) + c"),
    ("a * b || c", "(a * b) || c"),
    ("-a * b", "(-a) * b"),
    ("-a + b", "(-a) + b"),
    ("-a || b", "(-a) || b"),
    ("a - -b", "a - (-b)"),
    ("-a = b", "(-a) = b"),
    ("+a IS NULL", "(+a) IS NULL"),
    ("a + b < c - d AND e", "((a + b) < (c - d)) AND e"),
    // Access
    ("-a[1] + b", "(-(a[1])) + b"),
    ("a[b + 1] = c", "(a[(b + 1)]) = c"),
    ("a[b LIKE c]", "a[(b LIKE c)]"),
    ("a.b.c = d", "(a.b.c) = d"),
    ("f(a)[1] IS NULL", "(f(a)[1]) IS NULL"),
    // Operands with words of their own
    ("CASE WHEN a = b AND c THEN d ELSE e END = f", "(CASE WHEN ((a = b) AND c) THEN d ELSE e END) = f"),
    ("EXISTS (SELECT 1) AND a", "(EXISTS (SELECT 1)) AND a"),
    ("NOT EXISTS (SELECT 1) OR a", "(NOT EXISTS (SELECT 1)) OR a"),
    ("NOT EXISTS (SELECT 1) = a", "NOT ((EXISTS (SELECT 1)) = a)"),
    ("a + INTERVAL '1' DAY > b", "(a + INTERVAL '1' DAY) > b"),
    ("EXTRACT(DAY FROM a) + 1", "(EXTRACT(DAY FROM a)) + 1"),
];

#[test]
fn operators_take_what_they_take_in_flink() {
    for (text, brackets) in EXPRESSIONS {
        assert_eq!(bracketed(text), bracketed(brackets), "{text}");
    }
}

#[test]
fn a_type_ends_before_not_null() {
    let mut parser = Parser::new(&FlinkDialect).try_with_sql("a NOT NULL").unwrap();
    assert_eq!(parser.parse_expr().unwrap().to_string(), "a");
    assert!(matches!(parser.next_token().token, Token::Word(word) if word.value == "NOT"));
}
