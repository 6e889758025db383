//! The `filesystem` connector: files of lines or Parquet, local or in object storage; read once or watched, and
//! written exactly once.

mod commit;
mod compression;
mod discovery;
mod enumerator;
mod fetch;
mod format;
mod leftovers;
mod lines;
mod metadata;
mod part;
mod partition;
mod partition_commit;
mod path;
mod rows;
mod sink;
mod source;
mod split;

#[cfg(test)]
mod tests;

use std::time::Duration;

use graph::{ChangelogMode, SinkCapabilities, SourceCapabilities, TableSpec};
use model::{DataType, Failure, Field, Schema};
use settings::ByteSize;

use crate::{
    options::OptionReader,
    registry::{Descriptor, SinkEntry, SourceEntry},
};
use format::Format;
use partition_commit::PartitionCommit;

pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    name: "filesystem",
    source: Some(SourceEntry {
        capabilities: source_capabilities,
        enumerate: Some(enumerator::enumerate),
        build: source::build,
        metadata: metadata::KEYS,
    }),
    sink: Some(SinkEntry { capabilities: sink_capabilities, build: sink::build }),
};

const FILE_SIZE_DEFAULT: ByteSize = ByteSize(128 << 20);
const ROLLOVER_INTERVAL_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// The table's options.
#[derive(Clone, Debug)]
struct Options {
    path: String,
    format: Format,
    /// How often to look for new files; none means that the files there are at the start are all.
    monitor_interval: Option<Duration>,
    rows_per_second: Option<f64>,
    /// When a part file is closed and a new one begun: at this size, this age, and at each checkpoint.
    file_size: u64,
    rollover_interval: Duration,
    /// The folder of rows whose partition column is null.
    default_partition: String,
    /// Whether rows of one partition are to come to one subtask.
    is_shuffled: bool,
    /// How readers are told that a partition is complete.
    partition_commit: Option<PartitionCommit>,
    sink_parallelism: Option<u32>,
}

impl Options {
    fn read(table: &TableSpec) -> Result<Self, Failure> {
        let mut reader = OptionReader::new(table);
        let path: String =
            reader.required("path", "a file, a directory or a pattern such as s3://bucket/dir/*.json")?;
        let path = path::normalized(&path).map_err(|problem| reader.wrong("path", problem))?;
        let monitor_interval = reader.optional::<Duration>("source.monitor-interval")?;
        if monitor_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(reader.wrong("source.monitor-interval", "must be above 0"));
        }
        let rows_per_second = reader.rows_per_second()?;
        let file_size = reader.get("sink.rolling-policy.file-size", FILE_SIZE_DEFAULT)?.0;
        let rollover_interval = reader.get("sink.rolling-policy.rollover-interval", ROLLOVER_INTERVAL_DEFAULT)?;
        // Open files are looked at with each row written to them, so nothing waits for a check; known for Flink's sake.
        reader.optional::<Duration>("sink.rolling-policy.check-interval")?;
        let default_partition = reader.get("partition.default-name", "__DEFAULT_PARTITION__".to_owned())?;
        let partition_commit = PartitionCommit::read(table, &mut reader)?;
        // A partition is told of by the subtask that writes it.
        let is_shuffled = reader.get("sink.shuffle-by-partition.enable", false)? || partition_commit.is_some();
        let sink_parallelism = reader.sink_parallelism()?;
        // Nothing is made of statistics.
        reader.word("source.report-statistics", &["ALL", "NONE"])?;
        reader.optional::<ByteSize>("compaction.file-size")?;
        if reader.get("auto-compaction", false)? {
            return Err(reader.wrong("auto-compaction", "files are not compacted; fewer come of rarer checkpoints"));
        }
        let format = Format::read(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            path,
            format,
            monitor_interval,
            rows_per_second,
            file_size,
            rollover_interval,
            default_partition,
            is_shuffled,
            partition_commit,
            sink_parallelism,
        })
    }
}

fn source_capabilities(table: &TableSpec) -> Result<SourceCapabilities, Failure> {
    let options = Options::read(table)?;
    check_columns(table, &options)?;
    if !options.format.changelog().is_append() {
        return Err(Failure::user(format!("table {}: format debezium-json can only be written", table.name)));
    }
    Ok(SourceCapabilities { bounded: options.monitor_interval.is_none(), changelog: ChangelogMode::APPEND })
}

fn check_columns(table: &TableSpec, options: &Options) -> Result<(), Failure> {
    options.format.check(table)?;
    for &column in &table.partitioned_by {
        let (table, Field { name, data_type, .. }) = (&table.name, &table.schema.fields[column]);
        let of = data_type.without_not_null();
        // Bytes are no text that the name of a folder could be.
        if matches!(of, DataType::Row(_) | DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_))
            || matches!(of, DataType::Binary(_) | DataType::Varbinary(_) | DataType::Bytes)
        {
            return Err(Failure::user(format!("table {table}: partition column {name} cannot be of type {data_type}")));
        }
        if name.starts_with(['_', '.']) {
            let problem = "its folders would be hidden from readers: names that begin with '_' or '.' are";
            return Err(Failure::user(format!("table {table}: partition column {name}: {problem}")));
        }
    }
    if !table.schema.is_empty() && table.partitioned_by.len() >= table.schema.len() {
        return Err(Failure::user(format!("table {}: all columns are partition columns", table.name)));
    }
    Ok(())
}

/// The columns that are in the files: all but the partition columns.
fn stored_schema(table: &TableSpec) -> Schema {
    let fields = table.schema.fields.iter().enumerate();
    Schema::new(fields.filter(|(at, _)| !table.partitioned_by.contains(at)).map(|(_, field)| field.clone()).collect())
}

fn sink_capabilities(table: &TableSpec) -> Result<SinkCapabilities, Failure> {
    let options = Options::read(table)?;
    check_columns(table, &options)?;
    if path::is_pattern(&options.path) {
        return Err(Failure::user(format!(
            "table {}: option 'path': a pattern cannot be written to: {}",
            table.name, options.path
        )));
    }
    let by_partition = options.is_shuffled && !table.partitioned_by.is_empty();
    Ok(SinkCapabilities {
        changelog: options.format.changelog(),
        by_partition,
        event_time: options.partition_commit.is_some_and(|commit| commit.needs_event_time()),
        parallelism: options.sink_parallelism,
    })
}
