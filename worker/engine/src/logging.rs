//! Logs: structured lines on standard error, JSON off a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::arguments::Command;

/// Starts logging. `SLUICE_LOG` sets the filter; clients are quiet by default, servers are not.
pub(crate) fn start(command: &Command) {
    let default = match command {
        Command::Jobmanager(_) | Command::Taskmanager(_) => "info",
        _ => "error",
    };
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
