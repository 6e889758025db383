//! Golden plans: each `plans/NAME.sql` explained after Nexmark's declarations. `UPDATE=1` writes them.

use std::{env, fs, path::Path};

use crate::support::{nexmark, text};

#[test]
fn plans_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planner/plans");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "sql") || name == "ddl" {
            continue;
        }
        seen += 1;
        let script = fs::read_to_string(&path).unwrap();
        // The last statement is the query.
        let (before, query) = script.trim_end().trim_end_matches(';').rsplit_once(";\n").unwrap_or(("", &script));
        let plan = text(&mut nexmark(), &format!("{before};\nEXPLAIN {}", query.trim_end().trim_end_matches(';')));
        let expected = folder.join(format!("{name}.plan"));
        if env::var_os("UPDATE").is_some() {
            fs::write(&expected, &plan).unwrap();
        }
        let recorded = fs::read_to_string(&expected).unwrap_or_default();
        if recorded != plan {
            wrong.push(format!("{name}: recorded\n{recorded}\nis\n{plan}"));
        }
    }
    assert!(seen > 10, "the queries are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
