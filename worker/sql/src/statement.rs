//! Flink's statements: what they say.

use std::{fmt, ops::Deref};

use model::DataType;
use sqlparser::{
    ast::{Expr, Ident, Query},
    tokenizer::Span,
};

mod alter;
mod client;
mod database;
mod hint;
mod parse;
mod table;

pub(crate) use hint::{StateId, options_of, take_state_id};
pub(crate) use parse::parse_script;

/// The database of names that say none, unless `USE` says another.
pub(crate) const DEFAULT_DATABASE: &str = "default_database";
/// The one catalog.
pub(crate) const DEFAULT_CATALOG: &str = "default_catalog";

/// What a table or view is called, with the database it is in.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) database: String,
    pub(crate) ident: Ident,
}

impl Deref for Name {
    type Target = Ident;

    fn deref(&self) -> &Ident {
        &self.ident
    }
}

/// As jobs call it: the database is left out if it is the default one.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.database.as_str() {
            DEFAULT_DATABASE => f.write_str(&self.ident.value),
            database => write!(f, "{database}.{}", self.ident.value),
        }
    }
}

/// One statement of a script.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    CreateTable(Box<CreateTable>),
    CreateView(CreateView),
    CreateFunction(CreateFunction),
    CreateDatabase { name: Ident, if_not_exists: bool },
    AlterTable { name: Name, if_exists: bool, change: Box<AlterTable> },
    AlterView { name: Name, change: AlterView },
    Drop { what: Dropped, name: Name, if_exists: bool },
    DropDatabase { name: Ident, if_exists: bool, cascade: bool },
    Use(Ident),
    Insert(Insert),
    Inserts(Vec<Insert>),
    Query(Box<Query>),
    Set(Option<(String, String)>),
    Reset(Option<String>),
    Explain { explained: Box<Statement>, as_json: bool },
    Describe(Name),
    Show(Shown, Option<Pattern>),
    ShowCreate(Dropped, Name),
}

/// What a statement is about that names its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Table,
    View,
    Function,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Function => "function",
        })
    }
}

/// What `SHOW` lists.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// Those of a database; of the current one if none is named.
    Tables(Option<Ident>),
    Views(Option<Ident>),
    Functions,
    Columns(Name),
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
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    /// `OR REPLACE`
    pub(crate) replaces: bool,
    pub(crate) temporary: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) watermark: Option<WatermarkDefinition>,
    pub(crate) primary_key: Vec<Ident>,
    /// `CONSTRAINT`
    pub(crate) primary_key_name: Option<Ident>,
    pub(crate) comment: Option<String>,
    pub(crate) distribution: Option<Distribution>,
    pub(crate) partitioned_by: Vec<Ident>,
    pub(crate) options: Vec<(String, String)>,
    /// `LIKE`
    pub(crate) like: Option<Like>,
    /// `AS`
    pub(crate) query: Option<Box<Query>>,
    /// The query's columns in another order.
    pub(crate) order: Vec<Ident>,
}

impl CreateTable {
    /// One that declares nothing yet.
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            if_not_exists: false,
            replaces: false,
            temporary: false,
            columns: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            primary_key_name: None,
            comment: None,
            distribution: None,
            partitioned_by: Vec::new(),
            options: Vec::new(),
            like: None,
            query: None,
            order: Vec::new(),
        }
    }
}

/// `DISTRIBUTED BY`; no connector reads it.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    /// `HASH` or `RANGE`, if one is named.
    pub(crate) kind: Option<&'static str>,
    pub(crate) columns: Vec<Ident>,
    pub(crate) buckets: Option<String>,
}

/// `ALTER TABLE`
#[derive(Clone, Debug)]
pub(crate) enum AlterTable {
    Rename(Name),
    RenameColumn {
        from: Ident,
        to: Ident,
    },
    Set(Vec<(String, String)>),
    Reset(Vec<(String, Span)>),
    Add(Elements),
    Modify(Elements),
    DropColumns(Vec<Ident>),
    DropPrimaryKey(Span),
    /// The primary key by its name.
    DropConstraint(Ident),
    DropWatermark(Span),
}

/// What is added to a table or modified.
#[derive(Clone, Debug)]
pub(crate) struct Elements {
    /// Columns, watermark and key.
    pub(crate) of: CreateTable,
    /// For each column where it is to stand.
    pub(crate) positions: Vec<Option<Position>>,
}

/// Where a column is to stand.
#[derive(Clone, Debug)]
pub(crate) enum Position {
    First,
    After(Ident),
}

/// `ALTER VIEW`
#[derive(Clone, Debug)]
pub(crate) enum AlterView {
    Rename(Name),
    As { query: Box<Query>, text: String },
}

/// `LIKE table (INCLUDING …)`
#[derive(Clone, Debug)]
pub(crate) struct Like {
    pub(crate) table: Name,
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
    Distribution,
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
    pub(crate) comment: Option<String>,
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
    pub(crate) name: Name,
    pub(crate) if_not_exists: bool,
    /// `OR REPLACE`
    pub(crate) replaces: bool,
    pub(crate) temporary: bool,
    pub(crate) columns: Vec<Ident>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Box<Query>,
    /// The query as written.
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
    pub(crate) table: Name,
    /// From a hint.
    pub(crate) options: Vec<(String, String)>,
    /// `PARTITION`: columns with the one value that they have.
    pub(crate) partition: Vec<(Ident, Expr)>,
    pub(crate) columns: Vec<Ident>,
    pub(crate) source: Box<Query>,
}
