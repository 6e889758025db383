//! The direction of dependencies between the crates of this workspace, and the packages that a crate must not need. A
//! new edge is a visible line here.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tests::workspace::{self, list};

/// What each crate may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("checkpoint", &["model", "graph"]),
    (
        "connectors",
        &[
            "checkpoint",
            "dataflow",
            "expressions",
            "formats",
            "graph",
            "model",
            "settings",
            "state",
            "storage",
            "values",
        ],
    ),
    ("dataflow", &["checkpoint", "expressions", "graph", "model", "settings", "state", "storage", "values"]),
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
            "values",
            "wire",
        ],
    ),
    ("expressions", &["graph", "model", "values"]),
    ("formats", &["model", "values"]),
    ("graph", &["model"]),
    ("jobmanager", &["checkpoint", "graph", "model", "settings", "storage", "wire"]),
    ("model", &[]),
    ("operator", &[]),
    ("operators", &["checkpoint", "dataflow", "expressions", "graph", "model", "settings", "state", "storage"]),
    ("settings", &["model"]),
    ("sql", &["expressions", "graph", "model", "values"]),
    ("state", &["checkpoint", "model", "storage"]),
    ("storage", &["model"]),
    ("taskmanager", &["checkpoint", "dataflow", "graph", "model", "settings", "state", "storage", "wire"]),
    ("tests", &[]),
    ("values", &["model"]),
    ("wire", &["checkpoint", "graph", "model"]),
];

const PLANNER: &[&str] = &["datafusion", "sqlparser"];
const RUNTIME: &[&str] = &["tokio"];
const STORES: &[&str] = &["object_store", "rocksdb"];
const NETWORK: &[&str] = &["axum", "hyper", "reqwest", "tonic"];
const SERVERS: &[&str] = &["axum", "tonic"];
const KUBERNETES: &[&str] = &["k8s-openapi", "kube"];
const COLUMNS: &[&str] = &["arrow", "parquet"];
/// A second one of what is chosen already: rustls with ring makes all connections.
const SECOND: &[&str] = &["aws-lc-rs", "native-tls", "openssl-sys"];

/// Packages that each crate must not depend on, directly or transitively. A name also covers packages that start with it
/// and a hyphen.
const FORBIDDEN: &[(&str, &[&[&str]])] = &[
    ("checkpoint", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("connectors", &[PLANNER, SERVERS, KUBERNETES, SECOND]),
    ("dataflow", &[PLANNER, SERVERS, KUBERNETES, SECOND]),
    ("engine", &[KUBERNETES, SECOND]),
    ("expressions", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("formats", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("graph", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("jobmanager", &[PLANNER, &["rocksdb"], KUBERNETES, SECOND]),
    ("model", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("operator", &[PLANNER, STORES, COLUMNS, &["tonic"], SECOND]),
    ("operators", &[PLANNER, SERVERS, KUBERNETES, SECOND]),
    ("settings", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("sql", &[&["rocksdb"], SERVERS, KUBERNETES, SECOND]),
    ("state", &[PLANNER, SERVERS, KUBERNETES, SECOND]),
    ("storage", &[PLANNER, &["rocksdb"], SERVERS, KUBERNETES, SECOND]),
    ("taskmanager", &[PLANNER, KUBERNETES, SECOND]),
    ("tests", &[KUBERNETES, SECOND]),
    ("values", &[PLANNER, RUNTIME, STORES, NETWORK, KUBERNETES, SECOND]),
    ("wire", &[PLANNER, STORES, KUBERNETES, SECOND]),
];

#[test]
fn crates_know_only_what_they_may() -> Result<()> {
    let workspace = workspace::load()?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for id in &workspace.members {
        let name = workspace.name(id);
        let may = allowed.get(name).with_context(|| format!("crate {name} is not in the table"))?;
        for dependency in list(&workspace.packages[id]["dependencies"]) {
            let on = dependency["name"].as_str().context("a name")?;
            // Tests may use more.
            let is_own = dependency["path"].is_string() && dependency["kind"].is_null();
            ensure!(!is_own || may.contains(&on), "{name} must not know {on}");
        }
    }
    Ok(())
}

#[test]
fn crates_need_no_package_that_is_forbidden() -> Result<()> {
    let workspace = workspace::load()?;
    let forbidden: BTreeMap<_, _> = FORBIDDEN.iter().copied().collect();
    let mut found = Vec::new();
    for id in &workspace.members {
        let name = workspace.name(id);
        let groups = forbidden.get(name).with_context(|| format!("crate {name} is not in the table"))?;
        for way in workspace.reached(id).values() {
            let package = way.last().copied().unwrap_or_default();
            let is_one =
                |of: &&str| package.strip_prefix(*of).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            if groups.iter().copied().flatten().any(is_one) {
                found.push(format!("{name} must not need {package}: {}", way.join(" -> ")));
            }
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
