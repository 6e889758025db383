//! Flink's options that scripts set and that nothing here reads: the values that are taken, and why they change nothing.

use model::Failure;

/// An option that is accepted without effect.
#[derive(Debug)]
pub struct Accepted {
    /// Its name.
    pub name: &'static str,
    /// The values that are accepted, in any case; all if empty.
    pub values: &'static [&'static str],
    /// Why it has no effect, or why other values are refused.
    pub doc: &'static str,
}

impl Accepted {
    /// Refuses a value that would change what a script does.
    ///
    /// # Errors
    /// Class `User`, naming the option and what it takes.
    pub(crate) fn check(&self, value: &str) -> Result<(), Failure> {
        if self.values.is_empty() || self.values.iter().any(|known| known.eq_ignore_ascii_case(value.trim())) {
            return Ok(());
        }
        let known = self.values.join(" or ");
        Err(Failure::user(format!("option {}: '{value}' is not supported, only {known}: {}", self.name, self.doc)))
    }
}

macro_rules! accepted {
    ($($name:literal, $values:expr, $doc:literal;)+) => {
        /// All of them.
        pub const ALL: &[Accepted] = &[$(Accepted { name: $name, values: &$values, doc: $doc }),+];
    };
}

accepted! {
    "execution.attached", [], "`run` waits for the script's jobs, unless it is told `--detached`.";
    "execution.checkpointing.incremental", [], "RocksDB's checkpoints are incremental always, others never.";
    "execution.checkpointing.max-concurrent-checkpoints", ["1"], "One checkpoint is taken at a time.";
    "execution.checkpointing.unaligned.enabled", ["false"], "Barriers are aligned.";
    "execution.runtime-mode", ["STREAMING"], "Batch mode is not supported yet.";
    "pipeline.generic-types", [], "There are no types of Java's.";
    "pipeline.object-reuse", [], "Rows are not objects.";
    "pipeline.operator-chaining.enabled", ["true"], "Operators are chained.";
    "sql-client.display.color-schema", [], "An option of Flink's client.";
    "sql-client.display.max-column-width", [], "An option of Flink's client.";
    "sql-client.display.print-time-cost", [], "An option of Flink's client.";
    "sql-client.display.show-line-numbers", [], "An option of Flink's client.";
    "sql-client.execution.max-table-result.rows", [], "An option of Flink's client.";
    "sql-client.execution.result-mode", [], "An option of Flink's client; `run --output` says how rows are printed.";
    "sql-client.prompt.pattern", [], "An option of Flink's client.";
    "sql-client.verbose", [], "An option of Flink's client.";
    "table.display.max-column-width", [], "An option of Flink's client.";
    "table.exec.async-state.enabled", [], "How state is read is no choice.";
    "table.exec.deduplicate.mini-batch.compact-changes-enabled", ["false"], "All changes are emitted.";
    "table.exec.legacy-cast-behaviour", ["DISABLED"], "CAST fails for values that the type does not have.";
    "table.exec.mini-batch.compact-changes-enabled", ["false"], "All changes are emitted.";
    "table.exec.rank.topn-cache-size", [], "Caches have the size that `taskmanager.memory.managed.size` gives them.";
    "table.exec.simplify-operator-name-enabled", [], "Operators have the names that EXPLAIN shows.";
    "table.exec.sink.type-length-enforcer", ["IGNORE"], "Texts are written as they are.";
    "table.exec.sink.upsert-materialize", ["AUTO", "NONE"], "Rows go to the sink as they come.";
    "table.exec.spill-compression.enabled", [], "Nothing is spilled.";
    "table.exec.uid.generation", [], "Operators always have identifiers of their own.";
    "table.optimizer.distinct-agg.split.bucket-num", [], "Distinct aggregations are not split.";
    "table.optimizer.distinct-agg.split.enabled", [], "Distinct aggregations are not split.";
    "table.optimizer.incremental-agg-enabled", [], "Distinct aggregations are not split.";
    "table.optimizer.join-reorder-enabled", [], "Joins are made in the order in which they are written.";
    "table.optimizer.multi-join.enabled", [], "Joins are made one by one.";
    "table.optimizer.multiple-input-enabled", [], "Operators have one input or two.";
    "table.optimizer.reuse-source-enabled", [], "What two queries share is planned as EXPLAIN shows.";
    "table.optimizer.reuse-sub-plan-enabled", [], "What two queries share is planned as EXPLAIN shows.";
    "table.optimizer.source.predicate-pushdown-enabled", [], "Sources take the conditions that they can.";
    "table.plan.compile.catalog-objects", [], "Plans are not compiled to files.";
    "table.plan.force-recompile", [], "Plans are not compiled to files.";
    "table.plan.restore.catalog-objects", [], "Plans are not compiled to files.";
    "table.sql-dialect", ["DEFAULT"], "Scripts are Flink SQL.";
}

/// Beginnings of names of Flink's options that would change what a script does, and what is not supported.
const REFUSED: [(&str, &str); 6] = [
    ("table.exec.emit.", "windows emit once, when they end"),
    ("table.exec.async-lookup.", "lookup joins are not supported yet"),
    ("table.exec.async-", "functions are not called asynchronously"),
    ("table.exec.sink.", "rows go to the sink as they come"),
    ("table.exec.deduplicate.", "changes are emitted as Flink does by default"),
    ("python.", "there are no functions in Python"),
];

/// The option of a name.
pub(crate) fn find(name: &str) -> Option<&'static Accepted> {
    ALL.iter().find(|option| option.name == name)
}

/// Why an option of Flink's is refused.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(start, _)| name.starts_with(start)).map(|(_, why)| *why)
}
