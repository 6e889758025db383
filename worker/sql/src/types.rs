//! Flink's data types as written in DDL and casts.

use model::{DataType, Field};
use sqlparser::{
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

/// The greatest length, which makes a `VARCHAR` a `STRING`.
const LENGTH_MAX: u64 = 2_147_483_647;

/// How deep types may be nested.
const DEPTH_MAX: usize = 100;

/// A type and whether it may be null.
pub(crate) fn parse_type(parser: &mut Parser<'_>) -> Result<(DataType, bool), ParserError> {
    parse_nested(parser, 0)
}

fn parse_nested(parser: &mut Parser<'_>, mut depth: usize) -> Result<(DataType, bool), ParserError> {
    let start = parser.peek_token();
    let mut data_type = if depth < DEPTH_MAX { parse_base(parser, depth)? } else { return too_deep(parser, start) };
    loop {
        let nullable = parse_nullability(parser)?;
        // `INT ARRAY`, `INT NOT NULL MULTISET`
        if parser.parse_keyword(Keyword::ARRAY) {
            data_type = DataType::Array(Box::new(data_type));
        } else if parser.parse_keyword(Keyword::MULTISET) {
            data_type = DataType::Multiset(Box::new(data_type));
        } else {
            return Ok((data_type, nullable));
        }
        depth += 1;
        if depth > DEPTH_MAX {
            return too_deep(parser, start);
        }
    }
}

fn too_deep<T>(parser: &Parser<'_>, start: TokenWithSpan) -> Result<T, ParserError> {
    parser.expected(&format!("a data type that is nested at most {DEPTH_MAX} deep"), start)
}

/// A type behind which `NULL` is no part of it.
pub(crate) fn parse_returned_type(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let data_type = parse_base(parser, 0)?;
    // `STRING ARRAY`
    Ok(if parser.parse_keyword(Keyword::ARRAY) { DataType::Array(Box::new(data_type)) } else { data_type })
}

/// `[NOT] NULL`; true if absent.
fn parse_nullability(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    if parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]) {
        return Ok(false);
    }
    let _ = parser.parse_keyword(Keyword::NULL);
    Ok(true)
}

fn parse_base(parser: &mut Parser<'_>, depth: usize) -> Result<DataType, ParserError> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("a data type", token) };
    Ok(match word.value.to_ascii_uppercase().as_str() {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => {
            let _ = parser.parse_keyword(Keyword::PRECISION);
            DataType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => parse_decimal(parser)?,
        "CHAR" | "CHARACTER" => {
            if parser.parse_keyword(Keyword::VARYING) {
                varchar(parse_length(parser)?)
            } else {
                DataType::Char(length_u32(parse_length(parser)?.unwrap_or(1)))
            }
        }
        "VARCHAR" => varchar(parse_length(parser)?),
        "STRING" => DataType::String,
        "BINARY" => DataType::Binary(length_u32(parse_length(parser)?.unwrap_or(1))),
        "VARBINARY" => match parse_length(parser)? {
            Some(length) if length < LENGTH_MAX => DataType::Varbinary(length_u32(length)),
            _ => DataType::Bytes,
        },
        "BYTES" => DataType::Bytes,
        "DATE" => DataType::Date,
        "TIME" => {
            let precision = parse_precision(parser, 0)?;
            let _ = parser.parse_keywords(&[Keyword::WITHOUT, Keyword::TIME, Keyword::ZONE]);
            DataType::Time(precision)
        }
        "TIMESTAMP" => parse_timestamp(parser)?,
        "TIMESTAMP_LTZ" => DataType::TimestampLtz(parse_precision(parser, 6)?),
        "INTERVAL" => parse_interval(parser)?,
        "ROW" => parse_row(parser, depth)?,
        "ARRAY" => {
            parser.expect_token(&Token::Lt)?;
            let (item, _) = parse_nested(parser, depth + 1)?;
            close_angle(parser)?;
            DataType::Array(Box::new(item))
        }
        "MULTISET" => {
            parser.expect_token(&Token::Lt)?;
            let (element, _) = parse_nested(parser, depth + 1)?;
            close_angle(parser)?;
            DataType::Multiset(Box::new(element))
        }
        "MAP" => {
            parser.expect_token(&Token::Lt)?;
            let (key, _) = parse_nested(parser, depth + 1)?;
            parser.expect_token(&Token::Comma)?;
            let (value, _) = parse_nested(parser, depth + 1)?;
            close_angle(parser)?;
            DataType::Map(Box::new(key), Box::new(value))
        }
        "NULL" => DataType::Null,
        _ => return parser.expected("a data type", token),
    })
}

fn parse_timestamp(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let precision = parse_precision(parser, 6)?;
    if parser.parse_keyword(Keyword::WITH) {
        let token = parser.peek_token();
        if parser.parse_keyword(Keyword::LOCAL) {
            parser.expect_keywords(&[Keyword::TIME, Keyword::ZONE])?;
            return Ok(DataType::TimestampLtz(precision));
        }
        return parser.expected("LOCAL TIME ZONE (TIMESTAMP WITH TIME ZONE is not supported)", token);
    }
    let _ = parser.parse_keywords(&[Keyword::WITHOUT, Keyword::TIME, Keyword::ZONE]);
    Ok(DataType::Timestamp(precision))
}

fn parse_interval(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let mut year_month = false;
    loop {
        let unit = parser.parse_identifier()?;
        year_month |= matches!(unit.value.to_ascii_uppercase().as_str(), "YEAR" | "MONTH");
        if parser.consume_token(&Token::LParen) {
            parser.parse_literal_uint()?;
            parser.expect_token(&Token::RParen)?;
        }
        if !parser.parse_keyword(Keyword::TO) {
            break;
        }
    }
    Ok(if year_month { DataType::IntervalYearMonth } else { DataType::IntervalDayTime })
}

/// `ROW<a INT 'comment', …>` or `ROW(a INT, …)`
fn parse_row(parser: &mut Parser<'_>, depth: usize) -> Result<DataType, ParserError> {
    let parenthesised = parser.consume_token(&Token::LParen);
    if !parenthesised {
        parser.expect_token(&Token::Lt)?;
    }
    let fields = parser.parse_comma_separated(|parser| {
        let name = parser.parse_identifier()?.value;
        let (data_type, nullable) = parse_nested(parser, depth + 1)?;
        if matches!(parser.peek_token().token, Token::SingleQuotedString(_)) {
            parser.next_token();
        }
        Ok(Field { name, data_type, nullable })
    })?;
    if parenthesised {
        parser.expect_token(&Token::RParen)?;
    } else {
        close_angle(parser)?;
    }
    Ok(DataType::Row(fields))
}

/// A closing `>`. The tokenizer of this dialect never joins two.
fn close_angle(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    parser.expect_token(&Token::Gt).map(|_| ())
}

fn parse_decimal(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(DataType::Decimal(10, 0));
    }
    let token = parser.peek_token();
    let precision = parser.parse_literal_uint()?;
    let scale = if parser.consume_token(&Token::Comma) { parser.parse_literal_uint()? } else { 0 };
    parser.expect_token(&Token::RParen)?;
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Ok(DataType::Decimal(precision, scale)),
        _ => parser.expected("a precision from 1 to 38 and a scale up to it", token),
    }
}

fn parse_precision(parser: &mut Parser<'_>, default: u8) -> Result<u8, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(default);
    }
    let token = parser.peek_token();
    let precision = parser.parse_literal_uint()?;
    parser.expect_token(&Token::RParen)?;
    match u8::try_from(precision) {
        Ok(precision @ 0..=9) => Ok(precision),
        _ => parser.expected("a precision from 0 to 9", token),
    }
}

fn parse_length(parser: &mut Parser<'_>) -> Result<Option<u64>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let token = parser.peek_token();
    let length = parser.parse_literal_uint()?;
    parser.expect_token(&Token::RParen)?;
    if (1..=LENGTH_MAX).contains(&length) { Ok(Some(length)) } else { parser.expected("a length of at least 1", token) }
}

fn length_u32(length: u64) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Nexmark and others write `VARCHAR` for `STRING`.
fn varchar(length: Option<u64>) -> DataType {
    match length {
        Some(length) if length < LENGTH_MAX => DataType::Varchar(length_u32(length)),
        _ => DataType::String,
    }
}
