//! The JSON functions of the standard, whose arguments are followed by words: `JSON_VALUE(js, '$.a' NULL ON EMPTY)`.

use graph::Value;
use model::DataType;
use sqlparser::{
    ast::{Expr, Function, FunctionArguments},
    parser::{Parser, ParserError},
    tokenizer::{Span, Token},
};

use crate::{
    dialect::{call, string},
    escape,
    types::parse_returned_type,
};

/// Whether the next tokens start one of these functions.
pub(crate) fn is_next(parser: &Parser<'_>) -> bool {
    let name = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        _ => None,
    };
    let known =
        ["JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "JSON_OBJECT", "JSON_ARRAY", "JSON_OBJECTAGG", "JSON_ARRAYAGG"];
    name(&parser.peek_token().token).is_some_and(|name| known.contains(&name.as_str()))
        && parser.peek_nth_token(1).token == Token::LParen
}

/// One of the functions, as a call that takes the words as arguments.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let token = parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let name = token.token.to_string().to_ascii_uppercase();
    let (args, returning) = match name.as_str() {
        "JSON_VALUE" => (value(parser, token.span)?, None),
        "JSON_QUERY" => query(parser, token.span)?,
        "JSON_EXISTS" => (exists(parser, token.span)?, None),
        "JSON_OBJECT" => (object(parser, token.span)?, None),
        "JSON_OBJECTAGG" => (object_of_rows(parser, token.span)?, None),
        "JSON_ARRAYAGG" => (array_of_rows(parser, token.span)?, None),
        _ => (array(parser, token.span)?, None),
    };
    parser.expect_token(&Token::RParen)?;
    let mut call = call(&name, token.span, args);
    if let Expr::Function(function) = &mut call
        && name.ends_with("AGG")
    {
        function.filter = filter(parser)?;
    }
    Ok(match returning {
        Some(to) => escape::cast(&to, false, call, token.span),
        None => call,
    })
}

type Returning = Option<DataType>;

fn is_word(parser: &Parser<'_>, ahead: usize, expected: &str) -> bool {
    match parser.peek_nth_token(ahead).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
        _ => false,
    }
}

/// Takes these words if they are next.
fn take(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let there = words.iter().enumerate().all(|(ahead, word)| is_word(parser, ahead, word));
    if there {
        words.iter().for_each(|_| drop(parser.next_token()));
    }
    there
}

fn document_and_path(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let document = parser.parse_expr()?;
    parser.expect_token(&Token::Comma)?;
    Ok(vec![document, parser.parse_expr()?])
}

/// `RETURNING type`, if the function takes the type.
fn returning(parser: &mut Parser<'_>, takes: fn(&DataType) -> bool, types: &str) -> Result<Returning, ParserError> {
    if !take(parser, &["RETURNING"]) {
        return Ok(None);
    }
    let place = parser.peek_token();
    let to = parse_returned_type(parser)?;
    if takes(&to) { Ok(Some(to)) } else { parser.expected(&format!("{types} after RETURNING"), place) }
}

/// `{ NULL | ERROR | DEFAULT x } ON { EMPTY | ERROR }`, any number of them; the last of each kind counts.
fn value(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let mut args = document_and_path(parser)?;
    let is_scalar = |to: &DataType| {
        !matches!(
            to,
            DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) | DataType::Row(_) | DataType::Null
        )
    };
    let returning = returning(parser, is_scalar, "a scalar type")?.filter(|to| *to != DataType::String);
    let none = || (string("NULL", span), string("", span));
    let (mut on_empty, mut on_error) = (None, None);
    while parser.peek_token().token != Token::RParen {
        let behaviour = if take(parser, &["NULL"]) {
            none()
        } else if take(parser, &["ERROR"]) {
            (string("ERROR", span), string("", span))
        } else if take(parser, &["DEFAULT"]) {
            (string("DEFAULT", span), escape::cast(&DataType::String, false, parser.parse_expr()?, span))
        } else {
            return parser.expected("NULL, ERROR or DEFAULT", parser.peek_token());
        };
        let slot = if take(parser, &["ON", "EMPTY"]) {
            &mut on_empty
        } else if take(parser, &["ON", "ERROR"]) {
            &mut on_error
        } else {
            return parser.expected("ON EMPTY or ON ERROR", parser.peek_token());
        };
        *slot = Some(behaviour);
    }
    if on_empty.is_some() || on_error.is_some() || returning.is_some() {
        for (kind, default) in [on_empty.unwrap_or_else(none), on_error.unwrap_or_else(none)] {
            args.extend([kind, default]);
        }
    }
    args.extend(returning.map(|to| escape::literal(Value::Null, &to, span)));
    Ok(args)
}

/// `[ WITH … | WITHOUT ] WRAPPER`, then `{ NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR } ON { EMPTY | ERROR }`.
fn query(parser: &mut Parser<'_>, span: Span) -> Result<(Vec<Expr>, Returning), ParserError> {
    let mut args = document_and_path(parser)?;
    let is_json = |to: &DataType| match to {
        DataType::Array(item) => **item == DataType::String,
        to => matches!(to, DataType::String | DataType::Varchar(_)),
    };
    let returning = returning(parser, is_json, "STRING, VARCHAR or ARRAY<STRING>")?;
    let wrapper = if take(parser, &["WITHOUT"]) {
        Some("WITHOUT")
    } else if take(parser, &["WITH", "CONDITIONAL"]) {
        Some("CONDITIONAL")
    } else if take(parser, &["WITH", "UNCONDITIONAL"]) || take(parser, &["WITH"]) {
        Some("UNCONDITIONAL")
    } else {
        None
    };
    if wrapper.is_some() {
        take(parser, &["ARRAY"]);
        if !take(parser, &["WRAPPER"]) {
            return parser.expected("WRAPPER", parser.peek_token());
        }
    }
    let (mut on_empty, mut on_error) = ("NULL", "NULL");
    while parser.peek_token().token != Token::RParen {
        let kinds = [&["NULL"][..], &["ERROR"], &["EMPTY", "ARRAY"], &["EMPTY", "OBJECT"]];
        let Some(kind) = kinds.into_iter().position(|kind| take(parser, kind)) else {
            return parser.expected("NULL, ERROR, EMPTY ARRAY or EMPTY OBJECT", parser.peek_token());
        };
        let kind = ["NULL", "ERROR", "EMPTY ARRAY", "EMPTY OBJECT"][kind];
        if take(parser, &["ON", "EMPTY"]) {
            on_empty = kind;
        } else if take(parser, &["ON", "ERROR"]) {
            on_error = kind;
        } else {
            return parser.expected("ON EMPTY or ON ERROR", parser.peek_token());
        }
    }
    args.extend([wrapper.unwrap_or("WITHOUT"), on_empty, on_error].map(|word| string(word, span)));
    if let Some(DataType::Array(_)) = &returning {
        args.push(string("ARRAY", span));
        return Ok((args, None));
    }
    Ok((args, returning))
}

fn exists(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let mut args = document_and_path(parser)?;
    for kind in ["TRUE", "FALSE", "UNKNOWN", "ERROR"] {
        if take(parser, &[kind, "ON", "ERROR"]) {
            args.push(string(kind, span));
            break;
        }
    }
    Ok(args)
}

/// `{ NULL | ABSENT } ON NULL`
fn on_null(parser: &mut Parser<'_>) -> Option<&'static str> {
    ["NULL ON NULL", "ABSENT ON NULL"].into_iter().find(|words| take(parser, &words.split(' ').collect::<Vec<_>>()))
}

/// Items between commas, or none, and what is said of nulls behind them.
fn listed<'p>(
    parser: &mut Parser<'p>,
    mut item: impl FnMut(&mut Parser<'p>) -> Result<(), ParserError>,
) -> Result<Option<&'static str>, ParserError> {
    let first = on_null(parser);
    if first.is_some() || parser.peek_token().token == Token::RParen {
        return Ok(first);
    }
    item(parser)?;
    while parser.consume_token(&Token::Comma) {
        item(parser)?;
    }
    Ok(on_null(parser))
}

fn object(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let mut args = Vec::new();
    let nulls = listed(parser, |parser| {
        args.extend(field(parser)?);
        Ok(())
    })?;
    args.push(string(nulls.unwrap_or("NULL ON NULL"), span));
    Ok(args)
}

/// `[KEY] k { VALUE | : } v`
fn field(parser: &mut Parser<'_>) -> Result<[Expr; 2], ParserError> {
    // `KEY` alone may be a column.
    let has_word =
        is_word(parser, 0, "KEY") && !is_word(parser, 1, "VALUE") && parser.peek_nth_token(1).token != Token::Colon;
    if has_word {
        parser.next_token();
    }
    let key = parser.parse_expr()?;
    if !take(parser, &["VALUE"]) && (has_word || !parser.consume_token(&Token::Colon)) {
        return parser.expected("VALUE", parser.peek_token());
    }
    Ok([key, json_inside(parser.parse_expr()?)])
}

/// A field of each row.
fn object_of_rows(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let mut args = field(parser)?.to_vec();
    args.push(string(on_null(parser).unwrap_or("NULL ON NULL"), span));
    Ok(args)
}

/// A value of each row.
fn array_of_rows(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let value = json_inside(parser.parse_expr()?);
    Ok(vec![value, string(on_null(parser).unwrap_or("ABSENT ON NULL"), span)])
}

/// `FILTER (WHERE …)` behind an aggregate.
fn filter(parser: &mut Parser<'_>) -> Result<Option<Box<Expr>>, ParserError> {
    if !take(parser, &["FILTER"]) {
        return Ok(None);
    }
    parser.expect_token(&Token::LParen)?;
    if !take(parser, &["WHERE"]) {
        return parser.expected("WHERE", parser.peek_token());
    }
    let condition = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(Box::new(condition)))
}

fn array(parser: &mut Parser<'_>, span: Span) -> Result<Vec<Expr>, ParserError> {
    let mut args = Vec::new();
    let nulls = listed(parser, |parser| {
        args.push(json_inside(parser.parse_expr()?));
        Ok(())
    })?;
    // Said always, so that no text among the values is taken for it.
    args.push(string(nulls.unwrap_or("ABSENT ON NULL"), span));
    Ok(args)
}

/// A value; one that is made as JSON right here goes in as it is, not as a text.
fn json_inside(value: Expr) -> Expr {
    match &value {
        Expr::Function(Function { name, args: FunctionArguments::List(_), .. })
            if ["JSON_OBJECT", "JSON_ARRAY"].iter().any(|known| name.to_string().eq_ignore_ascii_case(known)) =>
        {
            let span = name.0.first().and_then(|part| part.as_ident()).map_or_else(Span::empty, |ident| ident.span);
            call("JSON", span, vec![value])
        }
        _ => value,
    }
}
