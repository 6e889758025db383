//! A session: tables, views and settings, and the scripts that run in it.

use std::{collections::BTreeMap, sync::Arc};

use graph::{Catalog, ChangelogMode, JobGraph, OperatorSpec, TableSpec};
use model::Schema;
use sqlparser::{
    ast::{Ident, Query},
    tokenizer::Span,
};

use crate::{
    SqlError,
    catalog::{Entry, Table, Tables, schema_of},
    desugar, explain, functions,
    lower::{Lowering, Target},
    metadata, plan,
    statement::{ColumnDefinition, ColumnKind, CreateTable, Insert, Pattern, Shown, Statement, parse_script},
};

/// What `pipeline.name` sets.
const NAME_KEY: &str = "pipeline.name";
const DEAD_LETTERS_KEY: &str = "pipeline.dead-letter-table";

/// How many subtasks operators have that do not say it themselves.
const PARALLELISM_KEY: &str = "parallelism.default";

/// What the session's time zone is set by.
const ZONE_KEY: &str = "table.local-time-zone";

/// Tables, views and settings, changed by the scripts that run in it.
pub struct Session {
    catalog: Arc<dyn Catalog>,
    tables: Tables,
    settings: BTreeMap<String, String>,
}

/// What a statement of a script comes to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A job to run.
    Job(PlannedJob),
    /// What `EXPLAIN`, `SHOW` and `DESCRIBE` print.
    Text(String),
}

/// A job, ready to be run.
#[derive(Clone, Debug)]
pub struct PlannedJob {
    /// What it does.
    pub graph: JobGraph,
    /// Where its rows go.
    pub kind: JobKind,
    /// The settings in force at its statement.
    pub settings: BTreeMap<String, String>,
}

/// Where the rows of a job go.
#[derive(Clone, Debug)]
pub enum JobKind {
    /// Into tables.
    Insert {
        /// Their names, in order of the statements.
        sinks: Vec<String>,
    },
    /// To the client: the job ends in a sink with the connector `collect`.
    Select {
        /// The columns of the result.
        schema: Schema,
        /// The row kinds of the result.
        changelog: ChangelogMode,
    },
}

impl Session {
    /// An empty session over a catalog of connectors.
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog, tables: Tables::default(), settings: BTreeMap::new() }
    }

    /// Sets an option as `SET 'key' = 'value'` does.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    /// All that was set so far; whether it means something is for the caller to check.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Runs a script: declarations and settings take effect in order; each query, `INSERT`, statement set, `EXPLAIN`,
    /// `SHOW` and `DESCRIBE` gives an outcome. What stood before an error keeps its effect.
    ///
    /// # Errors
    /// The first mistake, with its place in the script.
    pub fn run(&mut self, script: &str) -> Result<Vec<Outcome>, SqlError> {
        let mut outcomes = Vec::new();
        for (statement, place) in parse_script(script)? {
            if let Some(outcome) = self.execute(statement).map_err(|error| error.or_at(place))? {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    fn execute(&mut self, statement: Statement) -> Result<Option<Outcome>, SqlError> {
        match statement {
            Statement::CreateTable(mut create) => match create.query.take() {
                Some(query) => return self.create_as(*create, query),
                None => self.tables.create_table(*create, &*self.catalog)?,
            },
            Statement::CreateView(create) => self.tables.create_view(create)?,
            Statement::CreateFunction(create) => self.tables.create_function(&create)?,
            Statement::Drop { what: "function", name, if_exists } => {
                if !self.tables.drop_function(&name.value) && !if_exists {
                    return Err(SqlError::at_ident(format!("function '{}' not found", name.value), &name));
                }
            }
            Statement::Drop { what, name, if_exists } => {
                let there = match self.tables.get(&name.value) {
                    Some(Entry::Table(_)) => what == "table",
                    Some(Entry::View(_)) => what == "view",
                    None => false,
                };
                if there {
                    self.tables.remove(&name.value);
                } else if !if_exists {
                    return Err(SqlError::at_ident(format!("{what} '{}' not found", name.value), &name));
                }
            }
            Statement::Set(Some((key, value))) => self.set(&key, &value),
            Statement::Set(None) => {
                let lines = self.settings.iter().map(|(key, value)| format!("'{key}' = '{value}'"));
                return Ok(Some(Outcome::Text(lines.collect::<Vec<_>>().join("\n"))));
            }
            Statement::Reset(Some(key)) => {
                self.settings.remove(&key);
            }
            Statement::Reset(None) => self.settings.clear(),
            Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_) => {
                return Ok(Some(Outcome::Job(self.job(statement)?)));
            }
            Statement::Explain(explained) => {
                let job = self.job(*explained)?;
                let parallelism = self.settings.get(PARALLELISM_KEY).and_then(|text| text.trim().parse().ok());
                return Ok(Some(Outcome::Text(explain::explain(&job.graph, parallelism.unwrap_or(1)))));
            }
            Statement::Describe(_) | Statement::Show(..) | Statement::ShowCreate(_) => {
                return Ok(Some(Outcome::Text(self.show(&statement)?)));
            }
        }
        Ok(None)
    }

    /// `CREATE TABLE … AS`: the table has the columns of the query, and is filled by it.
    fn create_as(&mut self, mut create: CreateTable, source: Box<Query>) -> Result<Option<Outcome>, SqlError> {
        if create.if_not_exists && self.tables.contains(&create.name.value) {
            return Ok(None);
        }
        let mut query = source.clone();
        desugar::query(&mut query, &self.tables)?;
        let columns = schema_of(&plan::query(&self.tables, &query)?)?;
        if let Some(first) = create.columns.first() {
            return Err(SqlError::at_ident("the columns of CREATE TABLE … AS are those of its query", &first.name));
        }
        create.columns.extend(columns.fields.into_iter().map(|field| ColumnDefinition {
            name: Ident::with_span(create.name.span, field.name),
            kind: ColumnKind::Physical { data_type: field.data_type.without_not_null(), nullable: field.nullable },
        }));
        let table = create.name.clone();
        self.tables.create_table(create, &*self.catalog)?;
        let inserted = self.insert(vec![Insert { table: table.clone(), columns: Vec::new(), source }]);
        if inserted.is_err() {
            self.tables.remove(&table.value);
        }
        inserted.map(Outcome::Job).map(Some)
    }

    fn job(&self, statement: Statement) -> Result<PlannedJob, SqlError> {
        match statement {
            Statement::Query(query) => self.select(*query),
            Statement::Insert(insert) => self.insert(vec![insert]),
            Statement::Inserts(inserts) if inserts.is_empty() => Err(SqlError::new("the statement set is empty")),
            Statement::Inserts(inserts) => self.insert(inserts),
            _ => Err(SqlError::internal("no query")),
        }
    }

    fn name(&self, default: String) -> String {
        self.settings.get(NAME_KEY).cloned().unwrap_or(default)
    }

    /// The session's time zone; none for UTC, which is also the default.
    fn zone(&self) -> Result<Option<String>, SqlError> {
        let Some(zone) = self.settings.get(ZONE_KEY) else { return Ok(None) };
        if ["default", "UTC", "Etc/UTC", "GMT", "Z"].iter().any(|utc| utc.eq_ignore_ascii_case(zone)) {
            return Ok(None);
        }
        if !expressions::is_time_zone(zone) {
            let message = format!("'{ZONE_KEY}' is '{zone}', which is no time zone; write Europe/Berlin or GMT+01:00");
            return Err(SqlError::new(message));
        }
        Ok(Some(zone.clone()))
    }

    fn select(&self, query: Query) -> Result<PlannedJob, SqlError> {
        let name = self.name("collect".to_owned());
        let mut lowering = Lowering::new(&name, &*self.catalog, self.zone()?);
        self.write(&mut lowering, query, &Target::Collect)?;
        let mut graph = lowering.finish(&self.settings)?;
        graph.dead_letters = self.dead_letters()?;
        let sink = graph.nodes.iter().find(|node| matches!(node.operator, OperatorSpec::Sink(_)));
        let sink = sink.ok_or_else(|| SqlError::internal("a query without a sink"))?;
        let kind = JobKind::Select { schema: sink.schema.clone(), changelog: sink.changelog };
        Ok(PlannedJob { kind, settings: self.settings.clone(), graph })
    }

    fn insert(&self, inserts: Vec<Insert>) -> Result<PlannedJob, SqlError> {
        let sinks: Vec<String> = inserts.iter().map(|insert| insert.table.value.clone()).collect();
        let name = self.name(format!("insert-into_{}", sinks.join("_")));
        let mut lowering = Lowering::new(&name, &*self.catalog, self.zone()?);
        let mut places: Vec<Span> = Vec::new();
        for insert in inserts {
            let table = self.target(&insert)?;
            let target = if insert.columns.is_empty() {
                Target::table(&table)
            } else {
                Target::Columns(&table.spec, self.insert_columns(&insert, &table)?)
            };
            places.push(insert.table.span);
            let place = insert.table.span;
            self.write(&mut lowering, *insert.source, &target).map_err(|error| error.or_at(place))?;
        }
        // What is found wrong only in the whole graph is reported at the first sink.
        let place = places.first().copied().unwrap_or_else(Span::empty);
        let mut graph = lowering.finish(&self.settings).map_err(|error| error.or_at(place))?;
        graph.dead_letters = self.dead_letters()?;
        Ok(PlannedJob { graph, kind: JobKind::Insert { sinks }, settings: self.settings.clone() })
    }

    /// The table for records that no result has, if one is set.
    fn dead_letters(&self) -> Result<Option<Box<TableSpec>>, SqlError> {
        let Some(name) = self.settings.get(DEAD_LETTERS_KEY).filter(|name| !name.is_empty()) else { return Ok(None) };
        let Some(Entry::Table(table)) = self.tables.get(name) else {
            return Err(SqlError::new(format!("option '{DEAD_LETTERS_KEY}': there is no table '{name}'")));
        };
        let wrong =
            |failure: model::Failure| SqlError::new(format!("option '{DEAD_LETTERS_KEY}': {}", failure.message));
        graph::dead_letter::columns(&table.spec).map_err(wrong)?;
        metadata::check_writable(&table.spec).map_err(|message| wrong(model::Failure::user(message)))?;
        if self.catalog.sink(&table.spec).map_err(wrong)?.by_partition {
            let message = format!("every task writes the table '{name}', so its rows cannot come by partition");
            return Err(wrong(model::Failure::user(message)));
        }
        Ok(Some(Box::new(table.spec.clone())))
    }

    fn target(&self, insert: &Insert) -> Result<Arc<Table>, SqlError> {
        let name = &insert.table;
        match self.tables.get(&name.value) {
            Some(Entry::Table(table)) => {
                metadata::check_writable(&table.spec).map_err(|message| SqlError::at_ident(message, name))?;
                Ok(Arc::clone(table))
            }
            Some(Entry::View(_)) => {
                Err(SqlError::at_ident(format!("'{}' is a view and cannot be written", name.value), name))
            }
            None => Err(SqlError::at_ident(format!("table '{}' not found", name.value), name)),
        }
    }

    fn insert_columns(&self, insert: &Insert, table: &Table) -> Result<Vec<usize>, SqlError> {
        let mut columns = Vec::with_capacity(insert.columns.len());
        for name in &insert.columns {
            let Some(column) = table.spec.schema.index_of(&name.value) else {
                let message = if table.spec.metadata.iter().any(|column| column.name == name.value) {
                    format!("column '{}' is VIRTUAL and cannot be written", name.value)
                } else if table.columns.index_of(&name.value).is_some() {
                    format!("column '{}' is computed and cannot be written", name.value)
                } else {
                    format!("column '{}' not found in '{}'", name.value, table.spec.name)
                };
                return Err(SqlError::at_ident(message, name));
            };
            if columns.contains(&column) {
                return Err(SqlError::at_ident(format!("column '{}' is given twice", name.value), name));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn write(&self, lowering: &mut Lowering<'_>, mut query: Query, target: &Target<'_>) -> Result<(), SqlError> {
        desugar::query(&mut query, &self.tables)?;
        let planned = plan::query(&self.tables, &query)?;
        let planned = plan::optimize(planned, &query)?;
        lowering.write(&planned, target)
    }

    fn show(&self, statement: &Statement) -> Result<String, SqlError> {
        let find = |name: &Ident| {
            let missing = || SqlError::at_ident(format!("table '{}' not found", name.value), name);
            self.tables.get(&name.value).ok_or_else(missing)
        };
        Ok(match statement {
            Statement::Show(Shown::Columns(name), pattern) => match find(name)? {
                Entry::Table(table) => describe(&table.columns, Some(table), pattern.as_ref()),
                Entry::View(view) => describe(&view.columns, None, pattern.as_ref()),
            },
            Statement::Show(shown, pattern) => {
                let mut names = self.names(shown);
                names.retain(|name| pattern.as_ref().is_none_or(|pattern| pattern.lets(name)));
                names.join("\n")
            }
            Statement::ShowCreate(name) => match find(name)? {
                Entry::Table(table) => table.text.clone(),
                Entry::View(view) => view.text.clone(),
            },
            Statement::Describe(name) => match find(name)? {
                Entry::Table(table) => describe(&table.columns, Some(table), None),
                Entry::View(view) => describe(&view.columns, None, None),
            },
            _ => return Err(SqlError::internal("nothing to show")),
        })
    }

    fn names(&self, shown: &Shown) -> Vec<String> {
        let entries = |wanted: &dyn Fn(&Entry) -> bool| {
            self.tables.iter().filter(|(_, entry)| wanted(entry)).map(|(name, _)| name.clone()).collect()
        };
        match shown {
            Shown::Tables => entries(&|_| true),
            Shown::Views => entries(&|entry| matches!(entry, Entry::View(_))),
            Shown::Functions => {
                let mut names = functions::names();
                names.extend(self.tables.functions().map(str::to_owned));
                names.sort();
                names.dedup();
                names
            }
            Shown::Columns(_) => Vec::new(),
            Shown::Catalogs | Shown::CurrentCatalog => vec!["default_catalog".to_owned()],
            Shown::Databases | Shown::CurrentDatabase => vec!["default_database".to_owned()],
        }
    }
}

/// A line for each column: name, type, nullability, key, where it is from if it is not physical, watermark.
fn describe(columns: &Schema, table: Option<&Table>, pattern: Option<&Pattern>) -> String {
    let mut lines = vec!["name | type | null | key | extras | watermark".to_owned()];
    let listed = |name: &str| pattern.is_none_or(|pattern| pattern.lets(name));
    for (index, field) in columns.fields.iter().enumerate().filter(|(_, field)| listed(&field.name)) {
        let (mut key, mut extras, mut watermark) = ("", String::new(), String::new());
        if let Some(table) = table {
            let position = table.spec.schema.index_of(&field.name);
            if position.is_some_and(|position| table.spec.primary_key.contains(&position)) {
                key = "PRI";
            }
            if let Some(Some(origin)) = table.origins.get(index) {
                extras = origin.clone();
            }
            if let Some((column, expression)) = &table.watermark
                && *column == field.name
            {
                watermark = expression.clone();
            }
        }
        let nullable = if field.nullable { "TRUE" } else { "FALSE" };
        lines.push(format!("{} | {} | {nullable} | {key} | {extras} | {watermark}", field.name, field.data_type));
    }
    lines.join("\n")
}
