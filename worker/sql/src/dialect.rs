//! Flink's dialect: how identifiers are quoted, and the expressions that only Flink (or the standard) has.

mod infix;
mod interval;
mod precedence;
#[cfg(test)]
mod tests;

use model::DataType;
use sqlparser::{
    ast::{
        CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
        ObjectName, UnaryOperator, Value as SqlValue, ValueWithSpan, helpers::attached_token::AttachedToken,
    },
    dialect::{Dialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Span, Token},
};

use crate::{escape, json_call, types::parse_type};

/// Flink SQL.
#[derive(Debug)]
pub(crate) struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    /// `ARRAY_AGG(x IGNORE NULLS)`
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        false
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        precedence::of_next(parser).map(Ok)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        precedence::of(precedence)
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        infix::parse(parser, expr)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let token = parser.peek_token();
        let Token::Word(word) = &token.token else { return None };
        if word.quote_style.is_some() {
            return None;
        }
        let next = parser.peek_nth_token(1).token;
        match (word.value.to_ascii_uppercase().as_str(), &next) {
            ("CASE", _) => Some(parse_case(parser)),
            ("NOT", _) => Some(infix::parse_not(parser)),
            ("TRIM", Token::LParen) => Some(parse_trim(parser)),
            ("UNKNOWN", _) => {
                let span = parser.next_token().span;
                let none = Expr::Value(ValueWithSpan { value: SqlValue::Null, span });
                Some(Ok(escape::cast(&DataType::Boolean, false, none, span)))
            }
            ("CAST", Token::LParen) => Some(parse_cast(parser, false)),
            ("TRY_CAST", Token::LParen) => Some(parse_cast(parser, true)),
            ("INTERVAL", Token::SingleQuotedString(_) | Token::Number(..) | Token::Minus | Token::Plus) => {
                Some(interval::parse(parser))
            }
            ("MAP", Token::LBracket) => Some(parse_bracketed(parser, "MAP")),
            ("ARRAY", Token::LBracket) => Some(parse_bracketed(parser, "ARRAY")),
            ("TABLE", Token::Word(_) | Token::LParen) => Some(parse_table_argument(parser)),
            ("TIMESTAMPADD" | "TIMESTAMPDIFF", Token::LParen) => Some(parse_with_unit(parser)),
            _ if json_call::is_next(parser) => Some(json_call::parse(parser)),
            _ => None,
        }
    }
}

/// A call of `name` with unnamed arguments.
pub(crate) fn call(name: &str, span: Span, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_span(span, name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// A character string.
pub(crate) fn string(text: &str, span: Span) -> Expr {
    Expr::Value(ValueWithSpan { value: SqlValue::SingleQuotedString(text.to_owned()), span })
}

/// `CASE [a] WHEN b [, c …] THEN d … [ELSE e] END`; where a branch has several values, `a` is one `IN` these.
fn parse_case(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let case_token = AttachedToken(parser.next_token());
    let has_operand = !parser.peek_keyword(Keyword::WHEN);
    let mut operand = if has_operand { Some(Box::new(parser.parse_expr()?)) } else { None };
    let mut branches: Vec<(Vec<Expr>, Expr)> = Vec::new();
    while branches.is_empty() || parser.peek_keyword(Keyword::WHEN) {
        parser.expect_keyword(Keyword::WHEN)?;
        let values =
            if has_operand { parser.parse_comma_separated(Parser::parse_expr)? } else { vec![parser.parse_expr()?] };
        parser.expect_keyword(Keyword::THEN)?;
        branches.push((values, parser.parse_expr()?));
    }
    if branches.iter().any(|(values, _)| values.len() > 1)
        && let Some(operand) = operand.take()
    {
        for (values, _) in &mut branches {
            let (expr, list) = (operand.clone(), std::mem::take(values));
            values.push(Expr::InList { expr, list, negated: false });
        }
    }
    let whens =
        branches.into_iter().filter_map(|(mut values, result)| Some(CaseWhen { condition: values.pop()?, result }));
    let conditions = whens.collect();
    let else_result = if parser.parse_keyword(Keyword::ELSE) { Some(Box::new(parser.parse_expr()?)) } else { None };
    let end_token = AttachedToken(parser.expect_keyword(Keyword::END)?);
    Ok(Expr::Case { case_token, end_token, operand, conditions, else_result })
}

/// `TRIM([BOTH | LEADING | TRAILING] [a] FROM b)`, `TRIM(b)`
fn parse_trim(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    parser.expect_token(&Token::LParen)?;
    let sides = [(Keyword::BOTH, "TRIM"), (Keyword::LEADING, "LTRIM"), (Keyword::TRAILING, "RTRIM")];
    let side = sides.into_iter().find(|(keyword, _)| parser.parse_keyword(*keyword));
    let mut args = Vec::new();
    if !parser.parse_keyword(Keyword::FROM) {
        args.push(parser.parse_expr()?);
        if parser.parse_keyword(Keyword::FROM) {
            args.insert(0, parser.parse_expr()?);
        } else if side.is_some() {
            return parser.expected("FROM", parser.peek_token());
        }
    } else {
        args.push(parser.parse_expr()?);
    }
    parser.expect_token(&Token::RParen)?;
    Ok(call(side.map_or("TRIM", |(_, name)| name), span, args))
}

fn parse_cast(parser: &mut Parser<'_>, safe: bool) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    parser.expect_token(&Token::LParen)?;
    let of = parser.parse_expr()?;
    parser.expect_keyword(Keyword::AS)?;
    let (to, _) = parse_type(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(escape::cast(&to, safe, of, span))
}

fn parse_bracketed(parser: &mut Parser<'_>, name: &str) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    parser.expect_token(&Token::LBracket)?;
    let items = if parser.consume_token(&Token::RBracket) {
        if name == "MAP" {
            return Err(ParserError::ParserError(format!("MAP[] without entries has no type{}", span.start)));
        }
        Vec::new()
    } else {
        let items = parser.parse_comma_separated(Parser::parse_expr)?;
        parser.expect_token(&Token::RBracket)?;
        items
    };
    Ok(call(name, span, items))
}

fn parse_table_argument(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let mut args = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        vec![Expr::Subquery(query)]
    } else {
        let name = parser.parse_object_name(false)?;
        vec![Expr::CompoundIdentifier(name.0.iter().filter_map(|part| part.as_ident().cloned()).collect())]
    };
    // One column, or several in brackets.
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        if parser.consume_token(&Token::LParen) {
            args.extend(parser.parse_comma_separated(Parser::parse_expr)?);
            parser.expect_token(&Token::RParen)?;
        } else {
            args.push(parser.parse_expr()?);
        }
    }
    Ok(call("TABLE", span, args))
}

fn parse_with_unit(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let name = parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let unit = parser.parse_identifier()?;
    parser.expect_token(&Token::Comma)?;
    let mut args = vec![string(&unit.value.to_ascii_uppercase(), unit.span)];
    args.extend(parser.parse_comma_separated(Parser::parse_expr)?);
    parser.expect_token(&Token::RParen)?;
    Ok(call(&name.token.to_string().to_ascii_uppercase(), name.span, args))
}

/// The negation of an expression as written.
pub(crate) fn is_minus(op: &UnaryOperator) -> bool {
    matches!(op, UnaryOperator::Minus)
}
