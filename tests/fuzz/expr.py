"""Random expressions, each as Flink SQL and as DuckDB's, of a known type and a known size."""

from dataclasses import dataclass

import data

INT_MAX, BIGINT_MAX = 2**31 - 1, 2**53
FLINK = {"int": "INT", "bigint": "BIGINT", "double": "DOUBLE", "dec": "DECIMAL(10, 2)", "string": "STRING", "bool": "BOOLEAN",
         "date": "DATE", "ts": "TIMESTAMP(3)"}
DUCK = {"int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE", "dec": "DECIMAL(10, 2)", "string": "VARCHAR",
        "bool": "BOOLEAN", "date": "DATE", "ts": "TIMESTAMP"}
TYPES = list(FLINK)
PATTERNS = ["%", "_", "a%", "%a", "%b%", "a_c", "_%", "", "a", "%é%", "__", "%_c", "10%"]


@dataclass
class Expr:
    """`flink` and `duck` are the same expression; `size` is the greatest absolute value, None if it is only compared."""

    flink: str
    duck: str
    type: str
    size: float | None = None


def both(text, of, size=None):
    return Expr(text, text, of, size)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def literal(rng, of, null=0.06):
    """A constant; sometimes a null with a type."""
    if rng.random() < null:
        return Expr(f"CAST(NULL AS {FLINK[of]})", f"CAST(NULL AS {DUCK[of]})", of, 0)
    if of == "int":
        number = rng.choice([0, 1, -1, 2, 3, 10, rng.randrange(-1000, 1000)])
        return both(f"({number})" if number < 0 else str(number), of, abs(number))
    if of == "bigint":
        number = rng.choice([0, 1, 7, rng.randrange(0, 100_000)])
        return both(f"CAST({number} AS BIGINT)", of, number)
    if of == "double":
        number = rng.randrange(-40, 41) / 4
        return both(f"CAST({number} AS DOUBLE)", of, abs(number))
    if of == "dec":
        text = rng.choice(data.EXTREME_DECIMALS)
        return both(f"CAST({quoted(text)} AS DECIMAL(10, 2))", of)
    if of == "string":
        text = quoted(rng.choice(data.TEXTS))
        # A literal is a CHAR, and CHARs of unlike lengths are padded.
        return Expr(f"CAST({text} AS STRING)", text, of)
    if of == "bool":
        return both(rng.choice(["TRUE", "FALSE"]), of)
    if of == "date":
        return both(f"DATE '{rng.choice(data.DATES)}'", of)
    second = rng.randrange(0, 60)
    return both(f"TIMESTAMP '2024-03-11 00:00:{second:02}.{rng.choice(['000', '500'])}'", of)


class Expressions:
    """Expressions over some columns."""

    def __init__(self, rng, columns):
        self.rng = rng
        self.columns = columns

    def column(self, of, sized=False):
        found = [c for c in self.columns if (c.type == of or of == "string" and c.type == "digits")
                 and (not sized or c.size is not None)]
        return self.rng.choice(found) if found else None

    def of(self, of, depth=2, sized=False):
        """An expression of a type; `sized`: to be calculated with."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.35:
            found = self.column(of, sized)
            if found is not None and rng.random() < 0.85:
                return Expr(found.flink, found.duck, of, found.size)
            return literal(rng, of)
        made = getattr(self, f"_{of}")(depth - 1)
        if made is None or sized and made.size is None:
            return self.of(of, 0, sized)
        return made

    # Values of any type.
    def _any(self, of, depth):
        rng, choice = self.rng, self.rng.randrange(5)
        if choice == 0:
            c, a, b = self.predicate(depth), self.of(of, depth), self.of(of, depth)
            text = [f"CASE WHEN {p} THEN {x} ELSE {y} END" for p, x, y in
                    ((c.flink, a.flink, b.flink), (c.duck, a.duck, b.duck))]
            return Expr(f"({text[0]})", f"({text[1]})", of, largest(a, b))
        if choice == 1:
            c, d = self.predicate(depth), self.predicate(depth)
            a, b = self.of(of, depth), self.of(of, depth)
            text = [f"(CASE WHEN {p} THEN {x} WHEN {q} THEN {y} END)" for p, q, x, y in
                    ((c.flink, d.flink, a.flink, b.flink), (c.duck, d.duck, a.duck, b.duck))]
            return Expr(*text, of, largest(a, b))
        if choice == 2:
            a, b = self.of(of, depth), self.of(of, depth)
            return call("COALESCE", [a, b], of, largest(a, b))
        if choice == 3:
            a, b = self.of(of, depth), self.of(of, depth)
            return call("NULLIF", [a, b], of, a.size)
        c, a, b = self.predicate(depth), self.of(of, depth), self.of(of, depth)
        return Expr(f"IF({c.flink}, {a.flink}, {b.flink})", f"(CASE WHEN {c.duck} THEN {a.duck} ELSE {b.duck} END)", of,
                    largest(a, b))

    def _number(self, of, depth, limit):
        rng, choice = self.rng, self.rng.randrange(8)
        a, b = self.of(of, depth, True), self.of(of, depth, True)
        if a.size is None or b.size is None:
            return None
        if choice < 3:
            sign, size = [("+", a.size + b.size), ("-", a.size + b.size), ("*", a.size * b.size)][choice]
            # No negative zero: it is another key than zero.
            zero = " + CAST(0 AS DOUBLE)" if of == "double" else ""
            return wrap(f"{{}} {sign} {{}}{zero}", [a, b], of, size) if size < limit else None
        if choice == 3:
            return call("ABS", [a], of, a.size)
        if choice == 4:
            return wrap("{} - {}", [both(f"CAST(0 AS {FLINK[of]})", of), a], of, a.size)
        if choice == 5 and of != "double":
            return wrap("{} % NULLIF({}, 0)", [a, b], of, a.size)
        if choice == 6 and of != "double":
            # Integers are divided as integers.
            return Expr(f"({a.flink} / NULLIF({b.flink}, 0))", f"({a.duck} // NULLIF({b.duck}, 0))", of, a.size)
        return None

    def _int(self, depth):
        rng = self.rng
        made = self._number("int", depth, INT_MAX) if rng.random() < 0.5 else None
        if made is not None:
            return made
        choice = rng.randrange(8)
        if choice == 0:
            return call("CHAR_LENGTH", [self.of("string", depth)], "int", 1000)
        if choice == 1:
            a, b = literal(rng, "string", 0), self.of("string", depth)
            return None if a.duck == "''" else wrap("POSITION({} IN {})", [a, b], "int", 1000)
        if choice == 2:
            digits = [c for c in self.columns if c.type == "digits"]
            return wrap("CAST({} AS INT)", [rng.choice(digits)], "int", 200) if digits else None
        if choice == 3:
            a = self.of("double", depth, True)
            if a.size is None or a.size > INT_MAX:
                return None
            return Expr(f"CAST({a.flink} AS INT)", f"CAST(TRUNC({a.duck}) AS INTEGER)", "int", a.size)
        if choice == 4:
            return wrap("CAST({} AS INT)", [self.of("bool", depth)], "int", 1)
        if choice == 5:
            part = rng.choice(["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"])
            a = self.of("ts", depth)
            return wrap(f"CAST(EXTRACT({part} FROM {{}}) AS INT)", [a], "int", 10_000)
        if choice == 6:
            part = rng.choice(["YEAR", "MONTH", "DAY"])
            return wrap(f"CAST(EXTRACT({part} FROM {{}}) AS INT)", [self.of("date", depth)], "int", 10_000)
        return self._any("int", depth)

    def _bigint(self, depth):
        rng = self.rng
        made = self._number("bigint", depth, BIGINT_MAX) if rng.random() < 0.5 else None
        if made is not None:
            return made
        if rng.random() < 0.5:
            a = self.of("int", depth)
            return wrap("CAST({} AS BIGINT)", [a], "bigint", a.size)
        return self._any("bigint", depth)

    def _double(self, depth):
        rng = self.rng
        made = self._number("double", depth, 2**30) if rng.random() < 0.5 else None
        if made is not None:
            return made
        choice = rng.randrange(4)
        if choice == 0:
            a = self.of("int", depth)
            return wrap("CAST({} AS DOUBLE)", [a], "double", a.size)
        if choice == 1:
            a = self.of("double", depth, True)
            size = None if a.size is None else a.size + 1
            return wrap(f"{rng.choice(['FLOOR', 'CEIL'])}({{}}) + CAST(0 AS DOUBLE)", [a], "double", size)
        if choice == 2:
            a = self.of("double", depth, True)
            return wrap("{} / CAST(4 AS DOUBLE)", [a], "double", None)
        return self._any("double", depth)

    def _dec(self, depth):
        if self.rng.random() < 0.3:
            a = self.of("int", depth)
            if a.size is not None and a.size < 10**7:
                return wrap("CAST({} AS DECIMAL(10, 2))", [a], "dec")
        return self._any("dec", depth)

    def _string(self, depth):
        rng, choice = self.rng, self.rng.randrange(12)
        a = self.of("string", depth)
        if choice == 0:
            return wrap("{} || {}", [a, self.of("string", depth)], "string")
        if choice == 1:
            return call(rng.choice(["UPPER", "LOWER", "REVERSE", "MD5", "TRIM"]), [a], "string")
        if choice == 2:
            return wrap(f"SUBSTRING({{}} FROM {rng.randrange(1, 4)} FOR {rng.randrange(0, 4)})", [a], "string")
        if choice == 3:
            return wrap(f"{rng.choice(['LEFT', 'RIGHT'])}({{}}, {rng.randrange(0, 4)})", [a], "string")
        if choice == 4:
            return wrap(f"{rng.choice(['LPAD', 'RPAD'])}({{}}, {rng.randrange(0, 8)}, 'xy')", [a], "string")
        if choice == 5:
            return wrap(f"REPLACE({{}}, 'a', '{rng.choice(['', 'bb'])}')", [a], "string")
        if choice == 6:
            of = rng.choice(["int", "bigint"])
            b = self.of(of, depth)
            return Expr(f"CAST({b.flink} AS STRING)", f"CAST({b.duck} AS VARCHAR)", "string")
        if choice == 7:
            b = self.of("date", depth)
            return Expr(f"CAST({b.flink} AS STRING)", f"CAST({b.duck} AS VARCHAR)", "string")
        if choice == 8:
            b = self.of("bool", depth)
            return Expr(f"UPPER(CAST({b.flink} AS STRING))", f"UPPER(CAST({b.duck} AS VARCHAR))", "string")
        if choice == 9:
            return wrap(f"REPEAT({{}}, {rng.randrange(0, 3)})", [a], "string")
        return self._any("string", depth)

    def _bool(self, depth):
        return self.predicate(depth) if self.rng.random() < 0.7 else self._any("bool", depth)

    def _date(self, depth):
        if self.rng.random() < 0.3:
            return wrap("CAST({} AS DATE)", [self.of("ts", depth)], "date")
        return self._any("date", depth)

    def _ts(self, depth):
        rng, choice = self.rng, self.rng.randrange(3)
        a = self.of("ts", 0)
        if choice == 0:
            unit = rng.choice(["SECOND", "MINUTE", "HOUR", "DAY"])
            return wrap(f"{{}} {rng.choice('+-')} INTERVAL '{rng.randrange(0, 50)}' {unit}", [a], "ts")
        if choice == 1:
            unit = rng.choice(["MINUTE", "HOUR", "DAY", "MONTH", "YEAR"])
            return Expr(f"FLOOR({a.flink} TO {unit})", f"CAST(date_trunc('{unit}', {a.duck}) AS TIMESTAMP)", "ts")
        return self._any("ts", depth)

    def predicate(self, depth=2):
        rng = self.rng
        if depth > 0 and rng.random() < 0.35:
            sign = rng.choice(["AND", "OR"])
            return wrap(f"{{}} {sign} {{}}", [self.predicate(depth - 1), self.predicate(depth - 1)], "bool")
        if depth > 0 and rng.random() < 0.1:
            return wrap("NOT {}", [self.predicate(depth - 1)], "bool")
        of = rng.choice(TYPES)
        choice = rng.randrange(9)
        a = self.of(of, depth - 1)
        if choice < 3:
            return wrap(f"{{}} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {{}}", [a, self.of(of, depth - 1)], "bool")
        if choice == 3:
            return wrap(f"{{}} IS {rng.choice(['', 'NOT '])}NULL", [a], "bool")
        if choice == 4:
            sign = rng.choice(["", "NOT "])
            return wrap(f"({{}} IS {sign}DISTINCT FROM {{}})", [a, self.of(of, depth - 1)], "bool")
        if choice == 5:
            items = [literal(rng, of, 0.03) for _ in range(rng.randrange(1, 5))]
            sign = rng.choice(["", "NOT "])
            return Expr(f"({a.flink} {sign}IN ({', '.join(e.flink for e in items)}))",
                        f"({a.duck} {sign}IN ({', '.join(e.duck for e in items)}))", "bool")
        if choice == 6:
            sign = rng.choice(["", "NOT "])
            return wrap(f"{{}} {sign}BETWEEN {{}} AND {{}}", [a, self.of(of, 0), self.of(of, 0)], "bool")
        if choice == 7:
            text = self.of("string", depth - 1)
            sign, pattern = rng.choice(["", "NOT "]), quoted(rng.choice(PATTERNS))
            if rng.random() < 0.2:
                return wrap(f"{{}} {sign}LIKE '%!%%' ESCAPE '!'", [text], "bool")
            return wrap(f"{{}} {sign}LIKE {pattern}", [text], "bool")
        truth = self.of("bool", depth - 1)
        return wrap(f"{{}} IS {rng.choice(['', 'NOT '])}{rng.choice(['TRUE', 'FALSE'])}", [truth], "bool")


def largest(a, b):
    return None if a.size is None or b.size is None else max(a.size, b.size)


def wrap(form, args, of, size=None):
    """The form with the arguments put in, in parentheses."""
    return Expr("(" + form.format(*(a.flink for a in args)) + ")", "(" + form.format(*(a.duck for a in args)) + ")", of, size)


def call(name, args, of, size=None):
    return Expr(f"{name}({', '.join(a.flink for a in args)})", f"{name}({', '.join(a.duck for a in args)})", of, size)
