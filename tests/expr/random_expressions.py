"""Random expressions of every type over the columns of rows.json, for what no one thought of writing into the table. They stay clear of
the declared differences, and of constants where PostgreSQL's planner would compute what an evaluation need not reach."""

import random

COLUMNS = {"int": ["i", "j"], "double": ["x", "y"], "text": ["s", "t"], "bool": ["p", "q"], "time": ["at", "before"]}
LITERALS = {"int": ["0", "1", "2", "-3", "7", "100"], "double": ["0.5", "2.0", "-1.25", "1000.0"],
            "text": ["'a'", "'ü'", "','", "''", "'hello'"], "bool": ["true", "false"],
            "time": ["timestamptz '2013-03-31 01:30:00+00'", "timestamptz '2020-02-29 12:00:00+00'"]}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
PATTERNS = ["'%'", "'h%'", "'%l_o'", "'%ü%'", "'_%,%'", "'日%'", "'%a'", "'HE%'"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *forms):
        return self.random.choice(forms)()

    def either(self, kind, depth):
        """An operand that is a literal at times. Of times it is then plain text, which reads as the type beside it."""
        if kind == "time" and self.random.random() < 0.3:
            return self.random.choice(["'2013-03-31 01:30:00'", "'2020-02-29 12:00:00'"])
        return self.right(kind, depth)

    def number(self, depth):
        """Of either type, for what compares them."""
        kind = self.random.choice(["int", "double"])
        return self.random.choice(LITERALS[kind]) if self.random.random() < 0.2 else self.of(kind, depth)

    def right(self, kind, depth):
        """A second operand, which is a literal at times."""
        return self.random.choice(LITERALS[kind]) if self.random.random() < 0.4 else self.of(kind, depth)

    def of(self, kind, depth):
        if depth == 0:
            return self.random.choice(COLUMNS[kind])
        d = depth - 1
        one, two = (lambda: self.of(kind, d)), (lambda: self.right(kind, d))
        if self.random.random() < 0.3:
            return self.pick(
                lambda: f"coalesce({one()}, {two()})",
                lambda: f"nullif({one()}, {two()})",
                lambda: f"case when {self.of('bool', d)} then {one()} when {self.of('bool', d)} then {two()} end",
                lambda: f"case when {self.of('bool', d)} then {one()} else {two()} end",
                lambda: f"case {self.of('int', d)} when {self.of('int', d)} then {one()} when 7 then {two()} else {one()} end",
                lambda: f"greatest({one()}, {two()}, {one()})",
                lambda: f"least({one()}, {two()})")
        return getattr(self, kind)(one, two, d)

    def int(self, one, two, d):
        sign = self.random.choice("+-*%")
        return self.pick(
            lambda: f"({one()} {sign} {two()})", lambda: f"({one()} {sign} {two()})", lambda: f"-({one()})", lambda: f"abs({one()})",
            lambda: f"mod({one()}, {two()})", lambda: f"length({self.of('text', d)})",
            lambda: f"extract({self.random.choice(['year', 'month', 'dow', 'doy', 'hour', 'week'])} from {self.of('time', d)})::int8",
            lambda: f"extract({self.random.choice(['year', 'month', 'day', 'isodow', 'doy', 'hour', 'minute', 'week'])} from "
                    f"{self.of('time', d)} at time zone '{self.random.choice(ZONES)}')::int8")

    def double(self, one, two, d):
        sign = self.random.choice("+-*/")
        return self.pick(
            lambda: f"({one()} {sign} {two()})", lambda: f"({one()} {sign} {two()})", lambda: f"-({one()})", lambda: f"abs({one()})",
            lambda: f"floor({one()})", lambda: f"ceil({one()})", lambda: f"sqrt({one()})", lambda: f"({self.of('int', d)} + {one()})",
            lambda: f"({one()} * {self.of('int', d)})", lambda: f"({self.of('int', d)})::float8",
            lambda: f"extract(epoch from {self.of('time', d)} - {self.of('time', d)})::float8",
            lambda: f"extract({self.random.choice(['epoch', 'second'])} from {self.of('time', d)} at time zone "
                    f"'{self.random.choice(ZONES)}')::float8")

    def text(self, one, two, d):
        n = self.random.randint(-2, 4)
        m = self.random.randint(0, 4)
        return self.pick(
            lambda: f"({one()} || {two()})", lambda: f"concat({one()}, {two()})", lambda: f"lower({one()})", lambda: f"upper({one()})",
            lambda: f"substring({one()} from {n} for {m})", lambda: f"split_part({one()}, ',', {m + 1})",
            lambda: f"({one()} || {self.of('int', d)})", lambda: f"cast({self.of('double', d)} as text)",
            lambda: f"cast({self.of('bool', d)} as text)")

    def bool(self, one, two, d):
        def compared():
            kind = self.random.choice(list(COLUMNS))
            sign = self.random.choice(["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"])
            operands = [self.of(kind, d), self.either(kind, d)]
            self.random.shuffle(operands)
            return f"({operands[0]} {sign} {operands[1]})"

        def ranged():
            kind = self.random.choice(["number", "int", "double", "text", "time"])
            word = self.random.choice(["between", "not between", "between symmetric"])
            drawn = (lambda: self.number(d)) if kind == "number" else (lambda: self.either(kind, d))
            column = (lambda: self.of(self.random.choice(["int", "double"]), d)) if kind == "number" else (lambda: self.of(kind, d))
            if self.random.random() < 0.3:  # a literal on the left, and none beside it, whose comparison PostgreSQL would compute first
                literal = self.random.choice(LITERALS["double" if kind == "number" else kind])
                return f"({literal} {word} {column()} and {column()})"
            return f"({column()} {word} {drawn()} and {drawn()})"

        def listed():
            kind = self.random.choice(["int", "double", "text"])
            items = ", ".join(self.random.sample(LITERALS[kind], 3) + self.random.choice([[], ["null"]]))
            return f"({self.of(kind, d)} {self.random.choice(['in', 'not in'])} ({items}))"

        def listed_columns():
            # No items that could fail: PostgreSQL looks at the constants among them first.
            kind = self.random.choice(["number", "text", "time"])
            word = self.random.choice(["in", "not in"])
            if kind == "number":
                return f"({self.number(d)} {word} ({self.number(0)}, {self.number(0)}, {self.number(0)}))"
            operands = [self.of(kind, 0), self.either(kind, 0), self.either(kind, 0)]
            self.random.shuffle(operands)
            return f"({operands[0]} {word} ({operands[1]}, {operands[2]}))"

        def chosen():
            kind = self.random.choice(["number", "text"])
            of = self.number if kind == "number" else lambda depth: self.either("text", depth)
            return f"(case {of(d)} when {of(d)} then true when {of(d)} then {one()} end)"

        test = self.random.choice(["null", "not null", "true", "not true", "false", "not false", "unknown"])
        return self.pick(
            compared, compared, compared, ranged, listed, listed_columns, chosen, lambda: f"({one()} and {one()})", lambda: f"({one()} or {one()} or {one()})",
            lambda: f"(not {one()})", lambda: f"({one()} is {test})",
            lambda: f"({self.of('text', d)} {self.random.choice(['like', 'not like', 'ilike'])} {self.random.choice(PATTERNS)})",
            lambda: f"starts_with({self.of('text', d)}, {self.right('text', d)})",
            lambda: f"({self.of('int', d)} {self.random.choice(['<', '>=', '='])} {self.of('double', d)})")

    def time(self, one, two, d):
        return self.random.choice(COLUMNS["time"])


def random_expressions(seed, count):
    generator = Generator(seed)
    kinds = list(COLUMNS)
    return [generator.of(kinds[n % len(kinds)], 1 + n % 4) for n in range(count)]


def tame(table):
    """Rows whose doubles do not overflow or vanish within these depths, and hardly come to texts that lie halfway between two doubles:
    underflow and those are declared differences."""
    rows = [dict(row) for row in table["rows"]]
    for row in rows:
        for name, instead in (("x", {1e308: 1e30}), ("y", {1e-308: 0.001, 1e15: 1e9})):
            row[name] = instead.get(row[name], row[name])
    return {"columns": table["columns"], "rows": rows}
