"""Makes the tables of a failed query smaller, as long as it still fails."""

import pathlib
import random

import compare
import data
import engine
from judge import Judge

TRIES_MAX = 60


def fails(binary, tables, query, values, pace, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data.write(folder, tables, random.Random(1))
    expected = Judge(tables).rows(query)
    if isinstance(expected, str):
        return False
    try:
        part = engine.run_all(binary, data.declarations(folder, pace), [query], values, folder / "job.sql")[0]
    except engine.Refused:
        return True
    (folder / "actual.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    expected_text = "\n".join(f"{key} ×{count}" for key, count in expected.items())
    (folder / "expected.txt").write_text(f"{query.duck}\n{expected_text}\n", encoding="utf-8")
    return bool(compare.difference(compare.of_changes(query.columns, part), expected))


def tables(binary, tables, query, values, pace, folder):
    """Fewer rows with which the query fails; the files are left in the folder."""
    tries = 0
    chunk = max(map(len, tables.values())) // 2
    while chunk and tries < TRIES_MAX:
        for name in tables:
            start = 0
            while start < len(tables[name]) and tries < TRIES_MAX:
                smaller = {**tables, name: tables[name][:start] + tables[name][start + chunk:]}
                tries += 1
                if fails(binary, smaller, query, values, pace, folder):
                    tables = smaller
                else:
                    start += chunk
        chunk //= 2
    fails(binary, tables, query, values, pace, folder)
    return tables
