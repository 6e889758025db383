"""Queries over time: windows, deduplication, interval joins. DuckDB gets windows by arithmetic on milliseconds."""

import data
import expr
from expr import Expr
from rel import ROWS_MAX, Source, select

LENGTHS_S = [1, 2, 5, 10, 60, 3600]


def names(alias):
    return [Expr(f"{alias}.`{n}`", f'{alias}."{n}"', kind, size) for n, kind, size in data.COLUMNS]


def window(queries, kinds=("TUMBLE", "HOP", "CUMULATE", "SESSION")):
    """A table with the columns of a window."""
    rng, alias = queries.rng, queries.alias()
    table, kind = f"t{rng.randrange(3)}", rng.choice(kinds)
    step = rng.choice(LENGTHS_S)
    many = rng.choice([1, 2, 3, 5]) if kind in ("HOP", "CUMULATE") else 1
    size = step * many
    lengths = {"TUMBLE": [size], "HOP": [step, size], "CUMULATE": [step, size], "SESSION": [step]}[kind]
    intervals = ", ".join(f"INTERVAL '{length}' SECOND" for length in lengths)
    partition = " PARTITION BY `k`" if kind == "SESSION" else ""
    flink = f"TABLE({kind}(TABLE {table}{partition}, DESCRIPTOR(ts), {intervals})) AS {alias}"
    duck = {"TUMBLE": aligned, "HOP": aligned, "CUMULATE": cumulated, "SESSION": session}[kind](table, step * 1000, many)
    bounds = [Expr(f"{alias}.{name}", f"{alias}.{name}", "ts") for name in ("window_start", "window_end")]
    return Source(flink, f"({duck}) AS {alias}", names(alias) + bounds, queries.rows * many), kind


def instant(text):
    return f"epoch_ms(CAST({text} AS BIGINT))"


def aligned(table, step, many):
    """The windows that begin at each multiple of the step and are so many steps long."""
    start = f"((epoch_ms(ts) // {step}) * {step} - nth * {step})"
    return (f"SELECT {table}.*, {instant(start)} AS window_start, {instant(f'{start} + {step * many}')} AS window_end"
            f" FROM {table}, range({many}) AS numbers(nth)")


def cumulated(table, step, many):
    """The windows that begin at each multiple of the whole and grow step by step."""
    size = step * many
    start = f"((epoch_ms(ts) // {size}) * {size})"
    return (f"SELECT {table}.*, {instant(start)} AS window_start, {instant(f'{start} + (nth + 1) * {step}')} AS window_end"
            f" FROM {table}, range({many}) AS numbers(nth) WHERE {start} + (nth + 1) * {step} > epoch_ms(ts)")


def session(table, gap, _many):
    """A session ends when no row has come for the gap; rows that are just the gap apart are in one."""
    begins = f"CASE WHEN epoch_ms(ts) - LAG(epoch_ms(ts)) OVER (PARTITION BY k ORDER BY ts) <= {gap} THEN 0 ELSE 1 END AS begins"
    numbered = f"SELECT *, SUM(begins) OVER (PARTITION BY k ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session FROM (SELECT *, {begins} FROM {table})"
    columns = ", ".join(f'"{name}"' for name, _, _ in data.COLUMNS)
    return (f"SELECT {columns}, MIN(ts) OVER (PARTITION BY k, session) AS window_start,"
            f" {instant(f'epoch_ms(MAX(ts) OVER (PARTITION BY k, session)) + {gap}')} AS window_end FROM ({numbered})")


def aggregate(queries):
    source, kind = window(queries)
    start, end = source.columns[-2:]
    # Sessions are of their keys.
    keys = [c for c in source.columns[:-2] if c.flink.endswith("`k`")] if kind == "SESSION" else \
        [c for c in queries.keys(source) if "window" not in c.flink]
    where = queries.where(source, 0.3) if kind != "SESSION" else ("", "")
    calls = queries.aggregate_calls(source)
    tails = []
    for n, text in enumerate(("flink", "duck")):
        tails.append(f"{where[n]} GROUP BY " + ", ".join(getattr(e, text) for e in [start, end, *keys]))
    return select([start, end, *keys, *calls], source, *tails)


def group_window(queries):
    """The older form: a window in GROUP BY."""
    rng, alias = queries.rng, queries.alias()
    table, kind = f"t{rng.randrange(3)}", rng.choice(["TUMBLE", "HOP", "SESSION"])
    step, many = rng.choice(LENGTHS_S), rng.choice([1, 2, 3]) if kind == "HOP" else 1
    lengths = {"TUMBLE": [step], "HOP": [step, step * many], "SESSION": [step]}[kind]
    intervals = ", ".join(f"INTERVAL '{length}' SECOND" for length in lengths)
    duck = {"TUMBLE": aligned, "HOP": aligned, "SESSION": session}[kind](table, step * 1000, many)
    source = Source(f"{table} AS {alias}", f"({duck}) AS {alias}", names(alias), queries.rows * many)
    bounds = [Expr(f"{kind}_{part}({alias}.ts, {intervals})", f"{alias}.window_{part.lower()}", "ts") for part in ("START", "END")]
    keys = [c for c in source.columns if c.flink.endswith("`k`")]
    calls = queries.aggregate_calls(source)
    by = f" GROUP BY {kind}({alias}.ts, {intervals}), {keys[0].flink}"
    return select([*bounds, *keys, *calls], source, by, f" GROUP BY {bounds[0].duck}, {bounds[1].duck}, {keys[0].duck}")


def top(queries):
    """The first rows of each window by an order in which only one row is the first."""
    source, _ = window(queries, ("TUMBLE", "HOP", "CUMULATE"))
    rng, (start, end) = queries.rng, source.columns[-2:]
    keys = [start, end, *(c for c in source.columns[:-2] if c.flink.endswith(("`k`", "`g`")) and rng.random() < 0.5)]
    found = [c for c in source.columns[:-2] if c.type in ("int", "double", "string", "dec", "date", "ts", "bigint")]
    order = [f"{rng.choice(found).flink} {rng.choice(['ASC NULLS FIRST', 'DESC NULLS LAST'])}", f"{source.columns[0].flink} ASC"]
    last = rng.choice([1, 2, 3])
    return numbered(queries, source, keys, order, order, last)


def deduplicate(queries):
    """The first or the last row of each key by event time or arrival; of equal times the first or last that came."""
    rng = queries.rng
    source = queries.base(in_order=True)
    key = rng.choice(["`k`", "`g`", "`b`"])
    keys = [c for c in source.columns if c.flink.endswith(key)]
    way, row, time = rng.choice(["ASC", "DESC"]), source.columns[0].duck, next(c for c in source.columns if c.type == "ts")
    if rng.random() < 0.3:
        alias = queries.alias()
        table = source.flink.split()[0]
        flink = f"(SELECT *, PROCTIME() AS pt FROM {table}) AS {alias}"
        source = Source(flink, f"{table} AS {alias}", names(alias), source.rows)
        keys = [c for c in source.columns if c.flink.endswith("`k`")]
        return numbered(queries, source, keys, [f"{alias}.pt {way}"], [f'{alias}."id" {way}'], 1)
    return numbered(queries, source, keys, [f"{time.flink} {way}"], [f"{time.duck} {way}", f"{row} {way}"], 1)


def window_deduplicate(queries):
    source, _ = window(queries, ("TUMBLE", "HOP", "CUMULATE"))
    rng, keys = queries.rng, source.columns[-2:]
    keys += [c for c in source.columns[:-2] if c.flink.endswith("`k`")]
    way, row, time = rng.choice(["ASC", "DESC"]), source.columns[0].duck, next(c for c in source.columns if c.type == "ts")
    return numbered(queries, source, keys, [f"{time.flink} {way}"], [f"{time.duck} {way}", f"{row} {way}"], 1)


def numbered(queries, source, keys, order, order_duck, last):
    rng = queries.rng
    columns = [source.columns[0], *rng.sample([c for c in source.columns[1:] if c.type != "array"], 2)]
    where = queries.where(source, 0.3)
    texts = []
    for n, text in enumerate(("flink", "duck")):
        by = ", ".join(getattr(key, text) for key in keys)
        way = order if n == 0 else [o.replace("`", '"') for o in order_duck]
        number = f"ROW_NUMBER() OVER (PARTITION BY {by} ORDER BY {', '.join(way)})"
        of = ", ".join(f"{getattr(c, text)} AS c{i}" for i, c in enumerate(columns))
        texts.append(f"(SELECT {of}, {number} AS rn FROM {getattr(source, text)}{where[n]}) AS ")
    alias = queries.alias()
    inner = [Expr(f"{alias}.c{i}", f"{alias}.c{i}", c.type, c.size) for i, c in enumerate(columns)]
    if rng.random() < 0.4:
        inner.append(expr.both(f"{alias}.rn", "bigint", last))
    whole = Source(texts[0] + alias, texts[1] + alias, inner, source.rows)
    return select(inner, whole, f" WHERE {alias}.rn <= {last}" if last > 1 else f" WHERE {alias}.rn = 1")


def join(queries):
    """Rows of equal windows of two tables."""
    left, _ = window(queries, ("TUMBLE", "HOP", "CUMULATE"))
    if left.rows**2 > 10 * ROWS_MAX:
        return aggregate(queries)
    right = window_like(queries, left)
    both = Source(f"{left.flink} JOIN {right.flink}", f"{left.duck} JOIN {right.duck}", left.columns + right.columns,
                  left.rows * right.rows)
    conditions = [expr.wrap("{} = {}", [a, b], "bool") for a, b in zip(left.columns[-2:], right.columns[-2:])]
    k = [next(c for c in side.columns if c.flink.endswith("`k`")) for side in (left, right)]
    conditions.append(expr.wrap("{} = {}", k, "bool"))
    texts = [" ON " + " AND ".join(getattr(c, text) for c in conditions) for text in ("flink", "duck")]
    return select(queries.exprs(both), both, *texts)


def window_like(queries, left):
    """The same windows of a table, under another name."""
    alias, table = queries.alias(), f"t{queries.rng.randrange(3)}"
    old_alias = left.flink.rsplit(" ", 1)[1]
    old_table = left.flink.split("(TABLE ", 1)[1].split(",", 1)[0]
    flink = left.flink.replace(f"(TABLE {old_table},", f"(TABLE {table},").removesuffix(old_alias) + alias
    duck = left.duck.removesuffix(old_alias) + alias
    duck = duck.replace(f"SELECT {old_table}.*", f"SELECT {table}.*").replace(f"FROM {old_table},", f"FROM {table},")
    bounds = [Expr(f"{alias}.{name}", f"{alias}.{name}", "ts") for name in ("window_start", "window_end")]
    return Source(flink, duck, names(alias) + bounds, left.rows)


def interval_join(queries):
    """Rows whose event times are near each other."""
    rng = queries.rng
    left, right = queries.base(in_order=True), queries.base(in_order=True)
    if left.rows * right.rows > ROWS_MAX:
        return deduplicate(queries)
    both = Source(f"{left.flink} JOIN {right.flink}", f"{left.duck} JOIN {right.duck}", left.columns + right.columns,
                  left.rows * right.rows)
    find = lambda side, name: next(c for c in side.columns if c.flink.endswith(f"`{name}`"))
    key = rng.choice(["k", "g", "i"])
    a, b = find(left, "ts"), find(right, "ts")
    before, after = rng.choice([0, 1, 5]), rng.choice([0, 1, 5, 30])
    near = expr.wrap(f"{{}} BETWEEN {{}} - INTERVAL '{before}' SECOND AND {{}} + INTERVAL '{after}' SECOND", [a, b, b], "bool")
    same = expr.wrap("{} = {}", [find(left, key), find(right, key)], "bool")
    return select(queries.exprs(both), both, f" ON {same.flink} AND {near.flink}", f" ON {same.duck} AND {near.duck}")


SHAPES = [aggregate, aggregate, group_window, top, deduplicate, deduplicate, window_deduplicate, join, interval_join]
