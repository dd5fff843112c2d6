#!/usr/bin/python3
"""Faults, and that nothing is lost or doubled by them. A producer never stops meanwhile; the end is compared with plain sums over what
the topic holds: count and sum of every entity's lifetime, an hour's window, deletes among the events, every broken record dead-lettered.

  kills    kill -9 of the server inside a commit, under a real Kafka
  wal      kill -9, the write-ahead log cut at a random byte (or with garbage behind the cut), started again; a real Kafka
  mock     schedules of broker faults (errors, slow answers, disconnects, moved leaders), SIGSTOP and kills, on librdkafka's mock cluster
  real     schedules of broker stops, kill -9, SIGSTOP of broker and server, kills of the server, on a real Kafka

Everything is drawn from --seed, which is printed; --only N repeats one schedule of it. With --fault the server breaks a rule on purpose
(server/test_faults.h) and the suite has to fail on it, which --expect-failure turns into success."""

import argparse
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support" / "kafka"))

import load
import schedules
import wal
from kafka_broker import Broker, required
from subject import Differs, Subject, Wrong

COMMIT_FAULTS = ("offsets_in_second_batch", "offsets_before_rows", "offset_off_by_one")
LOG_FAULTS = ("loses_after_break", "repeats_after_break")
# What a broker needs to be one of many: topics that are made by being written to, soon.
BROKER = {"auto.create.topics.enable": "true"}


def faults_of(args):
    if args.fault in COMMIT_FAULTS:
        return {"FRESHET_TEST_COMMIT_FAULT": args.fault}
    return {"FRESHET_TEST_LOG_FAULT": args.fault} if args.fault else {}


def finish(subject, producer, args):
    """All that was produced is applied, and compared. Returns what there was."""
    producer.close()  # where it is not yet
    subject.apply_all()
    truth = load.Truth(subject.brokers)
    values = subject.compare(truth)
    letters = subject.compare_dead_letters(truth)
    subject.stop_server()
    if args.verify:
        subject.verify()
    return (f"{truth.events} events, {truth.deletes} deletes; {values} values compared, 0 differ; {letters[0]} broken records, "
            f"dead-lettered each ({letters[1]} letters)")


def kills(args):
    rng = random.Random(args.seed)
    with Broker(partitions=4, settings=BROKER) as broker:
        subject = Subject(args.binary, broker.address, faults_of(args))
        producer = load.Producer(broker.address, args.seed, args.rate)
        try:
            in_flight = tries = 0
            begun = time.monotonic()
            while in_flight < args.kills:
                if tries > 5 * args.kills + 20:
                    raise Wrong(f"only {in_flight} of {tries} kills fell into a commit")
                tries += 1
                subject.start_server()
                in_flight += subject.kill_in_flight(rng)
                if in_flight % 100 == 0:
                    print(f"{in_flight} kills in {time.monotonic() - begun:.0f} s, {producer.sent} records produced", flush=True)
            print(f"{in_flight} kills with a batch in flight, of {tries}, in {time.monotonic() - begun:.0f} s, seed {args.seed}", flush=True)
            print(finish(subject, producer, args), flush=True)
        finally:
            producer.abandon()
            subject.close(args.keep)


def cut_and_continue(subject, rng):
    """A kill after some commits, and the cut. The commits are not slowed down, so that the log's tail holds many."""
    subject.start_server()
    subject.await_commits(rng.randint(3, 30), in_flight=rng.random() < 0.5)
    subject.kill()
    log = wal.newest(subject.path / "data")
    return wal.cut(log, rng) if log else "no write-ahead log"


def cuts(args):
    rng = random.Random(args.seed)
    with Broker(partitions=4, settings=BROKER) as broker:
        subject = Subject(args.binary, broker.address, faults_of(args))
        producer = load.Producer(broker.address, args.seed, args.rate)
        try:
            begun = time.monotonic()
            for number in range(args.cuts):
                said = cut_and_continue(subject, rng)
                if args.verbose:
                    print(f"cut {number}: {said}", flush=True)
            print(f"{args.cuts} cuts in {time.monotonic() - begun:.0f} s, seed {args.seed}", flush=True)
            print(finish(subject, producer, args), flush=True)
        finally:
            producer.abandon()
            subject.close(args.keep)


def run_schedules(args, count, faults, run_one):
    chosen = [args.only] if args.only is not None else range(count)
    begun = time.monotonic()
    for number in chosen:
        seed = args.seed * 100_003 + number
        timeout_ms, steps = schedules.draw(seed, faults, args.kinds)
        plan = f"time-out {timeout_ms} ms, " + ", ".join(f"{name} after {wait:.2f} s" for wait, name, _ in steps)
        try:
            said = run_one(seed, timeout_ms, steps)
        except AssertionError as wrong:
            raise type(wrong)(f"schedule {number} (repeat it with --seed {args.seed} --only {number}; {plan}): {wrong}") from wrong
        if args.verbose or args.only is not None or number % 20 == 19:
            print(f"schedule {number} ({plan}): {said}", flush=True)
    print(f"{len(chosen)} schedules in {time.monotonic() - begun:.0f} s, seed {args.seed}: 0 differences", flush=True)


def mock(args):
    """A cluster, a folder and a server for each."""
    def run_one(seed, timeout_ms, steps):
        with schedules.MockBroker(args.mock_broker, partitions=4) as broker:
            subject = Subject(args.binary, broker.address, faults_of(args), f", socket.timeout.ms: {timeout_ms}")
            producer = load.Producer(broker.address, seed, rate=800)
            try:
                subject.start_server()
                subject.await_commits(1, in_flight=False)
                done = schedules.carry_out(steps, schedules.MOCK_FAULTS, broker, subject)
                broker.heal()
                return f"{done}; {conclude(subject, producer, args)}"
            finally:
                broker.resume()
                producer.abandon()
                subject.close(args.keep)
    run_schedules(args, args.schedules, schedules.MOCK_FAULTS, run_one)


def real(args):
    """One broker and one log for all, which grows from schedule to schedule; a server's folder for each."""
    with Broker(partitions=4, settings=BROKER) as broker:
        def run_one(seed, timeout_ms, steps):
            subject = Subject(args.binary, broker.address, faults_of(args), f", socket.timeout.ms: {timeout_ms}")
            producer = load.Producer(broker.address, seed, rate=1000)
            try:
                subject.start_server()
                subject.await_commits(1, in_flight=False)
                done = schedules.carry_out(steps, schedules.REAL_FAULTS, broker, subject)
                return f"{done}; {conclude(subject, producer, args)}"
            finally:
                producer.abandon()
                subject.close(args.keep)
        run_schedules(args, args.real_schedules, schedules.REAL_FAULTS, run_one)


def conclude(subject, producer, args):
    """Ends a schedule where everything is well again: what the server of the faults has in hand is applied, then as any other end."""
    producer.close()
    subject.stop_server()
    return finish(subject, producer, args)


SUITES = {"kills": kills, "wal": cuts, "mock": mock, "real": real}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all without")
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--mock-broker", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--real-schedules", type=int, default=20)
    parser.add_argument("--rate", type=int, default=2000, help="events a second under kills and cuts")
    parser.add_argument("--seed", type=int, help="drawn and printed where it is not given")
    parser.add_argument("--only", type=int, metavar="N", help="of schedules: this one alone")
    parser.add_argument("--kinds", help="of schedules: faults of these kinds alone, with commas between")
    parser.add_argument("--fault", choices=[*COMMIT_FAULTS, *LOG_FAULTS])
    parser.add_argument("--expect-failure", action="store_true")
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not ask `freshet verify` as well")
    parser.add_argument("--keep", action="store_true", help="leave folders for a look")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    unknown = set(args.suites) - SUITES.keys()
    if unknown:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    args.suites = args.suites or list(SUITES)
    args.seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1_000_000)
    return args


def main():
    args = parse()
    if set(args.suites) & {"kills", "wal", "real"}:
        required()
    failure = None
    for suite in args.suites:
        print(f"{suite}: seed {args.seed}", flush=True)
        try:
            SUITES[suite](args)
        except AssertionError as wrong:  # Wrong, or something that was waited for in vain
            failure = wrong
            break
    if args.expect_failure:
        print(f"the fault {args.fault} was seen: {failure}" if failure else f"the fault {args.fault} was NOT seen")
        return 0 if isinstance(failure, Differs) else 1
    if failure:
        print(f"FAILED: {suite}, seed {args.seed}: {failure}", flush=True)
        return 1
    print("nothing lost, nothing doubled")
    return 0


if __name__ == "__main__":
    sys.exit(main())
