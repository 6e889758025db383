//! What is kept of the sessions of a key.

use model::{EventTime, Failure};
use state::StateValue;

/// The sessions of a key that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sessions {
    pub(super) all: Vec<Session>,
    /// The timer at which the key is looked at next.
    pub(super) timer: Option<EventTime>,
}

/// A window of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The time of its first row.
    pub(crate) start: EventTime,
    /// The gap behind its last row.
    pub(crate) end: EventTime,
    /// Where its operator keeps what belongs to it.
    pub(crate) slot: u32,
}

/// There is nothing to know of a timer but that it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer;

/// Of one session: its bounds (8 bytes each, little endian) and its slot (4 bytes).
const SESSION_BYTES: usize = 20;
/// Stands for no timer.
const NO_TIMER: EventTime = EventTime::MAX;

impl StateValue for Sessions {
    /// The timer, then the sessions.
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timer.unwrap_or(NO_TIMER).to_le_bytes());
        for session in &self.all {
            out.extend_from_slice(&session.start.to_le_bytes());
            out.extend_from_slice(&session.end.to_le_bytes());
            out.extend_from_slice(&session.slot.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let broken = || Failure::data("the stored sessions of a key are not whole");
        let time = |bytes: &[u8]| bytes.first_chunk().map(|bytes| EventTime::from_le_bytes(*bytes)).ok_or_else(broken);
        let timer = Some(time(bytes)?).filter(|timer| *timer != NO_TIMER);
        let stored = bytes[8..].chunks(SESSION_BYTES).map(|bytes| {
            let slot = bytes.get(16..).and_then(|bytes| bytes.first_chunk()).ok_or_else(broken)?;
            Ok(Session { start: time(bytes)?, end: time(&bytes[8..])?, slot: u32::from_le_bytes(*slot) })
        });
        Ok(Self { all: stored.collect::<Result<_, Failure>>()?, timer })
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.all.capacity() * size_of::<Session>()
    }
}

impl StateValue for Timer {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn size_bytes(&self) -> usize {
        0
    }
}
