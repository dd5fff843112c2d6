"""Card payments without end, produced to a Kafka while things are killed, and what they must add up to: plain sums over what the
topic holds at the end, by partition and offset, so that it does not matter which of its records a producer sent twice."""

import json
import random
import subprocess
import threading
import time

TOPIC = "payments"
CARDS, SHOPS = 150, 40
STEP_US = 50_000  # of event time, from one event to the next
BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
RECENT_US, HOP_US = 3_600_000_000, 60_000_000  # the window of `recent`, and its panes

PROJECT = """
project: faults
clock: event_time
kafka:
  brokers: {brokers}
  options: {{ reconnect.backoff.max.ms: 200{options} }}
storage: {{ path: ./data, memory: 128MiB }}
server: {{ max_rows: 10000 }}
sources:
  payments:
    topic: payments
    key: card
    timestamp: {{ field: at, unit: us }}
    fields: {{ at: int64, card: string, shop: int64, cents: int64 }}
entities:
  card: {{ keys: {{ card: string }} }}
  shop: {{ keys: {{ shop: int64 }} }}
feature_views:
  card_totals:
    source: payments
    entity: card
    ttl: never
    features:
      count: {{ aggregate: count, windows: [lifetime] }}
      sum: {{ aggregate: sum, of: cents, windows: [lifetime] }}
  card_recent:
    source: payments
    entity: card
    features:
      recent: {{ aggregate: sum, of: cents, windows: [{{ sliding: 1h, hop: 1m }}] }}
  shop_totals:
    source: payments
    entity: shop
    ttl: never
    features:
      count: {{ aggregate: count, windows: [lifetime] }}
      sum: {{ aggregate: sum, of: cents, windows: [lifetime] }}
feature_services:
  cards: [card_totals, card_recent]
  shops: [shop_totals]
"""


def lines(seed):
    """Key, tab, value: events a little out of order, one in 200 broken, one in 300 a delete of its card."""
    rng = random.Random(seed)
    for number in range(1 << 62):
        card = f"c{min(int(rng.expovariate(0.05)), CARDS - 1)}"
        drawn = rng.random()
        at = BEGIN_US + number * STEP_US - int(rng.random() ** 8 * 300_000_000)
        if drawn < 1 / 300:
            yield f"{card}\t\n"
        elif drawn < 1 / 300 + 1 / 200:
            yield f'{card}\t{{"at":{at},"card":"{card}","shop":\n'
        else:
            yield (f'{card}\t{{"at":{at},"card":"{card}","shop":{rng.randrange(SHOPS)},'
                   f'"cents":{rng.randrange(1, 100_000)}}}\n')


class Producer:
    """kcat, fed at a rate until it is closed. It goes on trying where the broker is away."""

    def __init__(self, brokers, seed, rate):
        self.process = subprocess.Popen(
            ["kcat", "-P", "-E", "-b", brokers, "-t", TOPIC, "-K", "\t", "-Z", "-X", "linger.ms=5", "-X", "acks=all",
             "-X", "message.timeout.ms=300000", "-X", "reconnect.backoff.max.ms=200", "-X", "queue.buffering.max.messages=1000000"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.stopping = threading.Event()
        self.sent = 0
        self.thread = threading.Thread(target=self._feed, args=(lines(seed), rate), daemon=True)
        self.errors = ""
        self.complaints = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        self.complaints.start()

    def _feed(self, source, rate):
        begun = time.monotonic()
        try:
            while not self.stopping.is_set():
                due = int((time.monotonic() - begun) * rate) - self.sent
                if due <= 0:
                    time.sleep(0.002)
                    continue
                due = min(due, 1000)
                self.process.stdin.write("".join(next(source) for _ in range(due)))
                self.process.stdin.flush()
                self.sent += due
        except BrokenPipeError:
            pass  # close() tells why

    def _listen(self):
        for line in self.process.stderr:
            self.errors = (self.errors + line)[-4000:]

    def close(self, seconds=120):
        """All that was fed is in the log. Again: nothing."""
        if self.process.poll() is not None and self.process.stdin.closed:
            return
        self.stopping.set()
        self.thread.join()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(seconds)
        self.complaints.join()
        if status != 0:
            raise RuntimeError(f"kcat ended with {status}: {self.errors}")

    def abandon(self):
        self.stopping.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class NoSuchTopic(RuntimeError):
    """The broker does not know the topic, or not yet."""


def read_topic(brokers, topic, form, seconds=300):
    """What a topic holds from its beginning to its end, formatted as kcat's -f says, a record after the other."""
    done = subprocess.run(
        ["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-e", "-q", "-f", form, "-X", "fetch.wait.max.ms=10",
         "-X", "allow.auto.create.topics=false"],
        capture_output=True, timeout=seconds, check=False)
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace")[-1000:]
        kind = NoSuchTopic if "Unknown topic or partition" in why else RuntimeError
        raise kind(f"kcat cannot read {topic}: {why}")
    return done.stdout


class Truth:
    """Sums of what the topic holds. `cards` and `shops`: key → (count, sum); `recent`: card → sum, at the newest event's time."""

    def __init__(self, brokers):
        self.cards, self.shops, self.recent, self.broken, self.ends = {}, {}, {}, set(), {}
        self.records = self.events = self.deletes = 0
        newest = None
        timed = {}
        for line in read_topic(brokers, TOPIC, "%p\t%o\t%k\t%s\n").decode().splitlines():
            partition, offset, key, value = line.split("\t")
            self.records += 1
            self.ends[int(partition)] = int(offset) + 1
            if not value:
                # A card is always in one partition, so that its deletes stand in the order of its events.
                self.deletes += 1
                self.cards.pop(key, None)
                timed.pop(key, None)
                continue
            try:
                event = json.loads(value)
            except ValueError:
                self.broken.add((int(partition), int(offset)))
                continue
            self.events += 1
            for totals, entity in ((self.cards, event["card"]), (self.shops, event["shop"])):
                count, total = totals.get(entity, (0, 0))
                totals[entity] = (count + 1, total + event["cents"])
            timed.setdefault(event["card"], []).append((event["at"], event["cents"]))
            newest = max(newest or 0, event["at"])
        since = (((newest or 0) - RECENT_US) // HOP_US) * HOP_US
        for card, events in timed.items():
            within = [cents for at, cents in events if at >= since]
            if within:
                self.recent[card] = sum(within)


def dead_letters(brokers, topic):
    """Coordinates of what was dead-lettered: (partition, offset) → times. The first letter makes the topic."""
    found = {}
    try:
        keys = read_topic(brokers, topic, "%k\n")
    except NoSuchTopic:
        return found
    for line in keys.decode().splitlines():
        _, _, partition, offset = line.rsplit("/", 3)
        at = (int(partition), int(offset))
        found[at] = found.get(at, 0) + 1
    return found
