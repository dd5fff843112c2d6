#!/usr/bin/python3
"""What only a real log has: transactions, compaction, partitions that appear later, retention.
logs_test.py PROGRAM KAFKA_TOOL [unittest's arguments]"""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/kafka"))
from real_log import PROJECT, Reader, RealLog, Sums, required, wait_until

LOG = None
BINARY = ""


class Logs(unittest.TestCase):
    def reader(self, topic, source="", project=PROJECT):
        reader = Reader(BINARY, LOG, topic, source, project)
        self.addCleanup(reader.close)
        return reader

    def holds(self, reader, sums):
        self.assertEqual(reader.answers(list(sums.by_card)), sums.answers())

    def test_what_was_aborted_never_counts_and_markers_are_no_loss(self):
        topic, sums = LOG.topic(2), Sums()
        producer = LOG.producer(topic, "logs-test")
        for i in range(30):
            producer.do("begin")
            aborted = i % 3 == 2
            for k in range(7):
                producer.send(k % 2, f"card-{k}", i + k, sums=None if aborted else sums)
            producer.do("abort" if aborted else "commit")
        # The log ends with a marker: ready means that what is there was read to its end.
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        wait_until(lambda: reader.metric("freshet_ingest_lag_records") == 0, "no lag behind the last marker")
        # Started again where the log goes on with a marker, and with what was aborted.
        reader.stop()
        producer.do("begin")
        producer.send(0, "card-0", 1000)
        producer.do("abort")
        reader.start()
        self.holds(reader, sums)
        reader.kill()
        producer.do("begin")
        producer.send(0, "card-0", 5, sums=sums)
        producer.do("commit")
        reader.start()
        self.holds(reader, sums)
        producer.close()
        # `replay --wait` ends although its records stand between markers.
        event = reader.folder.write("one.jsonl", '{"at": 1700000000000, "card": "replayed", "amount": 3}\n')
        done = reader.folder.run("replay", event, "--project", str(reader.folder.path), "--source", "payments",
                                 "--address", reader.folder.grpc, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(reader.answers(["replayed"])["replayed"]["n_lifetime"], 1)
        self.assertNotIn("ingest_paused", reader.server.text)

    def test_an_open_transaction_holds_back_what_comes_behind_it_and_nothing_else(self):
        topic, sums = LOG.topic(), Sums()
        plain, producer = LOG.producer(topic), LOG.producer(topic, "open-test")
        for amount in range(10):
            plain.send(0, "before", amount, sums=sums)
        plain.do("flush")
        producer.do("begin")
        producer.send(0, "inside", 7)
        producer.do("flush")
        plain.send(0, "behind", 8)
        plain.do("flush")
        reader = self.reader(topic)
        reader.start()  # ready: the log's end is that of what is committed
        self.assertEqual(reader.answers(["before", "inside", "behind"]), sums.answers())
        producer.do("commit")
        sums.add("inside", 7)
        sums.add("behind", 8)
        wait_until(lambda: reader.answers(list(sums.by_card)) == sums.answers(), "what the transaction held back")
        # Who produces in transactions has always one open: freshness is told all the same.
        producer.do("begin")
        producer.send(0, "inside", 9, sums=sums)
        producer.do("commit")
        producer.do("begin")
        producer.send(0, "open", 1)
        producer.do("flush")
        wait_until(lambda: reader.answers(list(sums.by_card)) == sums.answers(), "the second transaction")
        before = reader.metric("freshet_ingest_freshness_seconds_count")
        producer.do("commit")
        producer.do("begin")
        producer.send(0, "open", 2)
        producer.do("flush")
        wait_until(lambda: reader.metric("freshet_ingest_freshness_seconds_count") > before, "freshness", 20)
        producer.do("abort")
        producer.close()
        plain.close()

    def test_a_compacted_topic_is_aggregated_only_where_that_was_asked_for(self):
        topic = LOG.topic(cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio="0.01",
                          min_compaction_lag_ms=0, max_compaction_lag_ms=200)
        producer = LOG.producer(topic)
        for amount in range(100):
            for card in ("a", "b", "c"):
                producer.send(0, card, amount)
        producer.do("flush")
        reader = self.reader(topic)
        reader.start(ready=False)
        said = reader.wait_for_pause("compacted_topic")
        for words in (topic, "cleanup.policy=compact", "spend, biggest", "allow_compacted: true for source payments"):
            self.assertIn(words, said)
        reader.stop()

        # The newest record of a key is what a view of latest values wants: nobody has to ask.
        latest = self.reader(topic, project=PROJECT[:PROJECT.index("feature_views:")] + """\
feature_views:
  newest: { source: payments, entity: card, ttl: never, fields: [amount] }
feature_services:
  spend: ["newest:amount"]
""")
        latest.start()
        self.assertEqual(latest.rows([{"card": "a"}])[0]["features"], {"amount": 99})
        latest.stop()

        reader.declare("allow_compacted: true")
        reader.start()
        self.assertEqual(reader.answers(["a"])["a"]["n_lifetime"], 100)

        # Gaps that compaction leaves are no loss: to who has read the records, and to who begins among them.
        def left():
            read = subprocess.run(["kcat", "-C", "-b", LOG.address, "-t", topic, "-e", "-q", "-f", "%o %k\n"],
                                  capture_output=True, text=True, timeout=60, check=True)
            return [line.split() for line in read.stdout.splitlines()]

        def compacted():
            producer.send(0, "roll", 1)  # a segment is closed by what comes after it
            producer.do("flush")
            return sum(key == "a" for _, key in left()) == 1
        wait_until(compacted, "the log cleaner", 60, every=0.5)
        reader.wait_for_fence([0])
        self.assertEqual(reader.answers(["a"])["a"]["n_lifetime"], 100)
        reader.stop()
        reader.start()
        self.assertEqual(reader.answers(["a"])["a"]["n_lifetime"], 100)

        late = self.reader(topic, "allow_compacted: true")
        late.start()
        late.wait_for_fence([0])
        self.assertEqual(late.answers(["a", "b"])["a"], {"n_lifetime": 1, "amount_lifetime": 99, "amount_30d": 99,
                                                         "biggest_lifetime": 99})
        self.assertNotIn("ingest_paused", late.server.text)
        producer.close()

    def test_sixteen_partitions_and_four_that_appear_later(self):
        topic, sums = LOG.topic(16), Sums()
        producer = LOG.producer(topic)
        for i in range(2000):
            producer.send(i % 16, f"card-{i % 50}", i, sums=sums)
        producer.do("flush")
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        LOG.tool("grow", topic, 20)
        wait_until(lambda: len(LOG.bounds(topic)) == 20, "20 partitions")
        producer.close()
        producer = LOG.producer(topic)  # knows all of them
        for i in range(400):
            producer.send(16 + i % 4, f"card-{i % 50}", i, sums=sums)
        producer.do("flush")
        reader.wait_for_fence(range(20))
        self.holds(reader, sums)
        producer.close()
        # None of them was read from its end, none is told as a loss.
        self.assertNotIn("ingest_paused", reader.server.text)
        self.assertEqual(reader.metric("freshet_view_complete_since_timestamp_seconds"), 0)
        reader.kill()
        reader.start()
        self.holds(reader, sums)

    def test_a_topic_that_keeps_less_than_a_window_is_warned_about_with_the_figures(self):
        days = 24 * 3600 * 1000
        without_lifetime = PROJECT.replace("windows: [lifetime, 30d]", "windows: [30d]").replace(
            "windows: [lifetime]", "windows: [1d]").replace("ttl: never", "ttl: 40d").replace(
            "_lifetime", "_1d").replace("amount_1d", "amount_30d").replace('"spend:amount_30d", ', "", 1)
        reader = self.reader(LOG.topic(retention_ms=7 * days), project=without_lifetime)
        server = reader.start()
        said = server.says(r"retention_short.*").group(0)
        for words in ("keeps records for 7d", f"retention.ms={7 * days}", "view spend looks back 30d", f"{30 * days} or more"):
            self.assertIn(words, said)
        self.assertNotIn("view biggest looks back", server.text)
        enough = self.reader(LOG.topic(retention_ms=31 * days), project=without_lifetime)
        enough.start()
        for_ever = self.reader(LOG.topic(retention_ms=-1))
        for_ever.start()
        for each in (enough, for_ever):
            self.assertNotIn("retention_short", each.server.text)


if __name__ == "__main__":
    required()
    BINARY, TOOL = sys.argv.pop(1), sys.argv.pop(1)
    LOG = RealLog(TOOL, settings={"log.cleaner.backoff.ms": 100, "log.retention.check.interval.ms": 500})
    try:
        unittest.main(exit=False, verbosity=2).result.wasSuccessful() or sys.exit(1)
    finally:
        LOG.broker.close()
