//! What comes of a batch, or of time, for the sessions of an operator, whatever it keeps for them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use dataflow::{Clock, OpenContext, Output};
use model::{
    Batch, EventTime, Failure,
    row::{self, Rows},
};

use super::{Assignment, OpenSessions};
use crate::{
    grouping::{Grouper, Groups},
    window::timed,
    window_time::WindowTime,
};

/// How rows come to their sessions.
pub(crate) struct SessionInput {
    keys: Vec<usize>,
    time: usize,
    /// The time of windows.
    pub(crate) of: WindowTime,
    /// What is open.
    pub(crate) sessions: OpenSessions,
    grouper: Grouper,
    /// With processing time: the clock.
    clock: Option<Arc<dyn Clock>>,
}

/// Rows, late ones among them, and their sessions.
pub(crate) struct Arrived {
    pub(crate) batch: Batch,
    pub(crate) keys: Rows,
    pub(crate) groups: Groups,
    pub(crate) assignment: Assignment,
}

impl SessionInput {
    /// `keys` and `time` are columns; `processing`: what counts is the clock.
    pub(crate) fn new(
        (keys, time): (&[usize], usize),
        gap: i64,
        of: WindowTime,
        processing: bool,
        context: &mut OpenContext,
    ) -> Result<Self, Failure> {
        Ok(Self {
            keys: keys.to_vec(),
            time,
            of,
            sessions: OpenSessions::new(gap, context)?,
            grouper: Grouper::default(),
            clock: processing.then(|| Arc::clone(&context.clock)),
        })
    }

    /// Finds the sessions of rows, if there are any. Of `whole` those that are late are dropped.
    pub(crate) fn arrive(
        &mut self,
        batch: Batch,
        mut whole: Batch,
        output: &mut Output,
    ) -> Result<Option<Arrived>, Failure> {
        let (batch, times) = match &self.clock {
            Some(clock) => {
                let times = vec![self.of.now(clock, self.sessions.watermark()); batch.rows()].into();
                (batch, times)
            }
            None => timed(batch, &mut whole, self.time, &self.of, output)?,
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> = self.keys.iter().map(|&key| Arc::clone(batch.column(key))).collect();
        let keys = row::encode_keys(&columns, batch.rows())?;
        let groups = self.grouper.group(&keys);
        let assignment = self.sessions.assign(&times, &keys, &groups)?;
        output.drop_late(assignment.late as u64, || {
            whole.filter(&assignment.of_row.iter().map(|position| Some(position.is_none())).collect())
        })?;
        Ok(Some(Arrived { batch, keys, groups, assignment }))
    }

    /// Lets a watermark come. Whether sessions may have ended.
    pub(crate) fn watermark(&mut self, watermark: EventTime) -> bool {
        self.clock.is_none() && self.advance(watermark)
    }

    /// Lets the clock come to a time. Whether sessions may have ended.
    pub(crate) fn processing_time(&mut self, now: i64) -> bool {
        self.advance(now.saturating_sub(1))
    }

    fn advance(&mut self, watermark: EventTime) -> bool {
        self.sessions.advance(self.of.passed(watermark))
    }

    /// The time of the clock that is waited for.
    pub(crate) fn timer(&self) -> Option<i64> {
        self.clock.as_ref().and(self.sessions.next_timer()).map(|end| self.of.timer(end))
    }
}
