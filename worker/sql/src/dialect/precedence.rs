//! How tightly operators bind: the levels of Calcite, whose parser Flink's is built on. All levels associate to the
//! left.

use sqlparser::{
    dialect::Precedence,
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, Word},
};

/// What is no operator behind an expression.
const NONE: u8 = 0;
const OR: u8 = 22;
/// `AND`; the one of `BETWEEN` has no level.
pub(super) const AND: u8 = 24;
/// `NOT` before a condition.
pub(super) const NOT: u8 = 26;
/// `IS [NOT] NULL`, `TRUE`, `FALSE`, `UNKNOWN`, `JSON …`.
const POSTFIX: u8 = 28;
/// `=`, `<>`, `<`, `<=`, `>`, `>=`, `IS [NOT] DISTINCT FROM`, `OVERLAPS`.
pub(super) const COMPARISON: u8 = 30;
/// `[NOT] BETWEEN`, `[NOT] IN`.
pub(super) const BETWEEN: u8 = 32;
/// `[NOT] LIKE`, `[NOT] SIMILAR TO`: an upper bound of `BETWEEN` may be one.
const LIKE: u8 = 33;
/// Operators that only other dialects have: they are read as one operand, and refused.
const FOREIGN: u8 = 38;
const ADDITIVE: u8 = 40;
/// `*`, `/`, `%`, `||`.
const MULTIPLICATIVE: u8 = 60;
const SUBSCRIPT: u8 = 94;
const FIELD: u8 = 100;

/// The level of a kind of operator.
pub(super) fn of(precedence: Precedence) -> u8 {
    match precedence {
        Precedence::Period => FIELD,
        Precedence::DoubleColon => SUBSCRIPT,
        Precedence::AtTz | Precedence::MulDivModOp => MULTIPLICATIVE,
        Precedence::PlusMinus => ADDITIVE,
        Precedence::Xor | Precedence::Ampersand | Precedence::Caret | Precedence::Pipe | Precedence::PgOther => FOREIGN,
        Precedence::Between => BETWEEN,
        Precedence::Eq => COMPARISON,
        Precedence::Like => LIKE,
        Precedence::Is => POSTFIX,
        Precedence::UnaryNot => NOT,
        Precedence::And => AND,
        Precedence::Or => OR,
        // `JSON_OBJECT('key' : value)`; there are no paths behind a colon.
        Precedence::Colon => NONE,
    }
}

/// The level of the next operator, where the parser does not know better.
pub(super) fn of_next(parser: &Parser<'_>) -> Option<u8> {
    let keyword = |ahead: usize| match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(Word { keyword, .. }) => *keyword,
        _ => Keyword::NoKeyword,
    };
    match (&parser.peek_token_ref().token, keyword(0)) {
        (Token::Colon, _) => Some(NONE),
        (_, Keyword::IS) => {
            let is_comparison = [keyword(1), keyword(2)].into_iter().find(|word| *word != Keyword::NOT);
            Some(if is_comparison == Some(Keyword::DISTINCT) { COMPARISON } else { POSTFIX })
        }
        (_, Keyword::OVERLAPS) => Some(COMPARISON),
        // `NOT NULL` is part of a column's type.
        (_, Keyword::NOT) if keyword(1) == Keyword::NULL => Some(NONE),
        _ => None,
    }
}
