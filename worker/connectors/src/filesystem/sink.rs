//! The sink: rows go to part files below `_staging/`, hidden from readers; a checkpoint closes them, and its commit
//! moves them to their final names.
//!
//! Names hold the operator's uid, the subtask and a random number of the attempt, so a restarted attempt overwrites
//! nothing. What an attempt staged and no snapshot holds is never moved, and stays: a savepoint may hold it.

use std::collections::BTreeMap;

use arrow::array::UInt32Array;
use async_trait::async_trait;
use dataflow::{OpenContext, Sink, sink::Committable};
use futures::{StreamExt, TryStreamExt, stream};
use graph::operator::SinkSpec;
use model::{Batch, Failure, Schema};

use super::{
    Options,
    part::{self, Part, StagedFile},
    partition,
};
use crate::Environment;

/// Files of one sink that are open at a time; the others are closed.
const OPEN_PARTS_MAX: usize = 64;
/// Files that are moved at a time.
const COMMITS_IN_FLIGHT: usize = 8;

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
    Ok(Box::new(FileSink {
        prefix: format!("part-{uid}-{}-{}", context.subtask, &attempt[..12]),
        environment: environment.clone(),
        options,
        schema: super::stored_schema(table),
        stored,
        partitions,
        parts: BTreeMap::new(),
        staged: Vec::new(),
        opened: 0,
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
    /// Open files by the folder they go to.
    parts: BTreeMap<String, Part>,
    /// Closed since the last checkpoint.
    staged: Vec<StagedFile>,
    opened: u64,
    /// The folder of staged files: one for each operator of each job.
    staging: String,
    /// Stands for the operator in `staging`.
    operator: String,
}

impl FileSink {
    async fn write_to(&mut self, folder: &str, rows: &Batch) -> Result<(), Failure> {
        if !self.parts.contains_key(folder) {
            if self.parts.len() >= OPEN_PARTS_MAX
                && let Some((_, part)) = self.parts.pop_first()
            {
                self.staged.push(part.close().await?);
            }
            let part = self.open(folder)?;
            self.parts.insert(folder.to_owned(), part);
        }
        let Some(part) = self.parts.get_mut(folder) else { return Ok(()) };
        part.write(rows).await?;
        if (part.size() >= self.options.file_size || part.age() >= self.options.rollover_interval)
            && let Some(part) = self.parts.remove(folder)
        {
            self.staged.push(part.close().await?);
        }
        Ok(())
    }

    fn open(&mut self, folder: &str) -> Result<Part, Failure> {
        let name = format!("{}-{}.{}", self.prefix, self.opened, self.options.format.extension());
        self.opened += 1;
        let path = &self.options.path;
        let file = StagedFile {
            staged: storage::join(&storage::join(path, &self.staging), &name),
            target: storage::join(path, &format!("{folder}{name}")),
        };
        let encoder = self.options.format.encoder(&self.schema)?;
        Ok(Part::open(file, encoder, &self.environment.storage, &self.environment.runtime))
    }
}

#[async_trait]
impl Sink for FileSink {
    fn start(&mut self, job_id: &str) {
        self.staging = format!("_staging/{job_id}-{}", self.operator);
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
        std::mem::take(&mut self.staged)
            .iter()
            .map(|file| {
                let bytes = serde_json::to_vec(file).map_err(|error| Failure::internal(error.to_string()))?;
                Ok(checkpoint::Item(bytes))
            })
            .collect()
    }

    async fn commit(&mut self, committables: &[Committable]) -> Result<(), Failure> {
        let files = committables
            .iter()
            .map(|item| {
                serde_json::from_slice::<StagedFile>(&item.0)
                    .map_err(|error| Failure::data(format!("a prepared file in the snapshot: {error}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (storage, own) = (self.environment.storage.clone(), format!("/{}-", self.prefix));
        let moving = async move {
            stream::iter(files)
                .map(|file| {
                    let (storage, is_own) = (storage.clone(), file.staged.contains(&own));
                    async move { part::commit(&storage, &file, is_own).await }
                })
                .buffer_unordered(COMMITS_IN_FLIGHT)
                .try_collect::<()>()
                .await
        };
        let moved = self.environment.runtime.spawn(moving).await;
        moved.map_err(|error| Failure::internal(format!("moving prepared files: {error}")))?
    }
}
