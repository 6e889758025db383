"""Rows of both engines in one form."""

import collections
import datetime
import decimal
import json


def time(text):
    """A timestamp. Seconds may be left out, and zeros at the end of the fraction."""
    if isinstance(text, datetime.datetime):
        return text
    whole, _, fraction = text.partition(".")
    return datetime.datetime.fromisoformat(whole).replace(microsecond=int(fraction.ljust(6, "0") or "0"))


def value(kind, value):
    """A value of a column of a type."""
    if value is None:
        return None
    if kind in ("int", "bigint"):
        return int(value)
    if kind == "double":
        # The last digits of sums and quotients may differ.
        return float(f"{float(value):.12g}")
    if kind in ("dec", "sum"):
        return decimal.Decimal(str(value)).normalize() + 0
    if kind == "bool":
        return bool(value)
    if kind == "ts":
        return time(value)
    return str(value)


def row(columns, values):
    return tuple(value(column.type, v) for column, v in zip(columns, values))


def of_duck(columns, rows):
    return collections.Counter(row(columns, values) for values in rows)


def of_changes(columns, lines):
    """What is left after all changes; a row that was taken away more often than it came has a negative number."""
    table = collections.Counter()
    for line in lines:
        change = json.loads(line, parse_float=decimal.Decimal)
        key = row(columns, [change["row"][column.name] for column in columns])
        table[key] += 1 if change["op"] in ("+I", "+U") else -1
    return collections.Counter({key: count for key, count in table.items() if count})


def difference(actual, expected):
    """Some rows that only one has, as text; empty if there are none."""
    extra = {key: count - expected[key] for key, count in actual.items() if count != expected[key]}
    missing = {key: count for key, count in expected.items() if key not in actual}
    if not extra and not missing:
        return ""
    sample = lambda rows: ", ".join(f"{key} ×{count}" for key, count in list(rows.items())[:5])
    return f"{sum(actual.values())} rows, {sum(expected.values())} expected\n  too often (or not often enough): {sample(extra)}\n  not there: {sample(missing)}"
