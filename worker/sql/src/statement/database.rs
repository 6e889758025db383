//! The grammar of databases: `CREATE DATABASE`, `DROP DATABASE`, `USE`.

use sqlparser::{ast::Ident, tokenizer::Token};

use super::{DEFAULT_CATALOG, Name, Statement, hint::options_of, parse::StatementParser};
use crate::SqlError;

impl StatementParser<'_> {
    /// `[[catalog.]database.]name`
    pub(super) fn name(&mut self) -> Result<Name, SqlError> {
        let path = self.path()?;
        match path.first() {
            Some(first) if options_of(&first.value).is_some() => {
                Err(SqlError::at_ident("the hint OPTIONS belongs to a table that is read or written", first))
            }
            _ => self.named(path),
        }
    }

    /// A name that a hint may follow, with its options.
    pub(super) fn name_with_options(&mut self) -> Result<(Name, Vec<(String, String)>), SqlError> {
        let mut path = self.path()?;
        let options = path.first().and_then(|first| options_of(&first.value));
        if options.is_some() {
            path.remove(0);
        }
        Ok((self.named(path)?, options.unwrap_or_default()))
    }

    fn named(&self, mut path: Vec<Ident>) -> Result<Name, SqlError> {
        let last = path.pop();
        let ident = last.ok_or_else(|| SqlError::internal("a name without parts"))?;
        let database = match path.as_slice() {
            [] => self.database.clone(),
            [database] => database.value.clone(),
            [catalog, database] => {
                check_catalog(catalog)?;
                database.value.clone()
            }
            [first, ..] => {
                return Err(SqlError::at_ident("a name has a catalog, a database and a name at most", first));
            }
        };
        Ok(Name { database, ident })
    }

    /// `[catalog.]database`
    pub(super) fn database_name(&mut self) -> Result<Ident, SqlError> {
        let mut path = self.path()?;
        let last = path.pop();
        match path.as_slice() {
            [] => {}
            [catalog] => check_catalog(catalog)?,
            [first, ..] => return Err(SqlError::at_ident("a database has a catalog before it at most", first)),
        }
        last.ok_or_else(|| SqlError::internal("a name without parts"))
    }

    fn path(&mut self) -> Result<Vec<Ident>, SqlError> {
        let mut path = vec![self.parser.parse_identifier()?];
        while self.parser.consume_token(&Token::Period) {
            path.push(self.parser.parse_identifier()?);
        }
        Ok(path)
    }

    /// `name [COMMENT '…'] [WITH (…)]`; options have no meaning here.
    pub(super) fn create_database(&mut self) -> Result<Statement, SqlError> {
        let if_not_exists = self.if_exists(true)?;
        let name = self.database_name()?;
        self.comment()?;
        if self.word("WITH") {
            self.options()?;
        }
        Ok(Statement::CreateDatabase { name, if_not_exists })
    }

    /// `name [RESTRICT | CASCADE]`
    pub(super) fn drop_database(&mut self) -> Result<Statement, SqlError> {
        let if_exists = self.if_exists(false)?;
        let name = self.database_name()?;
        let cascade = self.word("CASCADE");
        if !cascade {
            self.word("RESTRICT");
        }
        Ok(Statement::DropDatabase { name, if_exists, cascade })
    }

    /// `USE [CATALOG] name`: names that follow are in it.
    pub(super) fn use_database(&mut self) -> Result<Statement, SqlError> {
        self.parser.next_token();
        if self.word("CATALOG") {
            check_catalog(&self.parser.parse_identifier()?)?;
            return Ok(Statement::Use(Ident::new(self.database.clone())));
        }
        let modules = self.parser.peek_token();
        if self.word("MODULES") {
            return Err(SqlError::at_span("USE MODULES is not supported", modules.span));
        }
        let database = self.database_name()?;
        self.database.clone_from(&database.value);
        Ok(Statement::Use(database))
    }
}

/// Refuses a catalog that does not exist.
pub(super) fn check_catalog(catalog: &Ident) -> Result<(), SqlError> {
    if catalog.value == DEFAULT_CATALOG {
        return Ok(());
    }
    Err(SqlError::at_ident(format!("catalog '{}' not found; there is {DEFAULT_CATALOG}", catalog.value), catalog))
}
