//! The grammar of what a client asks: `SET`, `RESET`, `EXPLAIN`, `SHOW`.

use sqlparser::{ast::Ident, tokenizer::Token};

use super::{Dropped, Pattern, Shown, Statement, database::check_catalog, parse::StatementParser};
use crate::SqlError;

impl StatementParser<'_> {
    pub(super) fn set(&mut self) -> Result<Statement, SqlError> {
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

    pub(super) fn reset(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if matches!(self.parser.peek_token().token, Token::SemiColon | Token::EOF) {
            return Ok(Statement::Reset(None));
        }
        Ok(Statement::Reset(Some(self.key()?)))
    }

    pub(super) fn explain(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if self.word("PLAN") {
            self.expect_word("FOR")?;
        }
        let mut as_json = false;
        loop {
            let detail = self.parser.peek_token();
            if self.word("JSON_EXECUTION_PLAN") {
                as_json = true;
            } else if self.peek_word(0, "ESTIMATED_COST") || self.peek_word(0, "PLAN_ADVICE") {
                let message = format!("EXPLAIN {} is not supported: plans are not chosen by cost", detail.token);
                return Err(SqlError::at_span(message, detail.span));
            } else if !self.word("CHANGELOG_MODE") {
                // It is printed always.
                break;
            }
            let _ = self.parser.consume_token(&Token::Comma);
        }
        let token = self.parser.peek_token();
        let explained = if self.word("STATEMENT") {
            self.statement_set()?
        } else if self.peek_word(0, "EXPLAIN") {
            return Ok(self.parser.expected("a statement to explain", token)?);
        } else {
            self.statement()?
        };
        match explained {
            Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_) => {
                Ok(Statement::Explain { explained: Box::new(explained), as_json })
            }
            Statement::CreateTable(create) if create.query.is_some() => {
                Ok(Statement::Explain { explained: Box::new(Statement::CreateTable(create)), as_json })
            }
            _ => {
                let message = "EXPLAIN takes a query, an INSERT, a STATEMENT SET or a CREATE TABLE … AS";
                Err(SqlError::at_span(message, token.span))
            }
        }
    }

    pub(super) fn show(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        let token = self.parser.peek_token();
        if self.word("USER") && !self.peek_word(0, "FUNCTIONS") {
            self.expect_word("FUNCTIONS")?;
        }
        if self.word("TABLES") {
            let shown = Shown::Tables(self.shown_database()?);
            Ok(Statement::Show(shown, self.pattern()?))
        } else if self.word("VIEWS") {
            let shown = Shown::Views(self.shown_database()?);
            Ok(Statement::Show(shown, self.pattern()?))
        } else if self.word("FUNCTIONS") {
            self.shown_database()?;
            Ok(Statement::Show(Shown::Functions, self.pattern()?))
        } else if self.word("CATALOGS") {
            Ok(Statement::Show(Shown::Catalogs, self.pattern()?))
        } else if self.word("DATABASES") {
            if self.word("FROM") || self.word("IN") {
                check_catalog(&self.parser.parse_identifier()?)?;
            }
            Ok(Statement::Show(Shown::Databases, self.pattern()?))
        } else if self.word("COLUMNS") {
            if !self.word("IN") {
                self.expect_word("FROM")?;
            }
            let shown = Shown::Columns(self.name()?);
            Ok(Statement::Show(shown, self.pattern()?))
        } else if self.word("CURRENT") {
            if self.word("CATALOG") {
                return Ok(Statement::Show(Shown::CurrentCatalog, None));
            }
            self.expect_word("DATABASE")?;
            Ok(Statement::Show(Shown::CurrentDatabase, None))
        } else if self.word("CREATE") {
            let what = if self.word("TABLE") { Dropped::Table } else { Dropped::View };
            if what == Dropped::View {
                self.expect_word("VIEW")?;
            }
            Ok(Statement::ShowCreate(what, self.name()?))
        } else {
            Err(SqlError::at_span(format!("SHOW {} is not supported", token.token), token.span))
        }
    }

    /// `[FROM | IN [catalog.]database]`
    fn shown_database(&mut self) -> Result<Option<Ident>, SqlError> {
        if self.word("FROM") || self.word("IN") { self.database_name().map(Some) } else { Ok(None) }
    }

    /// `[NOT] LIKE '…'`
    fn pattern(&mut self) -> Result<Option<Pattern>, SqlError> {
        let negated = self.word("NOT");
        let any_case = self.word("ILIKE");
        if !any_case && !self.word("LIKE") {
            if negated {
                self.expect_word("LIKE")?;
            }
            return Ok(None);
        }
        Ok(Some(Pattern { negated, any_case, text: self.string()? }))
    }
}
