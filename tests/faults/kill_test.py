#!/usr/bin/python3
"""kill -9 while batches are in flight: afterwards every count and sum equals that of an uninterrupted run.

The log lives in a process of its own (`freshet broker`), the server is killed again and again while a replay
goes on. `--fault KIND` runs the same with a server that breaks invariant 1 on purpose (CommitFault in
featurestore/store/store.h): the test then has to FAIL, which `--expect-failure` turns into success. So it is
shown, each time the suite runs, that the test can see what it is there to see.

"In flight" is asserted, not hoped for: the server writes `b` to a file before a commit and `e` after it
(FRESHET_TEST_COMMIT_LOG, which also makes commits slow enough to be hit before and after their write); a kill counts only where the last byte is `b`.
"""

import argparse
import gzip
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROJECT = """
project: kills
clock: event_time
kafka: {{ brokers: embedded, embedded: {{ partitions: 4 }} }}
storage: {{ path: ./data, memory: 128MiB }}
server: {{ grpc: "127.0.0.1:{grpc}", admin: "127.0.0.1:{admin}", max_rows: 10000 }}
sources:
  flights:
    topic: flights
    key: carrier
    timestamp: scheduled
    fields: {{ scheduled: timestamp, carrier: string, tailnum: string, origin: string, distance: int64 }}
entities:
  carrier: {{ keys: {{ carrier: string }} }}
  plane: {{ keys: {{ tailnum: string }} }}
feature_views:
  carrier_days:
    source: flights
    entity: carrier
    history: 400d
    features:
      flights: {{ aggregate: count, windows: [{{ tumbling: 1d, report: completed }}] }}
      miles: {{ aggregate: sum, of: distance, windows: [{{ tumbling: 1d, report: completed }}] }}
  carrier_totals:
    source: flights
    entity: carrier
    ttl: never
    features:
      flights: {{ aggregate: count, windows: [lifetime] }}
      miles: {{ aggregate: sum, of: distance, windows: [lifetime] }}
  plane_totals:
    source: flights
    entity: plane
    ttl: never
    features:
      flights: {{ aggregate: count, windows: [lifetime] }}
      miles: {{ aggregate: sum, of: distance, windows: [lifetime] }}
feature_services:
  days: [carrier_days]
  carriers: [carrier_totals]
  planes: [plane_totals]
"""


class KillTestFailure(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise KillTestFailure(f"waited {seconds:.0f} s for {what}")


def read_file(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class Run:
    """A broker, a project folder and one server at a time."""

    def __init__(self, binary, folder, fault):
        self.binary = str(binary)
        self.folder = folder
        self.fault = fault
        self.marks = folder / "commits"
        self.server = None
        self.address = f"127.0.0.1:{free_port()}"
        (folder / "freshet.yaml").write_text(
            PROJECT.format(grpc=self.address.split(":")[1], admin=free_port()))
        self.log = open(folder / "log", "ab")
        self.broker = self.spawn("broker", str(folder))
        wait_until(lambda: (folder / "data" / "broker.json").exists(), "the broker's address")

    def spawn(self, *args, **env):
        return subprocess.Popen([self.binary, *args], stdout=self.log, stderr=self.log,
                                env={**os.environ, **env})

    def start_server(self):
        env = {"FRESHET_TEST_COMMIT_LOG": str(self.marks)}
        if self.fault:
            env["FRESHET_TEST_COMMIT_FAULT"] = self.fault
        self.server = self.spawn("serve", str(self.folder), **env)

    def replay(self, file, rate=None):
        limit = ["--rate", f"{rate:.0f}"] if rate else []
        return self.spawn("replay", str(file), "--project", str(self.folder), "--source", "flights",
                          *limit, "--wait", "--address", self.address)

    def check_alive(self):
        if self.server.poll() is not None:
            raise KillTestFailure(f"the server ended by itself, status {self.server.returncode}")

    def kill_in_flight(self, rng, replay):
        """Kills the server inside a commit. False where the kill fell between two: it does not count."""
        before = len(read_file(self.marks))
        commits = rng.randint(1, 4)

        def inside():
            self.check_alive()
            if replay.poll() is not None:
                raise KillTestFailure("the replay ended before the last kill: give it more events or a lower rate")
            marks = read_file(self.marks)
            return len(marks) >= before + 2 * commits - 1 and marks.endswith(b"b")

        wait_until(inside, "a batch in flight")
        time.sleep(rng.uniform(0, 0.025))
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        return read_file(self.marks).endswith(b"b")

    def get(self, service, rows):
        file = self.folder / f"{service}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = subprocess.run([self.binary, "get", service, "--rows", str(file), "--address", self.address,
                               "--output", "json"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KillTestFailure(f"get {service}: {done.stderr.strip()}")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if len(answers) != len(rows):
            raise KillTestFailure(f"get {service}: {len(answers)} answers to {len(rows)} rows")
        return [(a["keys"], a["features"], a["statuses"]) for a in answers]

    def close(self):
        for process in (self.server, self.broker):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.log.close()


def take_sample(file, events, out):
    """The first events, plain; returns the questions that cover all of their entities and days."""
    opener = gzip.open if str(file).endswith(".gz") else open
    carriers, planes, days = set(), set(), set()
    with opener(file, "rt") as lines, open(out, "w", encoding="utf-8") as sample:
        for number, line in enumerate(lines):
            if number == events:
                break
            sample.write(line)
            event = json.loads(line)
            carriers.add(event["carrier"])
            planes.add(event["tailnum"])
            days.add(event["scheduled"][:10])
    planes.discard(None)
    after = [f"{day}T00:30:00Z" for day in sorted(days)[1:]]  # each sees the bucket of the day before
    return {
        "days": [{"carrier": c, "as_of": t} for c in sorted(carriers) for t in after],
        "carriers": [{"carrier": c} for c in sorted(carriers)],
        "planes": [{"tailnum": p} for p in sorted(planes)],
    }


def answers(run, questions):
    return {service: run.get(service, rows) for service, rows in questions.items()}


def finish(run, replay):
    try:
        replay.wait(180)
    except subprocess.TimeoutExpired as error:
        raise KillTestFailure("the replay did not see all of its events applied") from error
    if replay.returncode != 0:
        raise KillTestFailure(f"replay ended with status {replay.returncode}")
    run.check_alive()


def kill_run(binary, folder, sample, questions, args):
    rng = random.Random(args.seed)
    run = Run(binary, folder, args.fault)
    try:
        run.start_server()
        replay = run.replay(sample, args.events / (args.kills * args.seconds_a_kill))
        kills = tries = 0
        while kills < args.kills:
            tries += 1
            if tries > 5 * args.kills:
                raise KillTestFailure(f"only {kills} of {tries} kills fell into a commit")
            kills += run.kill_in_flight(rng, replay)
            run.start_server()
        finish(run, replay)
        print(f"{kills} kills, each with a batch in flight ({tries} tries), seed {args.seed}")
        return answers(run, questions)
    finally:
        run.close()


def plain_run(binary, folder, sample, questions):
    run = Run(binary, folder, None)
    try:
        run.start_server()
        finish(run, run.replay(sample))
        return answers(run, questions)
    finally:
        run.close()


def compare(expected, actual):
    wrong = []
    total = 0
    for service, rows in expected.items():
        for right, got in zip(rows, actual[service]):
            total += 1
            if right != got:
                wrong.append(f"{service}: expected {right}, got {got}")
    print(f"{total} rows compared, {len(wrong)} differ")
    for line in wrong[:5]:
        print("  " + line)
    if wrong:
        raise KillTestFailure(f"{len(wrong)} rows differ from the uninterrupted run")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("flights", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--events", type=int, default=40000)
    parser.add_argument("--seconds-a-kill", type=float, default=1.0, help="sets the rate of the replay")
    parser.add_argument("--seed", type=int, default=20130101)
    parser.add_argument("--fault", choices=["offsets_in_second_batch", "offsets_before_rows", "offset_off_by_one"])
    parser.add_argument("--expect-failure", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    args = parser.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="freshet-kills-"))
    sample = folder / "sample.jsonl"
    questions = take_sample(args.flights, args.events, sample)
    failure = None
    for name in ("plain", "kills"):
        (folder / name).mkdir()
    # What goes wrong in the uninterrupted run is wrong in any case, also where a failure is expected.
    expected = plain_run(args.binary, folder / "plain", sample, questions)
    counted = sum(row[1]["flights_lifetime"] for row in expected["carriers"])
    if counted != args.events:
        raise KillTestFailure(f"the uninterrupted run counted {counted} of {args.events} events")
    try:
        compare(expected, kill_run(args.binary, folder / "kills", sample, questions, args))
    except KillTestFailure as error:
        failure = str(error)

    if not args.keep:
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    if args.expect_failure:
        print(f"the fault {args.fault} was seen: {failure}" if failure else f"the fault {args.fault} was NOT seen")
        return 0 if failure and "differ" in failure else 1
    print(failure or "equal to the uninterrupted run")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
