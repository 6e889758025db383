"""Random queries over random tables: the final rows have to be those of DuckDB.

    main.py SLUICE N [SEED]

Every batch of queries has its own tables. Each query runs in four ways (engine.configurations). A batch can be repeated by
its own seed: it is printed with each failure, and `main.py SLUICE 1 SEED` runs that batch alone. What failed is kept in
files, with as few rows as it still fails with. Prints `N passed, N failed`.
"""

import concurrent.futures
import os
import pathlib
import random
import sys
import tempfile
import zlib

import compare
import data
import engine
import shrink
from judge import Judge
from rel import Queries

BATCH = 20
DEPTHS = [0, 1, 2, 2, 3]
# Rows of some batches' tables: more than pieces and lists of state hold.
LARGE = 3000
# Queries that DuckDB cannot answer are made anew; more of them are a defect of the generator.
UNANSWERED_MAX = 0.1
EMPTY_KEPT = 0.2


class Run:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = pathlib.Path(folder)
        self.passed = self.failed = self.asked = self.unanswered = 0

    def batch(self, seed, count):
        rng = random.Random(seed)
        most = LARGE if rng.random() < 0.1 else 60
        tables = data.tables(rng, most)
        judge = Judge(tables)
        folder = self.folder / f"batch-{seed}"
        folder.mkdir(parents=True)
        data.write(folder, tables, rng)
        queries = [self.answered(rng, judge, most) for _ in range(count)]
        ways, wrong = engine.configurations(rng, most), {}
        # Slow sources leave time for others.
        with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
            found = pool.map(lambda way: self.compare(folder / f"way-{way[0]}", folder, queries, *way[1]), enumerate(ways))
            for (values, pace), of_way in zip(ways, found):
                for number, why in of_way.items():
                    wrong.setdefault(number, (why, values, pace))
        for number, (why, values, pace) in wrong.items():
            self.report(seed, folder, tables, queries[number][0], why, values, pace)
        self.failed += len(wrong)
        self.passed += count - len(wrong)
        if not wrong:
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            folder.rmdir()

    def answered(self, rng, judge, most):
        while True:
            self.asked += 1
            query = Queries(rng, most).query(rng.choice(DEPTHS))
            rows = judge.rows(query)
            if not isinstance(rows, str):
                # Of no rows little is learned.
                if rows or rng.random() < EMPTY_KEPT:
                    return query, rows
                continue
            self.unanswered += 1
            if os.environ.get("FUZZ_VERBOSE"):
                print(f"DuckDB: {rows}\n  {query.duck}", file=sys.stderr)

    def compare(self, folder, tables, queries, values, pace):
        """What is wrong with which query."""
        folder.mkdir()
        declarations = data.declarations(tables, pace)
        try:
            parts = engine.run_all(self.binary, declarations, [query for query, _ in queries], values, folder / "batch.sql")
        except engine.Refused:
            # One by one, to find out which.
            parts = []
            for query, _ in queries:
                try:
                    parts += engine.run_all(self.binary, declarations, [query], values, folder / "single.sql")
                except engine.Refused as error:
                    parts.append(str(error))
        wrong = {}
        for number, (part, (query, expected)) in enumerate(zip(parts, queries)):
            why = part if isinstance(part, str) else \
                compare.difference(compare.of_changes(query.columns, part), expected)
            if why:
                wrong[number] = why
        return wrong

    def report(self, seed, folder, tables, query, why, values, pace):
        kept = folder / f"case-{self.failed}-{zlib.crc32(query.flink.encode()) % 10**6}"
        small = shrink.tables(self.binary, tables, query, values, pace, kept)
        print(f"\nFAILED with seed {seed}: {why}\n  settings: {values}, rows per second: {pace}\n  Flink SQL: {query.flink}\n"
              f"  DuckDB: {query.duck}\n  rows: { {name: len(rows) for name, rows in small.items()} }\n  kept in {kept}", flush=True)


def main():
    binary, count = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**9)
    folder = tempfile.mkdtemp(prefix="sluice-fuzz-")
    print(f"fuzz: {count} queries, seed {seed}, files in {folder}", flush=True)
    run = Run(binary, folder)
    for start in range(0, count, BATCH):
        run.batch(seed + start // BATCH, BATCH)
    if run.unanswered > UNANSWERED_MAX * run.asked:
        print(f"fuzz: DuckDB could not answer {run.unanswered} of {run.asked} queries", flush=True)
        run.failed += 1
    if not run.failed:
        os.rmdir(folder)
    print(f"{run.passed} passed, {run.failed} failed")
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
