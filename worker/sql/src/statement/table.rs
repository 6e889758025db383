//! The grammar of `CREATE TABLE`.

use model::DataType;
use sqlparser::{
    ast::Ident,
    parser::Parser,
    tokenizer::{Span, Token},
};

use super::{
    ColumnDefinition, ColumnKind, CreateTable, Distribution, Feature, Inherit, Like, Statement, WatermarkDefinition,
    parse::StatementParser,
};
use crate::{SqlError, types::parse_type};

impl StatementParser<'_> {
    pub(super) fn create_table(&mut self, temporary: bool, replaces: bool) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let mut table = CreateTable { if_not_exists, replaces, temporary, ..CreateTable::new(self.name()?) };
        // Another table, or a query, may say the columns.
        let elsewhere = ["COMMENT", "DISTRIBUTED", "PARTITIONED", "WITH", "LIKE", "AS"];
        let elsewhere = elsewhere.iter().any(|word| self.peek_word(0, word));
        let names_only = self.parser.peek_token().token == Token::LParen
            && matches!(self.parser.peek_nth_token(2).token, Token::Comma | Token::RParen);
        if names_only {
            table.order = self.columns()?;
        } else if !elsewhere {
            self.parser.expect_token(&Token::LParen)?;
            loop {
                self.table_element(&mut table)?;
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.parser.expect_token(&Token::RParen)?;
        }
        table.comment = self.comment()?;
        if self.word("DISTRIBUTED") {
            table.distribution = Some(self.distribution()?);
        }
        if self.word("PARTITIONED") {
            self.expect_word("BY")?;
            table.partitioned_by = self.columns()?;
        }
        if self.word("WITH") {
            table.options = self.options()?;
        }
        if self.peek_word(0, "LIKE") && !table.order.is_empty() {
            return Err(SqlError::at_ident("LIKE takes columns with types", &table.order[0]));
        }
        if self.word("LIKE") {
            table.like = Some(self.like()?);
        } else if self.word("AS") {
            table.query = Some(self.query()?);
        } else if let Some(column) = table.order.first() {
            return Err(SqlError::at_ident(
                format!("column '{}' has no type, and there is no AS", column.value),
                column,
            ));
        } else if elsewhere {
            let found = self.parser.peek_token();
            return Ok(self.parser.expected("the columns, LIKE or AS", found)?);
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// `[BY [HASH | RANGE] (a, b)] [INTO 4 BUCKETS]`
    fn distribution(&mut self) -> Result<Distribution, SqlError> {
        let mut distribution = Distribution { kind: None, columns: Vec::new(), buckets: None };
        let by = self.word("BY");
        if by {
            distribution.kind = ["HASH", "RANGE"].into_iter().find(|kind| self.word(kind));
            distribution.columns = self.columns()?;
        }
        if !by || self.peek_word(0, "INTO") {
            self.expect_word("INTO")?;
            let token = self.parser.next_token();
            match token.token {
                Token::Number(buckets, _) => distribution.buckets = Some(buckets),
                _ => return Ok(self.parser.expected("a number of buckets", token)?),
            }
            self.expect_word("BUCKETS")?;
        }
        Ok(distribution)
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
                "METADATA" => Feature::Metadata,
                "DISTRIBUTION" => Feature::Distribution,
                _ => return Ok(self.parser.expected("a feature of a table", token)?),
            };
            if inherit == Inherit::Overwriting
                && !matches!(feature, Feature::Generated | Feature::Metadata | Feature::Options | Feature::Watermarks)
            {
                return Err(SqlError::at_span(format!("OVERWRITING {} is not possible", token.token), token.span));
            }
            like.rules.push((inherit, feature));
        }
        Ok(like)
    }

    pub(super) fn table_element(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let token = self.parser.peek_token();
        if self.peek_word(0, "WATERMARK") && self.peek_word(1, "FOR") {
            if table.watermark.is_some() {
                return Err(SqlError::at_span("a table has one WATERMARK at most", token.span));
            }
            table.watermark = Some(self.watermark()?);
        } else if self.peek_word(0, "CONSTRAINT") || (self.peek_word(0, "PRIMARY") && self.peek_word(1, "KEY")) {
            let name = if self.word("CONSTRAINT") { Some(self.parser.parse_identifier()?) } else { None };
            let place = self.parser.peek_token();
            self.expect_word("PRIMARY")?;
            self.expect_word("KEY")?;
            let columns = self.columns()?;
            self.set_primary_key(table, columns, place.span)?;
            table.primary_key_name = name;
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
            let comment = self.comment()?;
            table.columns.push(ColumnDefinition { name, kind, comment });
            return Ok(());
        }
        let (data_type, mut nullable) = parse_type(&mut self.parser)?;
        let mut comment = None;
        loop {
            let token = self.parser.peek_token();
            if self.word("METADATA") {
                let kind = self.metadata(data_type, nullable)?;
                let comment = self.comment()?.or(comment);
                table.columns.push(ColumnDefinition { name, kind, comment });
                return Ok(());
            } else if self.peek_word(0, "CONSTRAINT") || self.peek_word(0, "PRIMARY") {
                let key = if self.word("CONSTRAINT") { Some(self.parser.parse_identifier()?) } else { None };
                self.expect_word("PRIMARY")?;
                self.expect_word("KEY")?;
                self.set_primary_key(table, vec![name.clone()], token.span)?;
                table.primary_key_name = key;
            } else if self.peek_word(0, "NOT") && self.peek_word(1, "NULL") {
                self.parser.next_token();
                self.parser.next_token();
                nullable = false;
            } else if self.peek_word(0, "COMMENT") {
                comment = self.comment()?;
            } else {
                break;
            }
        }
        let kind = ColumnKind::Physical { data_type, nullable };
        table.columns.push(ColumnDefinition { name, kind, comment });
        Ok(())
    }

    /// `[FROM 'key'] [VIRTUAL]`
    fn metadata(&mut self, data_type: DataType, nullable: bool) -> Result<ColumnKind, SqlError> {
        let key = if self.word("FROM") { Some(self.string()?) } else { None };
        Ok(ColumnKind::Metadata { data_type, nullable, key, is_virtual: self.word("VIRTUAL") })
    }

    /// `(a, b)`
    pub(super) fn columns(&mut self) -> Result<Vec<Ident>, SqlError> {
        self.parser.expect_token(&Token::LParen)?;
        let columns = self.parser.parse_comma_separated(Parser::parse_identifier)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// `('k' = 'v', …)`
    pub(super) fn options(&mut self) -> Result<Vec<(String, String)>, SqlError> {
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
}
