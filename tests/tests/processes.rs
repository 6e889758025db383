//! A JobManager and two TaskManagers as processes: Nexmark queries run whole at parallelism 1 and 4, and are stopped with a
//! savepoint half-way and restored at another parallelism; they give Flink's rows.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tests::{
    binary::{self, Running},
    changelog::{self, Table},
    nexmark,
};

const DEADLINE: Duration = Duration::from_secs(60);

struct Cluster {
    folder: PathBuf,
    rest: String,
    _processes: Vec<Running>,
}

impl Cluster {
    fn start(folder: &Path, backend: &str) -> Result<Self> {
        let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
        let config = folder.join("config.yaml");
        std::fs::write(
            &config,
            format!(
                "rest.port: {rest}\njobmanager.rpc.port: {rpc}\ntaskmanager.numberOfTaskSlots: 2\nstate.backend.type: {backend}\n\
                 pipeline.max-parallelism: 128\nstate.backend.local-dir: {0}\nexecution.checkpointing.dir: {0}/checkpoints\n\
                 execution.checkpointing.savepoint-dir: {0}/savepoints\nexecution.checkpointing.interval: 200 ms\n",
                folder.display()
            ),
        )?;
        let process = |name: &str, log: &str| -> Result<Running> {
            let out = File::create(folder.join(format!("{log}.out")))?;
            let log = File::create(folder.join(format!("{log}.log")))?;
            let mut command = binary::command(&[name, "--config", &config.display().to_string()])?;
            Ok(Running(command.stdout(out).stderr(log).spawn()?))
        };
        let processes = vec![
            process("jobmanager", "jobmanager")?,
            process("taskmanager", "worker-1")?,
            process("taskmanager", "worker-2")?,
        ];
        let cluster =
            Self { folder: folder.to_owned(), rest: format!("http://127.0.0.1:{rest}"), _processes: processes };
        binary::wait_for("the JobManager", DEADLINE, || {
            Ok(binary::output(&["list", "--jobmanager", &cluster.rest])?.status.success().then_some(()))
        })?;
        Ok(cluster)
    }

    fn submit(&self, script: &str, parallelism: u32, from: Option<&str>) -> Result<String> {
        let path = self.folder.join("job.sql");
        std::fs::write(&path, script)?;
        let (path, parallelism) = (path.display().to_string(), format!("parallelism.default={parallelism}"));
        let mut arguments = vec!["run", "-d", "--jobmanager", &self.rest, "--set", &parallelism];
        if let Some(from) = from {
            arguments.extend(["--from", from]);
        }
        arguments.push(&path);
        Ok(binary::run(&arguments)?.trim().to_owned())
    }

    fn state(&self, job: &str) -> Result<Option<String>> {
        let jobs = binary::run(&["list", "--jobmanager", &self.rest])?;
        let line = jobs.lines().find(|line| line.starts_with(job));
        Ok(line.and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned))
    }

    fn wait_for_state(&self, job: &str, wanted: &str) -> Result<()> {
        binary::wait_for(&format!("{job} {wanted}"), DEADLINE, || {
            let state = self.state(job)?;
            ensure!(state.as_deref() != Some("FAILED") || wanted == "FAILED", "job {job} has failed");
            Ok((state.as_deref() == Some(wanted)).then_some(()))
        })
    }

    /// What the `print` sinks of both TaskManagers have written under an identifier.
    fn printed(&self, identifier: &str) -> Result<Table> {
        let mut table = Table::new();
        for worker in ["worker-1", "worker-2"] {
            let text = std::fs::read_to_string(self.folder.join(format!("{worker}.out")))?;
            for line in text.lines().filter(|line| line.starts_with(identifier)) {
                let (_, change) = line.split_once("> ").with_context(|| line.to_owned())?;
                let (kind, row) = change.split_at(2);
                *table.entry(row.to_owned()).or_default() += if matches!(kind, "+I" | "+U") { 1 } else { -1 };
            }
        }
        table.retain(|_, count| *count != 0);
        Ok(table)
    }
}

/// Flink's rows as `print` shows them.
fn expected(query: &str) -> Result<Table> {
    let (_, rows) = nexmark::expected(query)?;
    fn field(text: &str) -> &str {
        if text == "\\N" { "null" } else { text }
    }
    let printed = |row: &String| format!("[{}]", row.split('\t').map(field).collect::<Vec<_>>().join(", "));
    Ok(rows.iter().map(|(row, count)| (printed(row), *count)).collect())
}

/// The queries, with the columns of their results: each kind of state once at least.
const COLUMNS: &[(&str, &str)] = &[
    ("q0", "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra STRING"),
    ("q1", "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra STRING"),
    ("q2", "auction BIGINT, price BIGINT"),
    ("q3", "name STRING, city STRING, state STRING, id BIGINT"),
    ("q4", "category BIGINT, final BIGINT"),
    ("q5", "auction BIGINT, num BIGINT"),
    (
        "q9",
        "id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP(3), \
         expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING, auction BIGINT, bidder BIGINT, \
         price BIGINT, bid_dateTime TIMESTAMP(3), bid_extra STRING",
    ),
    (
        "q17",
        "auction BIGINT, `day` STRING, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT, \
         min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT",
    ),
];

fn script(cluster: &Cluster, identifier: &str, columns: &str, select: &str, options: &str) -> String {
    let tables = nexmark::tables(&cluster.folder.join("events.jsonl"), options);
    format!(
        "{tables} CREATE TABLE result ({columns}) WITH ('connector' = 'print', 'print-identifier' = '{identifier}');\n\
         INSERT INTO result {select};"
    )
}

fn stopped_and_restored(cluster: &Cluster, query: &str, columns: &str, select: &str) -> Result<()> {
    let slow = script(cluster, query, columns, select, ", 'scan.rows-per-second' = '10000'");
    let first = cluster.submit(&slow, 4, None)?;
    cluster.wait_for_state(&first, "RUNNING")?;
    binary::wait_for("the first rows", DEADLINE, || Ok((!cluster.printed(query)?.is_empty()).then_some(())))?;
    let savepoint = binary::run(&["stop", &first, "--jobmanager", &cluster.rest])?;
    let half: i64 = cluster.printed(query)?.values().sum();
    let second = cluster.submit(&script(cluster, query, columns, select, ""), 2, Some(savepoint.trim()))?;
    cluster.wait_for_state(&second, "FINISHED")?;
    compare(cluster, query, query).with_context(|| format!("{query}, {half} rows at the savepoint"))
}

fn whole(cluster: &Cluster, query: &str, columns: &str, select: &str, parallelism: u32) -> Result<()> {
    let identifier = format!("whole-{parallelism}-{query}");
    let job = cluster.submit(&script(cluster, &identifier, columns, select, ""), parallelism, None)?;
    cluster.wait_for_state(&job, "FINISHED")?;
    compare(cluster, query, &identifier).with_context(|| format!("{query}, parallelism {parallelism}"))
}

/// What was printed under an identifier against Flink's rows.
fn compare(cluster: &Cluster, query: &str, identifier: &str) -> Result<()> {
    let expected = expected(query)?;
    // What a process has printed may still be on its way to the file.
    let equal = binary::wait_for("all rows", Duration::from_secs(10), || {
        Ok((changelog::difference(&cluster.printed(identifier)?, &expected).is_none()).then_some(()))
    });
    let difference = changelog::difference(&cluster.printed(identifier)?, &expected);
    equal.with_context(|| difference.unwrap_or_default())
}

fn check(cluster: &Cluster, query: &str, columns: &str, select: &str) -> Result<()> {
    stopped_and_restored(cluster, query, columns, select)?;
    whole(cluster, query, columns, select, 1)?;
    whole(cluster, query, columns, select, 4)
}

fn check_all(backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    nexmark::events(folder.path())?;
    let cluster = Cluster::start(folder.path(), backend)?;
    for (query, columns) in COLUMNS {
        let (_, select) = nexmark::QUERIES.iter().find(|(name, _)| name == query).context("a query")?;
        check(&cluster, query, columns, select).with_context(|| {
            let log = std::fs::read_to_string(folder.path().join("jobmanager.log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(8).collect();
            format!("{query}, {backend}; the JobManager's last words:\n{}", last.join("\n"))
        })?;
    }
    Ok(())
}

#[test]
fn queries_in_memory() -> Result<()> {
    check_all("hashmap")
}

#[test]
fn queries_in_rocksdb() -> Result<()> {
    check_all("rocksdb")
}
