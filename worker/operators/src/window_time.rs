//! The time that windows are made of: event time as it is or, where it is of instants in a session's zone, the zone's
//! local time. There a day in which the clock is changed has 23 or 25 hours, and what comes twice is in one window.
//!
//! Operators with windows reckon in this time alone, watermarks included.

use std::sync::Arc;

use arrow::{
    array::ArrayRef,
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::{DataType as Arrow, Schema},
};
use dataflow::Clock;
use expressions::Zone;
use model::{EventTime, Failure};

use crate::window::{times, timestamps};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WindowTime {
    zone: Option<Zone>,
}

impl WindowTime {
    pub(crate) fn new(zone: Option<&str>) -> Result<Self, Failure> {
        let parse = |name| Zone::parse(name).ok_or_else(|| Failure::user(format!("'{name}' is no time zone")));
        Ok(Self { zone: zone.map(parse).transpose()? })
    }

    /// The times of a column. A column of local times is taken as it is.
    pub(crate) fn times(&self, column: &ArrayRef) -> Result<(ScalarBuffer<EventTime>, Option<NullBuffer>), Failure> {
        let (values, nulls) = times(column)?;
        Ok(match &self.zone {
            Some(zone) if is_of_instants(column.data_type()) => (zone.all_to_local(&values).into(), nulls),
            _ => (values, nulls),
        })
    }

    /// What a clock shows, but not before what has passed: a clock that was set back stands still meanwhile.
    pub(crate) fn now(&self, clock: &Arc<dyn Clock>, passed: EventTime) -> EventTime {
        let now = clock.now_ms();
        let now = self.zone.and_then(|zone| zone.to_local(now)).unwrap_or(now);
        now.max(passed.saturating_add(1))
    }

    /// How far time has come with a watermark.
    pub(crate) fn passed(&self, watermark: EventTime) -> EventTime {
        self.zone.map_or(watermark, |zone| zone.passed(watermark))
    }

    /// When a clock must be looked at for windows that end at `end`.
    pub(crate) fn timer(&self, end: EventTime) -> i64 {
        self.zone.map_or(end, |zone| zone.passes(end.saturating_sub(1)).saturating_add(1))
    }

    /// The columns `window_start`, `window_end` and `window_time` of windows, which begin in the schema at `column`. The
    /// last is an instant again, of two the earlier, if its type says so.
    pub(crate) fn columns(
        &self,
        windows: impl Iterator<Item = (EventTime, EventTime)> + Clone,
        schema: &Schema,
        column: usize,
    ) -> Result<[ArrayRef; 3], Failure> {
        let arrow = |index: usize| schema.field(column + index).data_type();
        let last = |end: EventTime| end.wrapping_sub(1);
        let last: Vec<EventTime> = match &self.zone {
            Some(zone) if is_of_instants(arrow(2)) => {
                let instant = |local| zone.to_utc(local).unwrap_or(local);
                windows.clone().map(|(_, end)| instant(last(end))).collect()
            }
            _ => windows.clone().map(|(_, end)| last(end)).collect(),
        };
        Ok([
            timestamps(windows.clone().map(|(start, _)| start).collect(), arrow(0))?,
            timestamps(windows.map(|(_, end)| end).collect(), arrow(1))?,
            timestamps(last, arrow(2))?,
        ])
    }

    /// The zone whose local times are in state, if it is not UTC.
    pub(crate) fn zone_name(&self) -> Option<String> {
        self.zone.map(|zone| zone.to_string())
    }

    /// What signatures before version 2 say of it.
    pub(crate) fn former_signature(&self) -> String {
        self.zone.map_or_else(String::new, |zone| format!(" in {zone}"))
    }
}

fn is_of_instants(arrow: &Arrow) -> bool {
    model::timestamp::is_instant(arrow) == Some(true)
}
