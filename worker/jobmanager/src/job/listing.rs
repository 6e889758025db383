//! How a job has the splits of its sources listed before it deploys.

use std::sync::Arc;

use checkpoint::{Manifest, restore};
use model::Failure;

use super::{Context, Job, Phase};
use crate::{event::Action, splits::Splits};

impl Job {
    /// What the job's operators claim of a snapshot.
    pub(super) fn claimed(&self, manifest: &Manifest) -> Result<Manifest, Failure> {
        restore::plan(manifest, &restore::Operators::from(&*self.graph), None, true)
    }

    /// Has the splits of the sources listed, for the attempt that is about to start.
    pub(super) fn list_splits(&mut self, context: &mut Context<'_>) {
        let claimed = self.restore.as_ref().map(|(_, manifest)| self.claimed(manifest)).transpose();
        let restored = match claimed {
            Ok(claimed) => claimed.map(Arc::new),
            Err(failure) => return self.fail(failure, None, context),
        };
        // Rises also from one job of this id to the next.
        self.last_listing = (self.last_listing + 1).max(context.now_ms.unsigned_abs());
        self.phase = Phase::Listing(self.last_listing);
        context.out.push(Action::Enumerate {
            job: self.id.clone(),
            number: self.last_listing,
            graph: Arc::clone(&self.graph),
            restored,
        });
    }

    pub(crate) fn enumerated(&mut self, number: u64, result: Result<Splits, Failure>, context: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Listing(current) if current == number) {
            return;
        }
        match result {
            Ok(splits) => {
                self.splits = Some(splits);
                self.phase = Phase::Waiting;
            }
            Err(failure) => self.fail(failure, None, context),
        }
    }
}
