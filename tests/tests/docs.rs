//! The documentation is true: examples run, links lead somewhere, lists of paths and metrics are those of the program.
//!
//! A fenced block says in its info string what becomes of it: `sh` is run, all blocks of a page in order, in one shell and
//! one folder; `sh check` is only held against the command line's parser, the Makefile and the files of the repository;
//! `sql file=NAME` is written into the page's folder; any other `sql` is planned with `--explain`, behind the statements of a
//! comment `<!-- setup … -->` before it; `text output` is the expected output of the preceding `sh` block (`…` matches any text).

#![expect(clippy::disallowed_methods, reason = "the examples find the program in the PATH")]

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tests::{
    binary,
    markdown::{self, Block, Page},
    workspace::root,
};

/// How long the examples of a page may take.
const DEADLINE: Duration = Duration::from_secs(180);

/// Pages whose blocks are examples for readers.
fn is_for_readers(page: &Page) -> bool {
    let is_page = |folder: &str| page.name.strip_prefix(folder).is_some_and(|rest| !rest.contains('/'));
    page.name != "docs/STYLE.md" && (is_page("") || is_page("docs/") || is_page("docs/errors/"))
}

fn pages() -> Result<Vec<Page>> {
    Ok(markdown::pages(&root()?)?.into_iter().filter(is_for_readers).collect())
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    let root = root()?;
    let pages: BTreeMap<String, Page> =
        markdown::pages(&root)?.into_iter().map(|page| (page.name.clone(), page)).collect();
    let (mut problems, mut links) = (Vec::new(), 0);
    for page in pages.values() {
        let folder = Path::new(&page.name).parent().context("a folder")?;
        for (line, link) in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.name.clone() } else { normal(&folder.join(path)) };
            let has_anchor = || pages.get(&target).is_none_or(|page| page.anchors.contains(anchor));
            if !root.join(&target).exists() || (!anchor.is_empty() && !has_anchor()) {
                problems.push(format!("{}:{line}: {link}", page.name));
            }
        }
    }
    ensure!(problems.is_empty(), "links that lead nowhere:\n{}", problems.join("\n"));
    ensure!(links > 20, "only {links} links were found");
    Ok(())
}

/// A path without `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part.as_os_str().to_string_lossy().as_ref() {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part.to_owned()),
        }
    }
    parts.join("/")
}

#[test]
fn each_page_is_in_the_index() -> Result<()> {
    let root = root()?;
    let index = Page::read(&root, "docs/README.md")?;
    let listed: BTreeSet<&str> = index.links.iter().map(|(_, link)| link.as_str()).collect();
    for entry in std::fs::read_dir(root.join("docs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_page = name.ends_with(".md") && name != "README.md";
        ensure!(!is_page || listed.contains(name.as_str()), "docs/README.md does not list {name}");
    }
    Ok(())
}

#[test]
fn statements_are_planned() -> Result<()> {
    let mut planned = 0;
    for page in pages()? {
        for block in page.blocks.iter().filter(|block| block.language == "sql") {
            plan(&format!("{}\n{}", block.setup, block.text))
                .with_context(|| format!("{}:{}", page.name, block.line))?;
            planned += 1;
        }
    }
    ensure!(planned > 5, "only {planned} examples of SQL were found");
    Ok(())
}

/// Plans a script.
fn plan(script: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("example.sql");
    std::fs::write(&path, script)?;
    binary::run(&["run", "--explain", &path.display().to_string()]).map(drop)
}

#[test]
fn commands_that_are_not_run_are_known() -> Result<()> {
    let makefile = std::fs::read_to_string(root()?.join("Makefile"))?;
    let mut checked = 0;
    for page in pages()? {
        for block in page.blocks.iter().filter(|block| block.language == "sh" && block.has("check")) {
            for line in block.text.replace("\\\n", " ").lines() {
                let line = line.split(" #").next().unwrap_or_default().trim();
                for command in line.split([';', '|']).flat_map(|part| part.split("&&")) {
                    check_command(command, &makefile)
                        .with_context(|| format!("{}:{}: {command}", page.name, block.line))?;
                    checked += 1;
                }
            }
        }
    }
    ensure!(checked > 10, "only {checked} commands were found");
    Ok(())
}

fn check_command(command: &str, makefile: &str) -> Result<()> {
    let root = root()?;
    let exists = |path: &str| -> Result<()> {
        ensure!(root.join(path).exists(), "there is no {path} in the repository");
        Ok(())
    };
    let is_variable = |word: &&str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|char| char.is_ascii_uppercase() || char == '_'))
    };
    let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "&").skip_while(is_variable).collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    match words.first().copied() {
        None => Ok(()),
        Some(word) if word.starts_with('#') => Ok(()),
        Some("sluice") => {
            let arguments: Vec<&str> = words[1..].iter().copied().chain(["--help"]).collect();
            binary::run(&arguments).map(drop)
        }
        Some("make") => words[1..].iter().filter(|word| !is_variable(word)).try_for_each(|target| {
            ensure!(
                makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
                "make has no target {target}"
            );
            Ok(())
        }),
        Some("kubectl") => [after("-f"), after("-k")].into_iter().flatten().try_for_each(exists),
        Some("helm") => {
            words.iter().filter(|word| word.contains('/') && !word.contains("=")).try_for_each(|path| exists(path))
        }
        Some(script) if script.starts_with("tests/") || script.starts_with("deploy/") => exists(script),
        Some("cargo" | "git" | "cd" | "docker" | "export" | "head") => Ok(()),
        Some(other) => bail!("{other} is no command that a page may have here"),
    }
}

#[test]
fn examples_run() -> Result<()> {
    let mut run = 0;
    for page in pages()? {
        let is_session = |block: &&Block| block.language == "sh" && !block.has("check");
        let blocks = page.blocks.iter().filter(is_session).count();
        if blocks > 0 {
            run_page(&page).with_context(|| page.name.clone())?;
            run += blocks;
        }
    }
    ensure!(run > 5, "only {run} examples were run");
    Ok(())
}

/// Commands wait for what a reader waits for: a JobManager that answers, a job that runs.
const PRELUDE: &str = r#"
set -euo pipefail
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$REST_PORT") 2>/dev/null; }
runs() { command sluice list | grep -q RUNNING; }
await() { until "$1"; do sleep 0.1; done; }
sluice() {
    case "$1 $*" in
    list*|cancel*|stop*|savepoint*|rescale*|run*--detached*) await answers ;;
    esac
    case "$1" in
    stop|savepoint|rescale) await runs ;;
    # In the background: the process is the program, not a shell that waits for it.
    jobmanager|taskmanager) exec sluice "$@" ;;
    esac
    command sluice "$@"
}
"#;

/// Runs the page's commands in a folder of their own.
fn run_page(page: &Page) -> Result<()> {
    let (folder, hidden) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let hidden = hidden.path();
    let (rest, rpc) = (binary::free_port()?, binary::free_port()?);
    std::fs::write(hidden.join("config.yaml"), format!("rest.port: {rest}\njobmanager.rpc.port: {rpc}\n"))?;
    std::os::unix::fs::symlink(binary::path()?, hidden.join("sluice"))?;
    let mut script = PRELUDE.to_owned();
    for (number, block) in page.blocks.iter().enumerate() {
        if let Some(name) = block.value("file") {
            std::fs::write(hidden.join(format!("file.{number}")), &block.text)?;
            script.push_str(&format!("cp {}/file.{number} {name}\n", hidden.display()));
        } else if block.language == "sh" && !block.has("check") {
            let text = block.text.replace("localhost:8081", &format!("127.0.0.1:{rest}"));
            let out = hidden.join(format!("out.{number}"));
            script.push_str(&format!("echo '{}:{}' >&2\n{{\n{text}}} >{}\n", page.name, block.line, out.display()));
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let errors = std::fs::File::create(hidden.join("errors"))?;
    let child = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", hidden.display()))
        .env("TZ", "UTC")
        .env("REST_PORT", rest.to_string())
        .env("SLUICE_CONFIG", hidden.join("config.yaml"))
        .env("SLUICE_JOBMANAGER", format!("http://127.0.0.1:{rest}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .process_group(0)
        .spawn()?;
    let mut group = Group(binary::Running(child));
    let ended = binary::wait_for("the examples", DEADLINE, || Ok(group.0.0.try_wait()?));
    let said = || std::fs::read_to_string(hidden.join("errors")).unwrap_or_default();
    let status = ended.with_context(said)?;
    ensure!(status.success(), "{status}\n{}", said());
    for pair in page.blocks.iter().enumerate().collect::<Vec<_>>().windows(2) {
        let [(number, command), (_, output)] = pair else { continue };
        if output.language == "text" && output.has("output") {
            let printed = std::fs::read_to_string(hidden.join(format!("out.{number}")))?;
            compare(&printed, &output.text).with_context(|| format!("{}:{}", page.name, command.line))?;
        }
    }
    Ok(())
}

/// A process with all that it started; killed when the test is over.
struct Group(binary::Running);

impl Drop for Group {
    fn drop(&mut self) {
        // Nothing may be left of it.
        let _ =
            Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.0.id())]).stderr(Stdio::null()).status();
    }
}

/// Holds what was printed against what the page says.
fn compare(printed: &str, page: &str) -> Result<()> {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = page.lines().map(str::trim_end).collect();
    let fits = |(printed, expected): (&&str, &&str)| match expected.split_once('…') {
        Some((start, end)) => printed.starts_with(start) && printed.ends_with(end),
        None => printed == expected,
    };
    let equal = printed.len() == expected.len() && printed.iter().zip(&expected).all(fits);
    ensure!(equal, "printed:\n{}\ninstead of:\n{}", printed.join("\n"), expected.join("\n"));
    Ok(())
}

#[test]
fn the_version_is_the_same_everywhere() -> Result<()> {
    let root = root()?;
    let read = |name: &str| std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
    let manifest = read("Cargo.toml")?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")).context("a version")?;
    let version = version.trim_end_matches('"');
    let chart = read("charts/sluice/Chart.yaml")?;
    for line in [format!("version: {version}"), format!("appVersion: \"{version}\"")] {
        ensure!(chart.lines().any(|own| own == line), "charts/sluice/Chart.yaml has no line {line}");
    }
    let examples = std::fs::read_dir(root.join("deploy/examples"))?;
    for path in examples.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()? {
        if path.extension().is_some_and(|of| of == "yaml") {
            let image = format!("image: sluice:{version}");
            ensure!(std::fs::read_to_string(&path)?.contains(&image), "{} has no {image}", path.display());
        }
    }
    let shown = binary::run(&["--version"])?;
    ensure!(shown.starts_with(&format!("sluice {version}")), "{shown}");
    Ok(())
}

/// Names in backticks in the first column of a page's tables.
fn first_column(page: &str) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(root()?.join(page))?;
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    Ok(cells.map(|(name, _)| name.to_owned()).collect())
}

#[test]
fn the_page_of_rest_has_the_router_s_paths() -> Result<()> {
    let source = std::fs::read_to_string(root()?.join("worker/jobmanager/src/rest.rs"))?;
    let mut routes = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, handlers) = route.split_once('"').context("a path ends")?;
        let handlers =
            handlers.lines().take_while(|line| !line.trim_start().starts_with(".route(")).collect::<String>();
        for method in ["get", "post", "put", "patch", "delete"] {
            let is_first = handlers.trim_start_matches([',', ' ']).starts_with(&format!("{method}("));
            if is_first || handlers.contains(&format!(".{method}(")) {
                routes.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    ensure!(routes.len() > 15, "only {} paths were found", routes.len());
    let page = first_column("docs/rest.md")?;
    ensure!(page == routes, "docs/rest.md and the router differ in {:?}", page.symmetric_difference(&routes));
    Ok(())
}

const SCRIPT: &str = "
CREATE TABLE t (n BIGINT, ts AS CURRENT_TIMESTAMP, WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000');
CREATE TABLE o (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT COUNT(*) FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end;";

#[test]
fn the_page_of_metrics_has_the_names_that_are_exposed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = binary::free_port()?.to_string();
    std::fs::write(folder.path().join("job.sql"), SCRIPT)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let metrics = || -> Option<String> {
        let url = format!("http://127.0.0.1:{port}/metrics");
        runtime.block_on(async { reqwest::get(&url).await.ok()?.text().await.ok() })
    };
    let until_there_is = |name: &str| -> Result<String> {
        let mut command = binary::command(&["run", "--rest", "--job-id", "0123456789abcdef0123456789abcdef"])?;
        for option in ["execution.checkpointing.interval=100 ms", "execution.checkpointing.dir=checkpoints"] {
            command.args(["--set", option]);
        }
        command.args(["--set", &format!("rest.port={port}"), "job.sql"]).current_dir(folder.path());
        let _running = binary::Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        binary::wait_for(name, Duration::from_secs(60), || {
            Ok(metrics().filter(|text| {
                [name, "lastCheckpointSize{", "currentInputWatermark{"].iter().all(|name| text.contains(name))
            }))
        })
    };
    until_there_is("lastCheckpointSize{")?;
    let restored = until_there_is("lastCheckpointRestoreTimestamp{")?;
    let names = restored.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
    let page = first_column("docs/metrics.md")?;
    let page: BTreeSet<String> = page.into_iter().filter(|name| name.starts_with("flink_")).collect();
    ensure!(page == names, "docs/metrics.md and /metrics differ in {:?}", page.symmetric_difference(&names));
    Ok(())
}
