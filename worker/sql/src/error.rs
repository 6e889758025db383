//! `SqlError`: what is wrong with a script, and where.

use std::fmt;

use datafusion_common::{DataFusionError, SchemaError};
use model::{ErrorClass, Failure};
use sqlparser::{
    ast::{Ident, Spanned},
    parser::ParserError,
    tokenizer::{Location, Span, TokenizerError},
};

/// The user's mistake in a script, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Lower-case, names the construct.
    pub message: String,
    /// 1-based; 0 if unknown.
    pub line: u64,
    /// 1-based; 0 if unknown.
    pub column: u64,
    /// Whose fault it is; `User` but for bugs of the planner.
    pub class: ErrorClass,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::new(error.class, error.to_string()).at_position(error.line, error.column)
    }
}

impl From<Failure> for SqlError {
    fn from(failure: Failure) -> Self {
        Self { class: failure.class, ..Self::new(failure.message) }
    }
}

impl From<ParserError> for SqlError {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => Self::with_place_in(message),
            ParserError::RecursionLimitExceeded => Self::new("the statement is nested too deeply"),
        }
    }
}

impl From<SqlError> for ParserError {
    fn from(error: SqlError) -> Self {
        Self::ParserError(error.to_string())
    }
}

impl From<TokenizerError> for SqlError {
    /// Messages start in lower case, as all of ours.
    fn from(error: TokenizerError) -> Self {
        let mut letters = error.message.chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        Self::at_location(first.chain(letters).collect::<String>(), error.location)
    }
}

impl SqlError {
    /// An error without a place.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: 0, column: 0, class: ErrorClass::User }
    }

    /// A bug of the planner.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { class: ErrorClass::Internal, ..Self::new(message) }
    }

    /// An error at a location.
    pub(crate) fn at_location(message: impl Into<String>, location: Location) -> Self {
        Self { line: location.line, column: location.column, ..Self::new(message) }
    }

    /// An error at the start of a span.
    pub(crate) fn at_span(message: impl Into<String>, span: Span) -> Self {
        Self::at_location(message, span.start)
    }

    /// An error at a syntax node.
    pub(crate) fn at(message: impl Into<String>, node: &impl Spanned) -> Self {
        Self::at_span(message, node.span())
    }

    /// An error at an identifier.
    pub(crate) fn at_ident(message: impl Into<String>, ident: &Ident) -> Self {
        Self::at_span(message, ident.span)
    }

    /// The same error, at `span` if it has no place yet.
    #[must_use]
    pub(crate) fn or_at(self, span: Span) -> Self {
        if self.line > 0 { self } else { Self { line: span.start.line, column: span.start.column, ..self } }
    }

    /// The parser writes the place at the end of its message.
    fn with_place_in(message: String) -> Self {
        let place = message.rfind(" at Line: ").and_then(|at| {
            let (line, column) = message[at + " at Line: ".len()..].split_once(", Column: ")?;
            Some((at, line.trim().parse().ok()?, column.trim().parse().ok()?))
        });
        match place {
            Some((at, line, column)) => Self { line, column, ..Self::new(lower_first(&message[..at])) },
            None => Self::new(lower_first(&message)),
        }
    }

    /// What the library's planner refused. `names` finds the place of an identifier in the statement.
    pub(crate) fn from_planner(error: &DataFusionError, find: &dyn Fn(&str) -> Option<Span>) -> Self {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let place = |mut found: Self, name: Option<&str>| {
            if let Some(span) = span {
                found.line = span.start.line;
                found.column = span.start.column;
            } else if let Some(span) = name.and_then(find) {
                found = found.or_at(span);
            }
            found
        };
        match error.find_root() {
            DataFusionError::SchemaError(error, _) => match error.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let mut valid: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).collect();
                    valid.dedup();
                    valid.truncate(20);
                    let table = field.relation.as_ref().map(|table| format!(" in '{table}'")).unwrap_or_default();
                    let columns =
                        if valid.is_empty() { String::new() } else { format!("; columns are {}", valid.join(", ")) };
                    let message = format!("column '{}' not found{table}{columns}", field.name);
                    place(Self::new(message), Some(&field.name))
                }
                SchemaError::AmbiguousReference { field } => {
                    place(Self::new(format!("column '{}' is ambiguous", field.name)), Some(&field.name))
                }
                SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                    place(Self::new(format!("column '{name}' occurs twice in one select list")), Some(name))
                }
            },
            DataFusionError::External(error) => {
                let found = match error.downcast_ref::<Self>() {
                    Some(error) if error.line > 0 => return error.clone(),
                    Some(error) => error.clone(),
                    None => Self::new(lower_first(&error.to_string())),
                };
                let named = named_in(&found.message, find);
                place(found, named.as_deref())
            }
            other => {
                let text = ours(ungrouped(strip_prefixes(&other.strip_backtrace())));
                let named = named_in(&text, find);
                place(Self::new(lower_first(&text)), named.as_deref())
            }
        }
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

/// A name in a message that stands in the statement: one in quotes, or else any word.
fn named_in(message: &str, find: &dyn Fn(&str) -> Option<Span>) -> Option<String> {
    let quoted = message.split('\'').skip(1).step_by(2);
    let words = message.split(|ch: char| !ch.is_alphanumeric() && ch != '_').filter(|word| word.len() > 1);
    quoted.chain(words).find(|name| find(name).is_some()).map(str::to_owned)
}

fn strip_prefixes(text: &str) -> String {
    let prefixes = [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Schema error: ",
        "type_coercion\ncaused by\n",
    ];
    let mut text = text.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim();
    }
    // Only the first line concerns the user.
    text.lines().next().unwrap_or_default().to_owned()
}

/// What the library says in the language of its own types, in words of ours.
fn ours(text: String) -> String {
    // A function says itself what it does not take.
    if let Some((_, said)) = text.split_once(" user-defined coercion failed with: ") {
        let said = said.split(". No function matches the given name").next().unwrap_or(said);
        return strip_prefixes(said);
    }
    if text.starts_with("Projections require unique expression names") {
        let column = text.split('"').nth(1).unwrap_or_default();
        let column = column.rsplit('.').next().unwrap_or(column);
        return format!("column '{column}' occurs twice in one select list: give it an alias");
    }
    const OF_MANY_TYPES: &str = "the rows of VALUES have different types: CAST them to one";
    let starts = [
        ("Cannot create filter with non-boolean predicate", "WHERE and HAVING take a condition of type BOOLEAN"),
        ("Join condition must be boolean type", "JOIN … ON takes a condition of type BOOLEAN"),
        ("Cannot infer common argument type for logical boolean operation", "AND and OR take values of type BOOLEAN"),
        ("Inconsistent metadata across values list", OF_MANY_TYPES),
        ("Inconsistent data type across values list", OF_MANY_TYPES),
    ];
    match starts.iter().find(|(start, _)| text.starts_with(start)) {
        Some((_, message)) => (*message).to_owned(),
        None => text,
    }
}

/// What the library says of a column that is neither grouped by nor aggregated, in fewer words.
fn ungrouped(text: String) -> String {
    let column = |text: &str| {
        let (_, rest) =
            text.split_once("must be in GROUP BY or an aggregate function").and(text.split_once("column \""))?;
        let (column, _) = rest.split_once('"')?;
        Some(column.rsplit('.').next().unwrap_or(column).to_owned())
    };
    match column(&text) {
        Some(column) => format!("column '{column}' is neither in GROUP BY nor in an aggregate function"),
        None => text,
    }
}

fn lower_first(text: &str) -> String {
    let text = text.trim().strip_prefix("sql parser error: ").unwrap_or(text.trim());
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.clone().next());
    match (first, second) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
