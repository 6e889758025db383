//! Telling readers that a partition is complete: when that is, and the file that says it.
//!
//! A partition is written by one subtask, which tells of it behind the commit of its files. All that waits is part of what
//! the subtask prepares for each snapshot, until it was told of: a snapshot may be one that is never committed.
//!
//! What a snapshot holds goes to any subtask after a restore, and which one writes the partition from then on is another
//! matter. If both do, both tell: the file that says so is the same, but it may be there before the other's last files.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::{
    array::{Array, AsArray, RecordBatch, TimestampMillisecondArray},
    datatypes::TimestampMillisecondType,
};
use expressions::{Evaluator, TO_INSTANT};
use graph::{Expr, TableSpec, Value};
use model::{DataType, Failure, Field, Schema, Watermark};
use serde::{Deserialize, Serialize};
use values::datetime::{Separator, parse_date, parse_timestamp};

use super::partition;
use crate::options::OptionReader;

const MILLIS_OF_DAY: i64 = 86_400_000;

/// A partition that has new files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingPartition {
    /// Its folder, with a slash at the end.
    pub(super) folder: String,
    /// When its first file was written.
    pub(super) since_ms: i64,
    /// Whether it is complete.
    pub(super) is_due: bool,
}

/// The table's options for it.
#[derive(Clone, Debug)]
pub(super) struct PartitionCommit {
    trigger: Trigger,
    delay: Duration,
    /// The file that tells that a partition is complete.
    pub(super) success_file: String,
}

#[derive(Clone, Debug)]
enum Trigger {
    /// Of the machine.
    ProcessTime,
    /// When the watermark has passed the time that the names of the folders say.
    PartitionTime { columns: Vec<String>, pattern: Option<String>, zone: String },
}

impl PartitionCommit {
    /// Reads the options; none if no policy is given.
    pub(super) fn read(table: &TableSpec, reader: &mut OptionReader<'_>) -> Result<Option<Self>, Failure> {
        let kinds = reader.optional::<String>("sink.partition-commit.policy.kind")?;
        let trigger = reader.word("sink.partition-commit.trigger", &["process-time", "partition-time"])?;
        let delay = reader.get("sink.partition-commit.delay", Duration::ZERO)?;
        let zone = reader.get("sink.partition-commit.watermark-time-zone", "UTC".to_owned())?;
        let success_file = reader.get("sink.partition-commit.success-file.name", "_SUCCESS".to_owned())?;
        let pattern = reader.optional::<String>("partition.time-extractor.timestamp-pattern")?;
        reader.word("partition.time-extractor.kind", &["default"])?;
        reader.word("partition.time-extractor.timestamp-formatter", &["yyyy-MM-dd HH:mm:ss"])?;
        let wrong = |problem: String| Err(reader.wrong("sink.partition-commit.policy.kind", problem));
        let other = kinds.iter().flat_map(|kinds| kinds.split(',').map(str::trim)).find(|kind| *kind != "success-file");
        if let Some(other) = other {
            return wrong(format!("'{other}' is not possible, only success-file"));
        }
        if kinds.is_some() && table.partitioned_by.is_empty() {
            return wrong("the table is not PARTITIONED BY anything".to_owned());
        }
        if success_file.is_empty() || success_file.contains('/') {
            let problem = format!("'{success_file}' is not the name of a file");
            return Err(reader.wrong("sink.partition-commit.success-file.name", problem));
        }
        if !expressions::is_time_zone(&zone) {
            let problem = format!("'{zone}' is no time zone");
            return Err(reader.wrong("sink.partition-commit.watermark-time-zone", problem));
        }
        let columns: Vec<String> =
            table.partitioned_by.iter().map(|&column| table.schema.fields[column].name.clone()).collect();
        if let Some(unknown) = pattern.as_deref().and_then(|pattern| unknown_column(pattern, &columns)) {
            let problem = format!("'${unknown}' is no partition column; there are: {}", columns.join(", "));
            return Err(reader.wrong("partition.time-extractor.timestamp-pattern", problem));
        }
        let trigger = match trigger {
            "partition-time" => Trigger::PartitionTime { columns, pattern, zone },
            _ => Trigger::ProcessTime,
        };
        Ok(kinds.map(|_| Self { trigger, delay, success_file }))
    }

    /// Whether the watermark decides.
    pub(super) fn needs_event_time(&self) -> bool {
        matches!(self.trigger, Trigger::PartitionTime { .. })
    }

    /// Whether a partition is complete at this time and watermark. All are, once the input has ended.
    fn is_due(&self, folder: &str, since_ms: i64, now_ms: i64, watermark: Option<Watermark>) -> Result<bool, Failure> {
        if watermark == Some(Watermark::MAX) {
            return Ok(true);
        }
        let delay = i64::try_from(self.delay.as_millis()).unwrap_or(i64::MAX);
        match &self.trigger {
            Trigger::ProcessTime => Ok(delay == 0 || now_ms > since_ms.saturating_add(delay)),
            Trigger::PartitionTime { columns, pattern, zone } => {
                let values = partition::values(folder);
                let time = time_of(&values, columns, pattern.as_deref()).ok_or_else(|| {
                    Failure::data(format!(
                        "partition {folder}: its names do not say a time such as 2026-01-02 03:04:05; \
                         'partition.time-extractor.timestamp-pattern' can put one together from them"
                    ))
                })?;
                let instant = instant(time, zone)?;
                Ok(watermark.is_some_and(|watermark| watermark.0 > instant.saturating_add(delay)))
            }
        }
    }
}

/// The partitions of a subtask that are to be told of, each with the time when its first file was written.
#[derive(Default)]
pub(super) struct Waiting {
    /// With files that nothing prepared holds yet.
    fresh: BTreeMap<String, i64>,
    /// That were prepared at least once and not yet told of.
    prepared: BTreeMap<String, i64>,
}

impl Waiting {
    /// A file of a folder is written.
    pub(super) fn add(&mut self, folder: &str, now_ms: i64) {
        if !self.fresh.contains_key(folder) {
            self.fresh.insert(folder.to_owned(), now_ms);
        }
    }

    /// All of them, each with whether it is complete. They wait on until [`Self::told`].
    pub(super) fn prepare(
        &mut self,
        options: &PartitionCommit,
        now_ms: i64,
        watermark: Option<Watermark>,
    ) -> Result<Vec<PendingPartition>, Failure> {
        for (folder, since_ms) in std::mem::take(&mut self.fresh) {
            self.wait(folder, since_ms);
        }
        let pending = self.prepared.iter().map(|(folder, &since_ms)| {
            let is_due = options.is_due(folder, since_ms, now_ms, watermark)?;
            Ok(PendingPartition { folder: folder.clone(), since_ms, is_due })
        });
        pending.collect()
    }

    /// What was prepared, perhaps by another subtask before a restore, and was not due then, waits on.
    pub(super) fn keep(&mut self, partition: &PendingPartition) {
        self.wait(partition.folder.clone(), partition.since_ms);
    }

    /// Readers were told of a partition as it was prepared.
    pub(super) fn told(&mut self, partition: &PendingPartition) {
        self.prepared.remove(&partition.folder);
    }

    fn wait(&mut self, folder: String, since_ms: i64) {
        let since = self.prepared.entry(folder).or_insert(since_ms);
        *since = since_ms.min(*since);
    }
}

/// The names behind `$` in a pattern.
fn names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('$').skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn unknown_column<'a>(pattern: &'a str, columns: &[String]) -> Option<&'a str> {
    names(pattern).find(|name| !columns.iter().any(|column| column == name))
}

/// The time that the values of a partition say, in milliseconds, as local time.
fn time_of(values: &[(String, String)], columns: &[String], pattern: Option<&str>) -> Option<i64> {
    let value = |name: &str| values.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let text = match pattern {
        None => value(columns.first()?)?.to_owned(),
        Some(pattern) => {
            // Longer names first: one may begin with another.
            let mut names: Vec<&str> = names(pattern).collect();
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
            names
                .iter()
                .try_fold(pattern.to_owned(), |text, name| Some(text.replace(&format!("${name}"), value(name)?)))?
        }
    };
    parse_local(&text)
}

/// `2026-1-2 3:04:05` or `2026-1-2`, in milliseconds.
fn parse_local(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), ""));
    let padded = |text: &str, separator: char| -> String {
        let parts: Vec<String> = text.split(separator).map(|part| format!("{part:0>2}")).collect();
        parts.join(&separator.to_string())
    };
    let date = padded(date, '-');
    if time.is_empty() {
        return Some(i64::from(parse_date(date.as_bytes())?) * MILLIS_OF_DAY);
    }
    let text = format!("{date} {}", padded(time, ':'));
    Some(parse_timestamp(text.as_bytes(), Separator::Space)?.millis)
}

/// The instant at which clocks of a zone show a local time.
fn instant(local_ms: i64, zone: &str) -> Result<i64, Failure> {
    let zone = Expr::Literal { value: Value::String(zone.to_owned()), data_type: DataType::String };
    let call = Expr::call(TO_INSTANT, vec![Expr::Column(0), zone], DataType::TimestampLtz(3));
    let schema = Schema::new(vec![Field::new("local", DataType::Timestamp(3))]);
    let times = TimestampMillisecondArray::from(vec![local_ms]);
    let row = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(times)])?;
    let instants = Evaluator::compile(&call, &schema)?.evaluate(&row)?;
    let instants = instants.as_primitive::<TimestampMillisecondType>();
    if instants.is_null(0) { Err(Failure::internal("a time without an instant")) } else { Ok(instants.value(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::table_of;

    fn options(options: &[(&str, &str)]) -> Result<Option<PartitionCommit>, Failure> {
        let mut table = table_of(&[("n", DataType::Int), ("dt", DataType::String), ("hm", DataType::String)], options);
        table.partitioned_by = vec![1, 2];
        PartitionCommit::read(&table, &mut OptionReader::new(&table))
    }

    const KIND: (&str, &str) = ("sink.partition-commit.policy.kind", "success-file");

    #[test]
    fn process_time_counts_from_the_first_file() {
        assert!(options(&[]).unwrap().is_none());
        let commit = options(&[KIND, ("sink.partition-commit.delay", "10 s")]).unwrap().unwrap();
        let due = |now, watermark| commit.is_due("dt=x/hm=y/", 1000, now, watermark).unwrap();
        assert!(!due(11_000, None) && due(11_001, None) && due(0, Some(Watermark::MAX)));
        assert!(options(&[KIND]).unwrap().unwrap().is_due("dt=x/", 5, 5, None).unwrap());
    }

    #[test]
    fn partition_time_is_put_together_and_passed_by_the_watermark() {
        let trigger = ("sink.partition-commit.trigger", "partition-time");
        let pattern = ("partition.time-extractor.timestamp-pattern", "$dt $hm:00");
        let cases = [
            (vec![KIND, trigger, pattern], "dt=2026-01-02/hm=03%3A04/", 1_767_323_040_000),
            (
                vec![KIND, trigger, pattern, ("sink.partition-commit.delay", "1 h")],
                "dt=2026-1-2/hm=3%3A4/",
                1_767_326_640_000,
            ),
            (vec![KIND, trigger], "dt=2026-01-02/hm=03%3A04/", 1_767_312_000_000),
            (
                vec![KIND, trigger, ("sink.partition-commit.watermark-time-zone", "Asia/Shanghai")],
                "dt=2026-01-02/hm=x/",
                1_767_283_200_000,
            ),
        ];
        for (given, folder, passed) in cases {
            let commit = options(&given).unwrap().unwrap();
            let due = |watermark: i64| commit.is_due(folder, 0, i64::MAX, Some(Watermark(watermark))).unwrap();
            assert!(!due(passed) && due(passed + 1), "{given:?} {folder}");
            assert!(!commit.is_due(folder, 0, i64::MAX, None).unwrap());
        }
        let failure = options(&[KIND, trigger]).unwrap().unwrap().is_due("dt=soon/hm=x/", 0, 0, None).unwrap_err();
        assert!(failure.message.starts_with("partition dt=soon/hm=x/: its names do not say a time"), "{failure}");
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (
                [KIND, ("partition.time-extractor.timestamp-pattern", "$day")],
                "'$day' is no partition column; there are: dt, hm",
            ),
            ([KIND, ("sink.partition-commit.watermark-time-zone", "Moon")], "'Moon' is no time zone"),
            ([KIND, ("sink.partition-commit.success-file.name", "a/b")], "'a/b' is not the name of a file"),
            ([KIND, ("partition.time-extractor.kind", "custom")], "'custom' is not one of default"),
            ([("sink.partition-commit.policy.kind", "metastore,success-file"), KIND], "'metastore' is not possible"),
        ];
        for (given, expected) in cases {
            let failure = options(&given[..if given[1] == KIND { 1 } else { 2 }]).unwrap_err();
            assert!(failure.message.contains(expected), "{failure}");
            if given[0] == KIND {
                assert_eq!(options(&given[1..]).unwrap_err(), failure, "also where it would come to nothing");
            }
        }
    }
}
