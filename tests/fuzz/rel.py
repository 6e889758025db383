"""Random queries, each as Flink SQL and as DuckDB's."""

from dataclasses import dataclass

import data
import expr
from expr import Expr, Expressions

SORTED = ("int", "bigint", "double", "dec", "string", "digits", "bool", "date", "ts", "sum")
# Rows that a query may have at most, by the number of rows of its inputs.
ROWS_MAX = 30_000


@dataclass
class Column:
    name: str
    type: str
    size: float | None = None


@dataclass
class Query:
    """One SELECT. `rows`: how many there are at most."""

    flink: str
    duck: str
    columns: list
    rows: int


@dataclass
class Source:
    """What stands behind FROM, and its columns as expressions."""

    flink: str
    duck: str
    columns: list
    rows: int


def select(exprs, source, tail_flink="", tail_duck=None, rows=None, distinct=False):
    """SELECT of expressions named c0, c1, …"""
    tail_duck = tail_flink if tail_duck is None else tail_duck
    word = "SELECT DISTINCT" if distinct else "SELECT"
    lists = [", ".join(f"{text} AS c{n}" for n, text in enumerate(texts))
             for texts in ([e.flink for e in exprs], [e.duck for e in exprs])]
    columns = [Column(f"c{n}", e.type, e.size) for n, e in enumerate(exprs)]
    return Query(f"{word} {lists[0]} FROM {source.flink}{tail_flink}", f"{word} {lists[1]} FROM {source.duck}{tail_duck}",
                 columns, source.rows if rows is None else rows)


class Queries:
    """`rows`: how many a table has at most."""

    def __init__(self, rng, rows):
        self.rng = rng
        self.rows = rows
        self.aliases = 0

    def alias(self):
        self.aliases += 1
        return f"r{self.aliases}"

    def base(self, in_order=False):
        """A table; `in_order`: one whose rows come in order, with event time."""
        name = self.rng.choice("tf" if not in_order else "t") + str(self.rng.randrange(3))
        alias = self.alias()
        columns = [Expr(f"{alias}.`{n}`", f'{alias}."{n}"', kind, size) for n, kind, size in data.COLUMNS]
        return Source(f"{name} AS {alias}", f"{name} AS {alias}", columns, self.rows)

    def nested(self, query):
        alias = self.alias()
        columns = [Expr(f"{alias}.{c.name}", f"{alias}.{c.name}", c.type, c.size) for c in query.columns]
        return Source(f"({query.flink}) AS {alias}", f"({query.duck}) AS {alias}", columns, query.rows)

    def source(self, depth):
        if depth <= 0 or self.rng.random() < 0.4:
            return self.base()
        return self.nested(self.query(depth - 1))

    def query(self, depth):
        import windows

        shapes = [self.project, self.aggregate, self.aggregate, self.grouping_sets, self.join, self.semi, self.semi,
                  self.set_operation, self.top, self.distinct, self.unnest, self.scalar, self.common,
                  *(lambda depth, shape=shape: shape(self) for shape in windows.SHAPES)]
        return self.rng.choice(shapes)(depth)

    def exprs(self, source, count=None):
        """What is selected: columns as they are, and calculated ones."""
        rng, out = self.rng, []
        some = Expressions(rng, source.columns)
        for _ in range(count or rng.randrange(1, 5)):
            plain = [c for c in source.columns if c.type != "array"]
            out.append(rng.choice(plain) if rng.random() < 0.5 else some.of(rng.choice(expr.TYPES)))
        return out

    def where(self, source, chance=0.5):
        if self.rng.random() > chance:
            return "", ""
        held = Expressions(self.rng, source.columns).predicate()
        return f" WHERE {held.flink}", f" WHERE {held.duck}"

    def project(self, depth):
        source = self.source(depth)
        return select(self.exprs(source), source, *self.where(source, 0.8))

    def distinct(self, depth):
        source = self.source(depth)
        return select(self.exprs(source), source, *self.where(source), distinct=True)

    # Aggregation.
    def aggregate_calls(self, source):
        return [self.aggregate_call(source) for _ in range(self.rng.randrange(1, 4))]

    def aggregate_call(self, source):
        rng = self.rng
        some = Expressions(rng, source.columns)
        filters = "", ""
        if rng.random() < 0.25:
            held = some.predicate(1)
            filters = f" FILTER (WHERE {held.flink})", f" FILTER (WHERE {held.duck})"
        name = rng.choice(["COUNT(*)", "COUNT", "COUNT", "SUM", "SUM", "AVG", "MIN", "MAX"])
        if name == "COUNT(*)":
            return Expr(name + filters[0], name + filters[1], "bigint", source.rows)
        distinct = "DISTINCT " if rng.random() < 0.3 else ""
        of = rng.choice(expr.TYPES if name in ("COUNT", "MIN", "MAX") else ["int", "bigint", "double", "dec"])
        if name in ("MIN", "MAX") and of == "bool":
            of = "int"
        is_number = name in ("SUM", "AVG") and of != "dec"
        a = some.of(of, 1, is_number)
        text = f"{name}({distinct}{a.flink}){filters[0]}", f"{name}({distinct}{a.duck}){filters[1]}"
        if name == "COUNT":
            return Expr(*text, "bigint", source.rows)
        if name in ("MIN", "MAX"):
            return Expr(*text, of, a.size)
        size = None if a.size is None else a.size * source.rows
        if name == "SUM" and of == "dec":
            return Expr(*text, "sum")
        limit = {"int": expr.INT_MAX, "bigint": expr.BIGINT_MAX, "double": 2**40}.get(of)
        if limit is None or size is None or size >= limit:
            return Expr("COUNT(*)", "COUNT(*)", "bigint", source.rows)
        if name == "SUM":
            return Expr(text[0], f"CAST({text[1]} AS {expr.DUCK[of]})", of, size)
        if of == "double":
            return Expr(*text, of)
        # The average of integers is an integer.
        parts = [f"{part}({distinct}{a.duck}){filters[1]}" for part in ("SUM", "COUNT")]
        return Expr(text[0], f"CAST({parts[0]} // {parts[1]} AS {expr.DUCK[of]})", of, a.size)

    def keys(self, source, most=3):
        found = [c for c in source.columns if c.type in SORTED]
        keys = [self.rng.choice(found) for _ in range(self.rng.randrange(0, most))]
        if self.rng.random() < 0.3:
            keys.append(Expressions(self.rng, source.columns).of(self.rng.choice(["int", "string", "bool", "date"]), 1))
        few = [c for c in found if c.flink.endswith(("`k`", "`g`", "`b`"))]
        if few and self.rng.random() < 0.6:
            keys.append(self.rng.choice(few))
        unique = {key.flink: key for key in keys if not key.flink.startswith(("CAST(", "'"))}
        return [key for key in unique.values() if "." in key.flink]

    def having(self, source):
        if self.rng.random() < 0.3:
            call = self.aggregate_call(source)
            if call.type in ("int", "bigint"):
                sign, number = self.rng.choice(["<", ">", "<>"]), self.rng.randrange(0, 4)
                return f" AND {call.flink} {sign} {number}", f" AND {call.duck} {sign} {number}"
        return "", ""

    def aggregate(self, depth):
        source = self.source(depth)
        keys, calls, where, having = self.keys(source), self.aggregate_calls(source), self.where(source, 0.4), self.having(source)
        # Of no rows there is no row here, as in Flink, and one in DuckDB.
        tails = []
        for n, text in enumerate(("flink", "duck")):
            by = " GROUP BY " + ", ".join(getattr(key, text) for key in keys) if keys else ""
            tails.append(f"{where[n]}{by} HAVING COUNT(*) > 0{having[n]}")
        return select(keys + calls, source, *tails, rows=source.rows if keys else 1)

    def grouping_sets(self, depth):
        source = self.source(depth)
        keys = [c for c in self.keys(source, 4) if c in source.columns][:3]
        if not keys:
            return self.aggregate(depth)
        where, calls = self.where(source, 0.4), self.aggregate_calls(source)
        calls += [Expr(f"GROUPING({key.flink})", f"GROUPING({key.duck})", "bigint", 1) for key in keys[:1]]
        kind, subsets = self.rng.choice(["ROLLUP", "CUBE", "SETS"]), [list(range(len(keys)))]
        for _ in range(self.rng.randrange(0, 4)):
            subsets.append([number for number in range(len(keys)) if self.rng.random() < 0.5])
        tails = []
        for n, text in enumerate(("flink", "duck")):
            texts = [getattr(key, text) for key in keys]
            sets = ", ".join("(" + ", ".join(texts[number] for number in subset) + ")" for subset in subsets)
            by = f"GROUPING SETS ({sets})" if kind == "SETS" else f"{kind} ({', '.join(texts)})"
            tails.append(f"{where[n]} GROUP BY {by} HAVING COUNT(*) > 0")
        return select(keys + calls, source, *tails, rows=source.rows * 8)

    # Joins.
    def pairs(self, left, right):
        """Pairs of columns that can be compared."""
        return [(a, b) for a in left.columns for b in right.columns
                if a.type == b.type and a.type in ("int", "string", "bigint", "date", "bool", "double", "dec", "digits")]

    def join(self, depth):
        rng = self.rng
        left, right = self.source(depth - 1), self.source(depth - 1)
        pairs = self.pairs(left, right)
        if not pairs or left.rows * right.rows > ROWS_MAX:
            return self.project(depth)
        some = Expressions(rng, left.columns + right.columns)
        conditions = []
        for a, b in rng.sample(pairs, min(len(pairs), rng.randrange(1, 3))):
            sign = "IS NOT DISTINCT FROM" if rng.random() < 0.15 else "="
            conditions.append(expr.wrap(f"{{}} {sign} {{}}", [a, b], "bool"))
        if rng.random() < 0.4:
            conditions.append(some.predicate(1))
        texts = [" AND ".join(getattr(c, text) for c in conditions) for text in ("flink", "duck")]
        comma = rng.random() < 0.3
        words = (", ", " WHERE ") if comma else (" JOIN ", " ON ")
        both = Source(f"{left.flink}{words[0]}{right.flink}", f"{left.duck}{words[0]}{right.duck}", left.columns + right.columns,
                      left.rows * right.rows)
        where = ("", "") if comma else self.where(both, 0.3)
        return select(self.exprs(both), both, f"{words[1]}{texts[0]}{where[0]}", f"{words[1]}{texts[1]}{where[1]}")

    def semi(self, depth):
        rng = self.rng
        left, right = self.source(depth - 1), self.source(depth - 1)
        pairs = self.pairs(left, right)
        if not pairs:
            return self.project(depth)
        a, b = rng.choice(pairs)
        inner = self.where(right, 0.5)
        negated = rng.choice(["", "NOT "])
        choice = rng.random()
        if choice < 0.1:
            negated = ""
            a, b = [expr.call("", [x, y], "row") for x, y in zip((a, b), rng.choice(pairs))]
            b.flink, b.duck = b.flink[1:-1], b.duck[1:-1]
        if choice < 0.2 and a.type != "row":
            word = "<> ALL" if negated else "= ANY"
            texts = [f" WHERE {x} {word} (SELECT {y} FROM {s}{w})" for x, y, s, w in
                     ((a.flink, b.flink, right.flink, inner[0]), (a.duck, b.duck, right.duck, inner[1]))]
        elif choice < 0.5 or right.rows == 1:
            # A condition on an aggregation without GROUP BY inside EXISTS is not supported.
            texts = [f" WHERE {x} {negated}IN (SELECT {y} FROM {s}{w})" for x, y, s, w in
                     ((a.flink, b.flink, right.flink, inner[0]), (a.duck, b.duck, right.duck, inner[1]))]
        else:
            more = [f" AND {w.removeprefix(' WHERE ')}" if w else "" for w in inner]
            texts = [f" WHERE {negated}EXISTS (SELECT 1 FROM {s} WHERE {y} = {x}{m})" for x, y, s, m in
                     ((a.flink, b.flink, right.flink, more[0]), (a.duck, b.duck, right.duck, more[1]))]
        extra = self.where(left, 0.3)
        texts = [f"{text}{e.replace(' WHERE ', ' AND ', 1)}" for text, e in zip(texts, extra)]
        return select(self.exprs(left), left, *texts)

    def scalar(self, depth):
        """A comparison with the result of an aggregation."""
        left, right = self.source(depth - 1), self.source(depth - 1)
        of = self.rng.choice(["int", "bigint", "double", "string", "date", "ts"])
        a, b = Expressions(self.rng, left.columns).of(of, 1), Expressions(self.rng, right.columns).of(of, 1)
        name, sign = self.rng.choice(["MIN", "MAX"]), self.rng.choice(["=", "<", ">", "<>", "<=", ">="])
        where = self.where(right, 0.4)
        texts = [f" WHERE {x} {sign} (SELECT {name}({y}) FROM {s}{w})" for x, y, s, w in
                 ((a.flink, b.flink, right.flink, where[0]), (a.duck, b.duck, right.duck, where[1]))]
        return select(self.exprs(left), left, *texts)

    def common(self, depth):
        """A query that is read twice."""
        query, name = self.query(depth - 1), self.alias()
        one, two = self.alias(), self.alias()
        if query.rows**2 > ROWS_MAX:
            return query
        columns = [[Expr(f"{of}.{c.name}", f"{of}.{c.name}", c.type, c.size) for c in query.columns] for of in (one, two)]
        both = Source(f"{name} AS {one} JOIN {name} AS {two}", f"{name} AS {one} JOIN {name} AS {two}", columns[0] + columns[1],
                      query.rows**2)
        made = select(self.exprs(both), both, f" ON {one}.c0 = {two}.c0")
        made.flink, made.duck = f"WITH {name} AS ({query.flink}) {made.flink}", f"WITH {name} AS ({query.duck}) {made.duck}"
        return made

    def set_operation(self, depth):
        left = self.source(depth - 1)
        exprs = self.exprs(left, self.rng.randrange(1, 4))
        exprs = [e for e in exprs if e.type in expr.TYPES] or [Expressions(self.rng, left.columns).of("int")]
        one = select(exprs, left, *self.where(left))
        right = self.source(depth - 1)
        some = Expressions(self.rng, right.columns)
        plain = lambda of: some.column(of) if self.rng.random() < 0.7 else None
        two = select([plain(e.type) or some.of(e.type) for e in exprs], right, *self.where(right))
        word = self.rng.choice(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"])
        columns = [Column(a.name, a.type, expr.largest(a, b)) for a, b in zip(one.columns, two.columns)]
        made = Query(f"({one.flink}) {word} ({two.flink})", f"({one.duck}) {word} ({two.duck})", columns, one.rows + two.rows)
        whole = self.nested(made)
        return select(whole.columns, whole)

    def top(self, depth):
        """The first rows by an order of all columns, so that only equal rows are equal in it."""
        rng = self.rng
        inner = self.source(depth - 1)
        found = [c for c in inner.columns if c.type in SORTED]
        source = self.nested(select(rng.sample(found, min(len(found), rng.randrange(1, 5))), inner, *self.where(inner, 0.4)))
        order = []
        for column in rng.sample(source.columns, len(source.columns)):
            way = rng.choice(["ASC NULLS FIRST", "DESC NULLS LAST", "ASC NULLS LAST", "DESC NULLS FIRST"])
            order.append(f"{column.flink} {way}")
        first, last = rng.choice([1, 1, 1, 2]), rng.choice([1, 1, 2, 3, 10])
        if rng.random() < 0.3:
            offset = f" OFFSET {first - 1}" if first > 1 else ""
            limit = f" LIMIT {last}{offset}" if first > 1 or rng.random() < 0.7 else f" FETCH FIRST {last} ROWS ONLY"
            return select(source.columns, source, f" ORDER BY {', '.join(order)}{limit}", rows=last)
        last = max(first, last)
        keys = [c for c in source.columns if rng.random() < 0.3]
        by = f"PARTITION BY {', '.join(c.flink for c in keys)} " if keys else ""
        number = f"ROW_NUMBER() OVER ({by}ORDER BY {', '.join(order)})"
        counted = select([*source.columns, expr.both(number, "bigint", last)], source)
        outer = self.nested(counted)
        wanted = outer.columns if rng.random() < 0.5 else outer.columns[:-1]
        bounds = f"{outer.columns[-1].flink} <= {last}"
        if first > 1:
            bounds += f" AND {outer.columns[-1].flink} >= {first}"
        return select(wanted, outer, f" WHERE {bounds}")

    def unnest(self, depth):
        base = self.base()
        array = next(c for c in base.columns if c.type == "array")
        alias = self.alias()
        item = Expr(f"{alias}.item", f"{alias}.item", "int", 10)
        both = Source(f"{base.flink} CROSS JOIN UNNEST({array.flink}) AS {alias} (item)",
                      f"{base.duck} CROSS JOIN UNNEST({array.duck}) AS {alias} (item)", [*base.columns, item], 4 * self.rows)
        return select([item, *self.exprs(both)], both, *self.where(both))
