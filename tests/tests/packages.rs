//! What our crates declare, and what comes with it: every declared dependency is used, every licence is allowed, and a
//! package that is built in two versions is a visible line here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::workspace::{self, Workspace, list};

/// Dependencies that no source names: generated code needs them.
const UNNAMED: &[(&str, &str)] = &[("wire", "prost"), ("wire", "tonic-prost")];

/// Licences that may be linked into the product.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that are built in several versions, how many, and who needs the others than the newest.
const SEVERAL: &[(&str, usize, &str)] = &[
    ("base64", 2, "kube, object_store, reqwest, tonic"),
    ("cpufeatures", 2, "sha1, sha2"),
    ("foldhash", 2, "hashbrown 0.15"),
    ("getrandom", 3, "ring, ahash, rand 0.9"),
    ("hashbrown", 4, "dashmap, petgraph, kube-runtime"),
    ("itertools", 3, "bindgen, object_store, prost"),
    ("logos", 2, "protox"),
    ("logos-codegen", 2, "protox"),
    ("logos-derive", 2, "protox"),
    ("num-bigint", 2, "bigdecimal"),
    ("rand", 2, "datafusion"),
    ("rand_core", 2, "rand 0.9"),
    ("shlex", 2, "bindgen"),
    ("syn", 2, "most derive macros"),
    ("unicode-width", 2, "miette"),
];

#[test]
fn declared_dependencies_are_used() -> Result<()> {
    let workspace = workspace::load()?;
    let names = library_names(&workspace);
    let mut unused = Vec::new();
    for id in &workspace.members {
        let package = &workspace.packages[id];
        let name = workspace.name(id);
        let folder = Path::new(package["manifest_path"].as_str().context("a path")?).parent().context("a folder")?;
        for dependency in list(&package["dependencies"]) {
            let on = dependency["name"].as_str().context("a name")?;
            let named = dependency["rename"].as_str().or(names.get(on).map(String::as_str)).unwrap_or(on);
            let text = match dependency["kind"].as_str() {
                // Tests are what this crate is for.
                None if name == "tests" => sources(folder, &["src", "tests"])?,
                None => sources(folder, &["src"])?,
                Some("build") => sources(folder, &["build.rs"])?,
                Some(_) => sources(folder, &["src", "tests", "examples", "benches"])?,
            };
            if !UNNAMED.contains(&(name, on)) && !names_crate(&text, &named.replace('-', "_")) {
                unused.push(format!("{name} declares {on} and does not use it"));
            }
        }
    }
    ensure!(unused.is_empty(), "{}", unused.join("\n"));
    Ok(())
}

#[test]
fn shared_declarations_are_used() -> Result<()> {
    let workspace = workspace::load()?;
    let text = fs::read_to_string(workspace::root()?.join("Cargo.toml"))?;
    let (_, section) = text.split_once("[workspace.dependencies]\n").context("a section")?;
    let declared = section.lines().take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    let used: Vec<&str> = workspace
        .members
        .iter()
        .flat_map(|id| list(&workspace.packages[id]["dependencies"]))
        .filter_map(|dependency| dependency["name"].as_str())
        .collect();
    let mut count = 0;
    for name in declared.filter_map(|line| line.split_once(" = ").map(|(name, _)| name)) {
        ensure!(used.contains(&name), "the workspace declares {name} and no crate uses it");
        count += 1;
    }
    ensure!(count > 40, "the section has {count} lines: is it read?");
    Ok(())
}

#[test]
fn licences_are_allowed() -> Result<()> {
    let workspace = workspace::load()?;
    let mut refused = Vec::new();
    for package in workspace.packages.values() {
        let (name, version) = (&package["name"], &package["version"]);
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => refused.push(format!("{name} {version}: {licence}")),
            None => refused.push(format!("{name} {version} names no licence")),
        }
    }
    ensure!(refused.is_empty(), "licences that are not allowed:\n{}", refused.join("\n"));
    Ok(())
}

#[test]
fn versions_beside_each_other_are_known() -> Result<()> {
    let workspace = workspace::load()?;
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, package) in &workspace.packages {
        versions.entry(workspace.name(id)).or_default().push(package["version"].as_str().context("a version")?);
    }
    let known: BTreeMap<_, _> = SEVERAL.iter().map(|(name, count, _)| (*name, *count)).collect();
    let mut wrong = Vec::new();
    for (name, found) in &versions {
        let expected = known.get(name).copied().unwrap_or(1);
        if found.len() != expected {
            wrong.push(format!("{name}: {} versions ({}), the table says {expected}", found.len(), found.join(", ")));
        }
    }
    wrong.extend(known.keys().filter(|name| !versions.contains_key(*name)).map(|name| format!("{name}: is gone")));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The names by which sources know the packages.
fn library_names(workspace: &Workspace) -> BTreeMap<&str, String> {
    let is_library =
        |target: &&Value| list(&target["kind"]).any(|kind| ["lib", "proc-macro", "rlib"].iter().any(|of| kind == of));
    let library = |package: &Value| list(&package["targets"]).find(is_library)?["name"].as_str().map(str::to_owned);
    workspace.packages.iter().filter_map(|(id, package)| Some((workspace.name(id), library(package)?))).collect()
}

/// The text of a crate's sources without comments.
fn sources(folder: &Path, parts: &[&str]) -> Result<String> {
    let mut open: Vec<PathBuf> = parts.iter().map(|part| folder.join(part)).filter(|path| path.exists()).collect();
    let mut text = String::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(&path)?.lines() {
                text.push_str(line.split("//").next().unwrap_or_default());
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// Whether a path in the text begins with the crate's name.
fn names_crate(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let is_word = |next: char| next.is_alphanumeric() || next == '_';
        // `::name` is a path's beginning only if nothing is in front of the colons.
        let outside = before.strip_suffix("::").unwrap_or(before);
        let begins =
            !outside.ends_with(|next: char| is_word(next) || next == '.' || (outside != before && next == '>'));
        begins && (after.starts_with("::") || (before.ends_with("use ") && !after.starts_with(is_word)))
    })
}

/// Whether a licence expression can be met with licences that are allowed.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let allowed = any_of(words, at);
        *at += 1;
        return allowed && words.get(*at - 1) == Some(&")");
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH")
        && let Some(exception) = words.get(*at + 1)
    {
        name = format!("{name} WITH {exception}");
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn licence_expressions_are_read() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT AND (GPL-3.0-only OR ISC)", true),
        ("(GPL-3.0-only AND MIT) OR LGPL-2.1-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-2.0-only WITH Classpath-exception-2.0", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), expected, "{expression}");
    }
}

#[test]
fn names_of_crates_are_found() {
    for (text, expected) in [
        ("use bytes::Bytes;", true),
        ("    bytes::Bytes,", true),
        ("use bytes;", true),
        ("let all = ::bytes::Bytes::new();", true),
        ("other::bytes::Bytes", false),
        ("my_bytes::Bytes", false),
        ("self.bytes::<T>()", false),
        ("use bytes_more;", false),
        ("let bytes = 1;", false),
    ] {
        assert_eq!(names_crate(text, "bytes"), expected, "{text}");
    }
}
