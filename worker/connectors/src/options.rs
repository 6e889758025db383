//! Reading a table's `WITH (…)`: the options a connector asks for are the ones it has.

use std::collections::BTreeSet;

use graph::TableSpec;
use model::Failure;
use settings::Value;

/// Reads options by name and remembers which names exist, so that [`Self::finish`] can refuse all others.
pub(crate) struct OptionReader<'a> {
    table: &'a TableSpec,
    known: BTreeSet<String>,
}

impl<'a> OptionReader<'a> {
    pub(crate) fn new(table: &'a TableSpec) -> Self {
        Self { table, known: BTreeSet::from(["connector".to_owned()]) }
    }

    /// The value of an option that need not be given.
    pub(crate) fn optional<T: Value>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        self.known.insert(name.to_owned());
        match self.table.options.get(name) {
            None => Ok(None),
            Some(text) => T::parse(text).map(Some).map_err(|problem| self.wrong(name, problem)),
        }
    }

    /// The text of an option as it is given, with all its spaces.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.known.insert(name.to_owned());
        self.table.options.get(name).cloned()
    }

    /// The value of an option, or its default.
    pub(crate) fn get<T: Value>(&mut self, name: &str, default: T) -> Result<T, Failure> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// The value of an option that must be given; `meaning` says what it is.
    pub(crate) fn required<T: Value>(&mut self, name: &str, meaning: &str) -> Result<T, Failure> {
        self.optional(name)?.ok_or_else(|| {
            Failure::user(format!(
                "table {}: connector '{}' needs the option '{name}': {meaning}",
                self.table.name,
                self.table.connector()
            ))
        })
    }

    /// One of a few words; the first is the default.
    pub(crate) fn word(&mut self, name: &str, allowed: &[&'static str]) -> Result<&'static str, Failure> {
        let Some(text) = self.optional::<String>(name)? else { return Ok(allowed[0]) };
        allowed
            .iter()
            .find(|word| word.eq_ignore_ascii_case(text.trim()))
            .copied()
            .ok_or_else(|| self.wrong(name, format!("'{text}' is not one of {}", allowed.join(", "))))
    }

    /// `sink.parallelism`, if it is given.
    pub(crate) fn sink_parallelism(&mut self) -> Result<Option<u32>, Failure> {
        let name = "sink.parallelism";
        match self.optional(name)? {
            Some(0) => Err(self.wrong(name, "must be above 0")),
            parallelism => Ok(parallelism),
        }
    }

    /// `scan.rows-per-second`, if it is given.
    pub(crate) fn rows_per_second(&mut self) -> Result<Option<f64>, Failure> {
        let name = "scan.rows-per-second";
        match self.optional::<f64>(name)? {
            Some(rate) if !rate.is_finite() || rate <= 0.0 => Err(self.wrong(name, "must be above 0 and finite")),
            rate => Ok(rate),
        }
    }

    /// A single character, such as a delimiter; `\t` is a tab, and `\u0001` the character of that number.
    pub(crate) fn character(&mut self, name: &str) -> Result<Option<u8>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.strip_prefix("\\u").filter(|digits| digits.len() == 4);
        let number = number.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match text.as_str() {
            "\\t" => Ok(Some(b'\t')),
            text if text.len() == 1 => Ok(Some(text.as_bytes()[0])),
            _ => match number.filter(u8::is_ascii) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, format!("'{text}' is not a single ASCII character"))),
            },
        }
    }

    /// A failure about the value of an option.
    pub(crate) fn wrong(&self, name: &str, problem: impl std::fmt::Display) -> Failure {
        Failure::user(format!("table {}: option '{name}': {problem}", self.table.name))
    }

    /// Refuses options that were never asked for.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.table.options.keys().find(|name| !self.known.contains(*name)) {
            None => Ok(()),
            Some(unknown) => {
                let near = settings::nearest(unknown, self.known.iter().map(String::as_str));
                let hint = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                Err(Failure::user(format!(
                    "table {}: connector '{}' has no option '{unknown}'; it has: {}{hint}",
                    self.table.name,
                    self.table.connector(),
                    self.known.into_iter().collect::<Vec<_>>().join(", ")
                )))
            }
        }
    }
}
