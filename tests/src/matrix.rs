//! The setups in which a script gives the same rows: parallelism, state backend, with and without mini-batches.

use std::{fmt, path::Path};

use anyhow::Result;

use crate::binary;

/// One setup of a job.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// `parallelism.default`.
    pub parallelism: u32,
    /// `state.backend.type`.
    pub backend: &'static str,
    /// Whether rows are aggregated in mini-batches.
    pub mini_batch: bool,
}

/// All setups.
pub fn setups() -> impl Iterator<Item = Setup> {
    let both = |parallelism, backend| {
        [false, true].into_iter().map(move |mini_batch| Setup { parallelism, backend, mini_batch })
    };
    [(1, "hashmap"), (1, "rocksdb"), (3, "hashmap"), (3, "rocksdb")]
        .into_iter()
        .flat_map(move |(parallelism, backend)| both(parallelism, backend))
}

impl Setup {
    /// Runs a script to its end, and gives the changes of its last query.
    ///
    /// # Errors
    /// As [`binary::run`].
    pub fn run(&self, script: &Path) -> Result<String> {
        let (options, script) = (self.arguments(), script.display().to_string());
        let mut arguments = vec!["run", "--output", "jsonl"];
        arguments.extend(options.iter().map(String::as_str).chain([script.as_str()]));
        binary::run(&arguments)
    }

    /// The arguments of `sluice run`. Mini-batches are so small that several end before the input does.
    pub fn arguments(&self) -> Vec<String> {
        let mut options = vec![
            format!("parallelism.default={}", self.parallelism),
            format!("state.backend.type={}", self.backend),
            format!("table.exec.mini-batch.enabled={}", self.mini_batch),
        ];
        if self.mini_batch {
            options.extend(["allow-latency=15 ms", "size=3"].map(|option| format!("table.exec.mini-batch.{option}")));
        }
        options.into_iter().flat_map(|option| ["--set".to_owned(), option]).collect()
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parallelism, backend, mini_batch } = self;
        write!(out, "parallelism {parallelism}, {backend}, mini-batches {mini_batch}")
    }
}
