//! A JobManager and two TaskManagers as processes: Nexmark queries are stopped with a savepoint half-way, restored at
//! another parallelism, and give Flink's rows.

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

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Cluster {
    fn start(folder: &Path, backend: &str) -> Result<Self> {
        let (rest, rpc) = (free_port()?, free_port()?);
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

fn check(cluster: &Cluster, query: &str, select: &str) -> Result<()> {
    let events = cluster.folder.join("events.jsonl");
    let script = |options: &str| {
        let columns = match query {
            "q0" => "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra STRING",
            "q1" => "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra STRING",
            "q2" => "auction BIGINT, price BIGINT",
            "q3" => "name STRING, city STRING, state STRING, id BIGINT",
            _ => {
                "auction BIGINT, `day` STRING, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT, \
                 min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT"
            }
        };
        let tables = nexmark::tables(&events, options);
        format!(
            "{tables} CREATE TABLE result ({columns}) WITH ('connector' = 'print', 'print-identifier' = '{query}');\n\
             INSERT INTO result {select};"
        )
    };
    let first = cluster.submit(&script(", 'scan.rows-per-second' = '10000'"), 4, None)?;
    cluster.wait_for_state(&first, "RUNNING")?;
    binary::wait_for("the first rows", DEADLINE, || Ok((!cluster.printed(query)?.is_empty()).then_some(())))?;
    let savepoint = binary::run(&["stop", &first, "--jobmanager", &cluster.rest])?;
    let half: i64 = cluster.printed(query)?.values().sum();
    let second = cluster.submit(&script(""), 2, Some(savepoint.trim()))?;
    cluster.wait_for_state(&second, "FINISHED")?;
    let expected = expected(query)?;
    // What a process has printed may still be on its way to the file.
    let equal = binary::wait_for("all rows", Duration::from_secs(10), || {
        Ok((changelog::difference(&cluster.printed(query)?, &expected).is_none()).then_some(()))
    });
    let difference = changelog::difference(&cluster.printed(query)?, &expected);
    equal.with_context(|| format!("{query}, {half} rows at the savepoint: {}", difference.unwrap_or_default()))
}

fn check_all(backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    nexmark::events(folder.path())?;
    let cluster = Cluster::start(folder.path(), backend)?;
    for (query, select) in nexmark::QUERIES {
        check(&cluster, query, select).with_context(|| {
            let log = std::fs::read_to_string(folder.path().join("jobmanager.log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(8).collect();
            format!("{query}, {backend}; the JobManager's last words:\n{}", last.join("\n"))
        })?;
    }
    Ok(())
}

#[test]
fn stopped_and_restored_in_memory() -> Result<()> {
    check_all("hashmap")
}

#[test]
fn stopped_and_restored_in_rocksdb() -> Result<()> {
    check_all("rocksdb")
}
