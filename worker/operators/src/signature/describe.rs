//! How operators describe their state.

use graph::{
    Expr,
    operator::{AggregateCall, AggregateFunction, SortColumn, WindowKind},
};
use model::Schema;

use super::{Argument, Call, Column, Description, Input, Sort, VERSION, type_name};

impl Description {
    /// The state of a kind of operator.
    pub(crate) fn of(operator: &str) -> Self {
        Self { version: VERSION, operator: operator.to_owned(), ..Self::default() }
    }

    /// An input whose rows are kept by key.
    pub(crate) fn rows(mut self, schema: &Schema, keys: &[usize]) -> Self {
        let columns = schema.fields.iter().map(|field| type_name(&field.data_type)).collect();
        self.inputs.push(Input { columns, keys: columns_of(schema, keys), ..Input::default() });
        self
    }

    /// An input of which only something about each key is kept.
    pub(crate) fn keys(mut self, schema: &Schema, keys: &[usize]) -> Self {
        self.inputs.push(Input { keys: columns_of(schema, keys), ..Input::default() });
        self
    }

    /// The last input's rows are kept by the time in a column.
    pub(crate) fn at(mut self, schema: &Schema, time: usize) -> Self {
        if let Some(input) = self.inputs.last_mut() {
            input.time = columns_of(schema, &[time]).pop();
        }
        self
    }

    /// Whether the last input's rows are also taken away.
    pub(crate) fn changing(mut self, changes: bool) -> Self {
        if let Some(input) = self.inputs.last_mut() {
            input.changes = changes;
        }
        self
    }

    /// The calls that the accumulators are of, over columns of a schema.
    pub(crate) fn calls(mut self, calls: &[AggregateCall], schema: &Schema) -> Self {
        let mut numbered: Vec<usize> = Vec::new();
        let mut number = |column: usize| {
            numbered.iter().position(|known| *known == column).unwrap_or_else(|| {
                numbered.push(column);
                numbered.len() - 1
            })
        };
        let type_of =
            |column: usize| schema.fields.get(column).map_or(String::new(), |field| type_name(&field.data_type));
        for call in calls {
            let arguments = call.argument.into_iter().chain(call.second);
            let arguments =
                arguments.map(|column| Argument { number: number(column), data_type: type_of(column) }).collect();
            self.calls.push(Call {
                function: call.function.name().to_owned(),
                arguments,
                filter: call.filter.map(&mut number),
                distinct: call.distinct,
                skips_nulls: skips_nulls(&call.function),
            });
        }
        self
    }

    /// The order of rows.
    pub(crate) fn order(mut self, order: &[SortColumn], schema: &Schema) -> Self {
        let sort = |sort: &SortColumn| Sort {
            column: column(schema, sort.column),
            descending: sort.descending,
            nulls_first: sort.nulls_first,
        };
        self.order = order.iter().map(sort).collect();
        self
    }

    /// Which rows are kept.
    pub(crate) fn kept(mut self, which: impl Into<String>) -> Self {
        self.kept = Some(which.into());
        self
    }

    /// The windows, and the zone whose local times they are made of.
    pub(crate) fn windows(mut self, window: Option<WindowKind>, zone: Option<String>) -> Self {
        (self.window, self.zone) = (window, zone);
        self
    }

    /// A length in milliseconds.
    pub(crate) fn length(mut self, name: &str, length: i64) -> Self {
        self.lengths.insert(name.to_owned(), length);
        self
    }

    /// Something that is so, or not.
    pub(crate) fn property(mut self, name: &str, is_so: bool) -> Self {
        if is_so {
            self.properties.insert(name.to_owned());
        }
        self
    }

    /// The condition by which rows of both sides were matched.
    pub(crate) fn condition(mut self, condition: Option<&Expr>, sides: [&Schema; 2]) -> Self {
        self.condition = condition.map(|condition| text(condition, sides));
        self
    }
}

/// Values that are not kept cannot come back.
fn skips_nulls(function: &AggregateFunction) -> bool {
    matches!(
        function,
        AggregateFunction::ArrayAgg { ignore_nulls: true }
            | AggregateFunction::JsonArrayAgg { absent_on_null: true }
            | AggregateFunction::JsonObjectAgg { absent_on_null: true }
    )
}

fn columns_of(schema: &Schema, columns: &[usize]) -> Vec<Column> {
    columns.iter().map(|&index| column(schema, index)).collect()
}

fn column(schema: &Schema, column: usize) -> Column {
    schema.fields.get(column).map_or_else(Column::default, |field| Column {
        name: named(&field.name).to_owned(),
        data_type: type_name(&field.data_type),
    })
}

/// A name that the query gives. Those that the planner makes up have a `$`, and may be others in another build.
fn named(name: &str) -> &str {
    let is_own = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '_');
    if is_own { name } else { "" }
}

/// An expression over the columns of both sides of a join.
fn text(expr: &Expr, sides: [&Schema; 2]) -> String {
    let of = |expr: &Expr| text(expr, sides);
    let json = |value: &graph::Value| serde_json::to_string(value).unwrap_or_default();
    match expr {
        Expr::Column(index) => {
            let [left, right] = sides;
            let (side, schema, index) = match index.checked_sub(left.len()) {
                Some(index) => ("right", right, index),
                None => ("left", left, *index),
            };
            let Column { name, data_type } = column(schema, index);
            format!("{side}.{name} {data_type}")
        }
        Expr::Literal { value, data_type } => format!("{} {}", json(value), type_name(data_type)),
        Expr::Field { of: row, name } => format!("({}).{name}", of(row)),
        Expr::Call { function, args, data_type } => {
            let args: Vec<String> = args.iter().map(of).collect();
            format!("{function}({}) {}", args.join(", "), type_name(data_type))
        }
        Expr::Cast { of: value, to, safe } => {
            let name = if *safe { "TRY_CAST" } else { "CAST" };
            format!("{name}({} AS {})", of(value), type_name(to))
        }
        Expr::Case { branches, otherwise } => {
            let branches: String = branches
                .iter()
                .map(|(condition, result)| format!(" WHEN {} THEN {}", of(condition), of(result)))
                .collect();
            let otherwise = otherwise.as_ref().map_or(String::new(), |otherwise| format!(" ELSE {}", of(otherwise)));
            format!("CASE{branches}{otherwise} END")
        }
    }
}
