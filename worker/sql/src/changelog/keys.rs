//! Upsert keys: by which columns the rows of an updating table are told apart.

use graph::{Edge, Expr, JobGraph, OperatorSpec, Partitioning};
use model::{DataType, Schema};

/// Columns whose values tell the rows of an updating table apart; a table may have several such sets.
pub(super) type Keys = Vec<Vec<usize>>;

/// The upsert keys of each node's output.
pub(super) fn upsert_keys(graph: &JobGraph) -> Vec<Keys> {
    let mut keys: Vec<Keys> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let below: Vec<&Edge> = graph.inputs(id).collect();
        let arriving: Vec<(usize, Keys)> =
            below.iter().map(|edge| (edge.port, arriving(edge, &keys[edge.from]))).collect();
        let of = |port: usize| arriving.iter().find(|input| input.0 == port).map_or(&[][..], |input| &input.1);
        let own = match &node.operator {
            OperatorSpec::Source(source) => {
                let position = |column: &usize| {
                    let name = &source.table.schema.fields[*column].name;
                    source.columns.iter().position(|column| column.path == [name.as_str()])
                };
                let key: Option<Vec<usize>> = source.table.primary_key.iter().map(position).collect();
                key.filter(|key| !key.is_empty()).into_iter().collect()
            }
            OperatorSpec::Calc(calc) if below.len() == 1 => of(0)
                .iter()
                .filter_map(|key| {
                    key.iter()
                        .map(|&column| kept(&calc.projection, column, &graph.nodes[below[0].from].schema))
                        .collect()
                })
                .collect(),
            OperatorSpec::Calc(_)
            | OperatorSpec::WindowAssign(_)
            | OperatorSpec::WindowJoin(_)
            | OperatorSpec::IntervalJoin(_)
            | OperatorSpec::LocalAggregate(_)
            | OperatorSpec::Unnest(_) => Keys::new(),
            OperatorSpec::GroupAggregate(spec) => vec![(0..spec.keys.len()).collect()],
            OperatorSpec::WindowAggregate(spec) => {
                let width = spec.keys.len() + spec.aggregates.len();
                vec![(0..spec.keys.len()).chain([width, width + 1]).collect()]
            }
            OperatorSpec::Join(spec) => {
                let shift = spec.left_schema.len();
                let right: Keys = of(1).iter().map(|key| key.iter().map(|column| column + shift).collect()).collect();
                let unique = |keys: &[Vec<usize>], by: &[usize]| {
                    keys.iter().any(|key| key.iter().all(|column| by.contains(column)))
                };
                let mut all = Keys::new();
                if unique(of(1), &spec.right_keys) {
                    all.extend(of(0).iter().cloned());
                }
                if unique(of(0), &spec.left_keys) {
                    all.extend(right.iter().cloned());
                }
                all.extend(of(0).iter().flat_map(|l| right.iter().map(|r| l.iter().chain(r).copied().collect())));
                all
            }
            OperatorSpec::Rank(spec) => {
                let mut all = Keys::new();
                if (spec.from, spec.to) == (1, 1) {
                    all.push(spec.partition.clone());
                }
                if spec.with_number {
                    all.push(spec.partition.iter().copied().chain([node.schema.len() - 1]).collect());
                } else {
                    all.extend(of(0).iter().cloned());
                }
                all
            }
            OperatorSpec::Deduplicate(spec) => vec![spec.keys.clone()],
            OperatorSpec::SemiJoin(_) | OperatorSpec::Limit(_) | OperatorSpec::Sink(_) => of(0).to_vec(),
        };
        keys.push(own);
    }
    keys
}

/// The keys that hold behind an edge. The halves of an update of a key that does not tell the subtask apart may take
/// different ways and come in any order.
fn arriving(edge: &Edge, keys: &[Vec<usize>]) -> Keys {
    match &edge.partitioning {
        Partitioning::Hash(by) => {
            keys.iter().filter(|key| by.iter().all(|column| key.contains(column))).cloned().collect()
        }
        _ => keys.to_vec(),
    }
}

/// Where a projection has a column, as it is or in a type that tells all its values apart.
fn kept(projection: &[Expr], column: usize, input: &Schema) -> Option<usize> {
    projection.iter().position(|expr| match expr {
        Expr::Column(index) => *index == column,
        Expr::Cast { of, to, .. } => **of == Expr::Column(column) && is_lossless(&input.fields[column].data_type, to),
        _ => false,
    })
}

/// Whether different values stay different in another type.
fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::{BigInt, Char, Decimal, Int, SmallInt, String, Timestamp, TimestampLtz, TinyInt, Varchar};
    match (from, to) {
        (TinyInt | SmallInt | Int | BigInt, BigInt | String) | (Char(_) | Varchar(_), String) => true,
        (TinyInt | SmallInt | Int | BigInt, Decimal(precision, scale)) => {
            let digits = match from {
                TinyInt => 3,
                SmallInt => 5,
                Int => 10,
                _ => 19,
            };
            precision.saturating_sub(*scale) >= digits
        }
        (Decimal(digits, decimals), Decimal(precision, scale)) => {
            scale >= decimals && precision.saturating_sub(*scale) >= digits.saturating_sub(*decimals)
        }
        (Timestamp(of), Timestamp(to)) | (TimestampLtz(of), TimestampLtz(to)) => to >= of,
        _ => from == to,
    }
}

pub(super) fn same(left: &[usize], right: &[usize]) -> bool {
    left.len() == right.len() && left.iter().all(|column| right.contains(column))
}
