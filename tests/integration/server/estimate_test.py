#!/usr/bin/python3
"""`freshet estimate` beside what was really stored: estimate_test.py PROGRAM [unittest's arguments]."""

import hashlib
import json
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import Folder

BINARY = ""
# An estimate of rows may be so many times what is measured, or a share of it; so far may what is measured lie beyond what the disk
# takes compacted and at most.
ROW_FACTOR = 1.3
DISK_FACTOR = 1.5

PAYMENTS = """
project: payments
clock: event_time
kafka: { brokers: none }
storage: { path: ./data, memory: 64MiB }
sources:
  trips:
    topic: trips
    timestamp: at
    fields: { at: timestamp, card: string, amount: double }
entities:
  card: { keys: { card: string } }
feature_views:
  spend:
    source: trips
    entity: card
    features:
      spend: { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }
      payments: { aggregate: count, windows: [10m, 1h, 24h] }
      largest: { aggregate: max, of: amount, windows: [1h, 24h] }
feature_services:
  cards: [spend]
"""


class Estimate(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(BINARY, PAYMENTS)
        self.addCleanup(lambda: self.folder.close())

    def stored(self, cards, events, seconds):
        """Events of cards that come evenly and alike over so much time, in a store that was stopped."""
        server = self.folder.serve()
        self.folder.wait_ready()
        source = random.Random(1)
        start = 1_700_000_000
        lines = []
        for at in range(events):
            when = start + at * seconds / events
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when % 1 * 1000):03}Z"
            lines.append(json.dumps({"at": stamp, "card": hashlib.md5(b"%d" % source.randrange(cards)).hexdigest()[:16],
                                     "amount": round(source.lognormvariate(3, 1), 2)}))
        file = self.folder.write("events.jsonl", "\n".join(lines) + "\n")
        done = self.folder.run("ingest", file, "--project", str(self.folder.path), "--source", "trips", "--address", self.folder.grpc)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)

    def measured(self, cards, events, seconds):
        self.stored(cards, events, seconds)
        done = self.folder.run("estimate", str(self.folder.path), "--keys", f"card={cards}", "--rate", f"trips={events / seconds}",
                               "--measured", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        view = json.loads(done.stdout)["views"][0]
        found = view["measured"]
        print(f"{cards} cards, {events} events over {seconds} s: a row {view['row_bytes']:.0f} bytes estimated, {found['row_bytes']:.0f} "
              f"measured; disk {view['disk_bytes']:.0f} to {view['disk_bytes_max']:.0f} estimated, {found['disk_bytes']} measured, {found['rows']} rows", file=sys.stderr)
        self.assertGreater(found["rows"], 0.95 * cards)
        self.assertLessEqual(found["row_bytes"], view["row_bytes_max"])
        self.assertLess(view["row_bytes"], ROW_FACTOR * found["row_bytes"])
        self.assertGreater(view["row_bytes"], found["row_bytes"] / ROW_FACTOR)
        self.assertGreater(found["disk_bytes"], view["disk_bytes"] / DISK_FACTOR)
        self.assertLess(found["disk_bytes"], view["disk_bytes_max"] * DISK_FACTOR)

    def test_beside_cards_that_pay_now_and_then(self):
        self.measured(cards=20_000, events=120_000, seconds=30 * 3600)

    def test_beside_cards_that_pay_all_the_time(self):
        self.measured(cards=2_000, events=400_000, seconds=30 * 3600)

    def test_what_is_asked_for_is_said(self):
        def estimate(*args):
            return self.folder.run("estimate", str(self.folder.path), *args)

        whole = estimate("--keys", "card=1e7", "--rate", "trips=5e4", "--outage", "30m")
        self.assertEqual((whole.returncode, whole.stderr), (0, ""))
        for fact in ("10,000,000 card", "50,000 events a second", "after 30m", "storage.memory", "to be kept 25h", "assumed:"):
            self.assertIn(fact, whole.stdout)
        self.assertIn("no entity cards", estimate("--keys", "cards=1", "--rate", "trips=1").stderr)
        self.assertIn("write a name and a number", estimate("--keys", "card", "--rate", "trips=1").stderr)
        self.assertIn("catch-up never", estimate("--keys", "card=1", "--rate", "trips=1e9").stdout)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
