#!/usr/bin/env python3
"""Every expression of expressions.tsv on every row of rows.json: what Freshet answers is what PostgreSQL 15 answers, but for the
differences that the table declares, and of the same type; what Freshet refuses when it is declared is marked so. Starts a PostgreSQL of
its own on a socket in a temporary folder.
Then random ones, whose seed is printed.
  expressions_test.py EVALUATE_TABLE [SEED]"""

import json
import math
import os
import pwd
import random
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from random_expressions import random_expressions, tame

FOLDER = Path(__file__).parent
BINARIES = Path("/usr/lib/postgresql/15/bin")
SKIPPED = 77
RANDOM_EXPRESSIONS = 1000
# What PostgreSQL may call the type of what is of this type here. Its extract is a numeric, whole or not.
TYPE_NAMES = {"int64": {"bigint", "integer", "smallint", "numeric"}, "double": {"double precision", "numeric"}, "string": {"text", "unknown"},
              "bool": {"boolean"}, "timestamp": {"timestamp with time zone"}}
PG_TYPES = {"int64": "int8", "double": "float8", "string": "text", "bool": "boolean", "timestamp": "timestamptz"}


class Postgres:
    """A server that only this test can reach; gone with its folder at the end."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-pg-"))
        self.data = self.folder / "data"
        self.as_user = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.started = False

    def run(self, *command):
        done = subprocess.run([*self.as_user, *map(str, command)], capture_output=True, text=True, cwd=self.folder, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    def __enter__(self):
        try:
            self.run(BINARIES / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                     "--locale=C.UTF-8", "--no-sync", "--no-instructions")
            options = (f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c timezone=UTC "
                       "-c shared_buffers=16MB -c max_connections=4")
            self.run(BINARIES / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-o", options, "start")
            self.started = True
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.started:
            self.run(BINARIES / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, script):
        """What psql prints for these statements, errors left out."""
        done = subprocess.run([BINARIES / "psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-U", "postgres", "-d", "postgres"],
                              input=script, capture_output=True, text=True, check=False)
        if "could not connect" in done.stderr or done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout


def as_double_precision(sql):
    """PostgreSQL takes 1.5 for a numeric, which Freshet does not have: outside of quotes it becomes (1.5::float8)."""
    number = re.compile(r"(?<![\w.])(\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)")
    parts = re.split(r"('(?:[^']|'')*')", sql)
    return "".join(part if part.startswith("'") else number.sub(r"(\1::float8)", part) for part in parts)


def read_table(path):
    cases, differences = [], {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#! "):
            name, reason = line[3:].split(": ", 1)
            differences[name] = reason
        elif line and not line.startswith("# "):
            if line == "#":
                continue
            refused = line.startswith("! ")
            fields = line.removeprefix("! ").split("\t") + ["", ""]
            cases.append({"line": number, "ours": fields[0], "theirs": fields[1] or fields[0], "difference": fields[2], "refused": refused})
    for case in cases:
        if case["difference"] and case["difference"] not in differences:
            sys.exit(f"{path}:{case['line']}: the difference {case['difference']} is not declared at the head")
        if case["difference"] and case["theirs"] == case["ours"]:
            sys.exit(f"{path}:{case['line']}: a difference needs what PostgreSQL is asked instead")
    unused = set(differences) - {case["difference"] for case in cases}
    if unused:
        sys.exit(f"{path}: nothing shows the differences {', '.join(sorted(unused))}")
    return cases, differences


def readable(sql):
    """False for text that psql would not see the end of."""
    return "'" not in re.sub(r"'(?:[^']|'')*'", "", sql) and sql.count("(") == sql.count(")") and ";" not in sql


def theirs(server, cases, table):
    """For every case a list with, for every row, ["value", …] or ["error"]."""
    columns = ", ".join(f'"{name}" {PG_TYPES[kind]}' for name, kind in table["columns"].items())
    rows = [{"n": n, **row} for n, row in enumerate(table["rows"])]
    quoted = json.dumps(rows).replace("'", "''")
    script = ["drop table if exists rows;", f"create table rows (n int, {columns});",
              f"insert into rows select * from json_populate_recordset(null::rows, '{quoted}');"]
    for case_number, case in enumerate(cases):
        sql = as_double_precision(case["theirs"])
        for n in range(len(rows)):
            # A statement a row, since an error of one row is no error of another.
            script.append(f"\\echo #{case_number} {n}")
            script.append(f"select coalesce(to_json(({sql}))::text, 'null') from rows where n = {n};")
            if not readable(sql):
                script[-1] = "select 1 / 0;"
    answers = [[["error"] for _ in rows] for _ in cases]
    at = None
    for line in server.ask("\n".join(script)).splitlines():
        if line.startswith("#"):
            at = tuple(map(int, line[1:].split()))
        elif at:
            answers[at[0]][at[1]] = ["value", json.loads(line)]
    return answers


def types_of(server, cases, table):
    """What PostgreSQL calls the type of every case; nothing where it refuses it."""
    columns = ", ".join(f'"{name}" {PG_TYPES[kind]}' for name, kind in table["columns"].items())
    script = ["drop table if exists rows;", f"create table rows (n int, {columns});"]
    for case_number, case in enumerate(cases):
        sql = as_double_precision(case["theirs"])
        if readable(sql):
            script += [f"\\echo #{case_number}", f"select ({sql}) as it from rows \\gdesc"]
    types, at = [None] * len(cases), None
    for line in server.ask("\n".join(script)).splitlines():
        if line.startswith("#"):
            at = int(line[1:])
        elif at is not None and line.startswith("it|"):
            types[at] = line[3:]
    return types


def as_time(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)", text)
    if not match:
        return None
    micros = int(((match[2] or ".")[1:] + "000000")[:6])
    return datetime.fromisoformat(match[1]).replace(microsecond=micros, tzinfo=timezone.utc)


def same(ours, reference, kind):
    if ours is None or reference is None:
        return ours is None and reference is None
    if kind == "bool":
        return isinstance(reference, bool) and ours == reference
    if kind in ("int64", "double"):
        if isinstance(reference, bool) or not isinstance(reference, (int, float)):
            return False
        if isinstance(ours, int) and isinstance(reference, int):
            return ours == reference
        return math.isclose(ours, reference, rel_tol=1e-12, abs_tol=0.0)
    if kind == "timestamp":
        return isinstance(reference, str) and as_time(ours) == as_time(reference)
    return ours == reference


def evaluate(program, cases, table):
    """What Freshet says of every case: {"type", "values"} or {"error"}."""
    with tempfile.TemporaryDirectory() as folder:
        expressions, rows = Path(folder, "expressions"), Path(folder, "rows.json")
        expressions.write_text("".join(case["ours"] + "\n" for case in cases))
        rows.write_text(json.dumps(table))
        done = subprocess.run([program, expressions, rows], capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def compare(name, cases, table, ours, reference, types):
    """Prints what disagrees; how often, and how many evaluations were errors on both sides."""
    failed = errors = 0
    for case, mine, answers, kind in zip(cases, ours, reference, types):
        if case["refused"] != ("error" in mine):
            failed += 1
            print(f"{name}:{case['line']}: {case['ours']}\n  " +
                  (f"is refused: {mine['error']}; a line of what is refused begins with !" if "error" in mine else "is not refused"))
        elif "type" in mine and kind and kind not in TYPE_NAMES[mine["type"]]:
            failed += 1
            print(f"{name}:{case['line']}: {case['ours']}\n  is a {mine['type']} here, and in PostgreSQL a {kind}")
        for n, answer in enumerate(answers):
            own = {"error": mine["error"]} if "error" in mine else mine["values"][n]
            if "error" in own:
                good = answer[0] == "error"
                errors += good
            else:
                good = answer[0] == "value" and same(own["value"], answer[1], mine["type"])
            if not good:
                failed += 1
                print(f"{name}:{case['line']}: {case['ours']}\n  row {n}: {json.dumps(table['rows'][n], ensure_ascii=False)}\n"
                      f"  here {json.dumps(own, ensure_ascii=False)}, PostgreSQL {json.dumps(answer, ensure_ascii=False)} "
                      f"for {as_double_precision(case['theirs'])}")
    return failed, errors


def main():
    if not (BINARIES / "initdb").exists():
        print("PostgreSQL 15 is not installed (packages.txt, [test])")
        return SKIPPED
    program = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    cases, differences = read_table(FOLDER / "expressions.tsv")
    table = json.loads((FOLDER / "rows.json").read_text())
    drawn = [{"line": n, "ours": text, "theirs": text, "difference": "", "refused": False}
             for n, text in enumerate(random_expressions(seed, RANDOM_EXPRESSIONS))]
    tamed = tame(table)
    with Postgres() as server:
        failed, errors = compare("expressions.tsv", cases, table, evaluate(program, cases, table), theirs(server, cases, table),
                                 types_of(server, cases, table))
        agreed = sum(1 for case in cases if not case["difference"])
        print(f"{len(cases)} expressions, {agreed} of them as PostgreSQL has them and {len(cases) - agreed} of {len(differences)} "
              f"declared differences; {len(cases) * len(table['rows'])} evaluations, {errors} of them errors on both sides; "
              f"{failed} disagree")
        failed_drawn, errors = compare(f"seed {seed}", drawn, tamed, evaluate(program, drawn, tamed), theirs(server, drawn, tamed),
                                       types_of(server, drawn, tamed))
        print(f"{len(drawn)} random expressions, seed {seed}: {len(drawn) * len(table['rows'])} evaluations, {errors} of them errors on "
              f"both sides; {failed_drawn} disagree")
    return 1 if failed or failed_drawn else 0


if __name__ == "__main__":
    sys.exit(main())
