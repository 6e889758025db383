//! The list of decisions: every page is in it, and every number that has no page is explained.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};

#[test]
fn every_number_of_a_decision_is_explained() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decisions");
    let list = std::fs::read_to_string(folder.join("README.md")).context("the list of decisions")?;
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let number = name.get(..4).and_then(|number| number.parse::<u32>().ok());
        let number = number.with_context(|| format!("{name} does not begin with a number"))?;
        ensure!(numbers.insert(number), "two pages have the number {number:04}");
        ensure!(list.contains(&format!("({name})")), "docs/decisions/README.md does not list {name}");
    }
    let last = numbers.last().copied().context("a decision")?;
    for number in (1..=last).filter(|number| !numbers.contains(number)) {
        ensure!(
            list.contains(&format!("{number:04}")),
            "docs/decisions/README.md does not say why {number:04} has no page"
        );
    }
    Ok(())
}
