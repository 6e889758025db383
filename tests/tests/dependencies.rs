//! The direction of dependencies between the crates of this workspace. A new edge is a visible line here.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What each crate may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("checkpoint", &["model", "graph"]),
    (
        "connectors",
        &["checkpoint", "dataflow", "expressions", "formats", "graph", "model", "settings", "state", "storage"],
    ),
    ("dataflow", &["checkpoint", "expressions", "graph", "model", "settings", "state", "storage"]),
    (
        "engine",
        &[
            "checkpoint",
            "connectors",
            "dataflow",
            "expressions",
            "formats",
            "graph",
            "jobmanager",
            "model",
            "operators",
            "settings",
            "sql",
            "state",
            "storage",
            "taskmanager",
            "wire",
        ],
    ),
    ("expressions", &["graph", "model"]),
    ("formats", &["model"]),
    ("graph", &["model"]),
    ("jobmanager", &["checkpoint", "graph", "model", "settings", "storage", "wire"]),
    ("model", &[]),
    ("operator", &[]),
    ("operators", &["checkpoint", "dataflow", "expressions", "graph", "model", "settings", "state", "storage"]),
    ("settings", &["model"]),
    ("sql", &["expressions", "graph", "model"]),
    ("state", &["checkpoint", "model", "storage"]),
    ("storage", &["model"]),
    ("taskmanager", &["checkpoint", "dataflow", "graph", "model", "settings", "state", "storage", "wire"]),
    ("tests", &[]),
    ("wire", &["checkpoint", "graph", "model"]),
];

#[test]
fn crates_know_only_what_they_may() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is above")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let packages = metadata["packages"].as_array().context("packages")?;
    for package in packages {
        let name = package["name"].as_str().context("a name")?;
        let may = allowed.get(name).with_context(|| format!("crate {name} is not in the table"))?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().context("a name")?;
            // Tests may use more.
            let is_own = dependency["path"].is_string() && dependency["kind"].is_null();
            ensure!(!is_own || may.contains(&on), "{name} must not know {on}");
        }
    }
    Ok(())
}
