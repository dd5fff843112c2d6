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
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from running import Folder, wait_until

PROJECT = """
project: kills
clock: event_time
kafka: { brokers: embedded, embedded: { partitions: 4 } }
storage: { path: ./data, memory: 128MiB }
server: { max_rows: 10000 }
sources:
  flights:
    topic: flights
    key: carrier
    timestamp: scheduled
    fields: { scheduled: timestamp, carrier: string, tailnum: string, origin: string, distance: int64 }
entities:
  carrier: { keys: { carrier: string } }
  plane: { keys: { tailnum: string } }
feature_views:
  carrier_days:
    source: flights
    entity: carrier
    history: 400d
    features:
      flights: { aggregate: count, windows: [{ tumbling: 1d, report: completed }] }
      miles: { aggregate: sum, of: distance, windows: [{ tumbling: 1d, report: completed }] }
  carrier_totals:
    source: flights
    entity: carrier
    ttl: never
    features:
      flights: { aggregate: count, windows: [lifetime] }
      miles: { aggregate: sum, of: distance, windows: [lifetime] }
  plane_totals:
    source: flights
    entity: plane
    ttl: never
    features:
      flights: { aggregate: count, windows: [lifetime] }
      miles: { aggregate: sum, of: distance, windows: [lifetime] }
feature_services:
  days: [carrier_days]
  carriers: [carrier_totals]
  planes: [plane_totals]
"""


# With --deletes: doubles and tombstones among the events.
DEDUP = PROJECT.replace("    timestamp: scheduled\n", """\
    timestamp: scheduled
    dedup: { by: [id], within: 1d, max_ids: 500 }
""").replace("fields: {", "fields: { id: int64,")


class KillTestFailure(AssertionError):
    pass


def read_file(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class Run(Folder):
    """A broker, a project folder and one server at a time."""

    def __init__(self, args, fault):
        super().__init__(str(args.binary), DEDUP if args.deletes else PROJECT)
        self.fault = fault
        self.keyed = ["--key-separator", "\\t"] if args.deletes else []
        self.marks = self.path / "commits"
        self.server = None
        self.start("broker", str(self.path)).says(r"broker  127\.0\.0\.1:")

    def start_server(self):
        env = {"FRESHET_TEST_COMMIT_LOG": str(self.marks)}
        if self.fault:
            env["FRESHET_TEST_COMMIT_FAULT"] = self.fault
        self.server = self.serve(env=env)

    def start_replay(self, file, rate=None):
        limit = ["--rate", f"{rate:.0f}"] if rate else []
        return self.start("replay", str(file), "--project", str(self.path), "--source", "flights",
                          *limit, *self.keyed, "--wait", "--address", self.grpc)

    def check_alive(self):
        if self.server.process.poll() is not None:
            raise KillTestFailure(f"the server ended by itself, status {self.server.end()}:\n{self.server.text}")

    def kill_in_flight(self, rng, replay):
        """Kills the server inside a commit. False where the kill fell between two: it does not count."""
        before = len(read_file(self.marks))
        commits = rng.randint(1, 4)

        def inside():
            self.check_alive()
            if replay.process.poll() is not None:
                raise KillTestFailure("the replay ended before the last kill: give it more events or a lower rate")
            marks = read_file(self.marks)
            return len(marks) >= before + 2 * commits - 1 and marks.endswith(b"b")

        wait_until(inside, "a batch in flight", every=0.002)
        time.sleep(rng.uniform(0, 0.025))
        self.server.signal(signal.SIGKILL)
        self.server.end()
        return read_file(self.marks).endswith(b"b")

    def answers(self, questions):
        return {service: [(a["keys"], a["features"], a["statuses"]) for a in self.asked(service, rows)]
                for service, rows in questions.items()}

    def asked(self, service, rows):
        answers = self.rows(rows, service=service)
        if len(answers) != len(rows):
            raise KillTestFailure(f"get {service}: {len(answers)} answers to {len(rows)} rows")
        return answers


def lines_of(line, number, event, rng):
    """The event with an id, sometimes again, sometimes behind a delete of its carrier; each line with its key."""
    keyed = f'{event["carrier"]}\t{{"id":{number},{line.strip()[1:]}\n'
    if rng.random() < 0.002:
        yield f'{event["carrier"]}\t\n'
    yield keyed
    if rng.random() < 0.1:
        yield keyed


def take_sample(file, events, out, deletes):
    """The first events, plain or as lines_of says; returns the questions that cover all of their entities and days."""
    rng = random.Random(events)
    opener = gzip.open if str(file).endswith(".gz") else open
    carriers, planes, days = set(), set(), set()
    with opener(file, "rt") as lines, open(out, "w", encoding="utf-8") as sample:
        for number, line in enumerate(lines):
            if number == events:
                break
            event = json.loads(line)
            sample.writelines(lines_of(line, number, event, rng) if deletes else [line])
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


def finish(run, replay):
    try:
        status = replay.end(180)
    except subprocess.TimeoutExpired as error:
        raise KillTestFailure("the replay did not see all of its events applied") from error
    if status != 0:
        raise KillTestFailure(f"replay ended with status {status}:\n{replay.text}")
    run.check_alive()


def close(run, keep):
    if keep:
        print(f"left for a look: {run.path}")
    run.close(keep)


def kill_run(sample, questions, args):
    rng = random.Random(args.seed)
    run = Run(args, args.fault)
    try:
        run.start_server()
        replay = run.start_replay(sample, args.events / (args.kills * args.seconds_a_kill))
        kills = tries = 0
        while kills < args.kills:
            tries += 1
            if tries > 5 * args.kills:
                raise KillTestFailure(f"only {kills} of {tries} kills fell into a commit")
            kills += run.kill_in_flight(rng, replay)
            run.start_server()
        finish(run, replay)
        print(f"{kills} kills, each with a batch in flight ({tries} tries), seed {args.seed}")
        return run.answers(questions)
    finally:
        close(run, args.keep)


def plain_run(sample, questions, args):
    run = Run(args, None)
    try:
        run.start_server()
        finish(run, run.start_replay(sample))
        return run.answers(questions)
    finally:
        close(run, args.keep)


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
    parser.add_argument("--deletes", action="store_true", help="tombstones and doubles among the events")
    parser.add_argument("--fault", choices=["offsets_in_second_batch", "offsets_before_rows", "offset_off_by_one"])
    parser.add_argument("--expect-failure", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    args = parser.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="freshet-kills-"))
    sample = folder / "sample.jsonl"
    questions = take_sample(args.flights, args.events, sample, args.deletes)
    failure = None
    # What goes wrong in the uninterrupted run is wrong in any case, also where a failure is expected.
    expected = plain_run(sample, questions, args)
    counted = sum(row[1]["flights_lifetime"] for row in expected["carriers"])
    if args.deletes:
        if not 0 < counted < args.events:
            raise KillTestFailure(f"{counted} of {args.events} events are left after deletes: not what is to be tested")
    elif counted != args.events:
        raise KillTestFailure(f"the uninterrupted run counted {counted} of {args.events} events")
    try:
        compare(expected, kill_run(sample, questions, args))
    except AssertionError as error:
        failure = str(error)

    shutil.rmtree(folder)
    if args.expect_failure:
        print(f"the fault {args.fault} was seen: {failure}" if failure else f"the fault {args.fault} was NOT seen")
        return 0 if failure and "differ" in failure else 1
    print(failure or "equal to the uninterrupted run")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
