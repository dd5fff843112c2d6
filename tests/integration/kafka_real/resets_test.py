#!/usr/bin/python3
"""Logs that are no longer what was read: what stops a source, what it says, and how `freshet reset-source` and `reset-view` mend it.
resets_test.py PROGRAM KAFKA_TOOL [unittest's arguments]"""

import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/kafka"))
from real_log import PROJECT, Reader, RealLog, Sums, required, wait_until

LOG = None
BINARY = ""


class Resets(unittest.TestCase):
    def reader(self, topic):
        reader = Reader(BINARY, LOG, topic)
        self.addCleanup(reader.close)
        return reader

    def holds(self, reader, sums):
        self.assertEqual(reader.answers(list(sums.by_card)), sums.answers())

    def sent(self, topic, records, sums=None):
        """(partition, card, amount)…"""
        producer = LOG.producer(topic)
        for partition, card, amount in records:
            producer.send(partition, card, amount, sums=sums)
        producer.do("flush")
        producer.close()

    def command(self, reader, name, *words):
        """What it printed; it succeeds."""
        done = reader.command(name, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, reader, name, *words):
        done = reader.command(name, *words)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_retention_past_the_stored_offset(self):
        topic, sums = LOG.topic(2), Sums()
        self.sent(topic, [(p, f"card-{i}", i) for p in range(2) for i in range(10)], sums)
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        # Nothing is wrong yet: it would be read twice.
        self.assertIn("a server runs on this data folder; stop it", self.refused(reader, "reset-source", "payments"))
        reader.stop()
        self.assertIn("nothing to reset", self.refused(reader, "reset-source", "payments"))
        self.assertIn("did you mean payments?", self.refused(reader, "reset-source", "payment"))
        self.assertIn("did you mean spend?", self.refused(reader, "reset-view", "spent"))

        self.sent(topic, [(0, "lost", i) for i in range(5)])
        self.sent(topic, [(0, "kept", i) for i in range(5)], sums)
        self.sent(topic, [(1, "kept", i) for i in range(5)], sums)
        LOG.tool("delete-records", topic, 0, 15)
        reader.start(ready=False)
        said = reader.wait_for_pause("records_lost")
        for words in (f"topic {topic}, partition 0", "offsets 10 to 14 (5 of them)", "freshet reset-source"):
            self.assertIn(words, said)
        reader.stop()
        self.assertIn("leave --log out", self.refused(reader, "reset-source", "payments", "--log", "new"))
        printed = self.command(reader, "reset-source", "payments")
        for words in ("partition 0 goes on at offset 15, the log's start", "partition 1 goes on where it was",
                      "complete_since of the source's views rises"):
            self.assertIn(words, printed)
        reader.start()
        self.holds(reader, sums)
        self.assertEqual(reader.answers(["lost"]), {})
        self.assertGreater(reader.metric('freshet_view_complete_since_timestamp_seconds{view="spend"}'), 0)
        done = reader.folder.get("spend", "card=kept")
        self.assertRegex(done.stdout, r"complete since \d{4}-")
        reader.stop()
        self.assertIn("nothing to reset", self.refused(reader, "reset-source", "payments"))
        # A rebuild would lack what rows hold and the log does not any more.
        self.assertIn("topic " + topic + " has lost its beginning: partition 0 begins at offset 15",
                      self.refused(reader, "reset-view", "biggest"))

    def test_retention_while_the_server_stands_still(self):
        topic = LOG.topic()
        self.sent(topic, [(0, "before", 1)])
        reader = self.reader(topic)
        reader.start()
        reader.server.signal(signal.SIGSTOP)
        # More than what may be on its way already.
        self.sent(topic, [(0, "lost", i) for i in range(50_000)])
        LOG.tool("delete-records", topic, 0, 50_001)
        reader.server.signal(signal.SIGCONT)
        # What it had fetched it may count; what it had not it tells, and goes no further.
        said = reader.wait_for_pause("records_lost")
        self.sent(topic, [(0, "after", 1)])
        self.assertIn("to 50000", said)
        self.assertEqual(reader.answers(["before", "after"]).keys(), {"before"})

    def test_a_topic_that_was_made_anew_under_a_running_server(self):
        topic, sums = LOG.topic(2), Sums()
        self.sent(topic, [(p, f"card-{i}", i) for p in range(2) for i in range(20)], sums)
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        LOG.tool("delete", topic)
        reader.wait_for_pause("topic_missing")
        LOG.create(topic, 2)
        # As many as there were: offsets alone would not tell.
        self.sent(topic, [(p, f"card-{i}", 100 + i) for p in range(2) for i in range(25)], sums)
        said = reader.wait_for_pause("topic_recreated")
        # Looked at before the first record came, or after.
        self.assertRegex(said, "is another than the one that was read there|the log ends at offset [0-9]+, and 20 was read already")
        reader.stop()
        self.assertIn("say --log new", self.refused(reader, "reset-source", "payments", "--log", "truncated"))
        said = self.refused(reader, "reset-source", "payments")
        for words in ("partition 0 holds another record", "say --log new", "freshet reset-view"):
            self.assertIn(words, said)
        printed = self.command(reader, "reset-source", "payments", "--log", "new")
        self.assertIn("partition 1 is read from offset 0, the start of the new log", printed)
        reader.start()
        self.holds(reader, sums)
        self.assertGreater(reader.metric('freshet_view_complete_since_timestamp_seconds{view="spend"}'), 0)
        reader.kill()
        reader.start()
        self.holds(reader, sums)

    def test_a_topic_that_was_made_anew_with_fewer_partitions_under_a_running_server(self):
        topic, sums = LOG.topic(2), Sums()
        self.sent(topic, [(p, f"card-{i}", i) for p in range(2) for i in range(20)], sums)
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        LOG.tool("delete", topic)
        reader.wait_for_pause("topic_missing")
        LOG.create(topic)
        self.sent(topic, [(0, f"card-{i}", 100 + i) for i in range(25)], sums)
        self.assertIn("has 1 partitions, and partition 1 was read", reader.wait_for_pause("topic_recreated"))
        reader.stop()
        printed = self.command(reader, "reset-source", "payments")
        self.assertIn("partition 1 is not in the topic any more", printed)
        reader.start()
        self.holds(reader, sums)
        reader.stop()
        # What is older than the reset cannot be compared: that is said, and is not success.
        done = reader.command("verify")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("NOT VERIFIED: nothing could be compared", done.stdout)

    def test_a_topic_that_was_made_anew_and_is_shorter(self):
        topic, sums = LOG.topic(), Sums()
        self.sent(topic, [(0, "card", i) for i in range(20)], sums)
        reader = self.reader(topic)
        reader.start()
        reader.stop()
        LOG.tool("delete", topic)
        wait_until(lambda: not LOG.bounds(topic, check=False), "the topic to be gone")
        LOG.create(topic)
        self.sent(topic, [(0, "card", i) for i in range(3)], sums)
        reader.start(ready=False)
        self.assertIn("the log ends at offset 3, and 20 was read already", reader.wait_for_pause("topic_recreated"))
        reader.stop()
        said = self.refused(reader, "reset-source", "payments")
        for words in ("partition 0 ends at offset 3", "--log new", "--log truncated"):
            self.assertIn(words, said)
        self.command(reader, "reset-source", "payments", "--log", "new")
        reader.start()
        self.holds(reader, sums)

    def test_a_log_that_lost_its_end(self):
        topic, sums = LOG.topic(2), Sums()
        self.sent(topic, [(1, f"card-{i}", i) for i in range(20)], sums)
        for amount in range(20):  # a batch each, so that whole ones are cut off
            self.sent(topic, [(0, "cut", amount)], sums)
        reader = self.reader(topic)
        reader.start()
        self.holds(reader, sums)
        reader.stop()
        # As a broker that was elected without having all of it: the file loses its last bytes.
        LOG.broker.kill()
        segment = LOG.broker.folder / "log" / f"{topic}-0" / "00000000000000000000.log"
        os.truncate(segment, segment.stat().st_size // 2 + 7)
        LOG.broker.start()
        end = wait_until(lambda: LOG.bounds(topic, check=False), "the broker")[0][1]
        self.assertTrue(0 < end < 20, end)

        reader.start(ready=False)
        self.assertIn(f"the log ends at offset {end}, and 20 was read already", reader.wait_for_pause("topic_recreated"))
        reader.stop()
        self.assertIn("other partitions still hold what was read", self.refused(reader, "reset-source", "payments"))
        self.assertIn("would count twice", self.refused(reader, "reset-source", "payments", "--log", "new"))
        # What is not declared cannot be told where to go on.
        begin, end_of_view = PROJECT.index("  biggest:"), PROJECT.index("feature_services:")
        reader.declare(project=(PROJECT[:begin] + PROJECT[end_of_view:]).replace(', "biggest:biggest_lifetime"', ""))
        self.assertIn("view biggest, which is not declared",
                      self.refused(reader, "reset-source", "payments", "--log", "truncated"))
        self.assertIn("is not declared", self.refused(reader, "reset-view", "biggest"))
        reader.declare()
        printed = self.command(reader, "reset-source", "payments", "--log", "truncated")
        self.assertIn(f"partition 0 goes on at offset {end}, the end that it has now", printed)
        # Rows keep what the log lost, and take what comes.
        self.sent(topic, [(0, "cut", 1000), (0, "new", 1)], sums)
        reader.start()
        self.holds(reader, sums)
        reader.stop()
        # One view is built anew, of what the log holds; the other stays.
        self.assertIn("events of an earlier log", self.refused(reader, "reset-view", "spend"))
        self.assertIn("a start builds it anew", self.command(reader, "reset-view", "spend", "--accept-loss"))
        server = reader.start(ready=False)
        wait_until(lambda: 'view_complete' in server.text and '"spend"' in server.text, "the rebuilt view")
        answer = wait_until(lambda: reader.answers(["cut"]), "its answer")["cut"]
        self.assertEqual(answer, {"n_lifetime": end + 1, "amount_lifetime": sum(range(end)) + 1000,
                                  "amount_30d": sum(range(end)) + 1000, "biggest_lifetime": 1000})
        self.assertEqual(reader.answers(["card-7"])["card-7"], sums.answers()["card-7"])


if __name__ == "__main__":
    required()
    BINARY, TOOL = sys.argv.pop(1), sys.argv.pop(1)
    LOG = RealLog(TOOL, settings={"log.retention.check.interval.ms": 500})
    try:
        unittest.main(exit=False, verbosity=2).result.wasSuccessful() or sys.exit(1)
    finally:
        LOG.broker.close()
