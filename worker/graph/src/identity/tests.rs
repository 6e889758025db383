//! Uids follow what operators compute, not where they are.

use model::{DataType, Field, Schema};

use super::*;
use crate::{
    ChangelogMode, Edge, Partitioning, Value,
    fixtures::Fixture,
    operator::{AggregateCall, AggregateFunction, CalcSpec, GroupAggregateSpec, JoinSpec, SourceColumn},
};

fn columns(names: &[&str]) -> Schema {
    Schema::new(names.iter().map(|name| Field::new(*name, DataType::BigInt)).collect())
}

struct Builder(JobGraph);

impl Builder {
    fn new() -> Self {
        Self(JobGraph::new("test"))
    }

    fn add(&mut self, operator: OperatorSpec, schema: Schema, inputs: &[NodeId]) -> NodeId {
        let node = Node {
            uid: String::new(),
            name: String::new(),
            parallelism: None,
            schema,
            changelog: ChangelogMode::APPEND,
            operator,
        };
        let to = self.0.add(node);
        for (port, &from) in inputs.iter().enumerate() {
            self.0.edges.push(Edge { from, to, port, partitioning: Partitioning::Forward });
        }
        to
    }

    /// A source that reads some columns of a table.
    fn source(&mut self, name: &str, path: &str, read: &[&str]) -> NodeId {
        let options = [("connector", "filesystem"), ("path", path)];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let table = TableSpec { name: name.to_owned(), options, ..TableSpec::default() };
        let columns = self::columns(read);
        let read = read.iter().map(|name| SourceColumn { path: vec![(*name).to_owned()], data_type: DataType::BigInt });
        let spec = SourceSpec { table, columns: read.collect(), filters: Vec::new(), watermark: None };
        self.add(OperatorSpec::Source(spec), columns, &[])
    }

    fn calc(&mut self, input: NodeId, filter: Option<Expr>, projection: &[Expr]) -> NodeId {
        let names: Vec<String> = (0..projection.len()).map(|index| format!("c{index}")).collect();
        let schema = columns(&names.iter().map(String::as_str).collect::<Vec<_>>());
        self.add(OperatorSpec::Calc(CalcSpec { filter, projection: projection.to_vec() }), schema, &[input])
    }

    /// The sums of a column by another.
    fn sums(&mut self, input: NodeId, key: usize, column: usize) -> NodeId {
        let call = AggregateCall {
            function: AggregateFunction::Sum,
            argument: Some(column),
            second: None,
            filter: None,
            distinct: false,
            argument_type: DataType::BigInt,
            data_type: DataType::BigInt,
        };
        let spec = GroupAggregateSpec {
            keys: vec![key],
            aggregates: vec![call],
            input: ChangelogMode::APPEND,
            emit_update_before: true,
            partial: None,
        };
        self.add(OperatorSpec::GroupAggregate(spec), columns(&["k", "s"]), &[input])
    }

    fn sink(&mut self, name: &str, input: NodeId) -> NodeId {
        let options = [("connector".to_owned(), "print".to_owned())].into();
        let table = TableSpec { name: name.to_owned(), options, ..TableSpec::default() };
        self.add(OperatorSpec::Sink(SinkSpec { table, input: ChangelogMode::APPEND }), Schema::default(), &[input])
    }

    fn uids(&mut self) -> Vec<String> {
        self.0.nodes.iter_mut().for_each(|node| node.uid.clear());
        let former = formers(self.0.nodes.len());
        identify(&mut self.0, former).expect("identified");
        self.0.nodes.iter().map(|node| node.uid.clone()).collect()
    }
}

fn formers(nodes: usize) -> Vec<Former> {
    let former = |node| Former { kind: "operator".to_owned(), uid: format!("operator-{node}") };
    (1..=nodes).map(former).collect()
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::call("AND", vec![left, right], DataType::Boolean)
}

fn above(column: usize, bound: i64) -> Expr {
    let bound = Expr::Literal { value: Value::Integer(bound), data_type: DataType::BigInt };
    Expr::call(">", vec![Expr::Column(column), bound], DataType::Boolean)
}

#[test]
fn operators_that_change_places_keep_their_uids() {
    let uids = |order: [&str; 2]| {
        let mut graph = Builder::new();
        let mut found = BTreeMap::new();
        for name in order {
            let source = graph.source(name, "/in", &["k", "v"]);
            let sums = graph.sums(source, 0, 1);
            let sink = graph.sink(&format!("to-{name}"), sums);
            found.insert(name.to_owned(), [source, sums, sink]);
        }
        let uids = graph.uids();
        found.into_iter().map(|(name, nodes)| (name, nodes.map(|node| uids[node].clone()))).collect::<Vec<_>>()
    };
    assert_eq!(uids(["a", "b"]), uids(["b", "a"]));
    let all: BTreeSet<String> = uids(["a", "b"]).into_iter().flat_map(|(_, uids)| uids).collect();
    assert_eq!(all.len(), 6);
}

#[test]
fn neither_positions_nor_names_of_columns_count() {
    let mut one = Builder::new();
    let source = one.source("t", "/in", &["k", "v"]);
    let calc = one.calc(source, Some(and(above(0, 5), above(1, 7))), &[Expr::Column(0), Expr::Column(1)]);
    let first = one.sums(calc, 0, 1);
    let mut other = Builder::new();
    // It reads a column more, and filters in two steps.
    let source = other.source("t", "/in", &["x", "v", "k"]);
    let filtered = other.calc(source, Some(above(1, 7)), &[Expr::Column(2), Expr::Column(0), Expr::Column(1)]);
    let calc = other.calc(filtered, Some(above(0, 5)), &[Expr::Column(2), Expr::Column(1), Expr::Column(0)]);
    let second = other.sums(calc, 2, 0);
    assert_eq!(one.uids()[first], other.uids()[second]);
}

#[test]
fn what_is_computed_counts() {
    let mut graph = Builder::new();
    let source = graph.source("t", "/in", &["k", "v", "w"]);
    let nodes =
        [graph.sums(source, 0, 1), graph.sums(source, 0, 2), graph.sums(source, 1, 2), graph.sums(source, 2, 1)];
    let filtered = graph.calc(source, Some(above(0, 1)), &[Expr::Column(0), Expr::Column(1)]);
    let more = [graph.sums(filtered, 0, 1), graph.sums(filtered, 1, 0)];
    let uids = graph.uids();
    let found: BTreeSet<&String> = nodes.iter().chain(&more).map(|&node| &uids[node]).collect();
    assert_eq!(found.len(), 6, "{uids:?}");
}

#[test]
fn a_side_of_a_join_is_not_the_other() {
    let condition = |left: usize, right: usize| {
        Some(Expr::call("<", vec![Expr::Column(left), Expr::Column(right)], DataType::Boolean))
    };
    let mut graph = Builder::new();
    let source = graph.source("t", "/in", &["k", "v"]);
    let mut join = |condition| {
        let spec = JoinSpec {
            left_keys: vec![0],
            right_keys: vec![0],
            nulls_equal: false,
            condition,
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::APPEND,
            left_schema: columns(&["k", "v"]),
            right_schema: columns(&["k", "v"]),
        };
        graph.add(OperatorSpec::Join(spec), columns(&["k", "v", "k0", "v0"]), &[source, source])
    };
    let (less, greater) = (join(condition(1, 3)), join(condition(3, 1)));
    let uids = graph.uids();
    assert_ne!(uids[less], uids[greater]);
}

#[test]
fn rows_that_are_kept_with_other_columns_are_other_state() {
    let join = |projection: &[usize]| {
        let mut graph = Builder::new();
        let source = graph.source("t", "/in", &["k", "v", "w"]);
        let projection: Vec<Expr> = projection.iter().copied().map(Expr::Column).collect();
        let rows = graph.calc(source, None, &projection);
        let schema = graph.0.nodes[rows].schema.clone();
        let spec = JoinSpec {
            left_keys: vec![0],
            right_keys: vec![0],
            nulls_equal: false,
            condition: None,
            left_input: ChangelogMode::APPEND,
            right_input: ChangelogMode::APPEND,
            left_schema: schema.clone(),
            right_schema: schema.clone(),
        };
        let both = Schema::new([schema.fields.clone(), schema.fields].concat());
        let join = graph.add(OperatorSpec::Join(spec), both, &[rows, rows]);
        let sums = graph.sums(join, 0, 0);
        let uids = graph.uids();
        (uids[join].clone(), uids[sums].clone())
    };
    let (one, other) = (join(&[0, 1, 2]), join(&[0, 2, 1]));
    assert_ne!(one.0, other.0);
    assert_eq!(one.1, other.1, "what is computed of them is the same");
}

#[test]
fn operators_that_compute_the_same_are_told_apart_by_where_their_rows_go() {
    let uids = |order: [&str; 2]| {
        let mut graph = Builder::new();
        let source = graph.source("t", "/in", &["k", "v"]);
        let mut found = BTreeMap::new();
        for name in order {
            // As with RAND(): what is computed twice is not the same.
            let random = graph.calc(source, None, &[Expr::call("RAND", vec![], DataType::Double), Expr::Column(1)]);
            let sums = graph.sums(random, 0, 1);
            graph.sink(name, sums);
            found.insert(name.to_owned(), sums);
        }
        let uids = graph.uids();
        found.into_iter().map(|(name, node)| (name, uids[node].clone())).collect::<Vec<_>>()
    };
    assert_eq!(uids(["a", "b"]), uids(["b", "a"]));
    assert_ne!(uids(["a", "b"])[0].1, uids(["a", "b"])[1].1);
}

#[test]
fn one_table_with_other_options_is_another_source() {
    let uids = |order: [&str; 2]| {
        let mut graph = Builder::new();
        let mut found = BTreeMap::new();
        for path in order {
            let source = graph.source("t", path, &["k", "v"]);
            let sums = graph.sums(source, 0, 1);
            graph.sink("o", sums);
            found.insert(path.to_owned(), [source, sums]);
        }
        let uids = graph.uids();
        found.into_iter().map(|(path, nodes)| (path, nodes.map(|node| uids[node].clone()))).collect::<Vec<_>>()
    };
    assert_eq!(uids(["/a", "/b"]), uids(["/b", "/a"]));
}

#[test]
fn positions_are_of_their_data_and_state_behind_them_of_the_table() {
    let uids = |path: &str| {
        let mut graph = Builder::new();
        let source = graph.source("t", path, &["k", "v"]);
        graph.sums(source, 0, 1);
        graph.uids()
    };
    assert_eq!(uids("/in"), uids("file:///in/"));
    let (here, there) = (uids("/in"), uids("s3://bucket/in"));
    assert_ne!(here[0], there[0]);
    assert_eq!(here[1], there[1]);
}

#[test]
fn twins_are_numbered() {
    let mut graph = Builder::new();
    let source = graph.source("t", "/in", &["k", "v"]);
    let (first, second) = (graph.sums(source, 0, 1), graph.sums(source, 0, 1));
    let uids = graph.uids();
    assert_eq!(uids[second], format!("{}-2", uids[first]));
}

#[test]
fn a_uid_of_the_users_stays_and_occurs_once() {
    let mut graph = Builder::new();
    let source = graph.source("t", "/in", &["k", "v"]);
    let (first, second) = (graph.sums(source, 0, 1), graph.sums(source, 1, 0));
    let derived = graph.uids()[first].clone();
    let mut pinned = graph.0.clone();
    pinned.nodes.iter_mut().for_each(|node| node.uid.clear());
    pinned.nodes[first].uid = "orders".to_owned();
    identify(&mut pinned, formers(3)).expect("identified");
    let identities = pinned.identities.clone().expect("known");
    assert_eq!(pinned.nodes[first].uid, "orders");
    assert_eq!(identities.operators["orders"].derived, derived);
    assert_eq!(identities.operators["orders"].former.uid, "operator-2");
    pinned.nodes[second].uid = "orders".to_owned();
    let failure = identify(&mut pinned, formers(3)).expect_err("refused");
    assert!(failure.message.contains("two operators of the job have the id 'orders'"), "{failure}");
}

#[test]
fn uids_are_made_as_ever() {
    let mut fixture = Fixture::open("operator-id", VERSION);
    let mut graph = crate::frozen::one_of_each();
    graph.nodes.iter_mut().for_each(|node| node.uid.clear());
    let count = graph.nodes.len();
    identify(&mut graph, formers(count)).expect("identified");
    for (number, node) in graph.nodes.iter().enumerate() {
        fixture.written(&format!("operator {number}"), node.uid.as_bytes());
    }
    fixture.finish();
}
