//! The pages of decisions: a number means one page, a number without a page is explained, and each page is listed.

#![allow(clippy::disallowed_methods, reason = "a test panics, prints and waits as it likes")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Numbers up to here were given before their use was checked.
const CHECKED: u32 = 16;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decisions")
}

/// The names of the pages by their numbers.
fn pages() -> Result<BTreeMap<u32, String>> {
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let number = name.get(..4).and_then(|number| number.parse::<u32>().ok());
        let number = number.with_context(|| format!("{name} does not begin with a number"))?;
        ensure!(pages.insert(number, name).is_none(), "two pages have the number {number:04}");
    }
    Ok(pages)
}

#[test]
fn every_number_of_a_decision_is_explained() -> Result<()> {
    let text = std::fs::read_to_string(folder().join("README.md")).context("the page about decisions")?;
    let unused = text.lines().find_map(|line| line.strip_prefix("Without a page: ")).context("the unused numbers")?;
    let unused = unused.split('.').next().unwrap_or_default().split(", ").map(str::parse::<u32>);
    let unused = unused.collect::<Result<BTreeSet<_>, _>>()?;
    let pages = pages()?;
    for (number, name) in &pages {
        ensure!(!unused.contains(number), "{name} has a number that is said to be unused");
    }
    for number in (1..=CHECKED).filter(|number| !pages.contains_key(number)) {
        ensure!(unused.contains(&number), "nothing says why {number:04} has no page");
    }
    Ok(())
}

#[test]
fn every_page_is_listed_with_its_title() -> Result<()> {
    let mut list = String::new();
    for (number, name) in pages()? {
        let text = std::fs::read_to_string(folder().join(&name))?;
        let title = text.lines().next().and_then(|line| line.strip_prefix(&format!("# {number}. ")));
        let title = title.with_context(|| format!("{name} does not begin with its number and title"))?;
        list += &format!("- [{number:04}]({name}): {title}\n");
    }
    let path = folder().join("README.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, listed) = text.split_at(text.find("\n- [").context("a list at the end")? + 1);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{list}"))?;
        return Ok(());
    }
    ensure!(listed == list, "docs/decisions/README.md does not list all pages: UPDATE=1 writes the list anew");
    Ok(())
}
