#!/usr/bin/python3
"""What the commands refuse before anything runs, and how they say it: commands_test.py PROGRAM [unittest's arguments]."""

import pathlib
import resource
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, free_port

BINARY = ""
UNREAD = PROJECT.replace("entities:", "  refunds: { topic: refunds, timestamp: kafka, fields: { rider: string } }\nentities:")


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(BINARY)
        self.addCleanup(self.folder.close)

    def project(self, text):
        self.folder.write("freshet.yaml", text)

    def refused(self, *args):
        done = self.folder.run(*args)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def test_validate_tells_a_wrong_kafka_option_at_its_place(self):
        self.project(PROJECT.replace(
            "partitions: 2 } }", "partitions: 2 },\n  options: { sasl.pasword: x,\n    isolation.level: read_uncommitted } }"))
        for command in ("validate", "serve"):
            said = self.refused(command, str(self.folder.path))
            self.assertIn("freshet.yaml:5:14: librdkafka has no option sasl.pasword; did you mean sasl.password?", said)
            self.assertIn("freshet.yaml:6:5: option isolation.level: Freshet needs isolation.level to be read_committed", said)
        self.assertFalse((self.folder.path / "data").exists())

    def test_validate_warns_of_a_source_that_no_view_reads(self):
        self.project(UNREAD)
        done = self.folder.run("validate", str(self.folder.path))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"warning: \S+freshet\.yaml:\d+:3: no feature view reads source refunds")

    def test_replay_refuses_a_rate_that_is_none(self):
        file = self.folder.write("events.jsonl", "{}\n")
        for rate in ("0", "-5", "nan", "fast"):
            said = self.refused("replay", file, "--project", str(self.folder.path), "--source", "trips", "--rate", rate)
            self.assertIn(f"--rate: {rate} is no rate; give how many events a second, more than 0", said)

    def test_replay_refuses_a_source_that_no_view_reads(self):
        file = self.folder.write("events.jsonl", "{}\n")
        replay = ("replay", file, "--project", str(self.folder.path), "--source", "refunds")
        self.project(UNREAD)
        self.assertIn("no feature view of project journeys reads source refunds", self.refused(*replay))
        self.project(UNREAD.replace("brokers: embedded, embedded: { partitions: 2 }", f'brokers: "127.0.0.1:{free_port()}"'))
        self.assertIn("or replay without --wait", self.refused(*replay, "--wait"))

    def test_replay_says_that_it_waits_for_a_broker(self):
        address = f"127.0.0.1:{free_port()}"
        self.project(PROJECT.replace("brokers: embedded, embedded: { partitions: 2 }", f'brokers: "{address}"'))
        file = self.folder.write("events.jsonl", "{}\n")
        replay = self.folder.start("replay", file, "--project", str(self.folder.path), "--source", "trips")
        replay.says(f"waiting for the broker at {address}: no broker answers", seconds=6)
        self.assertEqual(replay.stop(), 1)

    def test_text_made_of_events_does_not_stay_until_a_batch_ends(self):
        # 2000 events make 400 kB each for `where` alone, and 20 kB that a view reads (and is too long to keep): 840 MB in one batch.
        concat = lambda name, times: "concat(" + ", ".join([name] * times) + ")"
        self.project(f"""project: p
clock: event_time
kafka: {{ brokers: embedded }}
storage: {{ memory: 64MiB }}
sources:
  s:
    topic: s
    timestamp: at
    fields: {{ at: timestamp, card: string, body: string }}
    derive: {{ kept: "{concat('body', 100)}", big: "{concat('kept', 20)}" }}
    where: "length(big) > 0"
entities: {{ card: {{ keys: {{ card: string }} }} }}
feature_views:
  v:
    source: s
    entity: card
    ttl: never
    features: {{ c: {{ aggregate: count, windows: [lifetime] }}, l: {{ aggregate: last, of: kept, windows: [lifetime] }} }}
feature_services: {{ svc: [v] }}
""")
        event = '  - value: { at: "2026-01-05T10:00:00Z", card: c1, body: "' + 200 * "x" + '" }\n'
        self.folder.write("many.yaml", "scenario: m\nevents:\n" + 2000 * event + f"""lookups:
  - {{ service: svc, keys: {{ card: c1 }}, expect: {{ c_lifetime: 2000, l_lifetime: null }} }}
""")
        done = self.folder.run("test", str(self.folder.path / "many.yaml"), "--project", str(self.folder.path))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 250_000, "KiB at most")


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
