//! Flink's dialect: how identifiers are quoted, and the expressions that only Flink (or the standard) has.

use model::DataType;
use sqlparser::{
    ast::{
        BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
        FunctionArguments, Ident, ObjectName, UnaryOperator, Value as SqlValue, ValueWithSpan,
        helpers::attached_token::AttachedToken,
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

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let word = |ahead: usize, expected: &str| match parser.peek_nth_token(ahead).token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
            _ => false,
        };
        let is_json = word(0, "IS") && (word(1, "JSON") || (word(1, "NOT") && word(2, "JSON")));
        if is_json {
            return Some(parse_is_json(parser, expr.clone()));
        }
        let negated = word(0, "NOT");
        let ahead = usize::from(negated);
        let ordered = word(ahead, "BETWEEN") && (word(ahead + 1, "SYMMETRIC") || word(ahead + 1, "ASYMMETRIC"));
        ordered.then(|| parse_between(parser, expr.clone(), self.prec_value(Precedence::Between)))
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
            ("TRIM", Token::LParen) => Some(parse_trim(parser)),
            ("UNKNOWN", _) => {
                let span = parser.next_token().span;
                let none = Expr::Value(ValueWithSpan { value: SqlValue::Null, span });
                Some(Ok(escape::cast(&DataType::Boolean, false, none, span)))
            }
            ("CAST", Token::LParen) => Some(parse_cast(parser, false)),
            ("TRY_CAST", Token::LParen) => Some(parse_cast(parser, true)),
            ("INTERVAL", Token::SingleQuotedString(_) | Token::Number(..) | Token::Minus | Token::Plus) => {
                Some(parse_interval(parser))
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

/// `[NOT] BETWEEN SYMMETRIC a AND b`: the bounds in any order; `ASYMMETRIC` says nothing new.
fn parse_between(parser: &mut Parser<'_>, of: Expr, precedence: u8) -> Result<Expr, ParserError> {
    let negated = parser.parse_keyword(Keyword::NOT);
    parser.expect_keyword(Keyword::BETWEEN)?;
    let symmetric = parser.next_token().token.to_string().eq_ignore_ascii_case("SYMMETRIC");
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    let between = |low: &Expr, high: &Expr| Expr::Between {
        expr: Box::new(of.clone()),
        negated: false,
        low: Box::new(low.clone()),
        high: Box::new(high.clone()),
    };
    let inside = if symmetric {
        let (either, other) = (Box::new(between(&low, &high)), Box::new(between(&high, &low)));
        Expr::Nested(Box::new(Expr::BinaryOp { left: either, op: BinaryOperator::Or, right: other }))
    } else {
        between(&low, &high)
    };
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(inside) } } else { inside })
}

/// `IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]`
fn parse_is_json(parser: &mut Parser<'_>, of: Expr) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let negated = parser.parse_keyword(Keyword::NOT);
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
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is) } } else { is })
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

/// `INTERVAL [-] '…' unit [(p)] [TO unit [(p)]]`
fn parse_interval(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    let mut negative = false;
    loop {
        if parser.consume_token(&Token::Minus) {
            negative = !negative;
        } else if !parser.consume_token(&Token::Plus) {
            break;
        }
    }
    let token = parser.next_token();
    let text = match &token.token {
        Token::SingleQuotedString(text) => text.clone(),
        Token::Number(text, _) => text.clone(),
        _ => return parser.expected("the length of the interval", token),
    };
    let from = parse_unit(parser)?;
    let to = if parser.parse_keyword(Keyword::TO) { Some(parse_unit(parser)?) } else { None };
    match interval(&text, &from, to.as_deref()) {
        Some((data_type, value)) => Ok(escape::integer(if negative { -value } else { value }, &data_type, span)),
        None => Err(ParserError::ParserError(format!(
            "'{text}' is no interval of {from}{}{}",
            to.map(|to| format!(" TO {to}")).unwrap_or_default(),
            token.span.start
        ))),
    }
}

fn parse_unit(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let unit = parser.parse_identifier()?.value.to_ascii_uppercase();
    if parser.consume_token(&Token::LParen) {
        parser.parse_comma_separated(Parser::parse_literal_uint)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(unit.strip_suffix('S').map(str::to_owned).unwrap_or(unit))
}

/// Milliseconds of a unit of day-to-second intervals, with its place in the order of units.
fn day_time_unit(unit: &str) -> Option<(usize, i64)> {
    Some(match unit {
        "WEEK" => (0, 7 * 86_400_000),
        "DAY" => (1, 86_400_000),
        "HOUR" => (2, 3_600_000),
        "MINUTE" => (3, 60_000),
        "SECOND" => (4, 1_000),
        _ => return None,
    })
}

fn year_month_unit(unit: &str) -> Option<(usize, i64)> {
    Some(match unit {
        "YEAR" => (0, 12),
        "QUARTER" => (1, 3),
        "MONTH" => (2, 1),
        _ => return None,
    })
}

fn interval(text: &str, from: &str, to: Option<&str>) -> Option<(DataType, i64)> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some((first, months)) = year_month_unit(from) {
        let value = match to {
            None => text.parse::<i64>().ok()?.checked_mul(months)?,
            Some(to) => {
                let (last, _) = year_month_unit(to)?;
                let (years, rest) = text.split_once('-')?;
                if first != 0 || last != 2 {
                    return None;
                }
                years.parse::<i64>().ok()?.checked_mul(12)?.checked_add(rest.parse().ok()?)?
            }
        };
        return Some((DataType::IntervalYearMonth, sign * value));
    }
    let (first, _) = day_time_unit(from)?;
    let last = match to {
        None => first,
        Some(to) => day_time_unit(to)?.0,
    };
    // `1 2:3:4.5` from the first unit to the last.
    let parts: Vec<&str> = text.split([' ', ':']).filter(|part| !part.is_empty()).collect();
    if last < first || parts.len() != last - first + 1 {
        return None;
    }
    let units = ["WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
    let mut total = 0_i64;
    for (unit, part) in units[first..=last].iter().zip(parts) {
        let (_, milliseconds) = day_time_unit(unit)?;
        let value =
            if *unit == "SECOND" { seconds(part)? } else { part.parse::<i64>().ok()?.checked_mul(milliseconds)? };
        total = total.checked_add(value)?;
    }
    Some((DataType::IntervalDayTime, sign * total))
}

/// `4.25` in milliseconds.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits: String = fraction.chars().take(3).collect();
    while digits.len() < 3 {
        digits.push('0');
    }
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

/// The negation of an expression as written.
pub(crate) fn is_minus(op: &UnaryOperator) -> bool {
    matches!(op, UnaryOperator::Minus)
}
