//! `SELECT /*+ STATE_ID('orders') */ …`: the id of the state that a query keeps.
//!
//! To the parser the hint is a first column with a mark, which [`take`] takes out of the query again.

use sqlparser::{
    ast::{Expr, Select, SelectItem, Value},
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace},
};

use crate::{SqlError, dialect::FlinkDialect};

/// What the column begins with; no text that a user writes does.
const MARK: &str = "\u{1}state:";

/// Characters of an id at most.
const LENGTH_MAX: usize = 64;

/// The id that a user gives to state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateId(pub(crate) String);

impl StateId {
    /// The name of the derived table that stands for the query with the hint.
    pub(crate) fn alias(&self) -> String {
        format!("{MARK}{}", self.0)
    }

    /// The inverse of [`Self::alias`].
    pub(crate) fn of_alias(alias: &str) -> Option<Self> {
        alias.strip_prefix(MARK).map(|id| Self(id.to_owned()))
    }
}

/// Reads the hint, which stands behind these tokens.
pub(super) fn read(hints: &str, span: Span, before: &[TokenWithSpan]) -> Result<(StateId, Span), SqlError> {
    let wrong = |what: &str| SqlError::at_span(format!("the hint STATE_ID {what}"), span);
    let tokens = Tokenizer::new(&FlinkDialect, hints).tokenize().map_err(|error| wrong(&error.message))?;
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let [Token::Word(_), Token::LParen, Token::SingleQuotedString(id), Token::RParen] = tokens.as_slice() else {
        return Err(wrong("has one id, as STATE_ID('orders'), and stands alone"));
    };
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if id.is_empty() || id.len() > LENGTH_MAX || !id.chars().all(is_plain) || id.starts_with('.') {
        let allowed = format!("takes at most {LENGTH_MAX} letters, digits, '-', '_' and '.', not '{id}'");
        return Err(wrong(&allowed));
    }
    let last = before.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
    if !last.is_some_and(|last| is_word(last, &["SELECT"])) {
        return Err(wrong("belongs behind SELECT"));
    }
    Ok((StateId(id.clone()), span))
}

/// Passes a token on, with the column that stands for a hint before it, or behind a `DISTINCT`.
pub(super) fn put(token: TokenWithSpan, pending: &mut Option<(StateId, Span)>, to: &mut Vec<TokenWithSpan>) {
    let is_blank = matches!(token.token, Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab));
    let Some((id, span)) = pending.take_if(|_| !is_blank) else { return to.push(token) };
    let mark = [Token::SingleQuotedString(id.alias()), Token::Comma].map(|token| TokenWithSpan { token, span });
    if is_word(&token, &["DISTINCT", "ALL"]) {
        to.push(token);
        to.extend(mark);
    } else {
        to.extend(mark);
        to.push(token);
    }
}

fn is_word(token: &TokenWithSpan, words: &[&str]) -> bool {
    let Token::Word(word) = &token.token else { return false };
    word.quote_style.is_none() && words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

/// Takes the hint out of a query.
pub(crate) fn take(select: &mut Select) -> Option<StateId> {
    let Some(SelectItem::UnnamedExpr(Expr::Value(value))) = select.projection.first() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let id = StateId::of_alias(text)?;
    select.projection.remove(0);
    Some(id)
}
