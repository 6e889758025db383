"""Random tables: their columns, their rows, and how each engine gets them."""

import datetime
import decimal
import json
import pathlib

START = datetime.datetime(2024, 3, 10, 23, 59, 50)
# Rows are out of order by less than this, so that none is late.
DISORDER_S = 20

# Column, type, and the greatest absolute value of a number that may be calculated with; None: only compared.
COLUMNS = [
    ("id", "bigint", 10_000),
    ("k", "int", 10),
    ("g", "string", None),
    ("i", "int", 1000),
    ("e", "bigint", None),
    ("x", "double", None),
    ("d", "double", 1000),
    ("m", "dec", None),
    ("s", "string", None),
    ("n", "digits", None),
    ("b", "bool", None),
    ("dt", "date", None),
    ("ts", "ts", None),
    ("arr", "array", None),
]
FLINK = {
    "bigint": "BIGINT", "int": "INT", "string": "STRING", "double": "DOUBLE", "dec": "DECIMAL(10, 2)", "digits": "STRING",
    "bool": "BOOLEAN", "date": "DATE", "ts": "TIMESTAMP(3)", "array": "ARRAY<INT>",
}
DUCK = {
    "bigint": "BIGINT", "int": "INTEGER", "string": "VARCHAR", "double": "DOUBLE", "dec": "DECIMAL(10, 2)",
    "digits": "VARCHAR", "bool": "BOOLEAN", "date": "DATE", "ts": "TIMESTAMP", "array": "INTEGER[]",
}
TEXTS = ["", " ", "a", "b", "ab", "abc", "A", "aB", " a ", "é", "中文", "it's", "%", "_", "a_c", "a%c", "zz", "10", "x" * 40]
EXTREME_INTS = [0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63), 2**63 - 2]
EXTREME_DOUBLES = [0.0, 1.5, -1.5, 0.1, 1e-9, 1e15, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 123456789.125]
EXTREME_DECIMALS = ["0.00", "0.01", "-0.01", "99999999.99", "-99999999.99", "1.50", "1.05", "10.00"]
DATES = ["1970-01-01", "2024-02-29", "2024-03-10", "2024-03-11", "1999-12-31", "2024-12-31", "9999-12-31", "1900-03-01"]


def value(rng, kind, name):
    """A random value of a column; None for null."""
    if name not in ("id", "ts") and rng.random() < 0.15:
        return None
    if name == "k":
        return rng.randrange(-1, 5)
    if name == "g":
        return rng.choice(["a", "b", "c", "", "é"])
    return {
        "int": lambda: rng.choice([rng.randrange(-1000, 1001), rng.randrange(-3, 4)]),
        "bigint": lambda: rng.choice(EXTREME_INTS),
        "double": lambda: rng.choice(EXTREME_DOUBLES) if name == "x" else rng.randrange(-4000, 4001) / 4,
        "dec": lambda: decimal.Decimal(rng.choice(EXTREME_DECIMALS)),
        "string": lambda: rng.choice(TEXTS),
        "digits": lambda: str(rng.randrange(-50, 200)),
        "bool": lambda: rng.random() < 0.5,
        "date": lambda: rng.choice(DATES),
        "array": lambda: [None if rng.random() < 0.2 else rng.randrange(0, 6) for _ in range(rng.randrange(0, 4))],
    }[kind]()


def table(rng, most):
    """The rows of a table: lists of values in the order of COLUMNS, ordered by id."""
    count = rng.choice([0, 1, 3, 10, 30, 30, 60, 60]) if most <= 60 else rng.randrange(most // 2, most)
    second, rows = 0, []
    for number in range(count):
        second += rng.choice([0, 0, 1, 2, 5, 30 if rng.random() < 0.2 else 1])
        late = rng.choice([0, 0, 0, rng.randrange(0, DISORDER_S)])
        time = START + datetime.timedelta(seconds=second - late, milliseconds=rng.choice([0, 0, 1, 500, 999]))
        own = {"id": number, "ts": time}
        row = [own[name] if name in own else value(rng, kind, name) for name, kind, _ in COLUMNS]
        if rows and rng.random() < 0.1:
            # A duplicate, but for the number.
            row = [number] + rows[-1][1:]
        rows.append(row)
    return rows


def tables(rng, most):
    """`most`: how many rows a table has at most."""
    return {name: table(rng, most) for name in ("t0", "t1", "t2")}


def field(kind, value):
    if value is None:
        return "null"
    if kind == "dec":
        return str(value)
    if kind == "ts":
        return json.dumps(value.isoformat(sep=" ", timespec="milliseconds"))
    return json.dumps(value, ensure_ascii=False)


def line(row):
    fields = (f"{json.dumps(name)}:{field(kind, value)}" for (name, kind, _), value in zip(COLUMNS, row))
    return "{" + ",".join(fields) + "}\n"


def write(folder, all_rows, rng):
    """Writes each table `t` as one file, and in several files as table `f`."""
    folder = pathlib.Path(folder)
    for name, rows in all_rows.items():
        (folder / f"{name}.json").write_text("".join(map(line, rows)), encoding="utf-8")
        parts = folder / name.replace("t", "f")
        parts.mkdir(exist_ok=True)
        files = [[] for _ in range(rng.randrange(1, 5))]
        for row in rows:
            rng.choice(files).append(row)
        for number, part in enumerate(files):
            (parts / f"part-{number}.json").write_text("".join(map(line, part)), encoding="utf-8")


def declarations(folder, rows_per_second):
    """The tables in Flink SQL; `rows_per_second`: None for as fast as can be."""
    columns = ", ".join(f"`{name}` {FLINK[kind]}" for name, kind, _ in COLUMNS)
    pace = f", 'scan.rows-per-second' = '{rows_per_second}'" if rows_per_second else ""
    out = []
    for name in ("t0", "t1", "t2", "f0", "f1", "f2"):
        path = f"{folder}/{name}.json" if name.startswith("t") else f"{folder}/{name}"
        # Files are read side by side: only of one file it is known how far rows are out of order.
        mark = f", WATERMARK FOR ts AS ts - INTERVAL '{DISORDER_S + 1}' SECOND" if name.startswith("t") else ""
        out.append(
            f"CREATE TABLE {name} ({columns}{mark}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'{pace});"
        )
    return "\n".join(out) + "\n"


def load(connection, all_rows):
    """Puts the tables into DuckDB."""
    columns = ", ".join(f'"{name}" {DUCK[kind]}' for name, kind, _ in COLUMNS)
    marks = ", ".join("?" for _ in COLUMNS)
    for name, rows in all_rows.items():
        connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        if rows:
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        connection.execute(f"CREATE OR REPLACE VIEW {name.replace('t', 'f')} AS SELECT * FROM {name}")
