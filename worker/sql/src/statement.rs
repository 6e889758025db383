//! Flink's statements: what they say.

use model::DataType;
use sqlparser::{
    ast::{Expr, Ident, Query},
    tokenizer::Span,
};

mod client;
mod parse;
mod table;

pub(crate) use parse::parse_script;

/// One statement of a script.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    CreateTable(Box<CreateTable>),
    CreateView(CreateView),
    CreateFunction(CreateFunction),
    Drop { what: &'static str, name: Ident, if_exists: bool },
    Insert(Insert),
    Inserts(Vec<Insert>),
    Query(Box<Query>),
    Set(Option<(String, String)>),
    Reset(Option<String>),
    Explain(Box<Statement>),
    Describe(Ident),
    Show(Shown, Option<Pattern>),
    ShowCreate(Ident),
}

/// What `SHOW` lists.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    Tables,
    Views,
    Functions,
    Columns(Ident),
    Catalogs,
    Databases,
    CurrentCatalog,
    CurrentDatabase,
}

/// `[NOT] LIKE '…'`
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) negated: bool,
    /// `ILIKE`
    pub(crate) any_case: bool,
    pub(crate) text: String,
}

impl Pattern {
    /// Whether a name is to be listed.
    pub(crate) fn lets(&self, name: &str) -> bool {
        let letters = |text: &str| if self.any_case { text.to_lowercase() } else { text.to_owned() };
        let (pattern, name): (Vec<char>, Vec<char>) =
            (letters(&self.text).chars().collect(), letters(name).chars().collect());
        is_like(&pattern, &name) != self.negated
    }
}

/// `_` is any letter and `%` any number of them.
fn is_like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skipped| is_like(rest, &text[skipped..])),
        Some((letter, rest)) => {
            text.split_first().is_some_and(|(first, text)| (*letter == '_' || letter == first) && is_like(rest, text))
        }
    }
}

/// `CREATE TABLE`
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) watermark: Option<WatermarkDefinition>,
    pub(crate) primary_key: Vec<Ident>,
    pub(crate) partitioned_by: Vec<Ident>,
    pub(crate) options: Vec<(String, String)>,
    /// `LIKE`
    pub(crate) like: Option<Like>,
    /// `AS`
    pub(crate) query: Option<Box<Query>>,
    /// As written.
    pub(crate) text: String,
}

/// `LIKE table (INCLUDING …)`
#[derive(Clone, Debug)]
pub(crate) struct Like {
    pub(crate) table: Ident,
    /// What is said of each feature, in order.
    pub(crate) rules: Vec<(Inherit, Feature)>,
}

/// What becomes of a feature of the table that another is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inherit {
    Including,
    Excluding,
    Overwriting,
}

/// A feature of a table that another may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    All,
    Constraints,
    Generated,
    Metadata,
    Options,
    Partitions,
    Watermarks,
}

impl Like {
    /// What is said of a feature; without a word all is taken over, and options may be given anew.
    pub(crate) fn rule(&self, feature: Feature) -> Inherit {
        let said = self.rules.iter().rev().find(|(_, said)| *said == feature);
        let said = said.or_else(|| self.rules.iter().rev().find(|(_, said)| *said == Feature::All));
        match said {
            Some((Inherit::Including, Feature::All)) | None if feature == Feature::Options => Inherit::Overwriting,
            Some((inherit, _)) => *inherit,
            None => Inherit::Including,
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) kind: ColumnKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ColumnKind {
    Physical {
        data_type: DataType,
        nullable: bool,
    },
    /// What the connector tells under a key, which is the column's name if none is given.
    Metadata {
        data_type: DataType,
        nullable: bool,
        key: Option<String>,
        is_virtual: bool,
    },
    /// What it is computed from, and how that is written.
    Computed(Box<Expr>, String),
}

/// `WATERMARK FOR column AS expression`
#[derive(Clone, Debug)]
pub(crate) struct WatermarkDefinition {
    pub(crate) column: Ident,
    pub(crate) expression: Expr,
    /// The expression as written.
    pub(crate) text: String,
}

/// `CREATE VIEW`
#[derive(Clone, Debug)]
pub(crate) struct CreateView {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Box<Query>,
    /// As written.
    pub(crate) text: String,
}

/// `CREATE FUNCTION`
#[derive(Clone, Debug)]
pub(crate) struct CreateFunction {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    /// The class that implements it, and where it is named.
    pub(crate) class: (String, Span),
}

/// `INSERT INTO`
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) table: Ident,
    pub(crate) columns: Vec<Ident>,
    pub(crate) source: Box<Query>,
}
