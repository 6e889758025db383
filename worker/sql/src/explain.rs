//! `EXPLAIN`: a job graph as text, from the sinks down.

mod expression;

use std::{collections::HashSet, fmt::Write};

use graph::{
    Expr, JobGraph, NodeId, OperatorSpec, Partitioning,
    operator::{AggregateCall, AggregateFunction, Keep, RankSpec, SortColumn, WindowJoinKind, WindowKind},
};
use model::Schema;
use serde_json::json;

use self::expression::expression;

/// A job graph as text: a tree for each sink, with row kinds, exchanges, parallelism (`parallelism` where an operator has
/// none of its own) and what each operator keeps as state.
pub fn explain(graph: &JobGraph, parallelism: u32) -> String {
    let mut text = String::new();
    let mut printed = HashSet::new();
    let printer = Printer { graph, parallelism };
    for (node, spec) in graph.nodes.iter().enumerate() {
        if matches!(spec.operator, OperatorSpec::Sink(_)) {
            if !text.is_empty() {
                text.push('\n');
            }
            printer.tree(node, "", "", &mut printed, &mut text);
        }
    }
    text
}

/// A job graph as JSON in the form of Flink's execution plans.
pub fn as_json(graph: &JobGraph, parallelism: u32) -> String {
    let nodes = graph.nodes.iter().enumerate().map(|(id, node)| {
        let pact = match &node.operator {
            OperatorSpec::Source(_) => "Data Source",
            OperatorSpec::Sink(_) => "Data Sink",
            _ => "Operator",
        };
        let predecessors = graph.inputs(id).map(|edge| {
            let strategy = match &edge.partitioning {
                Partitioning::Forward => "FORWARD",
                Partitioning::Hash(_) => "HASH",
                Partitioning::Rebalance => "REBALANCE",
                Partitioning::Broadcast => "BROADCAST",
                Partitioning::Global => "GLOBAL",
            };
            let side = if edge.port == 0 { "first" } else { "second" };
            json!({ "id": edge.from + 1, "ship_strategy": strategy, "side": side })
        });
        json!({
            "id": id + 1,
            "type": node.name,
            "pact": pact,
            "contents": describe(graph, id),
            "parallelism": node.parallelism.unwrap_or(parallelism),
            "predecessors": predecessors.collect::<Vec<_>>(),
        })
    });
    let plan = json!({ "nodes": nodes.collect::<Vec<_>>() });
    format!("{plan:#}")
}

struct Printer<'a> {
    graph: &'a JobGraph,
    parallelism: u32,
}

impl Printer<'_> {
    fn tree(&self, node: NodeId, first: &str, rest: &str, printed: &mut HashSet<NodeId>, text: &mut String) {
        let graph = self.graph;
        let spec = &graph.nodes[node];
        if !printed.insert(node) {
            let _ = writeln!(text, "{first}Reused(reference=[{}])", spec.uid);
            return;
        }
        let parallelism = spec.parallelism.unwrap_or(self.parallelism);
        let state = state(&spec.operator).map(|state| format!(", state=[{state}]")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{first}{}, changelogMode=[{}], parallelism=[{parallelism}]{state}, uid=[{}]",
            describe(graph, node),
            spec.changelog,
            spec.uid
        );
        let inputs: Vec<_> = graph.inputs(node).collect();
        for (index, edge) in inputs.iter().enumerate() {
            let last = index + 1 == inputs.len();
            let (branch, stem) = if last { ("+- ", "   ") } else { (":- ", ":  ") };
            let (mut first, mut rest) = (format!("{rest}{branch}"), format!("{rest}{stem}"));
            if let Some(distribution) = distribution(graph, edge) {
                let _ = writeln!(text, "{first}Exchange(distribution=[{distribution}])");
                first = format!("{rest}+- ");
                rest = format!("{rest}   ");
            }
            self.tree(edge.from, &first, &rest, printed, text);
        }
    }
}

/// What an operator keeps between rows.
fn state(operator: &OperatorSpec) -> Option<&'static str> {
    Some(match operator {
        OperatorSpec::Source(_) => "positions",
        OperatorSpec::WindowAssign(spec) => match spec.window {
            WindowKind::Session { .. } => "rows by key, until their session ends",
            _ => return None,
        },
        OperatorSpec::WindowAggregate(_) => "accumulators by window and key, until the window ends",
        OperatorSpec::GroupAggregate(_) => "accumulators by key",
        OperatorSpec::Join(_) => "rows of both sides by key",
        OperatorSpec::IntervalJoin(_) => "rows of both sides by key, while they can meet others",
        OperatorSpec::WindowJoin(_) => "rows of both sides by window and key, until the window ends",
        OperatorSpec::SemiJoin(_) => "rows of both sides by key",
        OperatorSpec::Rank(_) => "the first rows by key",
        OperatorSpec::Deduplicate(_) => "one row by key",
        OperatorSpec::Limit(_) => "the number of rows",
        OperatorSpec::Calc(_) | OperatorSpec::Unnest(_) | OperatorSpec::LocalAggregate(_) | OperatorSpec::Sink(_) => {
            return None;
        }
    })
}

fn distribution(graph: &JobGraph, edge: &graph::Edge) -> Option<String> {
    Some(match &edge.partitioning {
        Partitioning::Forward => return None,
        Partitioning::Hash(columns) => format!("hash[{}]", names(&graph.nodes[edge.from].schema, columns)),
        Partitioning::Rebalance => "rebalance".to_owned(),
        Partitioning::Broadcast => "broadcast".to_owned(),
        Partitioning::Global => "single".to_owned(),
    })
}

fn names(schema: &Schema, columns: &[usize]) -> String {
    columns.iter().map(|&column| column_name(schema, column)).collect::<Vec<_>>().join(", ")
}

fn column_name(schema: &Schema, column: usize) -> String {
    schema.fields.get(column).map_or_else(|| format!("${column}"), |field| field.name.clone())
}

/// An operator with what it does.
#[expect(clippy::too_many_lines, reason = "one arm for each operator")]
pub(crate) fn describe(graph: &JobGraph, node: NodeId) -> String {
    let own = &graph.nodes[node];
    let below = graph.inputs(node).next().map(|edge| &graph.nodes[edge.from].schema);
    let empty = Schema::default();
    let input = below.unwrap_or(&empty);
    match &own.operator {
        OperatorSpec::Source(source) => {
            let columns: Vec<String> = source.columns.iter().map(|column| column.path.join(".")).collect();
            let mut text = format!("Source(table=[{}], columns=[{}]", source.table.name, columns.join(", "));
            if !source.filters.is_empty() {
                let filters: Vec<String> =
                    source.filters.iter().map(|filter| expression(filter, &own.schema)).collect();
                let _ = write!(text, ", filters=[{}]", filters.join(", "));
            }
            if let Some(watermark) = &source.watermark {
                let _ = write!(text, ", watermark=[{}]", expression(watermark, &own.schema));
            }
            text.push(')');
            text
        }
        OperatorSpec::Calc(calc) => {
            let columns = calc.projection.iter().zip(&own.schema.fields).map(|(expr, field)| {
                let text = expression(expr, input);
                if text == field.name { text } else { format!("{text} AS {}", field.name) }
            });
            let mut text = format!("Calc(select=[{}]", columns.collect::<Vec<_>>().join(", "));
            if let Some(filter) = &calc.filter {
                let _ = write!(text, ", where=[{}]", expression(filter, input));
            }
            text.push(')');
            text
        }
        OperatorSpec::WindowAssign(spec) => {
            let keys = match spec.keys.as_slice() {
                [] => String::new(),
                keys => format!(", partition keys=[{}]", names(input, keys)),
            };
            format!(
                "WindowTableFunction(window=[{}{keys}])",
                window(&spec.window, &column_name(input, spec.time), spec.processing)
            )
        }
        OperatorSpec::WindowAggregate(spec) => {
            let phase = if spec.partial.is_some() { "Global" } else { "" };
            let input = spec.partial.as_ref().unwrap_or(input);
            format!(
                "{phase}WindowAggregate(groupBy=[{}], window=[{}], select=[{}])",
                names(input, &spec.keys),
                window(&spec.window, &column_name(input, spec.time), spec.processing),
                aggregates(&spec.aggregates, input, &own.schema, spec.keys.len())
            )
        }
        OperatorSpec::LocalAggregate(spec) => {
            let (keys, select) = (names(input, &spec.keys), all_names(&own.schema));
            match &spec.window {
                None => format!("LocalGroupAggregate(groupBy=[{keys}], select=[{select}])"),
                Some((time, kind)) => format!(
                    "LocalWindowAggregate(groupBy=[{keys}], window=[{}], select=[{select}])",
                    window(kind, &column_name(input, *time), false)
                ),
            }
        }
        OperatorSpec::GroupAggregate(spec) => {
            let phase = if spec.partial.is_some() { "Global" } else { "" };
            let input = spec.partial.as_ref().unwrap_or(input);
            let keys = names(input, &spec.keys);
            let calls = aggregates(&spec.aggregates, input, &own.schema, spec.keys.len());
            let select = [keys.as_str(), calls.as_str()];
            let select: Vec<&str> = select.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{phase}GroupAggregate(groupBy=[{keys}], select=[{}])", select.join(", "))
        }
        OperatorSpec::Join(spec) => {
            let keys = (&spec.left_keys[..], &spec.right_keys[..]);
            let sides = (&spec.left_schema, &spec.right_schema);
            let condition = condition(keys, spec.nulls_equal, sides, spec.condition.as_ref(), &own.schema);
            format!("Join(joinType=[InnerJoin], where=[{condition}])")
        }
        OperatorSpec::IntervalJoin(spec) => {
            let keys = (&spec.left_keys[..], &spec.right_keys[..]);
            let sides = (&spec.left_schema, &spec.right_schema);
            let condition = condition(keys, spec.nulls_equal, sides, spec.condition.as_ref(), &own.schema);
            format!(
                "IntervalJoin(joinType=[InnerJoin], windowBounds=[isRowTime=true, leftLowerBound={}, \
                 leftUpperBound={}, leftTimeIndex={}, rightTimeIndex={}], where=[{condition}])",
                spec.upper.saturating_neg(),
                spec.lower.saturating_neg(),
                spec.left_time,
                spec.right_time
            )
        }
        OperatorSpec::Rank(RankSpec { window_end: Some(end), from, to, partition, order: by, .. }) => {
            format!(
                "WindowRank(window=[win_end=[{}]], rankType=[ROW_NUMBER], rankRange=[rankStart={from}, rankEnd={to}], \
                 partitionBy=[{}], orderBy=[{}], select=[{}])",
                column_name(input, *end),
                names(input, partition),
                order(input, by),
                all_names(&own.schema)
            )
        }
        OperatorSpec::Rank(spec) => {
            let strategy = if spec.input.is_append() { "AppendFastStrategy" } else { "RetractStrategy" };
            format!(
                "Rank(strategy=[{strategy}], rankType=[ROW_NUMBER], rankRange=[rankStart={}, rankEnd={}], \
                 partitionBy=[{}], orderBy=[{}], select=[{}])",
                spec.from,
                spec.to,
                names(input, &spec.partition),
                match spec.order.as_slice() {
                    [] if spec.latest_first => "PROCTIME DESC".to_owned(),
                    [] => "PROCTIME ASC".to_owned(),
                    columns => order(input, columns),
                },
                all_names(&own.schema)
            )
        }
        OperatorSpec::Deduplicate(spec) => {
            let keep = match spec.keep {
                Keep::First => "FirstRow",
                Keep::Last => "LastRow",
            };
            format!(
                "Deduplicate(keep=[{keep}], key=[{}], order=[{}], outputInsertOnly=[{}])",
                names(input, &spec.keys),
                if spec.processing { "PROCTIME" } else { "ROWTIME" },
                own.changelog.is_append()
            )
        }
        OperatorSpec::WindowJoin(spec) => {
            let keys = (&spec.left_keys[..], &spec.right_keys[..]);
            let sides = (&spec.left_schema, &spec.right_schema);
            let both = Schema::new(spec.left_schema.fields.iter().chain(&spec.right_schema.fields).cloned().collect());
            let condition = condition(keys, spec.nulls_equal, sides, spec.condition.as_ref(), &both);
            let kind = match spec.kind {
                WindowJoinKind::Inner => "InnerJoin",
                WindowJoinKind::Semi => "LeftSemiJoin",
                WindowJoinKind::Anti => "LeftAntiJoin",
            };
            format!("WindowJoin(joinType=[{kind}], where=[{condition}])")
        }
        OperatorSpec::Limit(spec) => format!("Limit(offset=[{}], fetch=[{}])", spec.offset, spec.limit),
        OperatorSpec::Unnest(spec) => {
            let kind = if spec.outer { "LeftOuterJoin" } else { "InnerJoin" };
            let ordinality = if spec.ordinality { " WITH ORDINALITY" } else { "" };
            format!("Correlate(joinType=[{kind}], unnest=[{}{ordinality}])", column_name(input, spec.column))
        }
        OperatorSpec::SemiJoin(spec) => {
            let keys = (&spec.left_keys[..], &spec.right_keys[..]);
            let sides = (&spec.left_schema, &spec.right_schema);
            let both = Schema::new(spec.left_schema.fields.iter().chain(&spec.right_schema.fields).cloned().collect());
            let condition = condition(keys, spec.nulls_equal, sides, spec.condition.as_ref(), &both);
            let kind = if spec.anti { "LeftAntiJoin" } else { "LeftSemiJoin" };
            format!("Join(joinType=[{kind}], where=[{condition}])")
        }
        OperatorSpec::Sink(sink) => {
            let columns: Vec<&str> = own.schema.fields.iter().map(|field| field.name.as_str()).collect();
            format!("Sink(table=[{}], columns=[{}])", sink.table.name, columns.join(", "))
        }
    }
}

/// The condition of a join of two sides with these keys.
fn condition(
    keys: (&[usize], &[usize]),
    nulls_equal: bool,
    sides: (&Schema, &Schema),
    rest: Option<&Expr>,
    output: &Schema,
) -> String {
    let equal = if nulls_equal { "IS NOT DISTINCT FROM" } else { "=" };
    let keys = keys.0.iter().zip(keys.1);
    let keys =
        keys.map(|(&left, &right)| format!("{} {equal} {}", column_name(sides.0, left), column_name(sides.1, right)));
    let mut conditions: Vec<String> = keys.collect();
    conditions.extend(rest.map(|condition| expression(condition, output)));
    conditions.join(" AND ")
}

fn order(input: &Schema, columns: &[SortColumn]) -> String {
    let columns = columns.iter().map(|column| {
        let direction = if column.descending { "DESC" } else { "ASC" };
        // Null is the least value unless told otherwise.
        let nulls = match (column.nulls_first, column.descending) {
            (true, true) => " NULLS FIRST",
            (false, false) => " NULLS LAST",
            _ => "",
        };
        format!("{} {direction}{nulls}", column_name(input, column.column))
    });
    columns.collect::<Vec<_>>().join(", ")
}

fn all_names(schema: &Schema) -> String {
    schema.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn window(window: &WindowKind, time: &str, processing: bool) -> String {
    let time = if processing { "PROCTIME()" } else { time };
    let (name, lengths, offset) = match window {
        WindowKind::Tumble { size, offset } => ("TUMBLE", format!("size=[{}]", length(*size)), *offset),
        WindowKind::Hop { size, slide, offset } => {
            ("HOP", format!("size=[{}], slide=[{}]", length(*size), length(*slide)), *offset)
        }
        WindowKind::Cumulate { size, step, offset } => {
            ("CUMULATE", format!("max_size=[{}], step=[{}]", length(*size), length(*step)), *offset)
        }
        WindowKind::Session { gap } => ("SESSION", format!("gap=[{}]", length(*gap)), 0),
    };
    let offset = if offset == 0 { String::new() } else { format!(", offset=[{}]", length(offset)) };
    format!("{name}(time_col=[{time}], {lengths}{offset})")
}

/// Milliseconds in the largest unit that divides them.
fn length(milliseconds: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];
    for (name, unit) in units {
        if milliseconds != 0 && milliseconds % unit == 0 {
            return format!("{} {name}", milliseconds / unit);
        }
    }
    format!("{milliseconds} ms")
}

fn aggregates(calls: &[AggregateCall], input: &Schema, output: &Schema, keys: usize) -> String {
    let calls = calls.iter().enumerate().map(|(index, call)| {
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let argument = call.argument.map_or_else(|| "*".to_owned(), |column| column_name(input, column));
        let filter = call.filter.map(|column| format!(" FILTER {}", column_name(input, column))).unwrap_or_default();
        let name = call.function.name();
        let second = call.second.map(|column| column_name(input, column));
        let rest = constants(&call.function, second);
        format!("{name}({distinct}{argument}{rest}){filter} AS {}", column_name(output, keys + index))
    });
    calls.collect::<Vec<_>>().join(", ")
}

/// What stands behind the first argument of an aggregate.
fn constants(function: &AggregateFunction, second: Option<String>) -> String {
    let on_null = |absent: &bool| if *absent { " ABSENT ON NULL" } else { " NULL ON NULL" };
    match function {
        AggregateFunction::ListAgg { separator } => format!(", '{separator}'"),
        AggregateFunction::ArrayAgg { ignore_nulls: true } => " IGNORE NULLS".to_owned(),
        AggregateFunction::JsonArrayAgg { absent_on_null } => on_null(absent_on_null).to_owned(),
        AggregateFunction::JsonObjectAgg { absent_on_null } => {
            format!(" VALUE {}{}", second.unwrap_or_default(), on_null(absent_on_null))
        }
        AggregateFunction::Percentile { percentages } => {
            let at = percentages.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
            let at = if percentages.len() == 1 { at } else { format!("ARRAY({at})") };
            format!(", {at}{}", second.map(|column| format!(", {column}")).unwrap_or_default())
        }
        _ => String::new(),
    }
}
