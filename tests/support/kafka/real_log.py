"""A real broker with its topics, a project that reads them, and plain Python's sums to hold its answers against."""

import collections
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kafka_broker import Broker, required  # noqa: F401
from running import Folder, wait_until

PROJECT = """
project: real
kafka: { brokers: "@BROKER@" }
storage: { path: ./data, memory: 64MiB }
sources:
  payments:
    topic: @TOPIC@
    key: card
    timestamp: at
    @SOURCE@
    fields: { at: { type: timestamp, unit: ms }, card: string, amount: int64 }
entities:
  card: { keys: { card: string } }
feature_views:
  spend:
    source: payments
    entity: card
    ttl: never
    features:
      n: { aggregate: count, windows: [lifetime] }
      amount: { aggregate: sum, of: amount, windows: [lifetime, 30d] }
  biggest:
    source: payments
    entity: card
    ttl: never
    features:
      biggest: { aggregate: max, of: amount, windows: [lifetime] }
feature_services:
  spend: ["spend:n_lifetime", "spend:amount_lifetime", "spend:amount_30d", "biggest:biggest_lifetime"]
"""


class Sums:
    """What the answers should be: a plain loop over the records that count."""

    def __init__(self):
        self.by_card = collections.defaultdict(list)

    def add(self, card, amount):
        self.by_card[card].append(amount)

    def answers(self):
        return {card: {"n_lifetime": len(amounts), "amount_lifetime": sum(amounts), "amount_30d": sum(amounts),
                       "biggest_lifetime": max(amounts)} for card, amounts in self.by_card.items()}


class Producer:
    """kafka_tool produce: records as they are sent, and `do` what takes effect at once. Idempotent, acks=all."""

    def __init__(self, log, topic, transactional_id=None):
        words = [log.tool_path, log.address, "produce", topic]
        if transactional_id:
            words += ["--transactional-id", transactional_id]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, partition, card, amount, at=None, sums=None):
        """`sums`: where it counts."""
        at = int(time.time() * 1000) if at is None else at
        self.line(partition, card, json.dumps({"at": at, "card": card, "amount": amount}))
        if sums is not None:
            sums.add(card, amount)

    def line(self, partition, key, value):
        self.process.stdin.write(f"{partition}\t{key}\t{value}\n")

    def do(self, what):
        """begin, commit, abort, flush: done when it returns."""
        self.process.stdin.write(f"!{what}\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        assert said == what, f"{what}: {said!r} (exit status {self.process.poll()})"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0


class RealLog:
    """The broker of a test program."""

    def __init__(self, tool_path, **broker):
        self.tool_path = tool_path
        self.broker = Broker(**broker)
        self.address = self.broker.address
        self.topics = 0

    def tool(self, *words):
        done = subprocess.run([self.tool_path, self.address, *map(str, words)], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def topic(self, partitions=1, **config):
        """A new one; its name."""
        self.topics += 1
        name = f"payments_{self.topics}"
        self.create(name, partitions, **config)
        return name

    def create(self, name, partitions=1, **config):
        settings = [word for key, value in config.items() for word in ("--config", f"{key.replace('_', '.')}={value}")]
        self.tool("create", name, "--partitions", partitions, *settings)
        wait_until(lambda: len(self.bounds(name, check=False)) == partitions, f"topic {name}")

    def bounds(self, topic, check=True):
        """By partition: (first offset, end)."""
        done = subprocess.run([self.tool_path, self.address, "bounds", topic], capture_output=True, text=True, timeout=120,
                              check=check)
        rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
        return {partition: (start, end) for partition, start, end in rows}

    def producer(self, topic, transactional_id=None):
        return Producer(self, topic, transactional_id)


class Reader:
    """A project folder of its own that reads a topic, with its server."""

    def __init__(self, binary, log, topic, source="", project=PROJECT):
        self.log, self.topic = log, topic
        self.folder = Folder(binary)
        self.declare(source, project)
        self.server = None
        self.fences = 0

    def declare(self, source="", project=PROJECT):
        text = project.replace("@BROKER@", self.log.address).replace("@TOPIC@", self.topic).replace("@SOURCE@", source)
        self.folder.write("freshet.yaml", text)

    def start(self, ready=True):
        self.server = self.folder.serve()
        self.server.says("serves project real")
        if ready:
            self.folder.wait_ready()
        return self.server

    def stop(self):
        assert self.server.stop() == 0, self.server.text

    def kill(self):
        self.server.process.kill()
        self.server.end()

    def command(self, name, *words):
        return self.folder.run(name, str(self.folder.path), *words)

    def rows(self, rows):
        return self.folder.rows(rows, service="spend")

    def answers(self, cards):
        """As Sums.answers(); a card that is not there is left out."""
        rows = self.rows([{"card": card} for card in cards])
        return {row["keys"]["card"]: row["features"] for row in rows if row["statuses"]["n_lifetime"] == "PRESENT"}

    def wait_for_fence(self, partitions, seconds=60):
        """Whatever was in these partitions before is applied when it returns: what is sent last is seen."""
        self.fences += 1
        cards = [f"fence-{self.folder.path.name}-{self.fences}-{p}" for p in partitions]
        producer = self.log.producer(self.topic)
        for partition, card in zip(partitions, cards):
            producer.send(partition, card, 1)
        producer.do("flush")
        producer.close()
        wait_until(lambda: len(self.answers(cards)) == len(cards),
                   f"the fence: {self.folder.fetch('/readyz?verbose')}", seconds, every=0.05)

    def wait_for_pause(self, reason, seconds=60):
        """That the source stopped for this reason; what /readyz says of it."""
        wait_until(lambda: f"({reason})" in self.folder.fetch("/readyz?verbose")[1],
                   f"{reason}: {self.folder.fetch('/readyz?verbose')}", seconds)
        metrics = self.folder.fetch("/metrics")[1]
        assert f'reason="{reason}"' in metrics and f'freshet_ingest_paused{{reason="{reason}",source="payments"}} 1' in metrics, \
            [line for line in metrics.splitlines() if "paused" in line]
        return self.folder.fetch("/readyz?verbose")[1]

    def metric(self, pattern):
        """The sum of all samples whose line begins so."""
        return sum(float(line.split()[-1]) for line in self.folder.fetch("/metrics")[1].splitlines()
                   if line.startswith(pattern))

    def close(self):
        self.folder.close()
