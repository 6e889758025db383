//! Windows as arithmetic on time: `[start, end)` aligned to the epoch plus an offset.

#![expect(
    clippy::cast_possible_truncation,
    reason = "positions are bounded by a batch; hashes and times are reinterpreted bit by bit"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, PrimitiveArray},
    buffer::{NullBuffer, ScalarBuffer},
    compute,
    datatypes::{DataType as Arrow, TimeUnit, TimestampMillisecondType},
};
use dataflow::Output;
use graph::operator::WindowKind;
use model::{
    Batch, EventTime, Failure, Instant,
    timestamp::{self, Timestamps},
};

use crate::{accumulator::not_null, window_time::WindowTime};

/// Windows whose ends are at regular distances. Slices are of one length: windows are made of whole slices, so what
/// windows share is kept once for each slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    size: i64,
    slide: i64,
    /// The length of a slice: the slide or, where the size is no multiple of it, their greatest common divisor.
    slice: i64,
    offset: i64,
    /// Windows start every `size` and end every `slide`, instead of being of one length.
    cumulates: bool,
}

/// The slices that rows belong to.
pub(crate) struct Slices {
    pub(crate) ends: Vec<EventTime>,
    /// The position in `ends` for each row.
    pub(crate) parts: Vec<u32>,
}

impl Windows {
    pub(crate) fn new(kind: WindowKind) -> Result<Self, Failure> {
        let windows = match kind {
            WindowKind::Tumble { size, offset } => Self { size, slide: size, slice: size, offset, cumulates: false },
            WindowKind::Hop { size, slide, offset } => {
                Self { size, slide, slice: common_divisor(size, slide), offset, cumulates: false }
            }
            WindowKind::Cumulate { size, step, offset } => {
                Self { size, slide: step, slice: step, offset, cumulates: true }
            }
            WindowKind::Session { .. } => {
                return Err(Failure::internal("the windows of sessions are not known from the time alone"));
            }
        };
        if windows.slide <= 0 || windows.size <= 0 || windows.size % windows.slice != 0 {
            return Err(Failure::user(format!(
                "a window's size ({} ms) must be a positive multiple of its step ({} ms)",
                windows.size, windows.slide
            )));
        }
        Ok(windows)
    }

    /// The slices of rows with these times.
    pub(crate) fn slices(&self, times: &[EventTime]) -> Slices {
        let mut ends: Vec<EventTime> = Vec::new();
        // The last slice again is by far the most frequent case.
        let (mut start, mut end, mut part) = (i64::MAX, i64::MIN, 0u32);
        let parts = times
            .iter()
            .map(|&time| {
                if time < start || time >= end {
                    end = self.slice_end(time);
                    start = end.wrapping_sub(self.slice);
                    part = ends.iter().position(|&known| known == end).unwrap_or_else(|| {
                        ends.push(end);
                        ends.len() - 1
                    }) as u32;
                }
                part
            })
            .collect();
        Slices { ends, parts }
    }

    /// Whether each row belongs to one window only.
    pub(crate) fn is_tumbling(&self) -> bool {
        self.size == self.slide
    }

    /// Whether a window has all that the one before it has, which starts with it.
    pub(crate) fn cumulates(&self) -> bool {
        self.cumulates
    }

    /// The end of the next window with the same start as the one that ends at `end`, if there is one.
    pub(crate) fn next_longer(&self, end: EventTime) -> Option<EventTime> {
        (self.cumulates && end < self.last_end(end)).then(|| end.wrapping_add(self.slide))
    }

    /// The end of the slice that a time belongs to.
    #[inline]
    pub(crate) fn slice_end(&self, time: EventTime) -> EventTime {
        let into = time.wrapping_sub(self.offset).rem_euclid(self.slice);
        time.wrapping_sub(into).wrapping_add(self.slice)
    }

    /// The ends of the windows that a slice belongs to, ascending. There are none for a time between windows whose
    /// slide is longer than they are.
    pub(crate) fn ends(&self, slice_end: EventTime) -> impl DoubleEndedIterator<Item = EventTime> + use<> {
        let (slide, last) = (self.slide, self.last_end(slice_end));
        let before = last.wrapping_sub(slice_end).div_euclid(slide);
        (0..=before).map(move |index| last.wrapping_sub((before - index) * slide))
    }

    /// Whether a slice belongs to any window.
    #[inline]
    pub(crate) fn have(&self, slice_end: EventTime) -> bool {
        self.slide <= self.size || self.last_end(slice_end) >= slice_end
    }

    /// The end of the last window that a slice belongs to; before the slice's own end if it belongs to none.
    #[inline]
    pub(crate) fn last_end(&self, slice_end: EventTime) -> EventTime {
        let start = if self.cumulates {
            self.start(slice_end)
        } else {
            let slice_start = slice_end.wrapping_sub(self.slice);
            slice_start.wrapping_sub(slice_start.wrapping_sub(self.offset).rem_euclid(self.slide))
        };
        start.wrapping_add(self.size)
    }

    /// The start of the window that ends at `end`.
    #[inline]
    pub(crate) fn start(&self, end: EventTime) -> EventTime {
        if !self.cumulates {
            return end.wrapping_sub(self.size);
        }
        let last = end.wrapping_sub(1);
        last.wrapping_sub(last.wrapping_sub(self.offset).rem_euclid(self.size))
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// A timestamp column in milliseconds, rounded down, and which values are not null.
pub(crate) fn times(column: &ArrayRef) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>), Failure> {
    let times = Timestamps::new(column);
    let times =
        times.ok_or_else(|| Failure::internal(format!("a window's time column has type {}", column.data_type())))?;
    Ok((times.millis(), not_null(column)))
}

/// The rows of a batch by the end of their window.
pub(crate) struct ByWindow {
    pub(crate) batch: Batch,
    /// The ends of the windows, ascending.
    pub(crate) ends: Vec<EventTime>,
    /// The position in `ends` for each row.
    pub(crate) parts: Vec<u32>,
}

/// Finds the windows of rows whose column `end` has the window's end. Rows without one are left out, and those whose
/// window the watermark has passed, which are counted as late.
pub(crate) fn by_window(
    batch: Batch,
    end: usize,
    watermark: EventTime,
    output: &mut Output,
) -> Result<ByWindow, Failure> {
    let batch = match not_null(batch.column(end)) {
        Some(valid) => batch.filter(&valid.into_inner().into())?,
        None => batch,
    };
    let (of_rows, _) = times(batch.column(end))?;
    let is_late = |end: EventTime| end.wrapping_sub(1) <= watermark;
    let late = of_rows.iter().filter(|&&end| is_late(end)).count();
    let (batch, of_rows) = if late > 0 {
        output.drop_late(late as u64, || batch.filter(&of_rows.iter().map(|&end| Some(is_late(end))).collect()))?;
        let batch = batch.filter(&of_rows.iter().map(|&end| Some(!is_late(end))).collect())?;
        let of_rows = times(batch.column(end))?.0;
        (batch, of_rows)
    } else {
        (batch, of_rows)
    };
    let mut ends: Vec<EventTime> = of_rows.to_vec();
    ends.sort_unstable();
    ends.dedup();
    let parts = of_rows.iter().map(|end| ends.binary_search(end).unwrap_or_default() as u32).collect();
    Ok(ByWindow { batch, ends, parts })
}

/// The rows of a batch that have a time, and their times. The others are late; `whole` has all columns of the rows,
/// and is left with the same ones.
pub(crate) fn timed(
    batch: Batch,
    whole: &mut Batch,
    column: usize,
    time: &WindowTime,
    output: &mut Output,
) -> Result<(Batch, ScalarBuffer<EventTime>), Failure> {
    let (values, nulls) = time.times(batch.column(column))?;
    let Some(nulls) = nulls else { return Ok((batch, values)) };
    let count = nulls.null_count() as u64;
    let kept = BooleanArray::from(nulls.into_inner());
    output.drop_late(count, || whole.filter(&compute::not(&kept)?))?;
    *whole = whole.filter(&kept)?;
    let batch = batch.filter(&kept)?;
    let values = time.times(batch.column(column))?.0;
    Ok((batch, values))
}

/// A timestamp column from milliseconds.
pub(crate) fn timestamps(milliseconds: Vec<EventTime>, arrow: &Arrow) -> Result<ArrayRef, Failure> {
    if let Arrow::Timestamp(TimeUnit::Millisecond, _) = arrow {
        let array = PrimitiveArray::<TimestampMillisecondType>::new(milliseconds.into(), None);
        return Ok(Arc::new(array.with_data_type(arrow.clone())));
    }
    timestamp::column(milliseconds.into_iter().map(|millis| Some(Instant::of_millis(millis))), arrow)
}
