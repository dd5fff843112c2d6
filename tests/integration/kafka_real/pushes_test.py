#!/usr/bin/python3
"""Pushes where the topic itself changes: it is deleted, made anew, given more partitions, or takes small batches.
pushes_test.py PROGRAM KAFKA_TOOL [unittest's arguments]"""

import json
import pathlib
import sys
import time
import unittest
import unittest.mock
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/kafka"))
from real_log import PROJECT, Reader, RealLog, required, wait_until

LOG = None
BINARY = ""


def event(card, amount=1, more=""):
    return {"at": int(time.time() * 1000), "card": card, "amount": amount, "more": more}


# A second view that counts by another field: an event without a card is one of its, and a record without a key.
BY_SHOP = (PROJECT.replace("card: string, amount", "card: string, shop: string, amount")
           .replace("entities:", "entities:\n  shop: { keys: { shop: string } }")
           .replace("feature_services:", """  by_shop:
    source: payments
    entity: shop
    ttl: never
    features: { sold: { aggregate: count, windows: [lifetime] } }
feature_services:
  by_shop: ["by_shop:sold_lifetime"]"""))


class Pushes(unittest.TestCase):
    def reader(self, topic, project=PROJECT):
        reader = Reader(BINARY, LOG, topic, "", project)
        self.addCleanup(reader.close)
        reader.start()
        return reader

    def compacted_reader(self, partitions):
        """Of a topic that takes no record without a key from now on."""
        topic = LOG.topic(partitions)
        reader = self.reader(topic, BY_SHOP)
        LOG.tool("configure", topic, "cleanup.policy=compact")
        return reader

    def push(self, reader, events, *query, producer=None):
        """Status and answer."""
        body = "".join(json.dumps(one) + "\n" for one in events).encode()
        request = urllib.request.Request(f"http://{reader.folder.admin}/push/payments?{'&'.join(query)}", body)
        if producer:
            request.add_header("Freshet-Producer", producer[0])
            request.add_header("Freshet-Sequence", str(producer[1]))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def test_a_deleted_topic_is_not_made_again_by_a_push(self):
        topic = LOG.topic(1)
        reader = self.reader(topic)
        self.assertEqual(self.push(reader, [event("a")])[0], 200)
        LOG.tool("delete", topic)
        for i in range(20):
            status, told = self.push(reader, [event("a", i)], "timeout=3s")
            self.assertNotEqual(status, 200, told)
            if told["error"]["reason"] == "TOPIC_MISSING":
                self.assertEqual(status, 409)
                break
        else:
            self.fail(told)
        # kafka_tool would make it by asking for it.
        reader.wait_for_pause("topic_missing")
        self.push(reader, [event("a")], "timeout=1s")
        time.sleep(3)
        self.assertIn("(topic_missing)", reader.folder.fetch("/readyz?verbose")[1])
        # Who makes it anew is told what became of the old one's rows, and no push that it was applied.
        LOG.create(topic, 2)
        status, told = wait_until(
            lambda: (lambda answer: answer if answer[1].get("durable") == 1 else None)(
                self.push(reader, [event("a")], "timeout=2s")), "a push that is durable", 30)
        self.assertEqual((status, told["error"]["reason"]), (504, "NOT_APPLIED_IN_TIME"), told)
        self.assertNotIn("applied", told)

    def test_a_push_to_a_topic_that_was_made_anew_is_not_said_to_be_applied(self):
        topic = LOG.topic(1)
        reader = self.reader(topic)
        self.assertEqual(self.push(reader, [event("a", i) for i in range(9)])[1]["applied"], 9)
        LOG.tool("delete", topic)
        LOG.create(topic, 1)
        said = ""
        for i in range(20):
            status, told = self.push(reader, [event("b", i)], "timeout=1s")
            self.assertNotIn("applied", told)
            said = told["error"]["message"]
            if "topic_recreated" in said:
                break
        self.assertIn("the source stands still: topic_recreated", said)

    def test_a_repetition_at_another_replica_meets_the_first_once_a_topic_has_grown(self):
        topic = LOG.topic(4)
        readers = [self.reader(topic), self.reader(topic)]
        cards = [f"card-{i}" for i in range(30)]
        for reader in readers:  # its producer knows four partitions
            self.push(reader, [event("warm")])
        LOG.tool("grow", topic, 6)
        time.sleep(12)
        first = self.push(readers[0], [event(card) for card in cards], producer=("till", 1))
        self.assertEqual(first[0], 200, first)
        again = self.push(readers[1], [event(card) for card in cards], producer=("till", 1))
        self.assertEqual((again[0], again[1]["repeated"]), (200, 30), again)
        self.assertEqual({row["n_lifetime"] for row in readers[1].answers(cards).values()}, {1})

    def test_events_that_each_fit_a_small_topic_are_taken_however_many(self):
        topic = LOG.topic(1, max_message_bytes=2000)
        reader = self.reader(topic)
        fitting = [event(f"card-{i}", more="x" * 300) for i in range(200)]
        self.assertEqual(self.push(reader, fitting[:20]), (200, unittest.mock.ANY))
        file = reader.folder.write("many.jsonl", "".join(json.dumps(one) + "\n" for one in fitting))
        done = reader.folder.run("ingest", file, "--source", "payments", "--address", reader.folder.grpc)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("200 applied", done.stdout)
        # What is too large alone, alone.
        status, told = self.push(reader, [event("big", more="x" * 3000), event("small"), event("small")])
        self.assertEqual((status, told["durable"]), (400, 2), told)
        self.assertEqual([one["field"] for one in told["error"]["violations"]], ["events[0]"])
        # It takes less from one moment to the next.
        LOG.tool("configure", topic, "max.message.bytes=1000")
        status, told = self.push(reader, fitting[:3], "timeout=10s")
        self.assertEqual(status, 200, told)

    def test_a_record_that_a_topic_refuses_costs_no_other(self):
        reader = self.compacted_reader(1)
        good = [dict(event("c"), shop="s") for _ in range(9999)]
        bad = dict(event(None), shop="s")
        status, told = self.push(reader, [bad] + good, "timeout=25s", producer=("till", 1))
        self.assertEqual((status, told["durable"]), (400, 0), told)
        self.assertEqual([one["field"] for one in told["error"]["violations"]], ["events[0]"])
        self.assertIn("takes no record without a key", told["error"]["message"])
        self.assertIn("leave it out", told["error"]["message"])
        status, told = self.push(reader, good, "timeout=25s", producer=("till", 2))
        self.assertEqual((status, told["applied"], told["repeated"]), (200, 9999, 0), told)
        # Whoever sends without a producer loses no neighbour.
        status, told = self.push(reader, good[:5] + [bad] + good[:5], "timeout=25s")
        self.assertEqual((status, told["durable"]), (400, 10), told)

    def test_ingest_leaves_out_what_a_topic_refuses_and_says_so(self):
        reader = self.compacted_reader(2)
        lines = [dict(event(None if i in (0, 1700, 2999) else f"c{i % 7}", i), shop="s") for i in range(3000)]
        file = reader.folder.write("some.jsonl", "".join(json.dumps(one) + "\n" for one in lines))
        words = ["ingest", file, "--source", "payments", "--address", reader.folder.grpc]
        done = reader.folder.run(*words)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("3 refused", done.stdout)
        for line in (1, 1701, 3000):
            self.assertIn(f"some.jsonl:{line}: refused: ", done.stderr)
        self.assertIn("a file of their own", done.stderr)
        rows = reader.answers([f"c{i}" for i in range(7)])
        self.assertEqual(sum(row["n_lifetime"] for row in rows.values()), 2997)
        again = reader.folder.run(*words)
        self.assertEqual(again.returncode, 1, again.stdout)
        self.assertIn("0 applied, 2,997 already there, 3 refused", again.stdout)


if __name__ == "__main__":
    required()
    BINARY, TOOL = sys.argv.pop(1), sys.argv.pop(1)
    LOG = RealLog(TOOL)
    try:
        unittest.main(exit=False, verbosity=2).result.wasSuccessful() or sys.exit(1)
    finally:
        LOG.broker.close()
