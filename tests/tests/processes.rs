//! A JobManager and two TaskManagers as processes: Nexmark queries run whole at parallelism 1 and 4, and are stopped with a
//! savepoint half-way and restored from 1 to 4 and from 4 to 1; they give Flink's rows, on both state backends.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    binary::{self, Running},
    changelog::{self, Table},
    folder, nexmark,
};

const DEADLINE: Duration = Duration::from_secs(120);
/// Events of [`nexmark::events`].
const EVENTS: u64 = 20_000;
/// Of which so many are read before the stop, at this pace.
const HALF: u64 = 8_000;
const ROWS_PER_SECOND: u64 = 2_500;
/// Queries that run at the same time.
const WAVE: usize = 7;
const SLOTS: usize = WAVE * 5;

/// The types of each query's results.
const TYPES: &[(&str, &str)] = &[
    ("q0", "BIGINT, BIGINT, BIGINT, TIMESTAMP(3), STRING"),
    ("q1", "BIGINT, BIGINT, DECIMAL(23, 3), TIMESTAMP(3), STRING"),
    ("q2", "BIGINT, BIGINT"),
    ("q3", "STRING, STRING, STRING, BIGINT"),
    ("q4", "BIGINT, BIGINT"),
    ("q5", "BIGINT, BIGINT"),
    ("q7", "BIGINT, BIGINT, BIGINT, TIMESTAMP(3), STRING"),
    ("q8", "BIGINT, STRING, TIMESTAMP(3)"),
    (
        "q9",
        "BIGINT, STRING, STRING, BIGINT, BIGINT, TIMESTAMP(3), TIMESTAMP(3), BIGINT, BIGINT, STRING, BIGINT, BIGINT, \
         BIGINT, TIMESTAMP(3), STRING",
    ),
    ("q10", "BIGINT, BIGINT, BIGINT, TIMESTAMP(3), STRING, STRING, STRING"),
    ("q11", "BIGINT, BIGINT, TIMESTAMP(3), TIMESTAMP(3)"),
    ("q14", "BIGINT, BIGINT, DECIMAL(23, 3), STRING, TIMESTAMP(3), STRING, BIGINT"),
    ("q15", "STRING, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT"),
    (
        "q16",
        "STRING, STRING, STRING, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, \
         BIGINT, BIGINT",
    ),
    ("q17", "BIGINT, STRING, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT"),
    ("q18", "BIGINT, BIGINT, BIGINT, STRING, STRING, TIMESTAMP(3), STRING"),
    ("q19", "BIGINT, BIGINT, BIGINT, STRING, STRING, TIMESTAMP(3), STRING, BIGINT"),
    (
        "q20",
        "BIGINT, BIGINT, BIGINT, STRING, STRING, TIMESTAMP(3), STRING, STRING, STRING, BIGINT, BIGINT, TIMESTAMP(3), \
         TIMESTAMP(3), BIGINT, BIGINT, STRING",
    ),
    ("q21", "BIGINT, BIGINT, BIGINT, STRING, STRING"),
    ("q22", "BIGINT, BIGINT, BIGINT, STRING, STRING, STRING, STRING"),
];

struct Cluster {
    folder: PathBuf,
    rest: String,
    runtime: tokio::runtime::Runtime,
    _processes: Vec<Running>,
}

impl Cluster {
    fn start(folder: &Path, backend: &str) -> Result<Self> {
        let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
        let config = folder.join("config.yaml");
        std::fs::write(
            &config,
            format!(
                "rest.port: {rest}\njobmanager.rpc.port: {rpc}\ntaskmanager.numberOfTaskSlots: {SLOTS}\nstate.backend.type: {backend}\n\
                 pipeline.max-parallelism: 128\nstate.backend.local-dir: {0}\nexecution.checkpointing.dir: {0}/checkpoints\n\
                 execution.checkpointing.savepoint-dir: {0}/savepoints\nexecution.checkpointing.interval: 500 ms\n\
                 heartbeat.interval: 100 ms\n",
                folder.display()
            ),
        )?;
        let process = |name: &str, log: &str| -> Result<Running> {
            let log = File::create(folder.join(format!("{log}.log")))?;
            let mut command = binary::command(&[name, "--config", &config.display().to_string()])?;
            Ok(Running(command.stdout(log.try_clone()?).stderr(log).spawn()?))
        };
        let processes = vec![
            process("jobmanager", "jobmanager")?,
            process("taskmanager", "worker-1")?,
            process("taskmanager", "worker-2")?,
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rest = format!("http://127.0.0.1:{rest}");
        let cluster = Self { folder: folder.to_owned(), rest, runtime, _processes: processes };
        binary::wait_for("the JobManager", DEADLINE, || {
            Ok(binary::output(&["list", "--jobmanager", &cluster.rest])?.status.success().then_some(()))
        })?;
        Ok(cluster)
    }

    /// Submits the jobs of a script; gives their ids.
    fn submit(&self, script: &str) -> Result<Vec<String>> {
        let path = self.folder.join("job.sql");
        std::fs::write(&path, script)?;
        let printed = binary::run(&["run", "-d", "--jobmanager", &self.rest, &path.display().to_string()])?;
        Ok(printed.lines().map(str::to_owned).collect())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.rest);
        let text = self.runtime.block_on(async { reqwest::get(&url).await?.error_for_status()?.text().await })?;
        Ok(serde_json::from_str(&text)?)
    }

    fn wait_until_finished(&self, jobs: &[Job<'_>], ids: &[String]) -> Result<()> {
        for (job, id) in jobs.iter().zip(ids) {
            binary::wait_for(&format!("{} to finish", job.name), DEADLINE, || {
                let status = self.get(&format!("/jobs/{id}/status"))?;
                let status = status["status"].as_str().unwrap_or_default().to_owned();
                ensure!(!matches!(status.as_str(), "FAILED" | "CANCELED"), "{} is {status}", job.name);
                Ok((status == "FINISHED").then_some(()))
            })?;
        }
        Ok(())
    }

    /// Rows that a job's sources have read.
    fn rows_read(&self, id: &str) -> Result<u64> {
        let job = self.get(&format!("/jobs/{id}"))?;
        let vertices = job["vertices"].as_array().context("vertices")?;
        let sources =
            vertices.iter().filter(|vertex| vertex["name"].as_str().is_some_and(|name| name.contains("nexmark")));
        Ok(sources.filter_map(|vertex| vertex["metrics"]["read-records"].as_u64()).max().unwrap_or(0))
    }

    /// Stops each job with a savepoint once it has read half of its input; gives the savepoints.
    fn stop_half_way(&self, jobs: &[Job<'_>], ids: &[String]) -> Result<Vec<String>> {
        let mut stopping = Vec::new();
        for (job, id) in jobs.iter().zip(ids) {
            let read = binary::wait_for(&format!("half of {}", job.name), DEADLINE, || {
                let read = self.rows_read(id)?;
                Ok((read >= HALF).then_some(read))
            })?;
            ensure!(read < EVENTS, "{}: all {read} events were read before the stop", job.name);
            let mut stop = binary::command(&["stop", id, "--jobmanager", &self.rest])?;
            stopping.push(stop.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        }
        let stopped = jobs.iter().zip(stopping).map(|(job, stop)| {
            let output = stop.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{} cannot be stopped: {said}", job.name);
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        });
        stopped.collect()
    }

    /// The rows that a job's changes add up to.
    fn rows(&self, name: &str) -> Result<Table> {
        let mut table = Table::new();
        for line in folder::lines(&self.folder.join(name))? {
            let change: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            let (row, count) = if change["op"] == "c" { (&change["after"], 1) } else { (&change["before"], -1) };
            let fields = row.as_object().with_context(|| line.clone())?.len();
            let fields: Vec<_> = (0..fields).map(|field| text(&row[format!("c{field}")])).collect();
            *table.entry(fields.join("\t")).or_default() += count;
        }
        table.retain(|_, count| *count != 0);
        Ok(table)
    }
}

/// Flink's rows, with values as JSON has them: no zeros at the end of a fraction, times with seconds.
fn expected(query: &str) -> Result<Table> {
    fn field(text: &str) -> String {
        let is_time = text.len() >= 16 && text.starts_with("20") && text.as_bytes()[10] == b'T';
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match text.contains('.') && (is_time || is_decimal) {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false if is_time && text.len() == 16 => format!("{text}:00"),
            false => text.to_owned(),
        }
    }
    let (_, rows) = nexmark::expected(query)?;
    let row = |row: &String| row.split('\t').map(field).collect::<Vec<_>>().join("\t");
    Ok(rows.iter().map(|(text, count)| (row(text), *count)).collect())
}

/// A value of a change. A number that is whole has no fraction.
fn text(value: &Value) -> String {
    let text = changelog::text(value);
    if value.is_f64() { text.trim_end_matches(".0").to_owned() } else { text }
}

/// One run of a query, written to a folder of its name.
struct Job<'a> {
    name: String,
    query: &'a str,
    select: &'a str,
    parallelism: u32,
    from: Option<String>,
}

/// The script of jobs that start together.
fn script(folder: &Path, jobs: &[Job<'_>], options: &str) -> Result<String> {
    let mut script = nexmark::tables(&folder.join("events.jsonl"), options);
    for Job { name, query, select, parallelism, from } in jobs {
        let (_, types) = TYPES.iter().find(|(name, _)| name == query).context("the query's types")?;
        let types = types.replace("23, 3", "23,3").replace(", 3)", ",3)");
        let columns: Vec<_> = types.split(", ").enumerate().map(|(at, of)| format!("c{at} {of}")).collect();
        script.push_str(&format!(
            "CREATE TABLE `{name}` ({}) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'debezium-json',
                'debezium-json.timestamp-format.standard' = 'ISO-8601');
             SET 'parallelism.default' = '{parallelism}';\n",
            columns.join(", "),
            folder.join(name).display(),
        ));
        if let Some(from) = from {
            script.push_str(&format!("SET 'execution.state-recovery.path' = '{from}';\n"));
        }
        script.push_str(&format!("INSERT INTO `{name}` {select};\n"));
    }
    Ok(script)
}

/// Every query of a wave: stopped half-way and restored in both directions between parallelism 1 and 4, and whole at both.
/// What depends on the order of arrival stays at 1.
fn check_wave(cluster: &Cluster, wave: &[(&'static str, &'static str)]) -> Result<()> {
    let folder = &cluster.folder;
    let jobs = |kind: &str| -> Vec<Job<'_>> {
        let of = |&(query, select): &(&'static str, &'static str)| {
            let parallelisms: &[u32] = if nexmark::BY_ARRIVAL.contains(&query) { &[1] } else { &[1, 4] };
            let name = |parallelism| format!("{query}-{kind}-{parallelism}");
            let job = |&parallelism| Job { name: name(parallelism), query, select, parallelism, from: None };
            parallelisms.iter().map(job).collect::<Vec<_>>()
        };
        wave.iter().flat_map(of).collect()
    };
    let mut halves = jobs("restored");
    let mut ids = Vec::new();
    for half in halves.chunks(1) {
        // One subtask reads the one file, and has its share of the pace.
        let pace = ROWS_PER_SECOND * u64::from(half[0].parallelism);
        ids.extend(cluster.submit(&script(folder, half, &format!(", 'scan.rows-per-second' = '{pace}'"))?)?);
    }
    let savepoints = cluster.stop_half_way(&halves, &ids)?;
    for (half, savepoint) in halves.iter_mut().zip(savepoints) {
        half.from = Some(savepoint);
        if !nexmark::BY_ARRIVAL.contains(&half.query) {
            half.parallelism = 5 - half.parallelism;
        }
    }
    let ids = cluster.submit(&script(folder, &halves, "")?)?;
    cluster.wait_until_finished(&halves, &ids)?;
    let whole = jobs("whole");
    let ids = cluster.submit(&script(folder, &whole, "")?)?;
    cluster.wait_until_finished(&whole, &ids)?;
    for Job { name, query, .. } in halves.iter().chain(&whole) {
        let difference = changelog::difference(&cluster.rows(name)?, &expected(query)?);
        ensure!(difference.is_none(), "{name}: {}", difference.unwrap_or_default());
    }
    Ok(())
}

fn check_all(backend: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    nexmark::events(folder.path())?;
    let cluster = Cluster::start(folder.path(), backend)?;
    for wave in nexmark::QUERIES.chunks(WAVE) {
        check_wave(&cluster, wave).with_context(|| {
            let log = std::fs::read_to_string(folder.path().join("jobmanager.log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(8).collect();
            format!("{backend}; the JobManager's last words:\n{}", last.join("\n"))
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
