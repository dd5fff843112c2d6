#!/usr/bin/python3
"""How much ingestion does Freshet get out of a CPU second, and how soon is it back after a kill, beside Kafka Streams and Flink?

cpu_vs_kafka_streams, cpu_vs_flink: a preloaded topic of a real Kafka (4 partitions, JSON events of about 130 bytes keyed by card) is
drained by `freshet serve` of config/bench and by a peer that an expert would write for the same ten features (bench/peers): the same
rings of panes, one RocksDB row a card, exactly once, two threads. Events for each CPU second of the process (user and system, all
threads) from its start until the last event is applied: the JVM's start and compilation are in `ratio`, and out of `ratio_warm`,
which is of the second half of the events alone. After each run the features of some cards must be equal.

restart_vs_kafka_streams: seconds from the start of the process, after kill -9 with 1e6 rows of state and nothing in flight, until the
first new event is applied. The baseline is Kafka Streams with a session timeout of 6 s, the least that a broker allows; beside it
stand the default of 45 s, and static membership.
"""

import argparse
import math
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support" / "kafka")]
import kafka_broker  # noqa: E402  pylint: disable=wrong-import-position
from peers import programs  # noqa: E402  pylint: disable=wrong-import-position
from peers.programs import FEATURES, Failed, Flink, Freshet, Streams  # noqa: E402  pylint: disable=wrong-import-position
from report import report  # noqa: E402  pylint: disable=wrong-import-position

PARTITIONS = 4
CARDS = 100_000
# Not what the broker takes is measured, but it must not be what is waited for.
BROKER_JAVA = ("-Xmx1g", "-XX:+UseParallelGC")


def fill(broker, topic, events, cards, of):
    """A new topic of payments; the greatest event time, in µs."""
    words = [f"bootstrap={broker.address}", f"topic={topic}", f"events={events}", f"cards={cards}", f"of={of}",
             f"partitions={PARTITIONS}"]
    done = subprocess.run(programs.java("peers-streams", "FillTopic", [], words), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.startswith("filled"):
        raise Failed(f"the topic could not be filled:\n{done.stdout}{done.stderr}")
    return int(done.stdout.split()[2])


def card(number):
    return f"card-{number:08}"


def check_equal(freshet, peer, name):
    """Both know the same cards and, of each, the same ten values."""
    compared = 0
    for key, row in freshet.items():
        values = peer[key]
        if values is None or row["statuses"]["spend_24h"] in ("NOT_FOUND", "OUTSIDE_MAX_AGE"):
            # A peer removes no row: what is left of an expired one are empty windows.
            if row["statuses"]["spend_24h"] == "PRESENT" or (values is not None and values[5] != 0):
                raise Failed(f"{key}: Freshet says {row}, {name} {values}")
            continue
        for feature, value in zip(FEATURES, values, strict=True):
            expected = row["features"][feature]
            same = math.isnan(value) if expected is None else math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-6)
            if not same:
                raise Failed(f"{key}: {feature} is {expected} to Freshet and {value} to {name}")
            compared += 1
    if compared < len(FEATURES):
        raise Failed(f"no card of {len(freshet)} had values to compare")


class Drain:
    """One run of one program over the whole topic."""

    def __init__(self, program, events, seconds):
        first = program.wait_applied(1, seconds)
        half = program.wait_applied(events // 2, seconds)
        end = program.wait_applied(events, seconds)
        self.cpu_rate = events / end.cpu
        self.warm_rate = (events - half.applied) / (end.cpu - half.cpu)
        self.rate = events / (end.time - first.time)


def cpu_case(case, peer, what, broker, folder, asked):
    """Freshet and the peer in turn."""
    newest = fill(broker, case, asked.events, "zipf", CARDS)
    cards = [card(n) for n in (*range(8), *range(10, 100, 13), *range(100, CARDS, CARDS // 40))]
    freshet, baseline, rocksdb = [], [], None
    for pair in range(asked.pairs):
        values = []
        for start, runs in ((lambda: Freshet(broker.address, case, folder), freshet),
                            (lambda run=f"{case}-{pair}": peer(broker.address, case, folder, run), baseline)):
            program = start()
            try:
                runs.append(Drain(program, asked.events, 120 + asked.events / 5_000))
                rocksdb = getattr(program, "rocksdb", rocksdb)
                values.append(program.features(cards, newest))
            finally:
                program.kill()
                shutil.rmtree(folder, ignore_errors=True)
        check_equal(*values, peer.__name__)
        print(f"  {case} pair {pair + 1}: freshet {freshet[-1].cpu_rate:,.0f} events a CPU second, {freshet[-1].rate:,.0f} events/s; "
              f"{peer.__name__} {baseline[-1].cpu_rate:,.0f}, {baseline[-1].rate:,.0f}", file=sys.stderr)

    def middle(runs, field):
        return statistics.median(getattr(run, field) for run in runs)
    report("peers", case, what, "events/CPU s", [run.cpu_rate for run in freshet], [run.cpu_rate for run in baseline], rocksdb, {
        "ratio_warm": statistics.median(a.warm_rate / b.warm_rate for a, b in zip(freshet, baseline)),
        "freshet_warm": middle(freshet, "warm_rate"), "baseline_warm": middle(baseline, "warm_rate"),
        "freshet_events_per_s": middle(freshet, "rate"), "baseline_events_per_s": middle(baseline, "rate"),
        "events": asked.events})


def payment(number, at):
    """One more event, of a card's own partition by Kafka's own partitioner (kcat's murmur2_random)."""
    seconds, micros = divmod(at, 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return (f'{card(number)}|{{"at":"{text}.{micros // 1000:03}Z","card":"{card(number)}","amount":1.00,"merchant":"merchant-1",'
            f'"country":"DE","online":true}}\n')


def restart_case(case, what, broker, folder, asked):
    """All run at once, idle; in turn each is killed, one event is produced, and it is started again."""
    newest = fill(broker, case, asked.rows, "each", asked.rows)
    commit_ms, idle = 1000, 4  # seconds after the last event before a kill: all of it is committed

    def streams(name, **more):
        return Streams(broker.address, case, folder / name, f"{case}-{name}", commit_ms=commit_ms, **more)
    starts = {"freshet": lambda: Freshet(broker.address, case, folder, ask_every=0.02),
              "6s": lambda: streams("6s", session_ms=6000), "45s": lambda: streams("45s"),
              "static": lambda: streams("static", instance="a")}
    seconds = {name: [] for name in starts}
    running = {}
    try:
        for name, start in starts.items():
            running[name] = start()
        for program in running.values():
            program.wait_applied(asked.rows, 120 + asked.rows / 2_000)
        turns = [name for pair in range(asked.pairs) for name in starts if name != "45s" or pair == 0]
        for turn, name in enumerate(turns):
            time.sleep(idle)
            running[name].kill()
            number = asked.rows - 1 - turn  # a card of the last minutes, so that both its events are in the window
            newest += 1000
            subprocess.run(["kcat", "-P", "-b", broker.address, "-t", case, "-K", "|", "-X", "topic.partitioner=murmur2_random"],
                           input=payment(number, newest), text=True, check=True)
            program = running[name] = starts[name]()
            seconds[name].append(program.wait_applied(1, 180).time - program.began)
            value = program.features([card(number)], newest)[card(number)]
            count = value["features"]["payments_24h"] if name == "freshet" else value[FEATURES.index("payments_24h")]
            if count != 2:
                raise Failed(f"{name}: {card(number)} has {count} payments after the restart, not 2")
            print(f"  {case} {name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    finally:
        for program in running.values():
            program.kill()
        shutil.rmtree(folder, ignore_errors=True)
    report("peers", case, what, "s", seconds["freshet"], seconds["6s"], running["freshet"].rocksdb, {
        "streams_default_timeout": statistics.median(seconds["45s"]), "streams_static_member": statistics.median(seconds["static"]),
        "rows": asked.rows})


def main():
    parser = argparse.ArgumentParser(prog="./run bench peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = {
        "cpu_vs_kafka_streams": lambda name, *more: cpu_case(
            name, Streams, "events for each CPU second, exactly once, against Kafka Streams' Processor API", *more),
        "cpu_vs_flink": lambda name, *more: cpu_case(
            name, Flink, "events for each CPU second, exactly once, against Flink with RocksDB", *more),
        "restart_vs_kafka_streams": lambda name, *more: restart_case(
            name, "seconds after kill -9 to the first new event, 1e6 rows, against Kafka Streams (session timeout 6 s)", *more),
    }
    parser.add_argument("--case", choices=cases, action="append", help="one case (all without it); may be said again")
    parser.add_argument("--events", type=int, default=5_000_000, help="in the topic that is drained (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of state, for the restart (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=3, help="of runs, Freshet and the peer in turn (default: %(default)s)")
    asked = parser.parse_args()
    if asked.events < 1000 or asked.rows < 1000 or asked.pairs < 1:
        parser.error("--events and --rows are at least 1000, --pairs at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="freshet-peers-"))
    try:
        programs.build()
        for name in asked.case or cases:
            # A broker a case: one topic's segments at a time on the disk.
            with kafka_broker.Broker(java=BROKER_JAVA, data=folder / "broker") as broker:
                cases[name](name, broker, folder / "state", asked)
            shutil.rmtree(folder / "broker")
        return 0
    except (Failed, RuntimeError, kafka_broker.Unavailable) as reason:
        print(f"bench peers: {reason}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
