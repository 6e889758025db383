//! The sink: rows go to part files below `_staging/`, hidden from readers; a checkpoint closes them, and its commit
//! moves them to their final names.
//!
//! Names hold the operator's uid, the subtask and a random number of the attempt, so a restarted attempt overwrites
//! nothing. What an attempt staged and no snapshot holds is never moved, and stays: a savepoint may hold it. What it did
//! not finish is deleted by the next attempt.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]
#![expect(clippy::disallowed_methods, reason = "each attempt names its own staging folder")]

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::UInt32Array;
use async_trait::async_trait;
use dataflow::{Clock, OpenContext, Sink, sink::Committable};
use graph::operator::SinkSpec;
use model::{Batch, Failure, Schema, Watermark};

use super::{
    Options,
    commit::{self, Prepared, StagedFile},
    leftovers::Cleaner,
    part::Part,
    partition,
    partition_commit::Waiting,
};
use crate::Environment;

/// Files of one sink that are open at a time; the others are closed.
const OPEN_PARTS_MAX: usize = 64;

pub(super) fn build(
    spec: &SinkSpec,
    context: &mut OpenContext,
    environment: &Environment,
) -> Result<Box<dyn Sink>, Failure> {
    super::sink_capabilities(&spec.table)?;
    let options = Options::read(&spec.table)?;
    let table = &spec.table;
    let stored: Vec<usize> = (0..table.schema.len()).filter(|column| !table.partitioned_by.contains(column)).collect();
    let partitions =
        table.partitioned_by.iter().map(|&column| (column, table.schema.fields[column].name.clone())).collect();
    let uid: String =
        context.uid.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    // Of the uid as it is, and of no other's.
    let operator = format!("{:016x}", model::key::hash(context.uid.as_bytes()));
    let attempt = uuid::Uuid::new_v4().simple().to_string();
    let prefix = format!("part-{uid}-{}-{}", context.subtask, &attempt[..12]);
    let cleaner = Cleaner {
        operator: format!("part-{uid}-"),
        attempt: prefix.clone(),
        subtask: context.subtask,
        parallelism: context.parallelism,
    };
    Ok(Box::new(FileSink {
        prefix,
        cleaner,
        environment: environment.clone(),
        options,
        schema: super::stored_schema(table),
        stored,
        partitions,
        parts: BTreeMap::new(),
        staged: Vec::new(),
        opened: 0,
        prepared: 0,
        waiting: Waiting::default(),
        watermark: None,
        clock: Arc::clone(&context.clock),
        staging: "_staging".to_owned(),
        operator,
    }))
}

struct FileSink {
    options: Options,
    environment: Environment,
    /// The columns in the files.
    schema: Schema,
    stored: Vec<usize>,
    /// Positions and names of the partition columns.
    partitions: Vec<(usize, String)>,
    /// What all names begin with.
    prefix: String,
    cleaner: Cleaner,
    /// Open files by the folder they go to.
    parts: BTreeMap<String, Part>,
    /// Closed since the last checkpoint.
    staged: Vec<StagedFile>,
    opened: u64,
    /// How often something was prepared.
    prepared: u64,
    /// Partitions that readers are to be told of.
    waiting: Waiting,
    watermark: Option<Watermark>,
    clock: Arc<dyn Clock>,
    /// The folder of staged files: one for each operator of each job.
    staging: String,
    /// Stands for the operator in `staging`.
    operator: String,
}

impl FileSink {
    async fn write_to(&mut self, folder: &str, rows: &Batch) -> Result<(), Failure> {
        let now_ms = self.clock.now_ms();
        if self.options.partition_commit.is_some() {
            self.waiting.add(folder, now_ms);
        }
        if !self.parts.contains_key(folder) {
            if self.parts.len() >= OPEN_PARTS_MAX
                && let Some((_, part)) = self.parts.pop_first()
            {
                self.staged.push(part.close().await?);
            }
            let part = self.open(folder, now_ms)?;
            self.parts.insert(folder.to_owned(), part);
        }
        let Some(part) = self.parts.get_mut(folder) else { return Ok(()) };
        part.write(rows).await?;
        let is_old = u128::from(part.age_ms(now_ms)) >= self.options.rollover_interval.as_millis();
        if (is_old || part.size() >= self.options.file_size)
            && let Some(part) = self.parts.remove(folder)
        {
            self.staged.push(part.close().await?);
        }
        Ok(())
    }

    fn open(&mut self, folder: &str, now_ms: i64) -> Result<Part, Failure> {
        let name = format!("{}-{}.{}", self.prefix, self.opened, self.options.format.extension());
        self.opened += 1;
        let target = storage::join(&self.options.path, &format!("{folder}{name}"));
        let file = StagedFile { staged: self.staged(&name), target };
        let encoder = self.options.format.encoder(&self.schema)?;
        Ok(Part::open(file, encoder, now_ms, &self.environment.storage, &self.environment.runtime))
    }
}

impl FileSink {
    /// The path of a hidden file of this operator.
    fn staged(&self, name: &str) -> String {
        storage::join(&storage::join(&self.options.path, &self.staging), name)
    }

    /// Tells readers of a partition that it is complete.
    async fn tell(&mut self, folder: &str, success_file: &str) -> Result<(), Failure> {
        let path = storage::join(&self.options.path, &format!("{folder}{success_file}"));
        let storage = self.environment.storage.clone();
        let told = self.environment.runtime.spawn(async move { storage.put(&path, bytes::Bytes::new()).await });
        told.await.map_err(|error| Failure::internal(format!("partition {folder}: {error}")))?
    }
}

#[async_trait]
impl Sink for FileSink {
    fn start(&mut self, job_id: &str) {
        self.staging = format!("_staging/{job_id}-{}", self.operator);
        let (storage, folder) = (self.environment.storage.clone(), storage::join(&self.options.path, &self.staging));
        self.environment.runtime.spawn(self.cleaner.clone().clean(storage, folder));
    }

    fn watermark(&mut self, watermark: Watermark) {
        self.watermark = Some(watermark);
    }

    async fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let rows = batch.columns();
        if self.partitions.is_empty() {
            return self.write_to("", &batch).await;
        }
        let mut selections: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (row, folder) in
            partition::folders(&self.partitions, rows, &self.options.default_partition)?.into_iter().enumerate()
        {
            selections.entry(folder).or_default().push(row as u32);
        }
        let stored = Batch::new(rows.project(&self.stored)?, batch.kinds().cloned());
        for (folder, selection) in selections {
            self.write_to(&folder, &stored.take(&UInt32Array::from(selection))?).await?;
        }
        Ok(())
    }

    async fn prepare(&mut self) -> Result<Vec<Committable>, Failure> {
        while let Some((_, part)) = self.parts.pop_first() {
            self.staged.push(part.close().await?);
        }
        let mut prepared = Prepared::of(std::mem::take(&mut self.staged));
        if let Some(options) = &self.options.partition_commit {
            prepared.partitions = self.waiting.prepare(options, self.clock.now_ms(), self.watermark)?;
        }
        if prepared.files.is_empty() && prepared.partitions.is_empty() {
            return Ok(Vec::new());
        }
        if !prepared.files.is_empty() {
            prepared.mark = Some(self.staged(&format!("{}-{}.committed", self.prefix, self.prepared)));
            self.prepared += 1;
        }
        Ok(vec![prepared.to_item()?])
    }

    async fn commit(&mut self, committables: &[Committable]) -> Result<(), Failure> {
        for item in committables {
            let prepared = Arc::new(Prepared::from_item(item)?);
            let is_own = prepared.mark.as_ref().is_some_and(|mark| mark.contains(&format!("/{}-", self.prefix)));
            let (storage, files) = (self.environment.storage.clone(), Arc::clone(&prepared));
            let moving = async move { commit::commit(&storage, &files, is_own).await };
            let moved = self.environment.runtime.spawn(moving).await;
            moved.map_err(|error| Failure::internal(format!("moving prepared files: {error}")))??;
            // Without a policy that a snapshot had, nobody is told.
            let Some(options) = self.options.partition_commit.clone() else { continue };
            for partition in &prepared.partitions {
                if partition.is_due {
                    self.tell(&partition.folder, &options.success_file).await?;
                    self.waiting.told(partition);
                } else {
                    self.waiting.keep(partition);
                }
            }
        }
        Ok(())
    }
}
