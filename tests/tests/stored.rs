//! The register of stored forms (`model::stored`) is whole: each form has fixtures that a test reads, and the code
//! stores nothing that is not in it.

#![allow(clippy::disallowed_methods, reason = "a test panics, prints and waits as it likes")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use model::stored::{FORMS, Form, Place, of_list, of_table};

fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is above")?.to_owned())
}

/// All files below a folder with this extension, relative to it.
fn files(folder: &Path, extension: &str) -> Result<BTreeMap<String, String>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|of| of == extension) {
                let name = path.strip_prefix(folder)?.display().to_string();
                found.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(found)
}

/// The sources of the engine's crates, as `<crate>/src/…`.
fn sources() -> Result<BTreeMap<String, String>> {
    let all = files(&root()?.join("worker"), "rs")?;
    Ok(all.into_iter().filter(|(name, _)| name.split('/').nth(1) == Some("src")).collect())
}

/// Whether a source is part of the product.
fn is_product(name: &str) -> bool {
    let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "frozen.rs" | "testing.rs");
    !name.split('/').any(is_test)
}

/// The part of a source before its inline tests.
fn product(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The fixture files that a version of a form has.
fn belongs(fixture: &str, form: &Form, version: u32) -> bool {
    let ending = format!(".v{version}.txt");
    fixture.strip_suffix(&ending).is_some_and(|name| name.split('/').next() == Some(form.name))
}

#[test]
fn each_version_of_a_form_has_a_fixture_that_a_test_reads() -> Result<()> {
    let fixtures = files(&root()?.join("tests/fixtures/stored"), "txt")?;
    let sources = sources()?;
    let is_read = |fixture: &str| {
        let name = fixture.rsplit_once(".v").map_or(fixture, |(name, _)| name);
        sources.iter().any(|(file, text)| !is_product(file) && text.contains(&format!("\"{name}\"")))
    };
    for form in FORMS {
        for &version in form.versions {
            let mine: Vec<_> = fixtures.keys().filter(|fixture| belongs(fixture, form, version)).collect();
            ensure!(!mine.is_empty(), "the stored form {} has no fixture of version {version}", form.name);
        }
    }
    for fixture in fixtures.keys() {
        let is_listed = FORMS.iter().any(|form| form.versions.iter().any(|&version| belongs(fixture, form, version)));
        ensure!(is_listed, "{fixture} is of no form in the register (model::stored)");
        ensure!(is_read(fixture), "no test reads {fixture}");
    }
    Ok(())
}

/// `operators::rank::rows::RankedRows` of `operators/src/rank/rows.rs`.
fn codec(file: &str, name: &str) -> String {
    let module = file.trim_end_matches(".rs").replacen("/src/", "::", 1).replace('/', "::");
    format!("{module}::{name}")
}

#[test]
fn each_value_of_keyed_state_is_in_the_register() -> Result<()> {
    let listed: BTreeSet<&str> = FORMS.iter().flat_map(|form| form.codecs.iter().copied()).collect();
    let mut found = 0;
    for (file, source) in sources()?.iter().filter(|(file, _)| is_product(file)) {
        for (_, rest) in
            product(source).match_indices(" StateValue for ").map(|(at, text)| source.split_at(at + text.len()))
        {
            let name: String = rest.chars().take_while(|char| char.is_alphanumeric()).collect();
            let codec = codec(file, &name);
            ensure!(listed.contains(codec.as_str()), "{codec} is stored, but not in the register (model::stored)");
            found += 1;
        }
    }
    ensure!(found > 10, "only {found} values of keyed state were found");
    Ok(())
}

/// The texts in quotes of a source.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[test]
fn each_name_that_something_is_stored_under_is_in_the_register() -> Result<()> {
    let sources = sources()?;
    let (mut tables, mut lists) = (0, 0);
    for (file, source) in sources.iter().filter(|(file, _)| is_product(file)) {
        let source = product(source);
        if !file.starts_with("operators/") && !file.starts_with("connectors/") && !file.starts_with("dataflow/") {
            continue;
        }
        for name in literals(source).filter(|name| is_versioned(name)) {
            let name = name.replace("{object}", "0");
            ensure!(of_table(&name).is_some(), "{file}: table {name} is not in the register (model::stored)");
            tables += 1;
        }
        for call in ["snapshot.add(", "put_number("] {
            for (at, _) in source.match_indices(call).filter(|(at, _)| !source[..*at].ends_with("fn ")) {
                let argument: String = source[at + call.len()..].chars().take_while(|char| *char != ',').collect();
                let Some(name) = resolved(source, argument.trim()) else { continue };
                ensure!(of_list(&name).is_some(), "{file}: state {name} is not in the register (model::stored)");
                lists += 1;
            }
        }
    }
    ensure!(tables > 10 && lists > 4, "only {tables} tables and {lists} states were found");
    Ok(())
}

/// Whether a text is a name of a table, as `groups-v1` is.
fn is_versioned(text: &str) -> bool {
    let is_name = |char: char| char.is_ascii_alphanumeric() || "-{}".contains(char);
    let versioned = text.rsplit_once("-v").is_some_and(|(_, version)| version.parse::<u32>().is_ok());
    versioned && text.chars().all(is_name)
}

/// A name that is given as it is or by a constant of the same file; none for a parameter.
fn resolved(source: &str, argument: &str) -> Option<String> {
    if let Some(literal) = argument.strip_prefix('"') {
        return Some(literal.trim_end_matches('"').to_owned());
    }
    let declared = format!("const {argument}: &str = \"");
    let rest = &source[source.find(&declared)? + declared.len()..];
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

#[test]
fn the_page_about_stored_forms_is_up_to_date() -> Result<()> {
    let path = root()?.join("docs/stored-forms.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page)?;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    ensure!(found == page, "docs/stored-forms.md is out of date: UPDATE=1 writes it anew");
    Ok(())
}

fn page() -> String {
    let mut page = String::from(
        "# Stored forms\n\nEverything that Sluice writes to storage has one of these forms. Made from `worker/model/src/stored.rs`, the \
         register, by\n`tests/tests/stored.rs` (`UPDATE=1` writes it anew).\n\n\
         A form never changes: what is to be written otherwise gets the next version, and the versions before stay readable, or are\n\
         refused by name. Each version has byte fixtures in `tests/fixtures/stored/`, which tests of the crate that has the codec read\n\
         and write. `ADD_FIXTURES=1` adds examples of a new version; none that exists is ever rewritten.\n\n\
         | number | form | versions | stored | holds |\n|---|---|---|---|---|\n",
    );
    for form in FORMS {
        let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let place = match form.place {
            Place::Part => "in other forms".to_owned(),
            Place::Object => "an object".to_owned(),
            Place::Table(names) => format!("tables {}", quoted(names)),
            Place::List(names) => format!("operator state {}", quoted(names)),
        };
        let versions: Vec<String> = form.versions.iter().map(u32::to_string).collect();
        let (number, name, about) = (form.number, form.name, form.about);
        let _ = writeln!(page, "| {number} | {name} | {} | {place} | {about} |", versions.join(", "));
    }
    page
}
