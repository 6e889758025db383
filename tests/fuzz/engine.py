"""Runs scripts with `sluice run`."""

import os
import pathlib
import subprocess

MARK = "fuzz-mark"
TIMEOUT_S = 120


class Refused(Exception):
    """The process failed: what it said."""


def settings(rng, parallelism, backend, mini_batch):
    values = {
        "parallelism.default": parallelism,
        "state.backend.type": backend,
        "table.exec.mini-batch.enabled": str(mini_batch).lower(),
        "execution.buffer-timeout.interval": rng.choice(["0 ms", "1 ms", "10 ms"]),
        "pipeline.auto-watermark-interval": rng.choice(["1 ms", "200 ms"]),
    }
    if mini_batch:
        values["table.exec.mini-batch.allow-latency"] = rng.choice(["1 ms", "5 ms", "1 s"])
        values["table.exec.mini-batch.size"] = rng.choice([1, 2, 3, 7, 50, 50000])
        values["table.optimizer.agg-phase-strategy"] = rng.choice(["AUTO", "TWO_PHASE", "ONE_PHASE"])
    return values


def configurations(rng, rows):
    """The ways in which each query runs: what is set, and how fast tables are read."""
    # Rows are let through every 20 ms. Of a table in one file only one subtask reads.
    slow = lambda parallelism: parallelism * rng.choice([150, 300, 600, 1500]) * max(rows // 100, 1)
    return [
        (settings(rng, 1, "hashmap", False), None),
        (settings(rng, 3, "rocksdb", False), slow(3)),
        (settings(rng, 3, "hashmap", True), None),
        (settings(rng, 1, "rocksdb", True), slow(1)),
    ]


def run(binary, script, values, path):
    """The lines that a script prints."""
    path = pathlib.Path(path)
    path.write_text(script, encoding="utf-8")
    arguments = [str(binary), "run", "--output", "jsonl"]
    for name, value in values.items():
        arguments += ["--set", f"{name}={value}"]
    environment = {**os.environ, "TZ": "UTC"}
    try:
        done = subprocess.run([*arguments, str(path)], capture_output=True, timeout=TIMEOUT_S, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise Refused(f"not done after {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise Refused(done.stderr.decode(errors="replace").strip()[-2000:])
    return done.stdout.decode().splitlines()


def run_all(binary, declarations, queries, values, path):
    """The lines of each query, from one process."""
    script = declarations
    for query in queries:
        script += f"SELECT '{MARK}' AS mark;\n{query.flink};\n"
    parts = []
    for line in run(binary, script, values, path):
        if f'"mark":"{MARK}"' in line:
            parts.append([])
        else:
            parts[-1].append(line)
    if len(parts) != len(queries):
        raise Refused(f"{len(parts)} results of {len(queries)} queries")
    return parts
