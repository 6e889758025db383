//! Hints, which are comments to the tokenizer: `t /*+ OPTIONS('k' = 'v') */` becomes a name of one part more, which has
//! the options.

use sqlparser::{
    ast::Ident,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word},
};

mod state_id;

pub(crate) use self::state_id::{StateId, take as take_state_id};

use super::parse::StatementParser;
use crate::{SqlError, dialect::FlinkDialect};

/// What a part of a name that has options begins with; no name that a user writes does.
const MARK: &str = "\u{1}";

/// Hints that say how to join, which is decided otherwise here.
const IDLE: [&str; 6] = ["BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "LOOKUP", "MULTI_JOIN"];

/// The options that are in the first part of a name.
pub(crate) fn options_of(part: &str) -> Option<Vec<(String, String)>> {
    serde_json::from_str(part.strip_prefix(MARK)?).ok()
}

/// The tokens without hints that only say how to join. All others are refused: they would change results or state, or
/// are misspelt.
pub(super) fn apply(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut applied: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut state_id = None;
    for token in tokens {
        let Token::Whitespace(Whitespace::MultiLineComment(text)) = &token.token else {
            state_id::put(token, &mut state_id, &mut applied);
            continue;
        };
        let Some(hints) = text.trim_start().strip_prefix('+') else { continue };
        let names = names(hints).map_err(|error| error.or_at(token.span))?;
        if names.iter().any(|name| name == "STATE_TTL") {
            return Err(SqlError::at_span("the hint STATE_TTL is not supported", token.span));
        }
        if names.iter().any(|name| name == "STATE_ID") {
            state_id = Some(state_id::read(hints, token.span, &applied)?);
            continue;
        }
        if let Some(other) = names.iter().find(|name| *name != "OPTIONS" && !IDLE.contains(&name.as_str())) {
            return Err(SqlError::at_span(format!("there is no hint {other}"), token.span));
        }
        if names.first().is_none_or(|first| first != "OPTIONS") {
            if names.iter().any(|name| name == "OPTIONS") {
                return Err(SqlError::at_span("the hint OPTIONS stands alone behind a table", token.span));
            }
            continue;
        }
        let options = parse(hints).map_err(|error| error.or_at(token.span))?;
        let Some(start) = start_of_name(&applied) else {
            return Err(SqlError::at_span("the hint OPTIONS belongs behind the name of a table", token.span));
        };
        let json = serde_json::to_string(&options).map_err(|error| SqlError::internal(error.to_string()))?;
        let part = Ident::with_quote('`', format!("{MARK}{json}"));
        let span = applied[start].span;
        let word =
            Word { value: part.value, quote_style: part.quote_style, keyword: sqlparser::keywords::Keyword::NoKeyword };
        applied.insert(start, TokenWithSpan { token: Token::Period, span });
        applied.insert(start, TokenWithSpan { token: Token::Word(word), span });
    }
    Ok(applied)
}

/// The names of hints, in upper case.
fn names(hints: &str) -> Result<Vec<String>, SqlError> {
    let mut depth = 0_usize;
    let mut names = Vec::new();
    for token in Tokenizer::new(&FlinkDialect, hints).tokenize().map_err(|error| SqlError::new(error.message))? {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 => names.push(word.value.to_ascii_uppercase()),
            _ => {}
        }
    }
    Ok(names)
}

/// `OPTIONS ('k' = 'v', …)`
fn parse(hints: &str) -> Result<Vec<(String, String)>, SqlError> {
    let tokens = Tokenizer::new(&FlinkDialect, hints).tokenize_with_location()?;
    let parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
    let mut parser = StatementParser { script: hints, parser, database: String::new() };
    let options = parser.expect_word("OPTIONS").and_then(|()| parser.options());
    // The place is one in the hint.
    let options = options.map_err(|error| SqlError::new(format!("the hint OPTIONS: {}", error.message)))?;
    match parser.parser.peek_token().token {
        Token::EOF => Ok(options),
        other => Err(SqlError::new(format!("the hint OPTIONS stands alone behind a table, without {other}"))),
    }
}

/// The position of the first token of the table's name at the end.
fn start_of_name(tokens: &[TokenWithSpan]) -> Option<usize> {
    let significant = tokens.iter().enumerate().rev().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    let mut significant = significant.peekable();
    let mut start = significant.next().filter(|(_, token)| matches!(token.token, Token::Word(_)))?.0;
    while significant.next_if(|(_, token)| token.token == Token::Period).is_some() {
        start = significant.next().filter(|(_, token)| matches!(token.token, Token::Word(_)))?.0;
    }
    // What stands in FROM is a table, what else has commas is not.
    let mut depth = 0_usize;
    let mut is_listed = false;
    for (_, token) in significant {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return None,
            Token::LParen => depth -= 1,
            _ if depth > 0 => {}
            Token::Word(word) if word.quote_style.is_none() => {
                let is = |words: &[&str]| words.iter().any(|known| word.value.eq_ignore_ascii_case(known));
                if is(&["FROM"]) || (!is_listed && is(&["JOIN", "INTO", "TABLE"])) {
                    return Some(start);
                }
                if !is_listed || is(&["SELECT"]) {
                    return None;
                }
            }
            Token::Comma => is_listed = true,
            _ if !is_listed => return None,
            _ => {}
        }
    }
    None
}
