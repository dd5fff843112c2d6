#!/usr/bin/python3
"""Every answer of the real server over the flights equals the oracle's.

For each project of projects/ (or those named) starts `freshet serve` in a folder of its own, replays FILE with
`freshet replay --wait`, and runs oracle_compare. `--disorder` replays the same lines out of order, up to half an hour
late, with broken ones among them: what is a dead letter to the server must be one to the oracle.

  flights_oracle.py FRESHET ORACLE_COMPARE --file flights.jsonl.gz [--disorder] [--lines N] [--project P.yaml ...]
"""

import argparse
import gzip
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
BROKEN = [
    "", "not json", "{", "[]", "null", '{"scheduled":5}', '{"scheduled":"2013-02-30T00:00:00Z"}', '{"carrier":"UA"}',
    '{"scheduled":"2013-01-01T05:00:00Z","flight":1.0}', '{"scheduled":"2013-01-01T05:00:00Z","flight":1,"flight":2}',
    '{"scheduled":"2013-01-01T05:00:00Z","dep_delay":"late"}', '{"scheduled":"2013-01-01T05:00:00Z"} x',
    '{"scheduled":"2013-01-01T05:00:00Z","distance":1e999}', '{"scheduled":"2013-01-01T05:00:00Z","other":1e999}',
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_lines(source, target, count, disorder, seed):
    """The first `count` lines of `source`, in disorder if asked for."""
    with gzip.open(source, "rt") as file:
        lines = [line.rstrip("\n") for _, line in zip(range(count), file)]
    if disorder:
        rng = random.Random(seed)

        # The later a line's own time plus a random delay, the later it stands: half are on time.
        def arrival(line):
            year, month, day, hour, minute = map(int, re.search(r'"(\d+)-(\d+)-(\d+)T(\d+):(\d+)', line).groups())
            minutes = ((month * 31 + day) * 24 + hour) * 60 + minute + year * 600000
            return minutes + (rng.choice([rng.uniform(0, 30), rng.uniform(0, 3 * 24 * 60)]) if rng.random() < 0.5 else 0)

        lines.sort(key=arrival)
        for _ in range(len(lines) // 200):
            lines.insert(rng.randrange(len(lines)), rng.choice(BROKEN[1:]))
    with gzip.open(target, "wt", compresslevel=1) as file:
        file.writelines(line + "\n" for line in lines)
    return len(lines)


def wait_ready(server, address, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"the server ended by itself, status {server.returncode}; it said:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"the server was not ready within a minute; it said:\n{log.read_text()}")


def stop(server):
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        sys.exit("the server did not stop within 30 s of SIGTERM")
    if server.returncode != 0:
        sys.exit(f"the server ended with status {server.returncode} after SIGTERM")


def compare(project, file, arguments):
    with tempfile.TemporaryDirectory(prefix="flights_oracle") as folder:
        folder = pathlib.Path(folder)
        shutil.copy(project, folder / "freshet.yaml")
        grpc, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        env = {**os.environ, "FRESHET_SERVER__GRPC": grpc, "FRESHET_SERVER__ADMIN": admin,
               "FRESHET_STORAGE__MEMORY": "128MiB", "FRESHET_STORAGE__PATH": str(folder / "data")}
        log = folder / "server.log"
        with open(log, "wb") as out:
            server = subprocess.Popen([arguments.freshet, "serve", str(folder)], stdout=out, stderr=out, env=env)
        try:
            wait_ready(server, admin, log)
            start = time.monotonic()
            replay = subprocess.run([arguments.freshet, "replay", str(file), "--project", str(folder), "--source",
                                     "departures", "--wait"], env=env, capture_output=True, text=True, check=False)
            if replay.returncode != 0:
                sys.exit(f"replay: {replay.stderr}\nthe server said:\n{log.read_text()[-4000:]}")
            replayed = time.monotonic() - start
            done = subprocess.run([arguments.oracle_compare, str(folder), "--file", str(file)], env=env, check=False)
            print(f"  replay {replayed:.1f} s, comparison {time.monotonic() - start - replayed:.1f} s", flush=True)
            if done.returncode != 0:
                print(log.read_text()[-4000:])
            return done.returncode == 0
        finally:
            if server.poll() is None:
                stop(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("freshet")
    parser.add_argument("oracle_compare")
    parser.add_argument("--project", dest="projects", action="append", type=pathlib.Path, help="a project of your own")
    parser.add_argument("--file", type=pathlib.Path, required=True)
    parser.add_argument("--disorder", action="store_true")
    parser.add_argument("--lines", type=int, default=10**9, help="only the first N")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    projects = arguments.projects or sorted((HERE / "projects").glob("*.yaml"))
    wrong = []
    with tempfile.TemporaryDirectory(prefix="flights_oracle") as folder:
        file = arguments.file
        if arguments.disorder or arguments.lines < 10**9:
            file = pathlib.Path(folder) / "lines.jsonl.gz"
            count = write_lines(arguments.file, file, arguments.lines, arguments.disorder, seed)
            print(f"{count} lines, --seed {seed}")
        for project in projects:
            print(project.name, flush=True)
            if not compare(project, file, arguments):
                wrong.append(project.name)
    if wrong:
        sys.exit(f"differs from the oracle: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
