"""Checkpoints of a real server: made while it serves, restored after kill -9 and the loss of the data folder; what comes of it is what a
server says that was never interrupted."""

import json
import pathlib
import random
import re
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, wait_until  # noqa: E402

BINARY = ""
RIDERS = [f"r{number}" for number in range(40)]


def trips(begin, end):
    """Now and then one that is refused: its kilometres are a word."""
    return [{"at": f"2026-01-{1 + number // 400:02d}T{number % 24:02d}:{number % 60:02d}:00Z", "rider": RIDERS[number * 7 % 40],
             "km": number % 50 if number % 97 else "far", "tip": number / 8} for number in range(begin, end)]


class Checkpoints(unittest.TestCase):
    def setUp(self):
        self.folders = []

    def tearDown(self):
        for folder in self.folders:
            folder.close()

    def folder(self, checkpoints="to: ./to", project=PROJECT):
        declared = project.replace("memory: 64MiB", f"memory: 64MiB, checkpoints: {{ {checkpoints} }}")
        self.folders.append(Folder(BINARY, declared))
        return self.folders[-1]

    def checkpoint(self, folder, *args):
        done = folder.run("checkpoint", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def create(self, folder):
        return self.checkpoint(folder, "create", "--address", folder.grpc)

    def list(self, folder):
        return json.loads(self.checkpoint(folder, "list", str(folder.path), "--output", "json"))["checkpoints"]

    def put(self, folder, events):
        done = folder.replay(events, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)

    def values(self, folder):
        return [row["features"] for row in folder.rows([{"rider": rider} for rider in RIDERS])]

    def letters(self, folder):
        """By reason how many there are; copies of one count once."""
        done = folder.run("dlq", "list", "--output", "json", "--address", folder.grpc)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {count["reason"]: count["letters"] for count in json.loads(done.stdout)["counts"]}

    def lose(self, folder):
        """All of the database; what stands beside it says where the broker is."""
        shutil.rmtree(folder.path / "data" / "rocksdb")

    def test_a_restored_folder_and_the_log_say_what_a_server_says_that_was_never_interrupted(self):
        folder = self.folder()
        broker = folder.start("broker", str(folder.path))
        broker.says("127.0.0.1:")
        server = folder.serve()
        folder.wait_ready()
        self.put(folder, trips(0, 700))
        self.assertIn("trips 700 in 2 partitions", self.create(folder))
        self.put(folder, trips(700, 1100))
        self.assertIn("trips 1,100 in 2 partitions", self.create(folder))
        self.put(folder, trips(1100, 1500))
        uninterrupted, letters = self.values(folder), self.letters(folder)
        self.assertEqual(letters, {"mistyped": 16})
        server.signal(signal.SIGKILL)
        server.end()
        self.lose(folder)
        restored = self.checkpoint(folder, "restore", str(folder.path))
        self.assertIn("is checkpoint 2 of", restored)
        server = folder.serve()
        folder.wait_ready()
        self.assertEqual(self.values(folder), uninterrupted)
        self.assertEqual(self.letters(folder), letters)
        self.put(folder, trips(1500, 1600))
        self.assertNotEqual(self.values(folder), uninterrupted)
        verified = folder.run("verify", str(folder.path))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

        # The one before, where the newest is damaged; the folder that is there only where it may go.
        server.signal(signal.SIGKILL)
        server.end()
        (folder.path / "to" / "private" / "2" / "CURRENT").unlink()
        damaged = folder.run("checkpoint", "verify", str(folder.path))
        self.assertEqual(damaged.returncode, 1)
        self.assertRegex(damaged.stdout, r"checkpoint 1: whole\ncheckpoint 2: DAMAGED: .*CURRENT")
        refused = folder.run("checkpoint", "restore", str(folder.path))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--replace", refused.stderr)
        done = folder.run("checkpoint", "restore", str(folder.path), "--replace")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("left out checkpoint 2", done.stderr)
        self.assertIn("is checkpoint 1 of", done.stdout)
        folder.serve()
        folder.wait_ready()
        verified = folder.run("verify", str(folder.path))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.assertEqual(self.letters(folder), {"mistyped": 17})

    def test_without_kafka_a_checkpoint_is_all_that_is_left_and_pushes_go_on(self):
        folder = self.folder(project=PROJECT.replace("kafka: { brokers: embedded, embedded: { partitions: 2 } }",
                                                     "kafka: { brokers: none }"))
        server = folder.serve()
        folder.wait_ready()
        def push(begin, end):
            file = folder.write("pushed.jsonl", "".join(json.dumps(event) + "\n" for event in trips(begin, end)))
            done = folder.run("ingest", file, "--project", str(folder.path), "--source", "trips", "--address", folder.grpc)
            self.assertEqual(done.returncode, 0, done.stderr)
        push(1, 90)
        at_checkpoint = self.values(folder)
        self.create(folder)
        push(101, 190)
        after = self.values(folder)
        server.signal(signal.SIGKILL)
        server.end()
        self.lose(folder)
        self.assertIn("what was pushed after it is gone", self.checkpoint(folder, "restore", str(folder.path)))
        folder.serve()
        folder.wait_ready()
        self.assertEqual(self.values(folder), at_checkpoint)
        push(101, 190)
        self.assertEqual(self.values(folder), after)

    def test_a_server_makes_them_by_the_clock_keeps_so_many_and_counts(self):
        folder = self.folder("to: ./to, every: 200ms, keep: 2")
        server = folder.serve()
        folder.wait_ready()
        wait_until(lambda: [c["id"] for c in self.list(folder)][-1:] >= [3], "a third checkpoint")
        self.assertLessEqual(len(self.list(folder)), 3)  # the one before goes once it is whole
        self.assertRegex(self.checkpoint(folder, "list", "--address", folder.grpc), r"\d  2.*Z .* MiB  whole    journeys  +1  trips 0 in \d part")
        metrics = folder.fetch("/metrics")[1]
        self.assertRegex(metrics, r"\nfreshet_checkpoint_last_success_timestamp_seconds 1[0-9e+.]+\n")
        self.assertRegex(metrics, r"\nfreshet_checkpoint_duration_seconds_count [1-9]")
        self.assertIn("\nfreshet_checkpoint_failures_total 0\n", metrics)
        self.assertEqual(server.stop(), 0, server.text)

    def test_kill_9_while_one_is_made_leaves_those_that_are_whole(self):
        folder = self.folder("to: ./to, every: 20ms, keep: 3")
        folder.start("broker", str(folder.path)).says(r"broker  127\.0\.0\.1:")
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        before = 0
        for round_number in range(4):
            server = folder.serve()
            folder.wait_ready()
            self.put(folder, trips(round_number * 100, round_number * 100 + 100))
            wait_until(lambda: self.list(folder)[-1:] and self.list(folder)[-1]["id"] > before, "another checkpoint")
            time.sleep(rng.random() / 4)
            server.signal(signal.SIGKILL)
            server.end()
            self.assertEqual(folder.run("checkpoint", "verify", str(folder.path)).returncode, 0, f"seed {seed}")
            kept = self.list(folder)
            self.assertLessEqual(len(kept), 4, f"seed {seed}")
            before = kept[-1]["id"]
            self.checkpoint(folder, "restore", str(folder.path), "--replace")
        folder.serve()
        folder.wait_ready()
        self.assertEqual(sum(row["trips_lifetime"] for row in self.values(folder)), 395)  # five are refused

    def test_a_folder_that_cannot_be_is_said_and_counted_and_the_schedule_goes_on(self):
        folder = self.folder("to: ./volume/to, every: 200ms")
        server = folder.serve()
        folder.wait_ready()
        wait_until(lambda: re.search(r"\nfreshet_checkpoint_failures_total [1-9]", folder.fetch("/metrics")[1]), "a failure")
        server.says("checkpoint_failed")
        self.assertNotIn("freshet_checkpoint_last_success_timestamp_seconds", folder.fetch("/metrics")[1])
        (folder.path / "volume").mkdir()
        wait_until(lambda: self.list(folder), "a checkpoint")
        server.says("checkpoint_made")
        self.assertEqual(server.stop(), 0, server.text)

    def test_what_is_refused_says_why(self):
        folder = self.folder()
        server = folder.serve("--set", "storage.checkpoints.to=missing/to")
        folder.wait_ready()
        failed = folder.run("checkpoint", "create", "--address", folder.grpc)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("is its volume mounted?", failed.stderr)
        in_use = folder.run("checkpoint", "restore", str(folder.path), "--replace")
        self.assertIn("in use by another freshet server", in_use.stderr)
        server.stop()
        none = folder.run("checkpoint", "restore", str(folder.path), "--replace")
        self.assertEqual(none.returncode, 1)
        self.assertIn("there is no checkpoint", none.stderr)
        bare = Folder(BINARY)
        self.folders.append(bare)
        bare.serve()
        bare.wait_ready()
        undeclared = bare.run("checkpoint", "create", "--address", bare.grpc)
        self.assertIn("declare storage.checkpoints.to", undeclared.stderr)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
