#!/usr/bin/python3
"""The launcher itself: a broker never outlives who started it, and where none can be had, tests say so: skipped, or, where CI is set,
failed. launcher_test.py PROGRAM KAFKA_TOOL [unittest's arguments]"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

SUPPORT = pathlib.Path(__file__).resolve().parents[2] / "support/kafka"
sys.path.insert(0, str(SUPPORT))
from real_log import required, wait_until

LAUNCHER = str(SUPPORT / "kafka_broker.py")


def answers(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return True
    except OSError:
        return False


class Launcher(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.process = None

    def start(self, *words):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [LAUNCHER, "start", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": self.folder.name})
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.stdin.close)
        self.addCleanup(self.process.kill)
        return self.process.stdout.readline().strip()

    def test_it_ends_with_its_input_and_leaves_nothing(self):
        address = self.start("--partitions", "3")
        self.assertTrue(answers(address))
        listed = subprocess.run(["kcat", "-L", "-J", "-b", address], capture_output=True, text=True, timeout=30, check=True)
        self.assertIn(address, listed.stdout)
        self.process.stdin.close()
        self.assertEqual(self.process.wait(30), 0)
        self.assertFalse(answers(address))
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_the_broker_ends_with_a_launcher_that_is_killed(self):
        address = self.start()
        self.assertTrue(answers(address))
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        wait_until(lambda: not answers(address), "the broker to be gone", 10)

    def test_where_there_is_no_maven_a_test_is_skipped_and_in_ci_failed(self):
        # A PATH with python alone, and no jars fetched before.
        here = pathlib.Path(self.folder.name)
        (here / "python3").symlink_to("/usr/bin/python3")
        for ci, status, word in (("", 77, "SKIPPED"), ("1", 1, "FAILED")):
            env = {"PATH": str(here), "XDG_CACHE_HOME": str(here / "cache"), "CI": ci}
            done = subprocess.run(["/usr/bin/python3", "-c", "import kafka_broker; kafka_broker.required()"], env=env,
                                  cwd=SUPPORT, capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, status)
            self.assertRegex(done.stderr, word + ": java is missing: install openjdk-17-jre-headless")


if __name__ == "__main__":
    required()
    del sys.argv[1:3]
    unittest.main(verbosity=2)
