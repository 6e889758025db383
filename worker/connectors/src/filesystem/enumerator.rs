//! The enumerator: makes the list of splits of files that are read once, for all subtasks.

use std::collections::BTreeMap;

use checkpoint::Item;
use futures::future::BoxFuture;
use graph::operator::SourceSpec;
use model::Failure;

use super::{Options, discovery, partition::Layout, source::STATE, split};
use crate::Environment;

/// The splits that the restored states do not hold; none if they hold all, or each subtask finds its files itself.
pub(super) fn enumerate<'a>(
    spec: &'a SourceSpec,
    restored: &'a BTreeMap<String, Vec<Item>>,
    environment: &'a Environment,
) -> BoxFuture<'a, Result<Option<Vec<Item>>, Failure>> {
    Box::pin(async move {
        let options = Options::read(&spec.table)?;
        let states = split::states(restored.get(STATE).map_or(&[], Vec::as_slice))?;
        if options.monitor_interval.is_some() || split::is_listed(&states) {
            return Ok(None);
        }
        let files = discovery::list(&environment.storage, &options.path).await?;
        if files.is_empty() {
            return Err(Failure::user(format!("{}: there is no such file, nor any below it", options.path)));
        }
        let layout = Layout::new(&spec.table, crate::output_columns(spec), &spec.filters, &options.default_partition)?;
        let all = split::cut(&files, options.format.is_cut_at_lines(), layout.needs_facts());
        split::unknown(all, &states).iter().map(split::to_item).collect::<Result<_, _>>().map(Some)
    })
}
