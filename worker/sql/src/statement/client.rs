//! The grammar of what a client asks: `SET`, `RESET`, `EXPLAIN`, `SHOW`.

use sqlparser::tokenizer::Token;

use super::{Pattern, Shown, Statement, parse::StatementParser};
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

    pub(super) fn show(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        let token = self.parser.peek_token();
        let lists = [
            ("TABLES", Shown::Tables),
            ("VIEWS", Shown::Views),
            ("FUNCTIONS", Shown::Functions),
            ("CATALOGS", Shown::Catalogs),
            ("DATABASES", Shown::Databases),
        ];
        if self.word("USER") && !self.peek_word(0, "FUNCTIONS") {
            self.expect_word("FUNCTIONS")?;
        }
        if let Some((_, shown)) = lists.into_iter().find(|(word, _)| self.word(word)) {
            if self.word("FROM") || self.word("IN") {
                self.name()?;
            }
            Ok(Statement::Show(shown, self.pattern()?))
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
            if !self.word("TABLE") {
                self.expect_word("VIEW")?;
            }
            Ok(Statement::ShowCreate(self.name()?))
        } else {
            Err(SqlError::at_span(format!("SHOW {} is not supported", token.token), token.span))
        }
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
