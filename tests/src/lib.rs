//! What the rings of tests share: the `sluice` binary as a child process, its output as a table, test data.
//!
//! It knows the product only from outside: command line, REST, files.

pub mod binary;
pub mod changelog;
pub mod files_job;
pub mod flink_text;
pub mod folder;
pub mod markdown;
pub mod matrix;
pub mod nexmark;
pub mod nexmark_generated;
pub mod proxy;
pub mod s3;
pub mod workspace;
