//! Flink's statements: what they say, and their grammar.

use model::{DataType, Failure};
use sqlparser::{
    ast::{Expr, Ident, Query},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer},
};

use crate::{SqlError, dialect::FlinkDialect, types::parse_type};

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
    ShowTables,
    ShowViews,
    ShowFunctions,
    ShowCreate(Ident),
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

/// The statements of a script, in order.
pub(crate) fn parse_script(script: &str) -> Result<Vec<(Statement, Span)>, SqlError> {
    let tokens = Tokenizer::new(&FlinkDialect, script).tokenize_with_location()?;
    let mut statements = StatementParser {
        script,
        parser: Parser::new(&FlinkDialect).with_recursion_limit(128).with_tokens_with_locations(split_angles(tokens)),
    };
    let mut all = Vec::new();
    loop {
        while statements.parser.consume_token(&Token::SemiColon) {}
        let start = statements.parser.peek_token();
        if start.token == Token::EOF {
            return Ok(all);
        }
        let statement = statements.statement().map_err(|error| error.or_at(statements.place(&start)))?;
        let end = statements.parser.peek_token();
        if end.token != Token::SemiColon && end.token != Token::EOF {
            statements.parser.expected::<()>("end of statement", end)?;
        }
        all.push((statement, start.span));
    }
}

/// `ROW<a ARRAY<INT>>` ends in two tokens, as there are no shifts.
fn split_angles(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut split = Vec::with_capacity(tokens.len());
    for token in tokens {
        if token.token == Token::ShiftRight {
            let one = TokenWithSpan { token: Token::Gt, span: token.span };
            split.push(one.clone());
            split.push(one);
        } else {
            split.push(token);
        }
    }
    split
}

struct StatementParser<'a> {
    script: &'a str,
    parser: Parser<'a>,
}

impl StatementParser<'_> {
    fn statement(&mut self) -> Result<Statement, SqlError> {
        let token = self.parser.peek_token();
        let Token::Word(word) = &token.token else {
            if token.token == Token::LParen {
                return Ok(Statement::Query(self.parser.parse_query()?));
            }
            return Ok(self.parser.expected("a statement", token)?);
        };
        match word.value.to_ascii_uppercase().as_str() {
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "INSERT" => Ok(Statement::Insert(self.insert()?)),
            "EXECUTE" => {
                self.parser.next_token();
                if self.word("STATEMENT") { self.statement_set() } else { self.statement() }
            }
            "BEGIN" => self.statement_set_after_set(),
            "SELECT" | "WITH" | "VALUES" => Ok(Statement::Query(self.parser.parse_query()?)),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "EXPLAIN" => self.explain(),
            "DESCRIBE" | "DESC" => {
                self.parser.next_token();
                let _ = self.parser.parse_keyword(Keyword::TABLE);
                Ok(Statement::Describe(self.name()?))
            }
            "SHOW" => self.show(),
            other => Err(SqlError::at_span(format!("{other} statements are not supported"), token.span)),
        }
    }

    /// The next token, or the last one at the end of the script.
    fn place(&self, start: &TokenWithSpan) -> Span {
        let next = self.parser.peek_token().span;
        let current = self.parser.get_current_token().span;
        [next, current].into_iter().find(|span| span.start.line > 0).unwrap_or(start.span)
    }

    /// Consumes an unquoted word, whatever its case.
    fn word(&mut self, expected: &str) -> bool {
        let found = self.peek_word(0, expected);
        if found {
            self.parser.next_token();
        }
        found
    }

    fn peek_word(&self, ahead: usize, expected: &str) -> bool {
        match self.parser.peek_nth_token(ahead).token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
            _ => false,
        }
    }

    fn expect_word(&mut self, expected: &str) -> Result<(), SqlError> {
        if self.word(expected) {
            return Ok(());
        }
        let found = self.parser.peek_token();
        Ok(self.parser.expected(expected, found)?)
    }

    /// A table's name; `catalog.database.table` is cut to the table.
    fn name(&mut self) -> Result<Ident, SqlError> {
        let mut name = self.parser.parse_identifier()?;
        while self.parser.consume_token(&Token::Period) {
            name = self.parser.parse_identifier()?;
        }
        Ok(name)
    }

    fn if_exists(&mut self, not: bool) -> Result<bool, SqlError> {
        if !self.word("IF") {
            return Ok(false);
        }
        if not {
            self.expect_word("NOT")?;
        }
        self.expect_word("EXISTS")?;
        Ok(true)
    }

    /// A character string.
    fn string(&mut self) -> Result<String, SqlError> {
        let token = self.parser.next_token();
        match token.token {
            Token::SingleQuotedString(text) => Ok(text),
            _ => Ok(self.parser.expected("a quoted string", token)?),
        }
    }

    fn comment(&mut self) -> Result<(), SqlError> {
        if self.word("COMMENT") {
            self.string()?;
        }
        Ok(())
    }

    fn create(&mut self) -> Result<Statement, SqlError> {
        let start = self.parser.next_token().span;
        let replaced = self.parser.peek_token();
        if self.word("OR") {
            return Err(SqlError::at_span("CREATE OR REPLACE is not supported", replaced.span));
        }
        if self.word("TEMPORARY") && self.peek_word(1, "FUNCTION") {
            self.word("SYSTEM");
        }
        let kind = self.parser.peek_token();
        if self.word("TABLE") {
            self.create_table(start)
        } else if self.word("VIEW") {
            self.create_view(start)
        } else if self.word("FUNCTION") {
            self.create_function()
        } else {
            Err(SqlError::at_span(format!("CREATE {} is not supported", kind.token), kind.span))
        }
    }

    /// `name AS 'class' [LANGUAGE JAVA] [USING JAR '…', …]`; a jar is not needed for what is built in.
    fn create_function(&mut self) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let name = self.name()?;
        self.expect_word("AS")?;
        let place = self.parser.peek_token().span;
        let class = (self.string()?, place);
        let language = self.parser.peek_token();
        if self.word("LANGUAGE") && !self.word("JAVA") && !self.word("SCALA") {
            return Err(SqlError::at_span("only functions of the LANGUAGE JAVA are known", language.span));
        }
        if self.word("USING") {
            loop {
                self.expect_word("JAR")?;
                self.string()?;
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
        }
        Ok(Statement::CreateFunction(CreateFunction { name, if_not_exists, class }))
    }

    fn create_view(&mut self, start: Span) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let name = self.name()?;
        let mut columns = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            loop {
                columns.push(self.parser.parse_identifier()?);
                self.comment()?;
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.parser.expect_token(&Token::RParen)?;
        }
        self.comment()?;
        self.expect_word("AS")?;
        let query = self.parser.parse_query()?;
        let text = self.text_from(start);
        Ok(Statement::CreateView(CreateView { name, if_not_exists, columns, query, text }))
    }

    fn create_table(&mut self, start: Span) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let name = self.name()?;
        let mut table = CreateTable {
            name,
            if_not_exists,
            columns: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            partitioned_by: Vec::new(),
            options: Vec::new(),
            like: None,
            query: None,
            text: String::new(),
        };
        // Another table, or a query, may say the columns.
        let elsewhere = ["COMMENT", "PARTITIONED", "WITH", "LIKE", "AS"].iter().any(|word| self.peek_word(0, word));
        if !elsewhere {
            self.parser.expect_token(&Token::LParen)?;
            loop {
                self.table_element(&mut table)?;
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.parser.expect_token(&Token::RParen)?;
        }
        self.comment()?;
        let distributed = self.parser.peek_token();
        if self.word("DISTRIBUTED") {
            return Err(SqlError::at_span("DISTRIBUTED BY is not supported", distributed.span));
        }
        if self.word("PARTITIONED") {
            self.expect_word("BY")?;
            table.partitioned_by = self.columns()?;
        }
        if self.word("WITH") {
            table.options = self.options()?;
        }
        if self.word("LIKE") {
            table.like = Some(self.like()?);
        } else if self.word("AS") {
            table.query = Some(self.parser.parse_query()?);
        } else if elsewhere {
            let found = self.parser.peek_token();
            return Ok(self.parser.expected("the columns, LIKE or AS", found)?);
        }
        table.text = self.text_from(start);
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// `table [(INCLUDING feature …)]`
    fn like(&mut self) -> Result<Like, SqlError> {
        let mut like = Like { table: self.name()?, rules: Vec::new() };
        if !self.parser.consume_token(&Token::LParen) {
            return Ok(like);
        }
        while !self.parser.consume_token(&Token::RParen) {
            let token = self.parser.next_token();
            let inherit = match token.token.to_string().to_ascii_uppercase().as_str() {
                "INCLUDING" => Inherit::Including,
                "EXCLUDING" => Inherit::Excluding,
                "OVERWRITING" => Inherit::Overwriting,
                _ => return Ok(self.parser.expected("INCLUDING, EXCLUDING or OVERWRITING", token)?),
            };
            let token = self.parser.next_token();
            let feature = match token.token.to_string().to_ascii_uppercase().as_str() {
                "ALL" => Feature::All,
                "CONSTRAINTS" => Feature::Constraints,
                "GENERATED" => Feature::Generated,
                "OPTIONS" => Feature::Options,
                "PARTITIONS" => Feature::Partitions,
                "WATERMARKS" => Feature::Watermarks,
                // Nothing has them.
                "METADATA" | "DISTRIBUTION" => continue,
                _ => return Ok(self.parser.expected("a feature of a table", token)?),
            };
            if inherit == Inherit::Overwriting
                && !matches!(feature, Feature::Generated | Feature::Options | Feature::Watermarks)
            {
                return Err(SqlError::at_span(format!("OVERWRITING {} is not possible", token.token), token.span));
            }
            like.rules.push((inherit, feature));
        }
        Ok(like)
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let token = self.parser.peek_token();
        if self.peek_word(0, "WATERMARK") && self.peek_word(1, "FOR") {
            if table.watermark.is_some() {
                return Err(SqlError::at_span("a table has one WATERMARK at most", token.span));
            }
            table.watermark = Some(self.watermark()?);
        } else if self.peek_word(0, "CONSTRAINT") || (self.peek_word(0, "PRIMARY") && self.peek_word(1, "KEY")) {
            if self.word("CONSTRAINT") {
                self.parser.parse_identifier()?;
            }
            let place = self.parser.peek_token();
            self.expect_word("PRIMARY")?;
            self.expect_word("KEY")?;
            let columns = self.columns()?;
            self.set_primary_key(table, columns, place.span)?;
        } else {
            self.column(table)?;
        }
        Ok(())
    }

    fn set_primary_key(&mut self, table: &mut CreateTable, columns: Vec<Ident>, place: Span) -> Result<(), SqlError> {
        if !table.primary_key.is_empty() {
            return Err(SqlError::at_span("a table has one PRIMARY KEY at most", place));
        }
        if !(self.word("NOT") && self.word("ENFORCED")) {
            return Err(SqlError::at_span("a PRIMARY KEY must be NOT ENFORCED", place));
        }
        table.primary_key = columns;
        Ok(())
    }

    fn watermark(&mut self) -> Result<WatermarkDefinition, SqlError> {
        self.expect_word("WATERMARK")?;
        self.expect_word("FOR")?;
        let column = self.parser.parse_identifier()?;
        self.expect_word("AS")?;
        let start = self.parser.peek_token().span;
        let expression = self.parser.parse_expr()?;
        Ok(WatermarkDefinition { column, expression, text: self.text_from(start) })
    }

    fn column(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let name = self.parser.parse_identifier()?;
        if self.word("AS") {
            let start = self.parser.peek_token().span;
            let expression = self.parser.parse_expr()?;
            let kind = ColumnKind::Computed(Box::new(expression), self.text_from(start));
            self.comment()?;
            table.columns.push(ColumnDefinition { name, kind });
            return Ok(());
        }
        let (data_type, mut nullable) = parse_type(&mut self.parser)?;
        loop {
            let token = self.parser.peek_token();
            if self.word("METADATA") {
                return Err(SqlError::at_span("METADATA columns are not supported", token.span));
            } else if self.peek_word(0, "CONSTRAINT") || self.peek_word(0, "PRIMARY") {
                if self.word("CONSTRAINT") {
                    self.parser.parse_identifier()?;
                }
                self.expect_word("PRIMARY")?;
                self.expect_word("KEY")?;
                self.set_primary_key(table, vec![name.clone()], token.span)?;
            } else if self.peek_word(0, "NOT") && self.peek_word(1, "NULL") {
                self.parser.next_token();
                self.parser.next_token();
                nullable = false;
            } else if self.peek_word(0, "COMMENT") {
                self.comment()?;
            } else {
                break;
            }
        }
        table.columns.push(ColumnDefinition { name, kind: ColumnKind::Physical { data_type, nullable } });
        Ok(())
    }

    /// `(a, b)`
    fn columns(&mut self) -> Result<Vec<Ident>, SqlError> {
        self.parser.expect_token(&Token::LParen)?;
        let columns = self.parser.parse_comma_separated(Parser::parse_identifier)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// `('k' = 'v', …)`
    fn options(&mut self) -> Result<Vec<(String, String)>, SqlError> {
        self.parser.expect_token(&Token::LParen)?;
        let mut options: Vec<(String, String)> = Vec::new();
        while !self.parser.consume_token(&Token::RParen) {
            let place = self.parser.peek_token();
            let key = self.string()?;
            self.parser.expect_token(&Token::Eq)?;
            let value = self.string()?;
            if options.iter().any(|(other, _)| *other == key) {
                return Err(SqlError::at_span(format!("option '{key}' is given twice"), place.span));
            }
            options.push((key, value));
            if !self.parser.consume_token(&Token::Comma) {
                self.parser.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(options)
    }

    fn drop(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if self.word("TEMPORARY") && self.peek_word(1, "FUNCTION") {
            self.word("SYSTEM");
        }
        let token = self.parser.peek_token();
        let what = if self.word("FUNCTION") {
            "function"
        } else if self.word("TABLE") {
            "table"
        } else if self.word("VIEW") {
            "view"
        } else {
            return Err(SqlError::at_span(format!("DROP {} is not supported", token.token), token.span));
        };
        let if_exists = self.if_exists(false)?;
        Ok(Statement::Drop { what, name: self.name()?, if_exists })
    }

    fn insert(&mut self) -> Result<Insert, SqlError> {
        self.expect_word("INSERT")?;
        let token = self.parser.peek_token();
        if self.word("OVERWRITE") {
            return Err(SqlError::at_span("INSERT OVERWRITE is not supported on streams", token.span));
        }
        self.expect_word("INTO")?;
        self.word("TABLE");
        let table = self.name()?;
        let token = self.parser.peek_token();
        if self.word("PARTITION") {
            return Err(SqlError::at_span("INSERT … PARTITION is not supported", token.span));
        }
        // `(a, b) SELECT` is a column list, `(SELECT …)` a query.
        let lists_columns = self.parser.peek_token().token == Token::LParen
            && !["SELECT", "VALUES", "WITH"].iter().any(|word| self.peek_word(1, word))
            && self.parser.peek_nth_token(1).token != Token::LParen;
        let columns = if lists_columns { self.columns()? } else { Vec::new() };
        let source = self.parser.parse_query()?;
        Ok(Insert { table, columns, source })
    }

    fn statement_set(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("SET")?;
        self.statement_set_after_set()
    }

    fn statement_set_after_set(&mut self) -> Result<Statement, SqlError> {
        self.expect_word("BEGIN")?;
        if self.word("STATEMENT") {
            self.expect_word("SET")?;
        }
        let mut inserts = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            if self.word("END") {
                break;
            }
            let token = self.parser.peek_token();
            if !self.peek_word(0, "INSERT") {
                return Ok(self.parser.expected("INSERT or END", token)?);
            }
            inserts.push(self.insert()?);
        }
        Ok(Statement::Inserts(inserts))
    }

    fn set(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if matches!(self.parser.peek_token().token, Token::SemiColon | Token::EOF) {
            return Ok(Statement::Set(None));
        }
        let key = self.key()?;
        self.parser.expect_token(&Token::Eq)?;
        let token = self.parser.next_token();
        let value = match token.token {
            Token::SingleQuotedString(text) => text,
            Token::Number(text, _) => text,
            Token::Word(word) => word.value,
            _ => return Ok(self.parser.expected("a value", token)?),
        };
        Ok(Statement::Set(Some((key, value))))
    }

    /// `'a.b-c'` or `a.b`
    fn key(&mut self) -> Result<String, SqlError> {
        if matches!(self.parser.peek_token().token, Token::SingleQuotedString(_)) {
            return self.string();
        }
        let mut key = self.parser.parse_identifier()?.value;
        loop {
            if self.parser.consume_token(&Token::Period) {
                key.push('.');
            } else if self.parser.consume_token(&Token::Minus) {
                key.push('-');
            } else {
                return Ok(key);
            }
            key.push_str(&self.parser.parse_identifier()?.value);
        }
    }

    fn reset(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if matches!(self.parser.peek_token().token, Token::SemiColon | Token::EOF) {
            return Ok(Statement::Reset(None));
        }
        Ok(Statement::Reset(Some(self.key()?)))
    }

    fn explain(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if self.word("PLAN") {
            self.expect_word("FOR")?;
        }
        // Details are all printed always.
        while ["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE", "JSON_EXECUTION_PLAN"].iter().any(|w| self.word(w)) {
            let _ = self.parser.consume_token(&Token::Comma);
        }
        let token = self.parser.peek_token();
        let explained = if self.word("STATEMENT") { self.statement_set()? } else { self.statement()? };
        match explained {
            Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_) => {
                Ok(Statement::Explain(Box::new(explained)))
            }
            _ => Err(SqlError::at_span("EXPLAIN takes a query, an INSERT or a STATEMENT SET", token.span)),
        }
    }

    fn show(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        let token = self.parser.peek_token();
        if self.word("TABLES") {
            Ok(Statement::ShowTables)
        } else if self.word("VIEWS") {
            Ok(Statement::ShowViews)
        } else if self.word("FUNCTIONS") {
            Ok(Statement::ShowFunctions)
        } else if self.word("CREATE") {
            if !self.word("TABLE") {
                self.expect_word("VIEW")?;
            }
            Ok(Statement::ShowCreate(self.name()?))
        } else {
            Err(SqlError::at_span(format!("SHOW {} is not supported", token.token), token.span))
        }
    }

    /// The script from `start` up to the token before the next.
    fn text_from(&self, start: Span) -> String {
        let end = self.parser.peek_token().span.start;
        let from = offset(self.script, start.start.line, start.start.column);
        let to = if end.line == 0 { self.script.len() } else { offset(self.script, end.line, end.column) };
        self.script.get(from..to).unwrap_or_default().trim_end().to_owned()
    }
}

/// The byte offset of a 1-based line and column.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let mut at = 0;
    for _ in 1..line {
        match text[at..].find('\n') {
            Some(newline) => at += newline + 1,
            None => return text.len(),
        }
    }
    let skip = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text[at..].char_indices().nth(skip).map_or(text.len(), |(inside, _)| at + inside)
}

impl From<SqlError> for ParserError {
    fn from(error: SqlError) -> Self {
        Self::ParserError(error.to_string())
    }
}

/// Reads one expression, as tests and options have them.
#[allow(dead_code, reason = "used by tests")]
pub(crate) fn parse_expression(text: &str) -> Result<Expr, Failure> {
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().map_err(SqlError::from)?;
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(split_angles(tokens));
    Ok(parser.parse_expr().map_err(SqlError::from)?)
}
