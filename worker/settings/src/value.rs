//! How values of options are written: durations, sizes, numbers, booleans, words.

use std::time::Duration;

/// A number of bytes, written `64 mb`, `1g`, `1048576`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A type that options may have.
pub trait Value: Sized {
    /// What a wrong value is told to be, e.g. `a duration such as 10 s`.
    const EXPECTED: &'static str;

    /// Reads a value.
    fn read(text: &str) -> Option<Self>;

    /// Reads a value or says what was expected.
    ///
    /// # Errors
    /// The sentence for the user.
    fn parse(text: &str) -> Result<Self, String> {
        Self::read(text.trim()).ok_or_else(|| format!("'{text}' is not {}", Self::EXPECTED))
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(text: &str) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }
}

impl Value for u32 {
    const EXPECTED: &'static str = "a number from 0 to 4294967295";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "a number not below 0";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for f64 {
    const EXPECTED: &'static str = "a number";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text";
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::read(text).map(Some) }
    }
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim().to_ascii_lowercase()))
}

impl Value for Duration {
    const EXPECTED: &'static str = "a duration such as '10 s', '500 ms' or '1 min'";
    fn read(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let millis = match unit.as_str() {
            "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return None,
        };
        Some(Self::from_millis(number.checked_mul(millis)?))
    }
}

impl Value for ByteSize {
    const EXPECTED: &'static str = "a size such as '64 mb'";
    fn read(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let shift = match unit.as_str() {
            "" | "b" | "bytes" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return None,
        };
        number.checked_mul(1 << shift).map(Self)
    }
}

/// An option whose values are words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $($word:literal)|+),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $variant),+ }
        impl Value for $name {
            const EXPECTED: &'static str = concat!("one of", $($(" ", $word),+),+);
            fn read(text: &str) -> Option<Self> {
                $(if [$($word),+].iter().any(|word| word.eq_ignore_ascii_case(text)) { return Some(Self::$variant); })+
                None
            }
        }
    };
}

words! {
    /// Where keyed state is kept.
    StateBackend {
        /// In memory.
        HashMap = "hashmap",
        /// In RocksDB, behind a write-back cache.
        RocksDb = "rocksdb",
    }
}

words! {
    /// How aggregations are split.
    AggPhaseStrategy {
        /// Where it pays.
        Auto = "AUTO",
        /// Wherever it can be.
        TwoPhase = "TWO_PHASE",
        /// Nowhere.
        OnePhase = "ONE_PHASE",
    }
}

words! {
    /// What becomes of a row with a null where the sink's table has NOT NULL.
    NotNullEnforcer {
        /// It fails the job.
        Error = "ERROR",
        /// It is left out.
        Drop = "DROP",
    }
}

words! {
    /// What a restore may repeat.
    CheckpointMode {
        /// Nothing.
        ExactlyOnce = "exactly_once" | "exactly-once",
        /// Rows that were read after the first barrier of a checkpoint had come to an operator, and before the last.
        AtLeastOnce = "at_least_once" | "at-least-once",
    }
}

words! {
    /// What happens after a failure.
    RestartStrategy {
        /// The job fails.
        Off = "none" | "off" | "disable",
        /// A fixed number of restarts with a fixed delay.
        FixedDelay = "fixed-delay" | "fixeddelay",
        /// Delays that grow while failures follow each other.
        ExponentialDelay = "exponential-delay" | "exponentialdelay",
    }
}

/// A time zone by name or offset. Whether there is one of this name is known where a query is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(pub String);

impl Value for TimeZone {
    const EXPECTED: &'static str = "a time zone, as Europe/Berlin or GMT+01:00";
    fn read(text: &str) -> Option<Self> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "/_+-:".contains(letter);
        (!text.is_empty() && text.chars().all(fits)).then(|| Self(text.to_owned()))
    }
}
