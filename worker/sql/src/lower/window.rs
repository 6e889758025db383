//! Window table functions, and event time.

use graph::{Expr, NodeId, OperatorSpec, operator::WindowAssignSpec};
use model::{DataType, Field, Schema};

use super::{Base, Lowering, Relation, Scope, WindowColumns, WindowOf};
use crate::{
    SqlError,
    nodes::{WINDOW_COLUMNS, WatermarkNode, WindowNode},
};

/// The columns that a window adds.
pub(super) fn fields(time_type: &DataType) -> [Field; 3] {
    let [start, end, time] = WINDOW_COLUMNS;
    [
        Field::new(start, DataType::Timestamp(3)),
        Field::new(end, DataType::Timestamp(3)),
        Field::new(time, time_type.clone()),
    ]
}

impl Lowering<'_> {
    /// Remembers the watermark of the source below; the source gets it if something needs event time.
    pub(super) fn watermark(&mut self, mark: &WatermarkNode) -> Result<Relation, SqlError> {
        let relation = self.relation(&mark.input)?;
        let Base::Node { node, .. } = relation.base else {
            return Err(SqlError::internal("a watermark stands on a source"));
        };
        let watermark = Scope { schema: mark.input.schema(), exprs: &relation.exprs }.lower(&mark.watermark)?;
        self.watermarks.insert(node, watermark);
        Ok(relation)
    }

    pub(super) fn window(&mut self, window: &WindowNode) -> Result<Relation, SqlError> {
        let input = self.relation(&window.input)?;
        let schema = window.input.schema();
        let position =
            |column| schema.index_of_column(column).map_err(|error| SqlError::from_planner(&error, &|_| None));
        let time = position(&window.of.time)?;
        let partition = window.of.partition.as_ref();
        let partition = partition.map(|columns| columns.iter().map(position).collect::<Result<_, _>>()).transpose()?;
        let of_instants = matches!(self.types(&input)?.get(time), Some(DataType::TimestampLtz(_)));
        let of = WindowOf { time, window: window.of.window, processing: window.of.processing, of_instants, partition };
        let mut names = input.names.clone();
        names.extend(WINDOW_COLUMNS.iter().map(|name| (*name).to_owned()));
        let exprs = (0..names.len()).map(Expr::Column).collect();
        let base = Base::Window { input: Box::new(input), of };
        Ok(Relation { base, exprs, names, filter: None })
    }

    /// The operator of a window table function that is not aggregated.
    pub(super) fn assign_windows(
        &mut self,
        input: Relation,
        of: &WindowOf,
    ) -> Result<(NodeId, Option<WindowColumns>), SqlError> {
        let &WindowOf { time, window, processing, of_instants, .. } = of;
        let width = input.exprs.len();
        let (input, _) = self.materialize(input)?;
        let mut columns = self.graph.nodes[input].schema.fields.clone();
        let time_type = columns[time].data_type.clone();
        columns.extend(fields(&time_type));
        let keys = match (of.is_session(), &of.partition) {
            (true, None) => return Err(SqlError::internal("the keys of sessions are not known")),
            (true, Some(keys)) => keys.clone(),
            (false, _) => Vec::new(),
        };
        let zone = self.zone_of(of_instants);
        let spec = WindowAssignSpec { time, window, zone, processing, keys: keys.clone() };
        let node = self.add(OperatorSpec::WindowAssign(spec), Schema::new(columns));
        match of.is_session() {
            true => self.connect_by_key(input, node, 0, &keys),
            false => self.connect(input, node, 0, graph::Partitioning::Forward),
        }
        Ok((node, Some(of.columns(width))))
    }
}
