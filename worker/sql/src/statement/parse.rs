//! The grammar of Flink's statements.

use sqlparser::{
    ast::{Expr, Ident, Query, SetExpr, TableFactor, TableWithJoins},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Span, Token, TokenWithSpan, Tokenizer},
};

use super::{CreateFunction, CreateView, Dropped, Insert, Statement, hint};
use crate::{SqlError, dialect::FlinkDialect};

/// The statements of a script, in order. Names that say no database are in `database`, until a `USE`.
pub(crate) fn parse_script(script: &str, database: &str) -> Result<Vec<(Statement, Span)>, SqlError> {
    let tokens = Tokenizer::new(&FlinkDialect, script).tokenize_with_location()?;
    check_syntax(&tokens)?;
    let tokens = hint::apply(tokens)?;
    let mut statements = StatementParser {
        script,
        database: database.to_owned(),
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

/// Refuses what Flink has and the parser does not know, and would take for something else.
fn check_syntax(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let absent = [
        (&["FOR", "SYSTEM_TIME"][..], "a temporal join (FOR SYSTEM_TIME AS OF)"),
        (&["MATCH_RECOGNIZE", "("], "MATCH_RECOGNIZE"),
        (&["ON", "CONFLICT", "DO"], "ON CONFLICT"),
    ];
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let is = |token: &TokenWithSpan, expected: &str| match &token.token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
        Token::LParen => expected == "(",
        _ => false,
    };
    for (at, token) in tokens.iter().enumerate() {
        let found = absent.iter().find(|(words, _)| {
            tokens.len() - at >= words.len() && words.iter().zip(&tokens[at..]).all(|(word, token)| is(token, word))
        });
        if let Some((_, what)) = found {
            return Err(SqlError::at_span(format!("{what} is not supported yet"), token.span));
        }
    }
    Ok(())
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

pub(super) struct StatementParser<'a> {
    pub(super) script: &'a str,
    /// The current one.
    pub(super) database: String,
    pub(super) parser: Parser<'a>,
}

impl StatementParser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement, SqlError> {
        let token = self.parser.peek_token();
        let Token::Word(word) = &token.token else {
            if token.token == Token::LParen {
                return Ok(Statement::Query(self.parser.parse_query()?));
            }
            return Ok(self.parser.expected("a statement", token)?);
        };
        match word.value.to_ascii_uppercase().as_str() {
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop(),
            "USE" => self.use_database(),
            "INSERT" => Ok(Statement::Insert(self.insert()?)),
            "EXECUTE" => {
                self.parser.next_token();
                let executed = self.parser.peek_token();
                if self.word("STATEMENT") {
                    self.statement_set()
                } else if self.peek_word(0, "EXECUTE") || self.peek_word(0, "EXPLAIN") {
                    Ok(self.parser.expected("a statement to execute", executed)?)
                } else {
                    self.statement()
                }
            }
            "BEGIN" => self.statement_set_after_set(),
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(Statement::Query(self.query()?)),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "EXPLAIN" => self.explain(),
            "DESCRIBE" | "DESC" => {
                self.parser.next_token();
                let described = self.parser.peek_token();
                if ["CATALOG", "DATABASE", "FUNCTION", "JOB", "MODEL"].iter().any(|word| self.peek_word(0, word))
                    && !matches!(self.parser.peek_nth_token(1).token, Token::SemiColon | Token::EOF | Token::Period)
                {
                    let message = format!("{} {} is not supported", token.token, described.token);
                    return Err(SqlError::at_span(message, described.span));
                }
                let _ = self.parser.parse_keyword(Keyword::TABLE);
                self.word("EXTENDED");
                Ok(Statement::Describe(self.name()?))
            }
            "SHOW" => self.show(),
            other => Err(SqlError::at_span(format!("{other} statements are not supported"), token.span)),
        }
    }

    /// A query; `TABLE t` is all of a table.
    pub(super) fn query(&mut self) -> Result<Box<Query>, SqlError> {
        if !self.word("TABLE") {
            return Ok(self.parser.parse_query()?);
        }
        let name = self.parser.parse_object_name(false)?;
        let mut query = Parser::new(&FlinkDialect).try_with_sql("SELECT * FROM t")?.parse_query()?;
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(TableWithJoins { relation: TableFactor::Table { name: of, .. }, .. }) = select.from.first_mut()
        {
            *of = name;
        }
        Ok(query)
    }

    /// The next token, or the last one at the end of the script.
    pub(super) fn place(&self, start: &TokenWithSpan) -> Span {
        let next = self.parser.peek_token().span;
        let current = self.parser.get_current_token().span;
        [next, current].into_iter().find(|span| span.start.line > 0).unwrap_or(start.span)
    }

    /// Consumes an unquoted word, whatever its case.
    pub(super) fn word(&mut self, expected: &str) -> bool {
        let found = self.peek_word(0, expected);
        if found {
            self.parser.next_token();
        }
        found
    }

    pub(super) fn peek_word(&self, ahead: usize, expected: &str) -> bool {
        match self.parser.peek_nth_token(ahead).token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
            _ => false,
        }
    }

    pub(super) fn expect_word(&mut self, expected: &str) -> Result<(), SqlError> {
        if self.word(expected) {
            return Ok(());
        }
        let found = self.parser.peek_token();
        Ok(self.parser.expected(expected, found)?)
    }

    pub(super) fn if_exists(&mut self, not: bool) -> Result<bool, SqlError> {
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
    pub(super) fn string(&mut self) -> Result<String, SqlError> {
        let token = self.parser.next_token();
        match token.token {
            Token::SingleQuotedString(text) => Ok(text),
            _ => Ok(self.parser.expected("a quoted string", token)?),
        }
    }

    pub(super) fn comment(&mut self) -> Result<Option<String>, SqlError> {
        if self.word("COMMENT") { self.string().map(Some) } else { Ok(None) }
    }

    fn create(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        let or = self.parser.peek_token();
        let replaces = self.word("OR");
        if replaces {
            self.expect_word("REPLACE")?;
        }
        let temporary = self.word("TEMPORARY");
        if temporary && self.peek_word(1, "FUNCTION") {
            self.word("SYSTEM");
        }
        let kind = self.parser.peek_token();
        let created = if self.word("TABLE") {
            self.create_table(temporary, replaces)
        } else if self.word("VIEW") {
            self.create_view(temporary, replaces)
        } else if replaces {
            return Err(SqlError::at_span(format!("CREATE OR REPLACE {} is not supported", kind.token), or.span));
        } else if self.word("FUNCTION") {
            return self.create_function();
        } else if self.word("DATABASE") {
            return self.create_database();
        } else {
            return Err(SqlError::at_span(format!("CREATE {} is not supported", kind.token), kind.span));
        };
        match created? {
            Statement::CreateTable(table) if replaces && table.if_not_exists => {
                Err(SqlError::at_span("OR REPLACE and IF NOT EXISTS exclude each other", or.span))
            }
            Statement::CreateView(view) if replaces && view.if_not_exists => {
                Err(SqlError::at_span("OR REPLACE and IF NOT EXISTS exclude each other", or.span))
            }
            created => Ok(created),
        }
    }

    /// `name AS 'class' [LANGUAGE JAVA] [USING JAR '…', …]`; a jar is not needed for what is built in.
    fn create_function(&mut self) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let name = self.name()?.ident;
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

    fn create_view(&mut self, temporary: bool, replaces: bool) -> Result<Statement, SqlError> {
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
        let comment = self.comment()?;
        self.expect_word("AS")?;
        let start = self.parser.peek_token().span;
        let query = self.query()?;
        let text = self.text_from(start);
        Ok(Statement::CreateView(CreateView {
            name,
            if_not_exists,
            replaces,
            temporary,
            columns,
            comment,
            query,
            text,
        }))
    }

    fn drop(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if self.word("TEMPORARY") && self.peek_word(1, "FUNCTION") {
            self.word("SYSTEM");
        }
        let token = self.parser.peek_token();
        let what = if self.word("FUNCTION") {
            Dropped::Function
        } else if self.word("TABLE") {
            Dropped::Table
        } else if self.word("VIEW") {
            Dropped::View
        } else if self.word("DATABASE") {
            return self.drop_database();
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
        let (table, options) = self.name_with_options()?;
        let partition = if self.word("PARTITION") { self.partition()? } else { Vec::new() };
        // `(a, b) SELECT` is a column list, `(SELECT …)` a query.
        let lists_columns = self.parser.peek_token().token == Token::LParen
            && !["SELECT", "VALUES", "WITH"].iter().any(|word| self.peek_word(1, word))
            && self.parser.peek_nth_token(1).token != Token::LParen;
        let columns = if lists_columns { self.columns()? } else { Vec::new() };
        let source = self.query()?;
        Ok(Insert { table, options, partition, columns, source })
    }

    /// `(a = 1, b)`: columns with a value; those without one come from the query like any other.
    fn partition(&mut self) -> Result<Vec<(Ident, Expr)>, SqlError> {
        self.parser.expect_token(&Token::LParen)?;
        let mut partition = Vec::new();
        loop {
            let column = self.parser.parse_identifier()?;
            if self.parser.consume_token(&Token::Eq) {
                partition.push((column, self.parser.parse_expr()?));
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok(partition)
    }

    pub(super) fn statement_set(&mut self) -> Result<Statement, SqlError> {
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

    /// The script from `start` up to the token before the next.
    pub(super) fn text_from(&self, start: Span) -> String {
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
