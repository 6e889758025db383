//! What people see on their terminal. The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this module is the program's voice")]

use std::io::{IsTerminal, Write};

use model::Failure;

/// A line on standard output.
pub(crate) fn line(text: &str) {
    // A closed pipe ends the output, not the job.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Text without a line's end on standard output.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    // As above.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Rewrites the status line on standard error.
pub(crate) fn status(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush());
}

/// Removes the status line, so that other output can follow.
pub(crate) fn clear_status() {
    if is_terminal() {
        status("");
    }
}

/// The failure that ends the program.
pub(crate) fn error(failure: &Failure) {
    note(&format!("error: {failure}"));
}

/// Whether people watch.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}
