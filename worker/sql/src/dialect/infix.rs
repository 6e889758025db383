//! Operators whose operands the parser would take for too much or too little.

use sqlparser::{
    ast::{BinaryOperator, Expr, UnaryOperator},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::{
    call,
    precedence::{AND, BETWEEN, COMPARISON, NOT},
};

/// What follows `of`, if it is `IS [NOT] JSON`, `IS [NOT] DISTINCT FROM` or `[NOT] BETWEEN`.
pub(super) fn parse(parser: &mut Parser<'_>, of: &Expr) -> Option<Result<Expr, ParserError>> {
    let word = |ahead: usize, expected: &str| match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
        _ => false,
    };
    if word(0, "IS") {
        let behind = 1 + usize::from(word(1, "NOT"));
        if word(behind, "JSON") {
            return Some(parse_is_json(parser, of.clone()));
        }
        return word(behind, "DISTINCT").then(|| parse_is_distinct(parser, of.clone()));
    }
    word(usize::from(word(0, "NOT")), "BETWEEN").then(|| parse_between(parser, of.clone()))
}

/// `NOT a`; of `EXISTS`, the negated form.
pub(super) fn parse_not(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::NOT)?;
    Ok(match parser.parse_subexpr(NOT)? {
        Expr::Exists { subquery, negated } => Expr::Exists { subquery, negated: !negated },
        condition => negated(condition),
    })
}

fn negated(condition: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(condition) }
}

/// `IS [NOT] DISTINCT FROM b`
fn parse_is_distinct(parser: &mut Parser<'_>, of: Expr) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::IS)?;
    let is_negated = parser.parse_keyword(Keyword::NOT);
    parser.expect_keywords(&[Keyword::DISTINCT, Keyword::FROM])?;
    let (left, right) = (Box::new(of), Box::new(parser.parse_subexpr(COMPARISON)?));
    Ok(if is_negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) })
}

/// `[NOT] BETWEEN [SYMMETRIC | ASYMMETRIC] a AND b`: with `SYMMETRIC`, the bounds in any order.
fn parse_between(parser: &mut Parser<'_>, of: Expr) -> Result<Expr, ParserError> {
    let is_negated = parser.parse_keyword(Keyword::NOT);
    parser.expect_keyword(Keyword::BETWEEN)?;
    let symmetric = parser.parse_keyword(Keyword::SYMMETRIC);
    if !symmetric {
        let _ = parser.parse_keyword(Keyword::ASYMMETRIC);
    }
    let low = lower_bound(parser)?;
    parser.expect_keyword(Keyword::AND)?;
    let high = parser.parse_subexpr(BETWEEN)?;
    let between = |negated: bool, low: &Expr, high: &Expr| Expr::Between {
        expr: Box::new(of.clone()),
        negated,
        low: Box::new(low.clone()),
        high: Box::new(high.clone()),
    };
    if !symmetric {
        return Ok(between(is_negated, &low, &high));
    }
    let (left, right) = (Box::new(between(false, &low, &high)), Box::new(between(false, &high, &low)));
    let either = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Or, right }));
    Ok(if is_negated { negated(either) } else { either })
}

/// A lower bound: whatever stands before the next `AND`.
fn lower_bound(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let mut low = parser.parse_subexpr(AND)?;
    while parser.parse_keyword(Keyword::OR) {
        let right = Box::new(parser.parse_subexpr(AND)?);
        low = Expr::BinaryOp { left: Box::new(low), op: BinaryOperator::Or, right };
    }
    Ok(low)
}

/// `IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]`
fn parse_is_json(parser: &mut Parser<'_>, of: Expr) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let is_negated = parser.parse_keyword(Keyword::NOT);
    parser.next_token();
    let kinds =
        [(Keyword::VALUE, "IS JSON VALUE"), (Keyword::ARRAY, "IS JSON ARRAY"), (Keyword::OBJECT, "IS JSON OBJECT")];
    let kind = kinds.into_iter().find(|(keyword, _)| parser.parse_keyword(*keyword));
    let scalar = matches!(&parser.peek_token().token, Token::Word(word) if word.value.eq_ignore_ascii_case("SCALAR"));
    let name = match kind {
        Some((_, name)) => name,
        None if scalar => {
            parser.next_token();
            "IS JSON SCALAR"
        }
        None => "IS JSON VALUE",
    };
    let is = call(name, span, vec![of]);
    Ok(if is_negated { negated(is) } else { is })
}
