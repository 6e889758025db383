//! Interval literals: `INTERVAL '1 02:03' DAY TO MINUTE`.

use model::DataType;
use sqlparser::{
    ast::Expr,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use crate::escape;

/// `INTERVAL [-] '…' unit [(p)] [TO unit [(p)]]`
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
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
