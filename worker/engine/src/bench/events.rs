//! The events of a benchmark: generated as they are read, or made beforehand as JSON lines.

use std::{fmt, path::PathBuf};

use model::Failure;
use settings::{Settings, keys};

use crate::{
    arguments::{BenchOptions, BenchSource},
    cluster,
    script::{self, Step},
};

/// Where the queries read.
pub(super) enum Events {
    Generated,
    /// A folder of files, removed with this value.
    Json {
        file: PathBuf,
        /// Length of the file.
        bytes: u64,
    },
}

impl Events {
    /// Makes what can be made before the measurements.
    pub(super) async fn make(options: &BenchOptions) -> Result<Self, Failure> {
        if options.source == BenchSource::Generator {
            return Ok(Self::Generated);
        }
        let settings = options.process.settings()?;
        let folder = cluster::local_directory(&settings).join("events");
        let text = format!(
            "{}\nCREATE TABLE events WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json') \
             AS SELECT event_type, person, auction, bid FROM nexmark;",
            tables(&BenchOptions { source: BenchSource::Generator, ..options.clone() }),
            folder.display()
        );
        let mut file = settings;
        file.set(keys::PARALLELISM.name, "1")?;
        let mut steps = script::plan(&text, "events", &file, &Settings::default())?;
        let Some(Step::Job(job)) = steps.pop() else { return Err(Failure::internal("the script has no job")) };
        super::measure::execute(*job, &file, 1).await?;
        let failed = |error: std::io::Error| Failure::external(format!("{}: {error}", folder.display()));
        let mut bytes = 0;
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
        }
        Ok(Self::Json { file: folder, bytes })
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generated => Ok(()),
            Self::Json { bytes, .. } => write!(f, " as {} MB of JSON lines", bytes / 1_000_000),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Self::Json { file, .. } = self {
            let _ = std::fs::remove_dir_all(file);
        }
    }
}

/// The tables that the queries read.
pub(super) fn tables(options: &BenchOptions) -> String {
    let source = match &options.file {
        Some(file) if options.source == BenchSource::Json => {
            format!("'connector' = 'filesystem', 'path' = '{}', 'format' = 'json'", file.display())
        }
        _ => format!(
            "'connector' = 'nexmark', 'first-event.rate' = '1000', 'next-event.rate' = '1000', 'events.num' = '{}'",
            options.events
        ),
    };
    include_str!("tables.sql").replace("{source}", &source)
}
