//! The grammar of `ALTER TABLE` and `ALTER VIEW`.

use sqlparser::tokenizer::Token;

use super::{AlterTable, AlterView, CreateTable, Elements, Name, Position, Statement, parse::StatementParser};
use crate::SqlError;

impl StatementParser<'_> {
    pub(super) fn alter(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        let kind = self.parser.peek_token();
        if self.word("TABLE") {
            let if_exists = self.if_exists(false)?;
            let name = self.name()?;
            let change = Box::new(self.alter_table(&name)?);
            Ok(Statement::AlterTable { name, if_exists, change })
        } else if self.word("VIEW") {
            let name = self.name()?;
            let change = self.alter_view()?;
            Ok(Statement::AlterView { name, change })
        } else {
            Err(SqlError::at_span(format!("ALTER {} is not supported", kind.token), kind.span))
        }
    }

    fn alter_view(&mut self) -> Result<AlterView, SqlError> {
        if self.word("RENAME") {
            self.expect_word("TO")?;
            return Ok(AlterView::Rename(self.name()?));
        }
        self.expect_word("AS")?;
        let start = self.parser.peek_token().span;
        let query = self.query()?;
        Ok(AlterView::As { query, text: self.text_from(start) })
    }

    fn alter_table(&mut self, name: &Name) -> Result<AlterTable, SqlError> {
        let token = self.parser.peek_token();
        if self.word("RENAME") {
            if self.word("TO") {
                return Ok(AlterTable::Rename(self.name()?));
            }
            let from = self.parser.parse_identifier()?;
            self.expect_word("TO")?;
            return Ok(AlterTable::RenameColumn { from, to: self.parser.parse_identifier()? });
        }
        if self.word("SET") {
            return Ok(AlterTable::Set(self.options()?));
        }
        if self.word("RESET") {
            return Ok(AlterTable::Reset(self.keys()?));
        }
        if self.word("ADD") {
            return Ok(AlterTable::Add(self.elements(name)?));
        }
        if self.word("MODIFY") {
            return Ok(AlterTable::Modify(self.elements(name)?));
        }
        if self.word("DROP") {
            return self.drop_element();
        }
        Err(SqlError::at_span(format!("ALTER TABLE … {} is not supported", token.token), token.span))
    }

    /// `('k', …)`
    fn keys(&mut self) -> Result<Vec<(String, sqlparser::tokenizer::Span)>, SqlError> {
        self.parser.expect_token(&Token::LParen)?;
        let mut keys = Vec::new();
        loop {
            let place = self.parser.peek_token().span;
            keys.push((self.string()?, place));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok(keys)
    }

    /// A column, a watermark or a key, or several in parentheses.
    fn elements(&mut self, name: &Name) -> Result<Elements, SqlError> {
        let unsupported = ["PARTITION", "DISTRIBUTION"].into_iter().find(|word| self.peek_word(0, word));
        if let Some(word) = unsupported {
            let place = self.parser.peek_token().span;
            return Err(SqlError::at_span(format!("ALTER TABLE … {word} is not supported"), place));
        }
        let mut elements = Elements { of: CreateTable::new(name.clone()), positions: Vec::new() };
        let several = self.parser.consume_token(&Token::LParen);
        loop {
            self.table_element(&mut elements.of)?;
            if elements.positions.len() < elements.of.columns.len() {
                let position = if self.word("FIRST") {
                    Some(Position::First)
                } else if self.word("AFTER") {
                    Some(Position::After(self.parser.parse_identifier()?))
                } else {
                    None
                };
                elements.positions.push(position);
            }
            if !several || !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        if several {
            self.parser.expect_token(&Token::RParen)?;
        }
        Ok(elements)
    }

    fn drop_element(&mut self) -> Result<AlterTable, SqlError> {
        let place = self.parser.peek_token().span;
        if self.word("PRIMARY") {
            self.expect_word("KEY")?;
            return Ok(AlterTable::DropPrimaryKey(place));
        }
        if self.word("CONSTRAINT") {
            return Ok(AlterTable::DropConstraint(self.parser.parse_identifier()?));
        }
        if self.word("WATERMARK") {
            return Ok(AlterTable::DropWatermark(place));
        }
        if self.parser.peek_token().token == Token::LParen {
            return Ok(AlterTable::DropColumns(self.columns()?));
        }
        self.word("COLUMN");
        Ok(AlterTable::DropColumns(vec![self.parser.parse_identifier()?]))
    }
}
