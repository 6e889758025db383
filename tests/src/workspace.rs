//! What cargo knows of this workspace: its crates, and the packages that they depend on.

#![expect(clippy::disallowed_methods, reason = "drives processes")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The packages that this machine's build needs, and how they depend on each other.
pub struct Workspace {
    /// Every package by its id.
    pub packages: BTreeMap<String, Value>,
    /// The ids of our own crates.
    pub members: BTreeSet<String>,
    /// What each package needs to be built and run, by id; what only its tests need is not among it.
    needs: BTreeMap<String, Vec<String>>,
}

/// The folder of the workspace.
///
/// # Errors
/// If this crate has been moved out of it.
pub fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is above")?.to_owned())
}

/// The packages of the workspace as cargo resolves them.
///
/// # Errors
/// If cargo fails, for example because the lock file is not up to date.
pub fn load() -> Result<Workspace> {
    let host = run("rustc", &["-vV"])?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
    let metadata: Value = serde_json::from_str(&run(&cargo, &metadata)?)?;
    let id = |value: &Value| value.as_str().map(str::to_owned).context("an id");
    let packages = list(&metadata["packages"]).map(|package| Ok((id(&package["id"])?, package.clone())));
    let members = list(&metadata["workspace_members"]).map(id);
    let nodes = list(&metadata["resolve"]["nodes"]).map(|node| {
        let is_needed = |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev");
        let needs = list(&node["deps"]).filter(is_needed).map(|dependency| id(&dependency["pkg"]));
        Ok((id(&node["id"])?, needs.collect::<Result<_>>()?))
    });
    Ok(Workspace {
        packages: packages.collect::<Result<_>>()?,
        members: members.collect::<Result<_>>()?,
        needs: nodes.collect::<Result<_>>()?,
    })
}

impl Workspace {
    /// The name of a package.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.packages.get(id).and_then(|package| package["name"].as_str()).unwrap_or(id)
    }

    /// The packages that one needs, directly or through others, each with the names on the shortest way to it.
    pub fn reached<'a>(&'a self, from: &'a str) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut ways = BTreeMap::from([(from, vec![self.name(from)])]);
        let mut open = VecDeque::from([from]);
        while let Some(id) = open.pop_front() {
            for next in self.needs.get(id).into_iter().flatten() {
                if !ways.contains_key(next.as_str()) {
                    let mut way = ways[id].clone();
                    way.push(self.name(next));
                    ways.insert(next, way);
                    open.push_back(next);
                }
            }
        }
        ways.remove(from);
        ways
    }
}

/// The elements of a JSON array.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root()?).output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
