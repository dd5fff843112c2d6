#!/usr/bin/python3
"""`freshet doctor` on a running server, a folder, and neither: doctor_test.py PROGRAM [unittest's arguments]."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, free_port, wait_until

BINARY = ""


class Doctor(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(BINARY)
        self.addCleanup(lambda: self.folder.close())

    def doctor(self, *args):
        return self.folder.run("doctor", *args)

    def project(self):
        return (str(self.folder.path), "--set", f"server.admin={self.folder.admin}")

    def test_a_server_that_is_well_and_its_folder_after_it(self):
        server = self.folder.serve()
        server.says(r"serves project journeys")
        self.folder.wait_ready()
        for args in (("--address", self.folder.admin), self.project()):
            done = self.doctor(*args, "--for", "2s")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertIn(f"the server at {self.folder.admin}", done.stdout)
            self.assertIn("nothing found", done.stdout)
            self.assertIn("not known: cache_hit_ratio: ", done.stdout)
        self.assertEqual(server.stop(), 0)
        done = self.doctor(*self.project(), "--output", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        self.assertIn("no server answers", said["looked_at"])
        self.assertEqual(said["findings"], [])
        self.assertIn("stalls", [one["rule"] for one in said["not_known"]])

    def test_a_source_that_stands_still(self):
        away = f'brokers: "127.0.0.1:{free_port()}"'
        self.folder.write("freshet.yaml", re.sub(r"brokers: embedded, embedded: \{[^}]*\}", away, PROJECT))
        self.folder.serve()
        wait_until(lambda: "freshet_ingest_paused{" in self.folder.fetch("/metrics")[1], "a paused source")
        done = self.doctor("--address", self.folder.admin, "--for", "1s")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"error +paused\n  what +source trips stands still: broker_down\n  change .*\n  why .*\n")
        self.assertIn("1 finding\n", done.stdout)

    def test_rows_that_expired_long_ago_and_are_still_there(self):
        self.folder.write("freshet.yaml", re.sub(r"brokers: embedded, embedded: \{[^}]*\}", "brokers: none", PROJECT).replace(
            "clock: event_time\n", "").replace("ttl: never", "ttl: 2d").replace("history: 30d", "history: 0s"))
        server = self.folder.serve()
        self.folder.wait_ready()
        events = [{"at": "2024-01-01T12:00:00Z", "rider": f"r{n}", "km": n, "tip": 1.0} for n in range(12_000)]
        file = self.folder.write("events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        done = self.folder.run("ingest", file, "--project", str(self.folder.path), "--source", "trips", "--address", self.folder.grpc)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)
        done = self.doctor(*self.project())
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"warning +expired_rows\n  what +100 % of 12000 rows of riders have expired")

    def test_where_nothing_can_be_looked_at(self):
        nobody = f"127.0.0.1:{free_port()}"
        done = self.doctor("--address", nobody)
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"no freshet server answers at {nobody}", done.stderr)
        self.assertEqual(self.doctor(*self.project()).returncode, 3)  # no server, no data
        self.assertEqual(self.doctor("--for", "soon").returncode, 3)
        self.assertEqual(self.doctor("--output", "xml").returncode, 2)
        self.folder.serve().says(r"serves project journeys")
        other = self.folder.write("freshet.yaml", PROJECT.replace("project: journeys", "project: another"))
        done = self.doctor(str(pathlib.Path(other).parent), "--address", self.folder.admin)
        self.assertEqual(done.returncode, 3)
        self.assertIn("is not of project another", done.stderr)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
