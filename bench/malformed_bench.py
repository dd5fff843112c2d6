#!/usr/bin/python3
"""How much do malformed records cost? Case malformed_vs_clean: one record in ten is malformed, beside a topic of as many sound ones.

Both topics are preloaded into a real Kafka of 4 partitions and drained by the real server into config/bench's features, each time into
a fresh folder, in turn. A run's time goes from its first record applied to its last one, dead letters on their way meanwhile. At the end
of every run the sums of all cards equal plain sums, and after the last one each malformed record is on the dead-letter topic by its
coordinates with its reason, and nothing else is."""

import argparse
import bisect
import itertools
import pathlib
import random
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "support" / "kafka")]
from kafka_broker import Broker, required
from report import report
from running import Folder, wait_until

PARTITIONS = 4
ONE_IN = 10
CARDS = 100_000
# What is wrong, and how the refusal is called. Each is recognised by its marker when the topic is read again.
BROKEN = (('{{"at":"{at}","card":"{card}","amount":12.25,"merchant":"bad', "malformed"),
          ('{{"at":"{at}","card":"{card}","amount":"bad","merchant":"shop17","country":"PL","online":true}}', "mistyped"),
          ('{{"card":"{card}","amount":12.25,"merchant":"bad shop","country":"PL","online":true}}', "incomplete"))
MARKER = '"bad'


class Drawn:
    """Events by Zipf(0.99) over the cards, a millisecond apart; the same for the same seed."""

    def __init__(self, events, seed):
        rng = random.Random(seed)
        cumulative = list(itertools.accumulate((rank + 1) ** -0.99 for rank in range(CARDS)))
        self.events = events
        # A stretch of draws that repeats is as good as new ones, and ten times as fast to make.
        self.stretch = [(f"c{bisect.bisect_left(cumulative, rng.random() * cumulative[-1]):06d}", rng.randrange(4, 40_000) / 4, rng.randrange(500))
                        for _ in range(min(events, 1_000_000))]

    def lines(self, broken):
        """(key, value, amount or None where it is broken). With `broken` every tenth is."""
        for number in range(self.events):
            card, amount, shop = self.stretch[number % len(self.stretch)]
            seconds, milli = divmod(number, 1000)
            minutes, second = divmod(seconds, 60)
            at = f"2026-01-05T{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{milli:03d}Z"
            if broken and number % ONE_IN == ONE_IN - 1:
                yield card, BROKEN[number // ONE_IN % len(BROKEN)][0].format(at=at, card=card), None
            else:
                yield card, (f'{{"at":"{at}","card":"{card}","amount":{amount},"merchant":"shop{shop}","country":"PL","online":true,'
                             f'"terminal":"T-{number % 9000:05d}"}}'), amount


def preload(broker, topic, drawn, broken):
    """Into the topic, by kcat. Returns card → (count, sum) of the sound ones."""
    totals = {}
    kcat = subprocess.Popen(["kcat", "-P", "-b", broker.address, "-t", topic, "-K", "\t", "-X", "linger.ms=50", "-X", "batch.size=500000",
                             "-X", "compression.codec=lz4", "-X", "queue.buffering.max.messages=500000"], stdin=subprocess.PIPE, text=True)
    for some in iter(lambda lines=drawn.lines(broken): list(itertools.islice(lines, 10_000)), []):
        kcat.stdin.write("".join(f"{key}\t{value}\n" for key, value, _ in some))
        for card, _, amount in some:
            if amount is not None:
                count, total = totals.get(card, (0, 0.0))
                totals[card] = (count + 1, total + amount)
    kcat.stdin.close()
    if kcat.wait() != 0:
        sys.exit(f"bench malformed: kcat could not fill {topic}")
    return totals


def refused(broker, topic):
    """(partition, offset) → reason, of what the topic holds."""
    wanted = {}
    kcat = subprocess.Popen(["kcat", "-C", "-b", broker.address, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p\t%o\t%s\n"],
                            stdout=subprocess.PIPE, text=True)
    for line in kcat.stdout:
        if MARKER in line:
            partition, offset, value = line.rstrip("\n").split("\t")
            wanted[int(partition), int(offset)] = reason_of(value)
    kcat.wait()
    return wanted


def reason_of(value):
    if not value.endswith("}"):
        return "malformed"
    return "mistyped" if '"amount":"bad"' in value else "incomplete"


def letters(broker, topic):
    """(partition, offset) → (reasons, times) on the dead-letter topic."""
    found = {}
    kcat = subprocess.Popen(["kcat", "-C", "-b", broker.address, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k\t%h\n"],
                            stdout=subprocess.PIPE, text=True)
    for line in kcat.stdout:
        if "\t" not in line:
            continue
        key, headers = line.split("\t", 1)
        _, _, partition, offset = key.rsplit("/", 3)
        reason = re.search(r"reason=([a-z_]+)", headers)[1]
        found.setdefault((int(partition), int(offset)), []).append(reason)
    kcat.wait()
    return found


class Drain:
    """A server on a fresh folder, until it has applied a topic."""

    def __init__(self, binary, broker, topic):
        project = (ROOT / "config" / "bench" / "freshet.yaml").read_text(encoding="utf-8")
        project = re.sub(r"(?m)^kafka: .*$", f"kafka: {{ brokers: {broker.address}, dead_letters: {topic}.dead }}", project)
        project = project.replace("topic: payments", f"topic: {topic}").replace("project: bench\n", "project: bench\nserver: { max_rows: 20000 }\n")
        self.folder = Folder(str(binary), project)
        self.server = self.folder.serve()

    def metric(self, name):
        _, text = self.folder.fetch("/metrics")
        return sum(float(value) for value in re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text))

    def seconds(self, records):
        """From when reading had begun to when all was applied, by records: what came before the first look does not count."""
        def applied():
            return self.metric("freshet_ingest_records_total")
        wait_until(lambda: applied() > 0, "the first records", 60, every=0.005)
        begun, first = time.monotonic(), applied()
        wait_until(lambda: applied() >= records, f"{records} records", 3600, every=0.02)
        return (records - first) / (time.monotonic() - begun)

    def check(self, totals):
        cards = list(totals)
        for begin in range(0, len(cards), 20_000):
            some = cards[begin:begin + 20_000]
            for card, row in zip(some, self.folder.rows([{"card": card} for card in some], service="card_model")):
                got = (row["features"]["payments_24h"], row["features"]["spend_24h"])
                if got != totals[card]:
                    sys.exit(f"bench malformed: {card} has {got}, plain sums are {totals[card]}")

    def await_letters(self):
        wait_until(lambda: self.metric("freshet_ingest_dead_letter_outbox_bytes") == 0, "the dead letters' delivery", 600, every=0.2)

    def close(self):
        self.server.stop()
        self.folder.close()


def main():
    parser = argparse.ArgumentParser(prog="./run bench malformed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="records in each of the two topics (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "release" / "server" / "freshet")
    args = parser.parse_args()
    required()
    drawn = Drawn(args.events, 1)
    rates = {"clean": [], "dirty": []}
    with Broker(partitions=PARTITIONS, java=("-Xmx1g", "-XX:+UseG1GC")) as broker:
        totals = {topic: preload(broker, topic, drawn, topic == "dirty") for topic in rates}
        for run in range(args.pairs + 1):  # the first pair does not count
            for topic, measured in rates.items():
                drain = Drain(args.binary, broker, topic)
                try:
                    rate = drain.seconds(args.events)
                    drain.check(totals[topic])
                    drain.await_letters()
                finally:
                    drain.close()
                print(f"{topic}: {rate:,.0f} records/s{'' if run else ' (does not count)'}", file=sys.stderr, flush=True)
                if run:
                    measured.append(rate)
        wanted, found = refused(broker, "dirty"), letters(broker, "dirty.dead")
        sound = letters(broker, "clean.dead")  # made by being read, empty
    check_letters(wanted, found, sound, args.pairs + 1)
    report("malformed", "malformed_vs_clean", "records/s, one in ten malformed and dead-lettered, against as many sound ones, from a real Kafka",
           "records/s", rates["dirty"], rates["clean"], rocksdb_of(args.binary), {"records": args.events, "malformed": len(wanted)})


def rocksdb_of(binary):
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"RocksDB ([^)]*?), gRPC", said)[1]


def check_letters(wanted, found, sound, runs):
    """Once by each server that read the topic, each of which keeps its own account."""
    if sound:
        sys.exit(f"bench malformed: {len(sound)} sound records are dead letters")
    if wanted.keys() != found.keys():
        sys.exit(f"bench malformed: {len(wanted.keys() - found.keys())} malformed records are no dead letters, {len(found.keys() - wanted.keys())} others are")
    for at, reasons in found.items():
        if set(reasons) != {wanted[at]} or len(reasons) != runs:
            sys.exit(f"bench malformed: {at} is {wanted[at]}, dead-lettered as {reasons} by {runs} servers")


if __name__ == "__main__":
    main()
