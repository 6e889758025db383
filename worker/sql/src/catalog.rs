//! The tables and views of a session, each as a plan over what its connector reads.

mod alter;
mod declared;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use datafusion_common::TableReference;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use expressions::Typed;
use graph::{Catalog, TableSpec};
use model::{Field, Schema};
use sqlparser::ast::Ident;

use crate::{
    SqlError,
    context::PlannedTable,
    desugar, escape, functions, like, plan,
    statement::{
        AlterTable, AlterView, CreateFunction, CreateTable, CreateView, DEFAULT_DATABASE, Dropped, Name, options_of,
    },
};
use declared::{declare, plan_table};
pub(crate) use written::{of_table, of_view};

/// How many views may be over each other.
const VIEW_DEPTH_MAX: usize = 32;

/// A declared table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) spec: TableSpec,
    /// All columns, computed ones and metadata included, as `SELECT *` gives them.
    pub(crate) columns: Schema,
    /// For each of `columns` that is not physical, how it says where it is from.
    pub(crate) origins: Vec<Option<String>>,
    /// The time attribute and its watermark, as written.
    pub(crate) watermark: Option<(String, String)>,
    /// What it says, for tables that are like it and changes.
    pub(crate) definition: CreateTable,
    source: Arc<PlannedTable>,
}

/// A declared view. Its query is planned where it is used, over the tables as they are then.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) columns: Schema,
    pub(crate) definition: CreateView,
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Table(Arc<Table>),
    View(Arc<View>),
}

impl Entry {
    pub(crate) fn columns(&self) -> &Schema {
        match self {
            Self::Table(table) => &table.columns,
            Self::View(view) => &view.columns,
        }
    }

    pub(crate) fn kind(&self) -> Dropped {
        match self {
            Self::Table(_) => Dropped::Table,
            Self::View(_) => Dropped::View,
        }
    }
}

/// All tables and views by name.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// By database and name.
    entries: BTreeMap<(String, String), Entry>,
    databases: BTreeSet<String>,
    /// The database that `USE` chose.
    current: String,
    /// Functions declared by `CREATE FUNCTION`, in upper case, and the built-in ones that they are.
    functions: BTreeMap<String, &'static str>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            databases: [DEFAULT_DATABASE.to_owned()].into(),
            current: DEFAULT_DATABASE.to_owned(),
            functions: BTreeMap::new(),
        }
    }
}

fn key(name: &Name) -> (String, String) {
    (name.database.clone(), name.ident.value.clone())
}

impl Tables {
    pub(crate) fn get(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(&key(name))
    }

    /// A table or view, or the error that there is none.
    pub(crate) fn find(&self, name: &Name) -> Result<&Entry, SqlError> {
        self.get(name).ok_or_else(|| SqlError::at_ident(format!("table '{name}' not found"), name))
    }

    /// The names of a database.
    pub(crate) fn names_in(&self, database: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter().filter(move |((of, _), _)| of == database).map(|((_, name), entry)| (name, entry))
    }

    pub(crate) fn current_database(&self) -> &str {
        &self.current
    }

    pub(crate) fn databases(&self) -> impl Iterator<Item = &String> {
        self.databases.iter()
    }

    pub(crate) fn check_database(&self, name: &Ident) -> Result<(), SqlError> {
        match self.databases.contains(&name.value) {
            true => Ok(()),
            false => Err(SqlError::at_ident(format!("database '{}' not found", name.value), name)),
        }
    }

    pub(crate) fn use_database(&mut self, name: &Ident) -> Result<(), SqlError> {
        self.check_database(name)?;
        self.current.clone_from(&name.value);
        Ok(())
    }

    pub(crate) fn create_database(&mut self, name: &Ident, if_not_exists: bool) -> Result<(), SqlError> {
        if !self.databases.insert(name.value.clone()) && !if_not_exists {
            return Err(SqlError::at_ident(format!("database '{}' already exists", name.value), name));
        }
        Ok(())
    }

    pub(crate) fn drop_database(&mut self, name: &Ident, if_exists: bool, cascade: bool) -> Result<(), SqlError> {
        if if_exists && !self.databases.contains(&name.value) {
            return Ok(());
        }
        self.check_database(name)?;
        let refused = if name.value == self.current {
            Some("is the current one and cannot be dropped")
        } else if !cascade && self.names_in(&name.value).next().is_some() {
            Some("is not empty; DROP DATABASE … CASCADE drops what it has")
        } else {
            None
        };
        if let Some(why) = refused {
            return Err(SqlError::at_ident(format!("database '{}' {why}", name.value), name));
        }
        self.databases.remove(&name.value);
        self.entries.retain(|(database, _), _| *database != name.value);
        Ok(())
    }

    /// What the planner reads for a name inside the views `within`; its first part may be options.
    pub(crate) fn source(&self, name: &TableReference, within: &[Name]) -> Result<Arc<dyn TableSource>, SqlError> {
        let database = name.schema().unwrap_or(DEFAULT_DATABASE).to_owned();
        let name_of = Name { database, ident: Ident::new(name.table()) };
        let options = name.catalog().and_then(options_of);
        match (self.find(&name_of)?, options) {
            (Entry::Table(table), None) => Ok(Arc::clone(&table.source) as Arc<dyn TableSource>),
            (Entry::Table(table), Some(options)) => {
                let table = table.with_options(options);
                Ok(planned(plan_table(&table, &self.definition_of(&name_of)?, self)?))
            }
            (Entry::View(_), Some(_)) => Err(SqlError::new(format!("'{name_of}' is a view: it takes no OPTIONS"))),
            (Entry::View(view), None) => {
                let plan = self.plan_view(&view.definition, within);
                // Its places are those of another script.
                let plan = plan.map_err(|error| SqlError::new(format!("view '{name_of}': {}", error.message)))?;
                Ok(planned(plan))
            }
        }
    }

    /// The built-in function that a declared one is.
    pub(crate) fn function(&self, name: &str) -> Option<&'static str> {
        self.functions.get(&name.to_ascii_uppercase()).copied()
    }

    /// The names of declared functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    pub(crate) fn create_function(&mut self, create: &CreateFunction) -> Result<(), SqlError> {
        let name = create.name.value.to_ascii_uppercase();
        let (class, place) = &create.class;
        let Some(known) = functions::of_class(class) else {
            let message =
                format!("no function for the class '{class}': functions cannot be loaded, only built-in ones");
            return Err(SqlError::at_span(message, *place));
        };
        if self.functions.contains_key(&name) && !create.if_not_exists {
            return Err(SqlError::at_ident(format!("function '{}' already exists", create.name.value), &create.name));
        }
        self.functions.entry(name).or_insert(known);
        Ok(())
    }

    /// Removes a declared function; tells whether it was there.
    pub(crate) fn drop_function(&mut self, name: &str) -> bool {
        self.functions.remove(&name.to_ascii_uppercase()).is_some()
    }

    pub(crate) fn remove(&mut self, name: &Name) {
        self.entries.remove(&key(name));
    }

    /// Whether a name is to be declared: not if it is there already and that is allowed.
    fn check_new(&self, name: &Name, if_not_exists: bool, replaces: Option<Dropped>) -> Result<bool, SqlError> {
        self.check_database(&Ident::with_span(name.span, name.database.as_str()))?;
        match self.get(name) {
            None => {
                // Jobs know a table by its database and name in one.
                let text = name.to_string();
                let mut same = [(DEFAULT_DATABASE.to_owned(), text.clone())]
                    .into_iter()
                    .chain(text.match_indices('.').map(|(at, _)| (text[..at].to_owned(), text[at + 1..].to_owned())));
                match same.find(|same| self.entries.contains_key(same)) {
                    Some(_) => Err(SqlError::at_ident(format!("'{name}' already exists"), name)),
                    None => Ok(true),
                }
            }
            Some(_) if if_not_exists => Ok(false),
            Some(entry) if replaces == Some(entry.kind()) => Ok(true),
            Some(_) => Err(SqlError::at_ident(format!("'{name}' already exists"), name)),
        }
    }

    pub(crate) fn create_table(&mut self, create: CreateTable, catalog: &dyn Catalog) -> Result<(), SqlError> {
        if self.check_new(&create.name, create.if_not_exists, create.replaces.then_some(Dropped::Table))? {
            let create = match &create.like {
                Some(like) => like::merged(&self.definition_of(&like.table)?, like, create.clone())?,
                None => create,
            };
            self.declare(create, catalog)?;
        }
        Ok(())
    }

    fn declare(&mut self, create: CreateTable, catalog: &dyn Catalog) -> Result<(), SqlError> {
        let at = key(&create.name);
        let table = declare(create, self, catalog)?;
        self.entries.insert(at, Entry::Table(Arc::new(table)));
        Ok(())
    }

    fn definition_of(&self, name: &Name) -> Result<CreateTable, SqlError> {
        match self.get(name) {
            Some(Entry::Table(table)) => Ok(table.definition.clone()),
            _ => Err(SqlError::at_ident(format!("table '{name}' not found"), name)),
        }
    }

    pub(crate) fn alter_table(
        &mut self,
        name: &Name,
        change: AlterTable,
        catalog: &dyn Catalog,
    ) -> Result<(), SqlError> {
        let mut definition = self.definition_of(name)?;
        if let AlterTable::Rename(to) = &change {
            self.check_new(to, false, None)?;
        }
        alter::apply(&mut definition, change)?;
        let renamed = key(&definition.name) != key(name);
        self.declare(definition, catalog).map_err(|error| SqlError::at_ident(error.message, name))?;
        if renamed {
            self.remove(name);
        }
        Ok(())
    }

    pub(crate) fn alter_view(&mut self, name: &Name, change: AlterView) -> Result<(), SqlError> {
        let Some(Entry::View(view)) = self.get(name) else {
            return Err(SqlError::at_ident(format!("view '{name}' not found"), name));
        };
        let mut definition = view.definition.clone();
        match change {
            AlterView::Rename(to) => {
                self.check_new(&to, false, None)?;
                let renamed = View { columns: view.columns.clone(), definition: CreateView { name: to, ..definition } };
                self.entries.insert(key(&renamed.definition.name), Entry::View(Arc::new(renamed)));
                self.remove(name);
                Ok(())
            }
            AlterView::As { query, text } => {
                definition = CreateView { query, text, columns: Vec::new(), replaces: true, ..definition };
                self.create_view(definition)
            }
        }
    }

    pub(crate) fn create_view(&mut self, mut create: CreateView) -> Result<(), SqlError> {
        if !self.check_new(&create.name, create.if_not_exists, create.replaces.then_some(Dropped::View))? {
            return Ok(());
        }
        desugar::query(&mut create.query, self)?;
        let columns = schema_of(&self.plan_view(&create, &[])?)?;
        self.entries.insert(key(&create.name), Entry::View(Arc::new(View { columns, definition: create })));
        Ok(())
    }

    /// The plan of a view that is used inside the views `within`. It may have come to read itself by names that were
    /// given anew since it was declared.
    fn plan_view(&self, view: &CreateView, within: &[Name]) -> Result<LogicalPlan, SqlError> {
        if within.iter().any(|outer| key(outer) == key(&view.name)) {
            return Err(SqlError::new("it reads itself"));
        }
        if within.len() == VIEW_DEPTH_MAX {
            return Err(SqlError::new(format!("it is the view of more than {VIEW_DEPTH_MAX} views over each other")));
        }
        let within = [within, std::slice::from_ref(&view.name)].concat();
        let planned = plan::within(self, &view.query, &within)?;
        if view.columns.is_empty() { Ok(planned) } else { rename(planned, &view.columns) }
    }
}

fn planned(plan: LogicalPlan) -> Arc<dyn TableSource> {
    Arc::new(PlannedTable { schema: Arc::new(plan.schema().as_arrow().clone()), plan })
}

impl Table {
    /// What its connector is told with some options anew.
    pub(crate) fn with_options(&self, options: Vec<(String, String)>) -> TableSpec {
        let mut spec = self.spec.clone();
        spec.options.extend(options);
        spec
    }
}

/// The columns of a plan with their Flink types.
pub(crate) fn schema_of(plan: &LogicalPlan) -> Result<Schema, SqlError> {
    let fields = plan.schema().fields().iter();
    let fields = fields.map(|field| {
        let Typed { data_type, nullable } = escape::typed_field(field)?;
        Ok(Field { name: field.name().clone(), data_type, nullable })
    });
    Ok(Schema::new(fields.collect::<Result<_, SqlError>>()?))
}

fn rename(planned: LogicalPlan, columns: &[Ident]) -> Result<LogicalPlan, SqlError> {
    let fields = planned.schema().columns();
    if fields.len() != columns.len() {
        let message = format!("the query has {} columns, but {} names are given", fields.len(), columns.len());
        return Err(columns
            .first()
            .map_or_else(|| SqlError::new(message.clone()), |name| SqlError::at_ident(&message, name)));
    }
    let renamed = fields.into_iter().zip(columns).map(|(field, name)| Expr::Column(field).alias(name.value.clone()));
    let built = LogicalPlanBuilder::from(planned).project(renamed).and_then(LogicalPlanBuilder::build);
    built.map_err(|error| SqlError::from_planner(&error, &|_| None))
}

/// What a connector reads.
#[derive(Debug)]
pub(crate) struct PhysicalTable {
    pub(crate) spec: Arc<TableSpec>,
    schema: SchemaRef,
}

impl TableSource for PhysicalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
