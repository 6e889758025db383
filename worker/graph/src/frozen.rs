//! The stored form of job graphs is as it was, byte by byte. The matches below have an arm for each variant: what is
//! added to a graph is to be added to the fixture.

use model::{DataType, Field, Schema};

use crate::{
    ChangelogMode, Edge, Expr, JobGraph, MetadataColumn, Node, OperatorSpec, Partitioning, TableSpec, Value,
    operator::{
        AggregateCall, AggregateFunction, CalcSpec, DeduplicateSpec, GroupAggregateSpec, IntervalJoinSpec, JoinSpec,
        Keep, LimitSpec, LocalAggregateSpec, RankSpec, SemiJoinSpec, SinkSpec, SortColumn, SourceColumn, SourceSpec,
        UnnestSpec, WindowAggregateSpec, WindowAssignSpec, WindowJoinKind, WindowJoinSpec, WindowKind,
    },
};

use crate::fixtures::{self, Fixture};

fn name_of(operator: &OperatorSpec) -> &'static str {
    match operator {
        OperatorSpec::Source(_) => "source",
        OperatorSpec::Calc(_) => "calc",
        OperatorSpec::WindowAssign(_) => "window-assign",
        OperatorSpec::WindowAggregate(_) => "window-aggregate",
        OperatorSpec::GroupAggregate(_) => "group-aggregate",
        OperatorSpec::LocalAggregate(_) => "local-aggregate",
        OperatorSpec::Join(_) => "join",
        OperatorSpec::IntervalJoin(_) => "interval-join",
        OperatorSpec::Rank(_) => "rank",
        OperatorSpec::Deduplicate(_) => "deduplicate",
        OperatorSpec::SemiJoin(_) => "semi-join",
        OperatorSpec::WindowJoin(_) => "window-join",
        OperatorSpec::Unnest(_) => "unnest",
        OperatorSpec::Limit(_) => "limit",
        OperatorSpec::Sink(_) => "sink",
    }
}

fn types() -> Vec<DataType> {
    let field = Field { name: "f".to_owned(), data_type: DataType::Int, nullable: false };
    let all = vec![
        DataType::Null,
        DataType::Boolean,
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Int,
        DataType::BigInt,
        DataType::Float,
        DataType::Double,
        DataType::Decimal(38, 18),
        DataType::Char(3),
        DataType::Varchar(4),
        DataType::String,
        DataType::Binary(5),
        DataType::Varbinary(6),
        DataType::Bytes,
        DataType::Date,
        DataType::Time(0),
        DataType::Timestamp(9),
        DataType::TimestampLtz(3),
        DataType::IntervalDayTime,
        DataType::IntervalYearMonth,
        DataType::Row(vec![field, Field::new("g", DataType::String)]),
        DataType::Array(Box::new(DataType::Int)),
        DataType::Map(Box::new(DataType::String), Box::new(DataType::Date)),
        DataType::Multiset(Box::new(DataType::BigInt)),
        DataType::NotNull(Box::new(DataType::Int)),
    ];
    for data_type in &all {
        match data_type {
            DataType::Null | DataType::Boolean | DataType::TinyInt | DataType::SmallInt | DataType::Int => {}
            DataType::BigInt | DataType::Float | DataType::Double | DataType::Decimal(..) | DataType::Char(_) => {}
            DataType::Varchar(_) | DataType::String | DataType::Binary(_) | DataType::Varbinary(_) => {}
            DataType::Bytes | DataType::Date | DataType::Time(_) | DataType::Timestamp(_) => {}
            DataType::TimestampLtz(_) | DataType::IntervalDayTime | DataType::IntervalYearMonth => {}
            DataType::Row(_) | DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) => {}
            DataType::NotNull(_) => {}
        }
    }
    all
}

fn expressions() -> Vec<Expr> {
    let literal = |value, data_type| Expr::Literal { value, data_type };
    let values = [
        literal(Value::Null, DataType::Int),
        literal(Value::Boolean(true), DataType::Boolean),
        literal(Value::Integer(-7), DataType::BigInt),
        literal(Value::Float(1.5), DataType::Double),
        literal(Value::Decimal("-1250".to_owned()), DataType::Decimal(10, 2)),
        literal(Value::String("a\"b\n".to_owned()), DataType::String),
        literal(Value::Bytes(vec![0, 255]), DataType::Bytes),
    ];
    for value in &values {
        let Expr::Literal { value, .. } = value else { unreachable!("all are literals") };
        match value {
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {}
            Value::Decimal(_) | Value::String(_) | Value::Bytes(_) => {}
        }
    }
    let column = || Box::new(Expr::Column(3));
    let mut all = vec![
        Expr::Field { of: column(), name: "price".to_owned() },
        Expr::call("+", vec![Expr::Column(0), Expr::Column(1)], DataType::BigInt),
        Expr::Cast { of: column(), to: DataType::String, safe: true },
        Expr::Case { branches: vec![(Expr::Column(0), Expr::Column(1))], otherwise: Some(column()) },
        Expr::Case { branches: vec![(Expr::Column(0), Expr::Column(1))], otherwise: None },
    ];
    all.extend(values);
    for expr in &all {
        match expr {
            Expr::Column(_) | Expr::Literal { .. } | Expr::Field { .. } | Expr::Call { .. } => {}
            Expr::Cast { .. } | Expr::Case { .. } => {}
        }
    }
    all
}

fn calls() -> Vec<AggregateCall> {
    use AggregateFunction as Function;
    let functions = [
        Function::Count,
        Function::Sum,
        Function::Min,
        Function::Max,
        Function::Avg,
        Function::WelfordM2,
        Function::ListAgg { separator: ", ".to_owned() },
        Function::FirstValue,
        Function::LastValue,
        Function::SingleValue,
        Function::Collect,
        Function::ArrayAgg { ignore_nulls: true },
        Function::JsonArrayAgg { absent_on_null: false },
        Function::JsonObjectAgg { absent_on_null: true },
        Function::Percentile { percentages: vec![0.25, 1.0] },
    ];
    let call = |function| {
        match &function {
            Function::Count | Function::Sum | Function::Min | Function::Max | Function::Avg => {}
            Function::WelfordM2 | Function::ListAgg { .. } | Function::FirstValue | Function::LastValue => {}
            Function::SingleValue | Function::Collect | Function::ArrayAgg { .. } => {}
            Function::JsonArrayAgg { .. } | Function::JsonObjectAgg { .. } | Function::Percentile { .. } => {}
        }
        AggregateCall {
            function,
            argument: Some(2),
            second: Some(3),
            filter: Some(4),
            distinct: true,
            argument_type: DataType::BigInt,
            data_type: DataType::Double,
        }
    };
    functions.into_iter().map(call).collect()
}

fn table() -> TableSpec {
    TableSpec {
        name: "orders".to_owned(),
        schema: schema(),
        options: [("connector".to_owned(), "filesystem".to_owned()), ("path".to_owned(), "/in".to_owned())].into(),
        primary_key: vec![0],
        partitioned_by: vec![1],
        metadata: vec![MetadataColumn {
            name: "file".to_owned(),
            key: "file.path".to_owned(),
            data_type: DataType::String,
            is_virtual: true,
        }],
    }
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", DataType::BigInt), Field::new("v", DataType::String)])
}

fn windows() -> [WindowKind; 4] {
    let all = [
        WindowKind::Tumble { size: 1000, offset: -1 },
        WindowKind::Hop { size: 2000, slide: 1000, offset: 0 },
        WindowKind::Cumulate { size: 3000, step: 1000, offset: 5 },
        WindowKind::Session { gap: 10 },
    ];
    for window in &all {
        match window {
            WindowKind::Tumble { .. } | WindowKind::Hop { .. } => {}
            WindowKind::Cumulate { .. } | WindowKind::Session { .. } => {}
        }
    }
    all
}

fn aggregates() -> Vec<OperatorSpec> {
    let zone = || Some("Europe/Berlin".to_owned());
    vec![
        OperatorSpec::WindowAggregate(WindowAggregateSpec {
            keys: vec![0],
            aggregates: calls(),
            time: 1,
            window: windows()[1],
            zone: zone(),
            processing: false,
            input: ChangelogMode::ALL,
            partial: Some(schema()),
        }),
        OperatorSpec::GroupAggregate(GroupAggregateSpec {
            keys: vec![0, 1],
            aggregates: calls(),
            input: ChangelogMode::UPSERT,
            emit_update_before: true,
            partial: None,
        }),
        OperatorSpec::LocalAggregate(LocalAggregateSpec {
            keys: vec![0],
            aggregates: Vec::new(),
            window: Some((1, windows()[2])),
            zone: None,
        }),
    ]
}

fn joins() -> Vec<OperatorSpec> {
    let (left_schema, right_schema) = (schema(), schema());
    let condition = || Some(Expr::call("<", vec![Expr::Column(0), Expr::Column(2)], DataType::Boolean));
    let mut all = vec![
        OperatorSpec::Join(JoinSpec {
            left_keys: vec![0],
            right_keys: vec![1],
            nulls_equal: true,
            condition: condition(),
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::ALL,
            left_schema: left_schema.clone(),
            right_schema: right_schema.clone(),
        }),
        OperatorSpec::IntervalJoin(IntervalJoinSpec {
            left_keys: vec![0],
            right_keys: vec![1],
            nulls_equal: false,
            left_time: 1,
            right_time: 0,
            lower: -5,
            upper: 10,
            condition: None,
            left_schema: left_schema.clone(),
            right_schema: right_schema.clone(),
        }),
        OperatorSpec::SemiJoin(SemiJoinSpec {
            anti: true,
            left_keys: vec![0],
            right_keys: vec![1],
            nulls_equal: false,
            condition: condition(),
            left_input: ChangelogMode::ALL,
            right_input: ChangelogMode::UPSERT,
            left_schema: left_schema.clone(),
            right_schema: right_schema.clone(),
        }),
    ];
    for kind in [WindowJoinKind::Inner, WindowJoinKind::Semi, WindowJoinKind::Anti] {
        match kind {
            WindowJoinKind::Inner | WindowJoinKind::Semi | WindowJoinKind::Anti => {}
        }
        all.push(OperatorSpec::WindowJoin(WindowJoinSpec {
            kind,
            left_keys: vec![0],
            right_keys: vec![1],
            nulls_equal: false,
            left_end: 1,
            right_end: 0,
            zone: None,
            condition: None,
            left_schema: left_schema.clone(),
            right_schema: right_schema.clone(),
        }));
    }
    all
}

fn others() -> Vec<OperatorSpec> {
    let column = |data_type| SourceColumn { path: vec!["bid".to_owned(), "price".to_owned()], data_type };
    let mut all = vec![
        OperatorSpec::Source(SourceSpec {
            table: table(),
            columns: types().into_iter().map(column).collect(),
            filters: vec![Expr::Column(0)],
            watermark: Some(Expr::Column(1)),
        }),
        OperatorSpec::Calc(CalcSpec { filter: Some(Expr::Column(0)), projection: expressions() }),
        OperatorSpec::Rank(RankSpec {
            partition: vec![0],
            order: vec![SortColumn { column: 1, descending: true, nulls_first: false }],
            from: 1,
            to: 3,
            latest_first: true,
            window_end: Some(1),
            zone: Some("UTC".to_owned()),
            with_number: true,
            input: ChangelogMode::APPEND,
            emit_update_before: true,
        }),
        OperatorSpec::Unnest(UnnestSpec { column: 1, keep: true, outer: true, ordinality: true }),
        OperatorSpec::Limit(LimitSpec { limit: 5, offset: 2 }),
        OperatorSpec::Sink(SinkSpec { table: table(), input: ChangelogMode::UPSERT }),
    ];
    for keep in [Keep::First, Keep::Last] {
        match keep {
            Keep::First | Keep::Last => {}
        }
        let spec = DeduplicateSpec { keys: vec![0], time: 1, processing: true, keep, emit_update_before: true };
        all.push(OperatorSpec::Deduplicate(spec));
    }
    let assign = |window| WindowAssignSpec { time: 1, window, zone: None, processing: true, keys: vec![0] };
    all.extend(windows().map(|window| OperatorSpec::WindowAssign(assign(window))));
    all
}

fn graph(operators: Vec<OperatorSpec>) -> JobGraph {
    let mut graph = JobGraph::new("frozen");
    for (index, operator) in operators.into_iter().enumerate() {
        graph.add(Node {
            uid: format!("{}-{index}", name_of(&operator)),
            name: format!("Operator[{index}]"),
            parallelism: (index == 0).then_some(2),
            schema: schema(),
            changelog: ChangelogMode::APPEND,
            operator,
        });
    }
    graph
}

fn check(fixture: &mut Fixture, name: &str, graph: &JobGraph) {
    let frozen = fixture.written(name, graph.to_json().unwrap().as_bytes());
    let read = JobGraph::from_json(std::str::from_utf8(&frozen).unwrap()).unwrap();
    assert_eq!(&read, graph, "{name}");
    assert_eq!(read.to_json().unwrap().as_bytes(), frozen, "{name}");
}

/// Operators of all kinds, each with the one before as its inputs.
pub(crate) fn one_of_each() -> JobGraph {
    let mut graph = graph([others(), aggregates(), joins()].concat());
    for to in 1..graph.nodes.len() {
        for port in 0..2 {
            graph.edges.push(Edge { from: to - 1, to, port, partitioning: Partitioning::Forward });
        }
    }
    graph
}

#[test]
fn job_graphs_are_stored_as_ever() {
    let mut fixture = Fixture::open("job-graph", crate::job::VERSION);
    check(&mut fixture, "aggregates", &graph(aggregates()));
    check(&mut fixture, "joins", &graph(joins()));
    check(&mut fixture, "others", &graph(others()));
    let mut edges = graph(others());
    edges.nodes.truncate(2);
    edges.dead_letters = Some(Box::new(table()));
    for partitioning in [
        Partitioning::Forward,
        Partitioning::Hash(vec![1, 0]),
        Partitioning::Rebalance,
        Partitioning::Broadcast,
        Partitioning::Global,
    ] {
        match &partitioning {
            Partitioning::Forward | Partitioning::Hash(_) | Partitioning::Rebalance => {}
            Partitioning::Broadcast | Partitioning::Global => {}
        }
        edges.edges.push(Edge { from: 0, to: 1, port: edges.edges.len() % 2, partitioning });
    }
    check(&mut fixture, "edges", &edges);
    // More levels than readers of JSON take.
    let deep = (0..45).fold(Expr::Column(0), |of, _| Expr::call("-", vec![of], DataType::Int));
    let calc = CalcSpec { filter: None, projection: vec![deep] };
    check(&mut fixture, "45 calls in each other", &graph(vec![OperatorSpec::Calc(calc)]));
    fixtures::survives(&fixture.finish(), |bytes| {
        let json = std::str::from_utf8(bytes).ok()?;
        Some(JobGraph::from_json(json).ok()?.to_json().unwrap().len())
    });
}
