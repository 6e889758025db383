//! Connectors: sources and sinks of tables, a file or folder each, behind one registry.
//!
//! It must not know operators, SQL text, nor how and where tasks run.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::disallowed_methods,
        clippy::too_many_lines,
        reason = "tests"
    )
)]

mod blackhole;
mod collect;
mod datagen;
mod environment;
mod filesystem;
mod generator;
mod nexmark;
mod options;
mod print;
mod random;
mod rate;
mod registry;
mod values;

#[cfg(test)]
#[path = "../../../tests/fixtures/stored.rs"]
mod fixtures;
#[cfg(test)]
mod testing;

pub use environment::{Collector, Environment, PrintOutput};
pub use print::value_text;
pub use registry::{build_sink, build_source, catalog, enumerate_splits};

use graph::operator::SourceSpec;

/// The columns a source gives, as formats take them.
fn output_columns(spec: &SourceSpec) -> Vec<formats::Column> {
    let columns = spec.columns.iter();
    columns.map(|column| formats::Column { path: column.path.clone(), data_type: column.data_type.clone() }).collect()
}
