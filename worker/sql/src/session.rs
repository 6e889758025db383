//! A session: tables, views and settings, and the scripts that run in it.

mod create_as;
mod insert;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use graph::{Catalog, ChangelogMode, JobGraph, OperatorSpec, TableSpec};
use model::{Failure, Schema};
use sqlparser::{
    ast::{Ident, Query, Spanned},
    tokenizer::Span,
};

use crate::{
    SqlError,
    catalog::{Entry, Table, Tables},
    desugar, explain,
    lower::{Lowering, Target},
    metadata, plan,
    statement::{Dropped, Insert, Name, Statement, parse_script},
};

/// What `pipeline.name` sets.
const NAME_KEY: &str = "pipeline.name";
const DEAD_LETTERS_KEY: &str = "pipeline.dead-letter-table";

/// How many subtasks operators have that do not say it themselves.
const PARALLELISM_KEY: &str = "parallelism.default";

/// What planning may take of the stack, which the nesting of views and expressions decides.
const STACK_BYTES: usize = 128 << 20;

/// What the session's time zone is set by.
const ZONE_KEY: &str = "table.local-time-zone";

/// Tables, views and settings, changed by the scripts that run in it.
pub struct Session {
    catalog: Arc<dyn Catalog>,
    tables: Tables,
    settings: BTreeMap<String, String>,
    /// The machine's time zone.
    default_zone: String,
    check_option: fn(&str, &str) -> Result<(), Failure>,
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
        let (tables, settings) = (Tables::default(), BTreeMap::new());
        Self { catalog, tables, settings, default_zone: "UTC".to_owned(), check_option: |_, _| Ok(()) }
    }

    /// Sets what says whether an option that a script sets exists, and takes its value.
    pub fn check_options(&mut self, check: fn(&str, &str) -> Result<(), Failure>) {
        self.check_option = check;
    }

    /// Sets the time zone of sessions that do not set one: the machine's. It is UTC if it is not told.
    pub fn set_default_zone(&mut self, zone: String) {
        self.default_zone = zone;
    }

    /// Sets an option as `SET 'key' = 'value'` does.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }

    /// All that was set so far.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Runs a script: declarations and settings take effect in order; each query, `INSERT`, statement set, `EXPLAIN`,
    /// `SHOW` and `DESCRIBE` gives an outcome. What stood before an error keeps its effect.
    ///
    /// # Errors
    /// The first mistake, with its place in the script.
    pub fn run(&mut self, script: &str) -> Result<Vec<Outcome>, SqlError> {
        stacker::grow(STACK_BYTES, || self.run_all(script))
    }

    fn run_all(&mut self, script: &str) -> Result<Vec<Outcome>, SqlError> {
        let mut outcomes = Vec::new();
        for (statement, place) in parse_script(script, self.tables.current_database())? {
            if let Some(outcome) = self.execute(statement).map_err(|error| error.or_at(place))? {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    fn execute(&mut self, statement: Statement) -> Result<Option<Outcome>, SqlError> {
        let outcome = match statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_) => Outcome::Job(self.job(statement)?),
            Statement::CreateTable(create) if create.query.is_some() => match self.create_as(*create)? {
                Some(job) => Outcome::Job(job),
                None => return Ok(None),
            },
            Statement::Explain { explained, as_json } => {
                let job = match *explained {
                    Statement::CreateTable(create) => {
                        // It is not declared by being explained.
                        let before = self.tables.clone();
                        let job = self.create_as(*create);
                        self.tables = before;
                        job?.ok_or_else(|| SqlError::new("the table is there already: nothing would be done"))?
                    }
                    other => self.job(other)?,
                };
                let parallelism = self.settings.get(PARALLELISM_KEY).and_then(|text| text.trim().parse().ok());
                let explain = if as_json { explain::as_json } else { explain::explain };
                Outcome::Text(explain(&job.graph, parallelism.unwrap_or(1)))
            }
            Statement::Set(None) => {
                let lines = self.settings.iter().map(|(key, value)| format!("'{key}' = '{value}'"));
                Outcome::Text(lines.collect::<Vec<_>>().join("\n"))
            }
            Statement::Describe(_) | Statement::Show(..) | Statement::ShowCreate(..) => {
                Outcome::Text(show::show(&self.tables, &statement)?)
            }
            declaration => {
                self.declare(declaration)?;
                return Ok(None);
            }
        };
        Ok(Some(outcome))
    }

    /// What changes the session, and gives nothing.
    fn declare(&mut self, statement: Statement) -> Result<(), SqlError> {
        match statement {
            Statement::CreateTable(create) => self.tables.create_table(*create, &*self.catalog),
            Statement::CreateView(create) => self.tables.create_view(create),
            Statement::CreateFunction(create) => self.tables.create_function(&create),
            Statement::CreateDatabase { name, if_not_exists } => self.tables.create_database(&name, if_not_exists),
            Statement::AlterTable { name, if_exists, .. } if if_exists && self.tables.get(&name).is_none() => Ok(()),
            Statement::AlterTable { name, change, .. } => self.tables.alter_table(&name, *change, &*self.catalog),
            Statement::AlterView { name, change } => self.tables.alter_view(&name, change),
            Statement::Drop { what, name, if_exists } => self.drop(what, &name, if_exists),
            Statement::DropDatabase { name, if_exists, cascade } => {
                self.tables.drop_database(&name, if_exists, cascade)
            }
            Statement::Use(database) => self.tables.use_database(&database),
            Statement::Set(Some((key, value))) => {
                (self.check_option)(&key, &value)?;
                self.set(&key, &value);
                Ok(())
            }
            Statement::Reset(Some(key)) => {
                self.settings.remove(&key);
                Ok(())
            }
            Statement::Reset(None) => {
                self.settings.clear();
                Ok(())
            }
            _ => Err(SqlError::internal("no declaration")),
        }
    }

    fn drop(&mut self, what: Dropped, name: &Name, if_exists: bool) -> Result<(), SqlError> {
        let there = match what {
            Dropped::Function => self.tables.drop_function(&name.value),
            _ => self.tables.get(name).is_some_and(|entry| entry.kind() == what),
        };
        if there && what != Dropped::Function {
            self.tables.remove(name);
        }
        match there || if_exists {
            true => Ok(()),
            false => Err(SqlError::at_ident(format!("{what} '{name}' not found"), name)),
        }
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

    /// The session's time zone; none for UTC.
    fn zone(&self) -> Result<Option<String>, SqlError> {
        let set = self.settings.get(ZONE_KEY).filter(|zone| !zone.eq_ignore_ascii_case("default"));
        let zone = set.unwrap_or(&self.default_zone);
        if ["UTC", "Etc/UTC", "GMT", "Z"].iter().any(|utc| utc.eq_ignore_ascii_case(zone)) {
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
        let sinks: Vec<String> = inserts.iter().map(|insert| insert.table.to_string()).collect();
        let name = self.name(format!("insert-into_{}", sinks.join("_")));
        let mut lowering = Lowering::new(&name, &*self.catalog, self.zone()?);
        let mut places: Vec<Span> = Vec::new();
        for mut insert in inserts {
            let table = self.target(&insert)?;
            insert::give_partition(&mut insert, &table)?;
            let spec = table.with_options(std::mem::take(&mut insert.options));
            let target = if insert.columns.is_empty() {
                Target::Table(&spec)
            } else {
                Target::Columns(&spec, insert::columns(&insert, &table)?)
            };
            let place = insert.table.span;
            places.push(place);
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
        let database = self.tables.current_database().to_owned();
        let named = Name { database, ident: Ident::new(name.as_str()) };
        let Some(Entry::Table(table)) = self.tables.get(&named) else {
            return Err(SqlError::new(format!("option '{DEAD_LETTERS_KEY}': there is no table '{name}'")));
        };
        let wrong = |failure: Failure| SqlError::new(format!("option '{DEAD_LETTERS_KEY}': {}", failure.message));
        graph::dead_letter::columns(&table.spec).map_err(wrong)?;
        metadata::check_writable(&table.spec).map_err(|message| wrong(Failure::user(message)))?;
        if self.catalog.sink(&table.spec).map_err(wrong)?.by_partition {
            let message = format!("every task writes the table '{name}', so its rows cannot come by partition");
            return Err(wrong(Failure::user(message)));
        }
        Ok(Some(Box::new(table.spec.clone())))
    }

    fn target(&self, insert: &Insert) -> Result<Arc<Table>, SqlError> {
        let name = &insert.table;
        match self.tables.find(name)? {
            Entry::Table(table) => {
                metadata::check_writable(&table.spec).map_err(|message| SqlError::at_ident(message, name))?;
                Ok(Arc::clone(table))
            }
            Entry::View(_) => Err(SqlError::at_ident(format!("'{name}' is a view and cannot be written"), name)),
        }
    }

    fn write(&self, lowering: &mut Lowering<'_>, mut query: Query, target: &Target<'_>) -> Result<(), SqlError> {
        desugar::query(&mut query, &self.tables)?;
        let planned = plan::query(&self.tables, &query)?;
        let planned = plan::optimize(planned, &query)?;
        lowering.write(&planned, target).map_err(|error| error.or_at(query.span()))
    }
}
