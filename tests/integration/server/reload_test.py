#!/usr/bin/python3
"""A declaration that changes under a running server, under load: reload_test.py PROGRAM [unittest's arguments]."""

import json
import pathlib
import signal
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, wait_until

BINARY = ""
RIDERS = [f"r{i}" for i in range(7)]


def trip(i):
    return {"at": f"2024-01-{1 + i % 28:02}T12:{i % 60:02}:00Z", "rider": RIDERS[i % 7], "km": i % 50, "tip": i % 9 / 4}


class Reload(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(BINARY)
        self.addCleanup(self.folder.close)
        self.server = self.folder.serve()
        self.server.says(r"serves project journeys")
        self.folder.wait_ready()
        self.sent = []

    def replay(self, count):
        events = [trip(len(self.sent) + i) for i in range(count)]
        self.sent += events
        done = self.folder.replay(events, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)

    def reload(self, *more):
        return self.folder.run("reload", "--address", self.folder.grpc, *more)

    def views(self, *where):
        done = self.folder.run("views", *(where or ("--address", self.folder.grpc)), "--output", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {(one["view"], one["version"]): one for one in json.loads(done.stdout)["views"]}

    def rows(self, service="riders"):
        return {rider: row for rider, row in zip(RIDERS, self.folder.rows([{"rider": rider} for rider in RIDERS], service=service))}

    def feature(self, row, name):
        return row[name]["value"] if isinstance(row[name], dict) else row[name]

    def verify(self):
        done = self.folder.run("verify", str(self.folder.path), "--output", "json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_view_changes_under_load_and_the_old_one_answers_until_the_switch(self):
        self.replay(3000)
        before = self.folder.get("riders", "rider=r1", "--output", "json")
        self.assertEqual(before.returncode, 0, before.stderr)
        changed = PROJECT.replace("km: { aggregate: sum, of: km, windows: [lifetime] }",
                                  "km: { aggregate: sum, of: km, where: \"km > 10\", windows: [lifetime] }\n"
                                  "      far: { aggregate: max, of: km, windows: [lifetime] }")
        self.assertNotEqual(changed, PROJECT)
        self.folder.write("freshet.yaml", changed)
        failed, asked, stop = [], [0], threading.Event()

        def ask():
            while not stop.is_set():
                got = self.folder.get("riders", "rider=r1", "--output", "json")
                asked[0] += 1
                if got.returncode != 0:
                    failed.append(got.stderr)

        asking = threading.Thread(target=ask)
        asking.start()
        reloaded = self.reload()
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertIn("feature view riders: changed; rebuilt from its source's log", reloaded.stdout)
        self.replay(2000)
        waited = self.reload("--wait")
        self.assertEqual(waited.returncode, 0, waited.stderr)
        self.assertIn("served", waited.stdout)
        stop.set()
        asking.join()
        self.assertEqual(failed, [])
        self.assertGreater(asked[0], 3)
        self.replay(100)
        for rider, row in self.rows().items():
            mine = [event["km"] for event in self.sent if event["rider"] == rider]
            text = json.dumps(row)
            self.assertIn(f'"km_lifetime": {sum(km for km in mine if km > 10)}', text)
            self.assertIn(f'"far_lifetime": {max(mine)}', text)
            self.assertIn(f'"trips_lifetime": {len(mine)}', text)
        report = self.verify()
        self.assertTrue(report["ok"], report)
        self.assertEqual(report["views"][0]["rows_compared"], len(RIDERS))
        self.assertEqual(len(self.views()), 1)
        self.assertEqual({one["state"] for one in self.views(str(self.folder.path)).values()}, {"complete"})
        status, metrics = self.folder.fetch("/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(metrics.count("freshet_catalog_info{"), 1)
        self.assertNotIn("freshet_view_build_records{", metrics)

    def test_a_broken_declaration_changes_nothing(self):
        self.replay(200)
        views = self.views()
        self.folder.write("freshet.yaml", PROJECT.replace("aggregate: max", "aggregate: avg"))
        self.server.signal(signal.SIGHUP)
        self.server.says(r"reload_refused")
        self.server.says(r"unknown aggregation avg")
        refused = self.reload()
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"freshet\.yaml:\d+:\d+: unknown aggregation avg")
        self.assertIn("nothing was changed", refused.stderr)
        self.assertEqual(self.views().keys(), views.keys())
        self.replay(100)
        self.assertIn('"trips_lifetime": ', json.dumps(self.rows()["r1"]))
        # What needs a restart is named.
        self.folder.write("freshet.yaml", PROJECT.replace("memory: 64MiB", "memory: 65MiB"))
        refused = self.reload()
        self.assertEqual(refused.returncode, 1)
        self.assertIn("storage.memory was 64MiB and is 65MiB now; it takes a restart", refused.stderr)
        # And mended, SIGHUP serves it.
        self.folder.write("freshet.yaml", PROJECT.replace("riders: [riders]", "riders: [riders]\n  tips: [\"riders:tip_lifetime\"]"))
        self.server.signal(signal.SIGHUP)
        self.server.says(r"reloaded")
        self.assertIn("tip_lifetime", json.dumps(self.rows("tips")["r1"]))

    def test_a_source_and_its_views_come_and_go(self):
        self.replay(100)
        more = PROJECT.replace("entities:", """\
  rests:
    topic: rests
    timestamp: at
    fields: { at: timestamp, rider: string, minutes: int64 }
entities:""").replace("feature_services:", """\
  rests: { source: rests, entity: rider, ttl: never, features: { rest: { aggregate: sum, of: minutes, windows: [lifetime] } } }
feature_services:
  rests: [rests]""")
        self.folder.write("freshet.yaml", more)
        reloaded = self.reload("--wait")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertIn("source rests: new", reloaded.stdout)
        file = self.folder.write("rests.jsonl", json.dumps({"at": "2024-01-03T00:00:00Z", "rider": "r1", "minutes": 8}) + "\n")
        done = self.folder.run("replay", file, "--project", str(self.folder.path), "--source", "rests", "--address",
                               self.folder.grpc, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"rest_lifetime": 8', json.dumps(self.rows("rests")["r1"]))
        self.folder.write("freshet.yaml", PROJECT)
        self.assertEqual(self.reload("--wait").returncode, 0)
        gone = self.folder.get("rests", "rider=r1")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("no feature service", gone.stderr)
        states = {view: one["state"] for (view, _), one in self.views(str(self.folder.path)).items()}
        self.assertEqual(states, {"riders": "complete", "rests": "not declared"})


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
