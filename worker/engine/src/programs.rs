//! The check of a program before it takes the place of the one that runs: the planning of a start, without the start.

use std::collections::BTreeMap;

use jobmanager::ProgramCheck;
use model::Failure;
use settings::Settings;

use crate::script;

/// What messages call the program: the file's name where the operator puts it.
const NAME: &str = "job";

/// Plans programs.
pub(crate) struct Programs {
    /// Options of the command line, which a start would have, too.
    pub(crate) given: Settings,
}

impl ProgramCheck for Programs {
    fn check(&self, sql: &str, config: &BTreeMap<String, String>) -> Result<(), Failure> {
        let mut file = Settings::from_map(config)?;
        file.merge(&self.given);
        script::application(sql, NAME, &file, &self.given).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use model::ErrorClass;

    use super::*;

    const TABLES: &str = "CREATE TABLE t (a BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE res (a BIGINT) WITH ('connector' = 'blackhole');
";

    fn check(statement: &str, options: &[(&str, &str)]) -> Result<(), Failure> {
        let config = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Programs { given: Settings::default() }.check(&format!("{TABLES}{statement}"), &config)
    }

    fn refused(statement: &str, options: &[(&str, &str)], words: &str) -> Failure {
        let failure = check(statement, options).expect_err(statement);
        assert_eq!(failure.class, ErrorClass::User, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        failure
    }

    #[test]
    fn what_a_start_accepts_is_accepted() {
        check("INSERT INTO res SELECT a FROM t;", &[("parallelism.default", "2")]).expect("a program");
    }

    #[test]
    fn what_a_start_refuses_is_refused_with_its_position() {
        let insert = "INSERT INTO res SELECT a FROM t;";
        refused(insert, &[("no.such", "option")], "no.such");
        refused(insert, &[("parallelism.default", "many")], "parallelism.default");
        let failure = refused("INSERT INTO res SELECT b FROM t;", &[], "b");
        assert_eq!(failure.position.map(|position| (position.line, position.column)), Some((3, 24)), "{failure}");
        let hinted = "INSERT INTO res\nSELECT /*+ STATE_ID('revenue') */ COUNT(b) FROM t GROUP BY a;";
        let failure = refused(hinted, &[], "b");
        assert_eq!(failure.position.map(|position| (position.line, position.column)), Some((4, 41)), "{failure}");
        refused("INSERT INTO res SELEC a FROM t;", &[], "line 3");
        refused("SET 'no.such' = '1';\nINSERT INTO res SELECT a FROM t;", &[], "no.such");
        refused("", &[], "nothing to run");
        refused("INSERT INTO res SELECT a FROM t; INSERT INTO res SELECT a FROM t;", &[], "several jobs");
        refused("SELECT a FROM t;", &[], "nowhere to go");
        let table = "CREATE TABLE u (a BIGINT) WITH ('connector' = 'no-such'); INSERT INTO res SELECT a FROM u;";
        refused(table, &[], "no-such");
    }

    #[test]
    fn deep_nesting_is_checked_on_a_small_stack() {
        let depth = 400;
        let deep = format!("INSERT INTO res SELECT {}a{} FROM t;", "(1 + ".repeat(depth), ")".repeat(depth));
        let checking = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || check(&deep, &[]));
        // Accepted, or refused as too deep: either way the thread lives.
        let outcome = checking.expect("a thread").join().expect("it does not overflow its stack");
        if let Err(failure) = outcome {
            assert_eq!(failure.class, ErrorClass::User, "{failure}");
        }
    }

    #[test]
    fn a_check_makes_no_files() {
        let folder = std::env::temp_dir().join(format!("sluice-check-{}", std::process::id()));
        let path = folder.join("out");
        let statement = format!(
            "CREATE TABLE files (a BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
             INSERT INTO files SELECT a FROM t;",
            path.display()
        );
        let checkpoints = format!("file://{}", folder.join("checkpoints").display());
        check(&statement, &[("execution.checkpointing.dir", checkpoints.as_str())]).expect("a program");
        assert!(!folder.exists(), "{} was made", folder.display());
    }
}
