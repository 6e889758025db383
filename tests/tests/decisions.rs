//! The pages of decisions: a number means one page, and a number without a page is explained.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};

/// Numbers up to here were given before their use was checked.
const CHECKED: u32 = 16;

#[test]
fn every_number_of_a_decision_is_explained() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decisions");
    let text = std::fs::read_to_string(folder.join("README.md")).context("the page about decisions")?;
    let unused = text.lines().find_map(|line| line.strip_prefix("Without a page: ")).context("the unused numbers")?;
    let unused = unused.split('.').next().unwrap_or_default().split(", ").map(str::parse::<u32>);
    let unused = unused.collect::<Result<BTreeSet<_>, _>>()?;
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let number = name.get(..4).and_then(|number| number.parse::<u32>().ok());
        let number = number.with_context(|| format!("{name} does not begin with a number"))?;
        ensure!(pages.insert(number), "two pages have the number {number:04}");
        ensure!(!unused.contains(&number), "{name} has a number that is said to be unused");
    }
    for number in (1..=CHECKED).filter(|number| !pages.contains(number)) {
        ensure!(unused.contains(&number), "nothing says why {number:04} has no page");
    }
    Ok(())
}
