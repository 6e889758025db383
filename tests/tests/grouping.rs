//! Grouping sets over windows: a set may leave the columns of the windows out, as they are columns like others then.

use anyhow::{Context, Result, ensure};
use tests::{changelog, matrix};

const QUERIES: &[(&str, &[&str])] = &[
    // Over the results of windows.
    (
        "SELECT CAST(EXTRACT(SECOND FROM e) AS STRING) AS a, k AS b, SUM(c) AS n FROM (
             SELECT window_start AS s, window_end AS e, k, COUNT(*) AS c
             FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k)
         GROUP BY GROUPING SETS ((s, e, k), (e), (k), ())",
        &["10\tx\t2", "10\ty\t1", "20\tx\t1", "10\t\\N\t3", "20\t\\N\t1", "\\N\tx\t3", "\\N\ty\t1", "\\N\t\\N\t4"],
    ),
    // Over rows with their windows.
    (
        "SELECT CAST(EXTRACT(SECOND FROM window_end) AS STRING) AS a, k AS b, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY GROUPING SETS ((window_start, window_end), (k))",
        &["10\t\\N\t3", "20\t\\N\t1", "\\N\tx\t3", "\\N\ty\t1"],
    ),
    // Over the first row of each window.
    (
        "SELECT CAST(EXTRACT(SECOND FROM window_end) AS STRING) AS a, k AS b, COUNT(*) AS n FROM (
             SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts) AS rn
             FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn = 1
         GROUP BY GROUPING SETS ((window_start, window_end, k), (k))",
        &["10\tx\t1", "10\ty\t1", "20\tx\t1", "\\N\tx\t2", "\\N\ty\t1"],
    ),
    // Each set has them.
    (
        "SELECT CAST(EXTRACT(SECOND FROM window_end) AS STRING) AS a, k AS b, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY GROUPING SETS ((window_start, window_end), (window_start, window_end, k))",
        &["10\t\\N\t3", "20\t\\N\t1", "10\tx\t2", "10\ty\t1", "20\tx\t1"],
    ),
];

#[test]
fn sets_may_leave_windows_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let row = |(k, second): &(&str, u32)| format!("{{\"k\":\"{k}\",\"ts\":\"2024-01-01 00:00:{second:02}\"}}\n");
    let input = folder.path().join("rows.json");
    std::fs::write(&input, [("x", 1), ("y", 2), ("x", 3), ("x", 12)].iter().map(row).collect::<String>())?;
    for (query, rows) in QUERIES {
        let job = folder.path().join("job.sql");
        let script = format!(
            "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
             WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');\n{query};",
            input.display()
        );
        std::fs::write(&job, script)?;
        let mut expected = changelog::Table::new();
        rows.iter().for_each(|row| *expected.entry((*row).to_owned()).or_default() += 1);
        for setup in matrix::setups() {
            let output = setup.run(&job)?;
            let columns = ["a", "b", "n"].map(str::to_owned);
            let actual = changelog::materialize(&output, &columns).with_context(|| (*query).to_owned())?;
            let difference = changelog::difference(&actual, &expected).unwrap_or_default();
            ensure!(difference.is_empty(), "{setup}\n{query}\n{difference}");
        }
    }
    Ok(())
}
