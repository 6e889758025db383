//! How watermarks of several inputs (channels, or splits of a source) become one.

use model::Watermark;

/// The merged watermark: the minimum over inputs that are active and have caught up. Never goes back.
///
/// An idle input is left out, and counts again only once its watermark has reached what was put out meanwhile. An ended
/// input never counts. If all that have not ended are idle, the largest of their watermarks is put out; once all have
/// ended, the largest of all.
#[derive(Debug)]
pub struct WatermarkMerger {
    inputs: Vec<Input>,
    emitted: Watermark,
    emitted_idle: bool,
    /// Whether, when there is no input but ended ones, more of them are waited for.
    is_waiting: bool,
}

#[derive(Clone, Copy, Debug)]
struct Input {
    watermark: Watermark,
    idle: bool,
    ended: bool,
    /// Whether it takes part in the minimum.
    aligned: bool,
}

/// What has changed for the consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A higher watermark.
    pub watermark: Option<Watermark>,
    /// All inputs have become idle (true), or one is active again (false).
    pub idle: Option<bool>,
}

impl WatermarkMerger {
    /// For `inputs` inputs, all active.
    pub fn new(inputs: usize) -> Self {
        let input = Input { watermark: Watermark::MIN, idle: false, ended: false, aligned: true };
        Self { inputs: vec![input; inputs], emitted: Watermark::MIN, emitted_idle: false, is_waiting: false }
    }

    /// Adds an active input and returns its number.
    pub fn add(&mut self) -> usize {
        self.is_waiting = false;
        self.inputs.push(Input { watermark: Watermark::MIN, idle: false, ended: false, aligned: true });
        self.inputs.len() - 1
    }

    /// The merged watermark so far.
    pub fn current(&self) -> Watermark {
        self.emitted
    }

    /// An input's watermark has risen. A watermark on an idle input is ignored.
    pub fn advance(&mut self, input: usize, watermark: Watermark) -> Change {
        let emitted = self.emitted;
        let state = &mut self.inputs[input];
        if !state.idle && watermark > state.watermark {
            state.watermark = watermark;
            state.aligned |= watermark >= emitted;
        }
        self.merge()
    }

    /// An input has become idle or active.
    pub fn set_idle(&mut self, input: usize, idle: bool) -> Change {
        let emitted = self.emitted;
        let state = &mut self.inputs[input];
        state.idle = idle;
        state.aligned = !idle && state.watermark >= emitted;
        self.merge()
    }

    /// No input is there, but some may be added: until then it is as if all were idle.
    pub fn wait(&mut self) -> Change {
        self.is_waiting = true;
        self.merge()
    }

    /// An input has ended.
    pub fn end(&mut self, input: usize) -> Change {
        let state = &mut self.inputs[input];
        state.ended = true;
        state.aligned = false;
        self.merge()
    }

    fn merge(&mut self) -> Change {
        let mut change = Change::default();
        let running = || self.inputs.iter().filter(|input| !input.ended);
        let has_ended = running().next().is_none();
        let idle = if has_ended { self.is_waiting } else { running().all(|input| input.idle) };
        if idle != self.emitted_idle {
            self.emitted_idle = idle;
            change.idle = Some(idle);
        }
        let aligned = self.inputs.iter().filter(|input| input.aligned).map(|input| input.watermark).min();
        let merged = match aligned {
            Some(minimum) => Some(minimum),
            // The end of one input says nothing of the time of those that are only idle.
            None if has_ended => self.inputs.iter().map(|input| input.watermark).max(),
            None if idle => running().map(|input| input.watermark).max(),
            None => None,
        };
        if let Some(merged) = merged.filter(|merged| *merged > self.emitted) {
            self.emitted = merged;
            change.watermark = Some(merged);
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(change: Change) -> Option<i64> {
        change.watermark.map(|watermark| watermark.0)
    }

    #[test]
    fn the_minimum_counts_and_never_goes_back() {
        let mut merger = WatermarkMerger::new(2);
        assert_eq!(raised(merger.advance(0, Watermark(10))), None);
        assert_eq!(raised(merger.advance(1, Watermark(5))), Some(5));
        assert_eq!(raised(merger.advance(1, Watermark(3))), None);
        assert_eq!(raised(merger.advance(1, Watermark(20))), Some(10));
    }

    #[test]
    fn an_idle_input_is_left_out_until_it_has_caught_up() {
        let mut merger = WatermarkMerger::new(2);
        merger.advance(0, Watermark(10));
        assert_eq!(raised(merger.set_idle(1, true)), Some(10));
        assert_eq!(raised(merger.advance(1, Watermark(99))), None);
        merger.set_idle(1, false);
        merger.advance(1, Watermark(7));
        assert_eq!(raised(merger.advance(0, Watermark(12))), Some(12));
        merger.advance(1, Watermark(12));
        assert_eq!(raised(merger.advance(0, Watermark(15))), None);
        assert_eq!(raised(merger.advance(1, Watermark(13))), Some(13));
    }

    #[test]
    fn an_ended_input_does_not_speak_for_idle_ones() {
        let mut merger = WatermarkMerger::new(2);
        merger.advance(0, Watermark::MAX);
        merger.end(0);
        assert_eq!(raised(merger.advance(1, Watermark(5))), Some(5));
        let change = merger.set_idle(1, true);
        assert_eq!((raised(change), change.idle), (None, Some(true)));
        merger.set_idle(1, false);
        assert_eq!(raised(merger.advance(1, Watermark(9))), Some(9));
    }

    #[test]
    fn without_inputs_it_is_idle_only_if_more_may_come() {
        let mut merger = WatermarkMerger::new(0);
        assert_eq!(merger.wait().idle, Some(true));
        let input = merger.add();
        let change = merger.advance(input, Watermark(3));
        assert_eq!((raised(change), change.idle), (Some(3), Some(false)));
    }

    #[test]
    fn when_all_are_idle_the_largest_is_put_out_once() {
        let mut merger = WatermarkMerger::new(2);
        merger.advance(0, Watermark(10));
        merger.advance(1, Watermark(30));
        merger.set_idle(1, true);
        let change = merger.set_idle(0, true);
        assert_eq!((raised(change), change.idle), (Some(30), Some(true)));
        assert_eq!(merger.set_idle(0, false).idle, Some(false));
    }

    #[test]
    fn an_ended_input_neither_holds_back_nor_dominates() {
        let mut merger = WatermarkMerger::new(2);
        merger.advance(0, Watermark::MAX);
        merger.end(0);
        assert_eq!(raised(merger.advance(1, Watermark(5))), Some(5));
        assert_eq!(raised(merger.end(1)), Some(i64::MAX));
    }
}
