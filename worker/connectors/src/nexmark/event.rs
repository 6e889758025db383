//! Which events there are: their kinds, times, and the ids that exist when they happen.
//!
//! Events repeat in rounds of persons, then auctions, then bids, by their proportions.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use arrow::buffer::NullBuffer;

/// What an event is; the codes of `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

impl Kind {
    pub(super) fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Person),
            1 => Some(Self::Auction),
            2 => Some(Self::Bid),
            _ => None,
        }
    }
}

/// Proportions and event time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) persons: u64,
    pub(super) auctions: u64,
    pub(super) bids: u64,
    /// Events in a second of event time, alternating each half period.
    pub(super) first_rate: u64,
    pub(super) next_rate: u64,
    pub(super) half_period_ms: u64,
    pub(super) base_ms: i64,
}

impl Shape {
    pub(super) fn round(&self) -> u64 {
        self.persons + self.auctions + self.bids
    }

    /// Milliseconds from the base time to an event.
    pub(super) fn elapsed_ms(&self, number: u64) -> u64 {
        let at = |number: u64, rate: u64| (u128::from(number) * 1000 / u128::from(rate)) as u64;
        if self.first_rate == self.next_rate {
            return at(number, self.first_rate);
        }
        let in_half = |rate: u64| (rate.saturating_mul(self.half_period_ms) / 1000).max(1);
        let (first, next) = (in_half(self.first_rate), in_half(self.next_rate));
        let (periods, rest) = (number / (first + next), number % (first + next));
        let start = periods * 2 * self.half_period_ms;
        if rest < first {
            start + at(rest, self.first_rate)
        } else {
            start + self.half_period_ms + at(rest - first, self.next_rate)
        }
    }
}

/// An event: its number, and where in its round it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) round: u64,
    pub(super) offset: u64,
}

impl Event {
    /// How many persons before or at this event, less one.
    #[inline(always)]
    pub(super) fn last_person(self, shape: &Shape) -> u64 {
        self.round * shape.persons + self.offset.min(shape.persons - 1)
    }

    /// How many auctions before or at this event, less one; 0 before the first auction.
    #[inline(always)]
    pub(super) fn last_auction(self, shape: &Shape) -> u64 {
        let begun = (self.offset + 1).saturating_sub(shape.persons).min(shape.auctions);
        (self.round * shape.auctions + begun).saturating_sub(1)
    }
}

/// The events of a batch.
pub(super) struct Events {
    events: Vec<Event>,
    elapsed_ms: Vec<u64>,
    kinds: Kinds,
}

enum Kinds {
    All(Kind),
    /// The kind of each, and for each kind where it is.
    Mixed(Vec<u8>, [NullBuffer; 3]),
}

impl Events {
    /// The events `first..first + count` that are of kind `only`, if given.
    pub(super) fn new(shape: &Shape, first: u64, count: usize, only: Option<Kind>) -> Self {
        let bounds = match only {
            None => 0..shape.round(),
            Some(Kind::Person) => 0..shape.persons,
            Some(Kind::Auction) => shape.persons..shape.persons + shape.auctions,
            Some(Kind::Bid) => shape.persons + shape.auctions..shape.round(),
        };
        let mut events = Vec::with_capacity(count);
        let (mut round, mut offset) = (first / shape.round(), first % shape.round());
        let end = first + count as u64;
        let mut number = first;
        while number < end {
            let from = offset.max(bounds.start);
            for offset in from..bounds.end {
                let number = round * shape.round() + offset;
                if number >= end {
                    break;
                }
                events.push(Event { number, round, offset });
            }
            round += 1;
            offset = 0;
            number = round * shape.round();
        }
        let kinds = match only {
            Some(kind) => Kinds::All(kind),
            None => mixed(shape, &events),
        };
        let elapsed_ms = elapsed(shape, &events);
        Self { events, elapsed_ms, kinds }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Event> + '_ {
        self.events.iter().copied()
    }

    /// Time since the base time, by row.
    pub(super) fn elapsed_ms(&self) -> &[u64] {
        &self.elapsed_ms
    }

    /// Which rows are of a kind: all (none given), some, or none (an error).
    pub(super) fn validity(&self, kind: Kind) -> Result<Option<&NullBuffer>, NoneOfKind> {
        match &self.kinds {
            Kinds::All(all) if *all == kind => Ok(None),
            Kinds::All(_) => Err(NoneOfKind),
            Kinds::Mixed(_, validity) => Ok(Some(&validity[kind as usize])),
        }
    }

    /// The code of each row's kind.
    pub(super) fn codes(&self) -> Vec<i32> {
        match &self.kinds {
            Kinds::All(kind) => vec![*kind as i32; self.events.len()],
            Kinds::Mixed(codes, _) => codes.iter().map(|code| i32::from(*code)).collect(),
        }
    }
}

/// There is no event of a kind.
pub(super) struct NoneOfKind;

fn mixed(shape: &Shape, events: &[Event]) -> Kinds {
    let codes: Vec<u8> = events
        .iter()
        .map(|event| u8::from(event.offset >= shape.persons) + u8::from(event.offset >= shape.persons + shape.auctions))
        .collect();
    let validity = [0u8, 1, 2].map(|kind| codes.iter().map(|code| *code == kind).collect::<Vec<bool>>().into());
    Kinds::Mixed(codes, validity)
}

/// The elapsed time of each event, in ascending order: by addition where the rate is constant.
fn elapsed(shape: &Shape, events: &[Event]) -> Vec<u64> {
    const BY_ADDITION_FROM: u64 = 10_000;
    let rate = shape.first_rate;
    let Some(first) = events.first() else { return Vec::new() };
    if shape.first_rate != shape.next_rate || rate < BY_ADDITION_FROM {
        return events.iter().map(|event| shape.elapsed_ms(event.number)).collect();
    }
    let mut elapsed = shape.elapsed_ms(first.number);
    let mut rest = (u128::from(first.number) * 1000 % u128::from(rate)) as u64;
    let mut previous = first.number;
    events
        .iter()
        .map(|event| {
            rest += (event.number - previous) * 1000;
            previous = event.number;
            while rest >= rate {
                rest -= rate;
                elapsed += 1;
            }
            elapsed
        })
        .collect()
}
