//! A source of numbered rows: each row is a pure function of its number, so any parallelism gives the same rows.
//!
//! The numbers are cut into blocks, and the blocks dealt out to as many shares as the job has key groups. Subtask i of p
//! reads the shares s with s mod p = i, always the lowest number first. A share's position is its next number, so
//! a restore at another parallelism deals the shares out anew.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use dataflow::{OpenContext, Snapshot, Source, SourceEvent, SplitId};
use model::{Batch, Failure, batch::ROWS_TARGET};
use serde::{Deserialize, Serialize};

use crate::rate::RateLimiter;

const STATE: &str = "generator-positions";

/// Makes the rows.
pub(crate) trait Generate: Send {
    /// Rises when other rows are made of the same numbers: positions of before then mean nothing.
    const VERSION: u32;

    /// The rows of the numbers `first..first + count`, in order. It may leave rows out.
    fn generate(&mut self, first: u64, count: usize) -> Result<RecordBatch, Failure>;
}

/// How the numbers are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many numbers there are; none means they never end.
    pub(crate) total: Option<u64>,
    /// Numbers in a second, over all subtasks.
    pub(crate) per_second: Option<f64>,
}

impl Pace {
    /// Numbers in a block: a full batch, but little at low rates, so that the subtasks stay close in time.
    fn block(&self) -> u64 {
        let full = ROWS_TARGET as u64;
        self.per_second.map_or(full, |rate| ((rate / 100.0) as u64).clamp(1, full))
    }
}

/// The state of one subtask.
#[derive(Serialize, Deserialize)]
struct Positions {
    /// That of the rows.
    #[serde(default)]
    version: u32,
    block: u64,
    shares: u64,
    /// Next number by share.
    next: BTreeMap<u64, u64>,
}

/// The source.
pub(crate) struct GeneratorSource<G> {
    generate: G,
    total: u64,
    limiter: Option<RateLimiter>,
    block: u64,
    shares: u64,
    /// This subtask's shares by their next number.
    positions: BinaryHeap<Reverse<(u64, u64)>>,
    split: SplitId,
    ended: bool,
}

impl<G: Generate> GeneratorSource<G> {
    pub(crate) fn open(generate: G, pace: Pace, context: &OpenContext) -> Result<Self, Failure> {
        let restored = restore(context, G::VERSION)?;
        let (block, shares) = restored
            .as_ref()
            .map_or((pace.block(), u64::from(context.max_parallelism)), |state| (state.block, state.shares));
        let mut positions = BinaryHeap::new();
        for share in (0..shares).filter(|share| share % u64::from(context.parallelism) == u64::from(context.subtask)) {
            let next = match &restored {
                None => share * block,
                Some(state) => *state.next.get(&share).ok_or_else(|| {
                    Failure::data(format!("operator {}: the snapshot has no position of share {share}", context.uid))
                })?,
            };
            positions.push(Reverse((next, share)));
        }
        Ok(Self {
            generate,
            total: pace.total.unwrap_or(u64::MAX),
            limiter: pace.per_second.map(|rate| RateLimiter::shared(rate, context.parallelism)),
            block,
            shares,
            positions,
            split: Arc::from(format!("share-{}", context.subtask)),
            ended: false,
        })
    }

    /// The next number, if any is left.
    fn next(&self) -> Option<u64> {
        self.positions.peek().map(|Reverse((next, _))| *next).filter(|next| *next < self.total)
    }

    fn advance(&mut self, count: u64) {
        if let Some(mut lowest) = self.positions.peek_mut() {
            let next = &mut lowest.0.0;
            *next += count;
            if *next % self.block == 0 {
                *next += (self.shares - 1) * self.block;
            }
        }
    }
}

fn restore(context: &OpenContext, version: u32) -> Result<Option<Positions>, Failure> {
    let mut all: Option<Positions> = None;
    for item in context.restored(STATE) {
        let part: Positions = serde_json::from_slice(&item.0)
            .map_err(|error| Failure::data(format!("operator {}: positions in the snapshot: {error}", context.uid)))?;
        if part.version != version {
            return Err(Failure::user(format!(
                "operator {}: the snapshot is of an engine whose generator makes other rows (version {} instead of \
                 {version}): the rest would not go with what was read; go on with that engine, or start anew",
                context.uid, part.version
            )));
        }
        match &mut all {
            None => all = Some(part),
            Some(all) if all.block == part.block && all.shares == part.shares => all.next.extend(part.next),
            Some(_) => {
                return Err(Failure::data(format!("operator {}: positions of different layouts", context.uid)));
            }
        }
    }
    match all {
        Some(all) if all.block == 0 || all.shares == 0 => {
            Err(Failure::data(format!("operator {}: positions without a layout", context.uid)))
        }
        all => Ok(all),
    }
}

#[async_trait]
impl<G: Generate> Source for GeneratorSource<G> {
    async fn poll(&mut self) -> Result<SourceEvent, Failure> {
        while let Some(next) = self.next() {
            let block_end = (next / self.block + 1) * self.block;
            let mut count = (block_end.min(self.total) - next).min(ROWS_TARGET as u64);
            if let Some(limiter) = &mut self.limiter {
                count = limiter.acquire(count).await;
            }
            let rows = self.generate.generate(next, count as usize)?;
            self.advance(count);
            if rows.num_rows() > 0 {
                return Ok(SourceEvent::Batch { split: Arc::clone(&self.split), batch: Batch::append(rows) });
            }
            tokio::task::consume_budget().await;
        }
        if std::mem::replace(&mut self.ended, true) {
            return Ok(SourceEvent::End);
        }
        Ok(SourceEvent::SplitFinished(Arc::clone(&self.split)))
    }

    fn splits(&self) -> Vec<SplitId> {
        if self.next().is_some() { vec![Arc::clone(&self.split)] } else { Vec::new() }
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let next = self.positions.iter().map(|Reverse((next, share))| (*share, *next)).collect();
        let positions = Positions { version: G::VERSION, block: self.block, shares: self.shares, next };
        let bytes = serde_json::to_vec(&positions).map_err(|error| Failure::internal(format!("positions: {error}")))?;
        snapshot.add(STATE, bytes);
        Ok(())
    }

    fn skipped_rows(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod frozen;
