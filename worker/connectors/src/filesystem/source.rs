//! The source: takes its splits one by one, file by file, and looks for new files if it watches.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]
#![expect(clippy::disallowed_methods, reason = "a folder is listed again at intervals")]

use std::{sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use dataflow::{OpenContext, Rejected, Snapshot, Source, SourceEvent, SplitId};
use graph::operator::SourceSpec;
use model::{Batch, Failure, Schema, batch::ROWS_TARGET};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    Options, discovery,
    lines::LineReader,
    metadata::FileFacts,
    partition::Layout,
    rows::RowGroupReader,
    split::{self, File, Place, Split, State},
};
use crate::{Environment, rate::RateLimiter};

pub(super) const STATE: &str = "file-splits";
/// A placeholder split for watched files that are not yet listed, so that it holds back the watermark.
const LISTING: &str = "<listing>";

pub(super) fn build(
    spec: &SourceSpec,
    context: &mut OpenContext,
    environment: &Environment,
) -> Result<Box<dyn Source>, Failure> {
    super::source_capabilities(&spec.table)?;
    let options = Options::read(&spec.table)?;
    let place = Place { subtask: context.subtask, parallelism: context.parallelism };
    let watched = options.monitor_interval.is_some();
    let state =
        state(context, place, watched).map_err(|failure| failure.at(format_args!("operator {}", context.uid)))?;
    Ok(Box::new(FileSource {
        layout: Layout::new(&spec.table, crate::output_columns(spec), &spec.filters, &options.default_partition)?,
        schema: super::stored_schema(&spec.table),
        limiter: options.rows_per_second.map(|rate| RateLimiter::shared(rate, context.parallelism)),
        environment: environment.clone(),
        place,
        state,
        listing: None,
        next_listing: Instant::now(),
        reading: None,
        finished: None,
        skipped: 0,
        keeps_rejected: false,
        rejected: Vec::new(),
        options,
    }))
}

/// What the snapshot holds for this subtask, and what it was dealt of the list that was made for all.
fn state(context: &OpenContext, place: Place, watched: bool) -> Result<State, Failure> {
    let states = split::states(context.restored(STATE))?;
    if watched {
        let is_fresh = states.is_empty();
        return Ok(if is_fresh { State::fresh(place) } else { State::restore(states, place, watched) });
    }
    let is_listed = split::is_listed(&states);
    let mut state = State::restore(states, place, watched);
    match &context.splits {
        Some(dealt) => state.splits.extend(dealt.iter().map(split::from_item).collect::<Result<Vec<_>, _>>()?),
        None if is_listed => {}
        None => return Err(Failure::internal("nobody has listed the files")),
    }
    Ok(state)
}

struct FileSource {
    options: Options,
    /// The columns in the files.
    schema: Schema,
    layout: Layout,
    environment: Environment,
    limiter: Option<RateLimiter>,
    place: Place,
    state: State,
    listing: Option<JoinHandle<Result<Vec<File>, Failure>>>,
    next_listing: Instant,
    reading: Option<Reading>,
    /// To be told before anything else.
    finished: Option<SplitId>,
    /// Rows skipped in splits that are done.
    skipped: u64,
    keeps_rejected: bool,
    /// Malformed records of splits that are done.
    rejected: Vec<Rejected>,
}

enum Reading {
    Lines(LineReader),
    Rows(RowGroupReader),
}

impl Reading {
    fn split(&self) -> &Split {
        match self {
            Self::Lines(reader) => reader.split(),
            Self::Rows(reader) => reader.split(),
        }
    }

    fn skipped_rows(&self) -> u64 {
        match self {
            Self::Lines(reader) => reader.skipped_rows(),
            Self::Rows(_) => 0,
        }
    }

    fn take_rejected(&mut self) -> Vec<Rejected> {
        match self {
            Self::Lines(reader) => reader.take_rejected(),
            Self::Rows(_) => Vec::new(),
        }
    }

    async fn next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, Failure> {
        match self {
            Self::Lines(reader) => reader.next(rows_max).await,
            Self::Rows(reader) => reader.next(rows_max).await,
        }
    }
}

impl FileSource {
    /// Lists watched files. Cancel-safe: the listing goes on in the background.
    async fn list(&mut self, interval: Duration) -> Result<(), Failure> {
        let listing = self.listing.get_or_insert_with(|| {
            let (storage, path) = (self.environment.storage.clone(), self.options.path.clone());
            self.environment.runtime.spawn(async move { discovery::list(&storage, &path).await })
        });
        let result = listing.await;
        self.listing = None;
        let files = result.map_err(|error| Failure::internal(format!("listing files: {error}")))??;
        let splits = split::cut(&files, self.options.format.is_cut_at_lines(), self.layout.needs_facts());
        let first = !self.state.unlisted.is_empty();
        self.next_listing = Instant::now() + interval;
        let reading = self.reading.as_ref().map(Reading::split);
        if self.state.list_watched(splits, self.place, reading) || first {
            self.finished = Some(Arc::from(LISTING));
        }
        Ok(())
    }

    /// Opens the next split, if there is one. Cancel-safe.
    async fn open_next(&mut self) -> Result<bool, Failure> {
        let Some(first) = self.state.splits.first_mut() else { return Ok(false) };
        // A query that is restored may want more than the one that listed the files.
        if first.facts.is_none() && self.layout.needs_facts() {
            let (storage, file) = (self.environment.storage.clone(), first.file.clone());
            let object = self.environment.runtime.spawn(async move { storage.head(&file).await }).await;
            let object = object.map_err(|error| Failure::internal(format!("{}: {error}", first.file)))??;
            let object = object.ok_or_else(|| split::is_gone(&first.file))?;
            first.facts = Some(FileFacts { size: object.size, modified_ms: object.modified_ms });
        }
        let split = self.state.splits.remove(0);
        if !self.layout.is_wanted(&split)? {
            // Not left out of the list: which subtask reads what must not depend on the query.
            self.finish(&split);
            return Ok(true);
        }
        let Environment { storage, runtime, .. } = &self.environment;
        self.reading = Some(match self.options.format.decoder(&self.schema, &self.layout.stored)? {
            Some(mut decoder) => {
                if self.keeps_rejected {
                    decoder.losses().keep();
                }
                Reading::Lines(LineReader::open(split, decoder, self.options.format.skips_mark(), storage, runtime))
            }
            None => Reading::Rows(RowGroupReader::open(split, &self.layout.stored, storage, runtime)),
        });
        Ok(true)
    }

    fn finish_split(&mut self, mut reading: Reading) {
        self.skipped += reading.skipped_rows();
        self.rejected.extend(reading.take_rejected());
        self.finish(reading.split());
    }

    fn finish(&mut self, split: &Split) {
        self.state.finish(split);
        if !self.state.splits.iter().any(|other| other.file == split.file) {
            self.finished = Some(Arc::from(split.file.as_str()));
        }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn poll(&mut self) -> Result<SourceEvent, Failure> {
        loop {
            if let Some(split) = self.finished.take() {
                return Ok(SourceEvent::SplitFinished(split));
            }
            let interval = self.options.monitor_interval;
            if let Some(interval) = interval.filter(|_| !self.state.unlisted.is_empty()) {
                self.list(interval).await?;
                continue;
            }
            let Some(reading) = &mut self.reading else {
                if self.open_next().await? {
                    continue;
                }
                let Some(interval) = interval else { return Ok(SourceEvent::End) };
                tokio::time::sleep_until(self.next_listing).await;
                self.list(interval).await?;
                continue;
            };
            let rows_max = match &mut self.limiter {
                Some(limiter) => limiter.acquire(ROWS_TARGET as u64).await as usize,
                None => ROWS_TARGET,
            };
            match reading.next(rows_max).await? {
                Some(rows) => {
                    let split = reading.split();
                    let (split, rows) = (Arc::from(split.file.as_str()), self.layout.complete(split, rows)?);
                    return Ok(SourceEvent::Batch { split, batch: Batch::append(rows) });
                }
                None => {
                    if let Some(reading) = self.reading.take() {
                        self.finish_split(reading);
                    }
                }
            }
        }
    }

    fn splits(&self) -> Vec<SplitId> {
        let reading = self.reading.as_ref().map(|reading| reading.split().file.as_str());
        let mut files: Vec<&str> = reading.into_iter().collect();
        for split in &self.state.splits {
            // Splits of one file follow one another.
            if files.last() != Some(&split.file.as_str()) {
                files.push(&split.file);
            }
        }
        if !self.state.unlisted.is_empty() {
            files.push(LISTING);
        }
        files.into_iter().map(Arc::from).collect()
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let mut state = self.state.clone();
        if let Some(reading) = &self.reading {
            state.splits.insert(0, reading.split().clone());
        }
        let bytes = serde_json::to_vec(&state).map_err(|error| Failure::internal(format!("file splits: {error}")))?;
        snapshot.add(STATE, bytes);
        Ok(())
    }

    fn skipped_rows(&self) -> u64 {
        self.skipped + self.reading.as_ref().map_or(0, Reading::skipped_rows)
    }

    fn keep_rejected(&mut self) {
        self.keeps_rejected = true;
    }

    fn take_rejected(&mut self) -> Vec<Rejected> {
        let mut rejected = std::mem::take(&mut self.rejected);
        rejected.extend(self.reading.as_mut().map(Reading::take_rejected).unwrap_or_default());
        rejected
    }
}
