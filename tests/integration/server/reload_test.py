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
MANY = 60_000  # some batches: at 1 % of the time they take many seconds
SLOW = "rebuild_percent: 1, "


def slowly(project):
    return project.replace("kafka: { ", "kafka: { " + SLOW)


def with_others(project, features="n: { aggregate: count, windows: [lifetime] }"):
    return project.replace("feature_services:", f"""\
  others: {{ source: trips, entity: rider, ttl: never, features: {{ {features} }} }}
feature_services:
  others: [others]""")


def trip(i):
    return {"at": f"2024-01-{1 + i % 28:02}T12:{i % 60:02}:00Z", "rider": RIDERS[i % 7], "km": i % 50, "tip": i % 9 / 4}


class ReloadCase(unittest.TestCase):
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

    def ingest(self, count, source="trips"):
        """Pushed, and applied when it returns: what answers has it."""
        events = [trip(len(self.sent) + i) for i in range(count)]
        self.sent += events
        done = self.push(events, source)
        self.assertEqual(done.returncode, 0, done.stderr)

    def push(self, events, source):
        file = self.folder.write("pushed.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        return self.folder.run("ingest", file, "--source", source, "--address", self.folder.grpc)

    def total(self, feature="trips_lifetime", service="riders"):
        return sum(row["features"][feature] or 0 for row in self.rows(service).values())

    def finish(self):
        """The reload at hand, at all of the time."""
        declared = (self.folder.path / "freshet.yaml").read_text(encoding="utf-8")
        self.folder.write("freshet.yaml", declared.replace(SLOW, "rebuild_percent: 100, "))
        waited = self.reload("--wait")
        self.assertEqual(waited.returncode, 0, waited.stderr)
        self.assertIn("served", waited.stdout)

    def rebuilding(self):
        return [view for (view, _), one in self.views().items() if one["state"] == "rebuilding"]

    def moves_while_building(self, feature="trips_lifetime", service="riders", source="trips"):
        """What is served goes on with what comes, while the next declaration is built."""
        before = self.total(feature, service)
        for _ in range(3):
            self.assertNotEqual(self.rebuilding(), [])
            self.ingest(20, source)
            self.assertEqual(self.total(feature, service), before + 20)
            before += 20

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


class Reload(ReloadCase):
    def test_a_view_changes_under_load_and_the_old_one_answers_until_the_switch(self):
        self.replay(MANY)
        before = self.folder.get("riders", "rider=r1", "--output", "json")
        self.assertEqual(before.returncode, 0, before.stderr)
        changed = slowly(PROJECT).replace("km: { aggregate: sum, of: km, windows: [lifetime] }",
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
        self.moves_while_building()
        self.finish()
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
        self.ingest(100)
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
        pushed = self.push([{"at": "2024-01-04T00:00:00Z", "rider": "r1", "minutes": 5}], "rests")
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        self.assertIn('"rest_lifetime": 13', json.dumps(self.rows("rests")["r1"]))
        self.folder.write("freshet.yaml", PROJECT)
        self.assertEqual(self.reload("--wait").returncode, 0)
        gone = self.folder.get("rests", "rider=r1")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("no feature service", gone.stderr)
        states = {view: one["state"] for (view, _), one in self.views(str(self.folder.path)).items()}
        self.assertEqual(states, {"riders": "complete", "rests": "not declared"})

    def test_a_view_moves_to_another_source_and_the_old_one_feeds_it_until_the_switch(self):
        self.folder.write("freshet.yaml", with_others(PROJECT))
        self.assertEqual(self.reload("--wait").returncode, 0)
        self.replay(MANY)
        trips = PROJECT[PROJECT.index("  trips:"):PROJECT.index("entities:")]
        rides = trips.replace("trips:", "rides:").replace("topic: trips", "topic: rides")
        moved = with_others(slowly(PROJECT), "n: { aggregate: count, windows: [lifetime] }, far: { aggregate: max, of: km, windows: [lifetime] }")
        moved = moved.replace("entities:", rides + "entities:").replace("  riders:\n    source: trips", "  riders:\n    source: rides")
        self.folder.write("freshet.yaml", moved)
        reloaded = self.reload()
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.moves_while_building()
        self.assertCountEqual(self.rebuilding(), ["riders", "others"])
        self.finish()
        of_trips = len(self.sent)
        self.ingest(30, "rides")
        self.assertEqual(self.total(), 30)
        self.ingest(10)
        self.assertEqual(self.total("n_lifetime", "others"), of_trips + 10)
        report = self.verify()
        self.assertTrue(report["ok"], report)

    def test_a_source_is_renamed_together_with_a_view_that_is_new(self):
        self.replay(MANY)
        renamed = with_others(slowly(PROJECT)).replace("  trips:\n    topic", "  voyages:\n    topic").replace("source: trips", "source: voyages")
        self.folder.write("freshet.yaml", renamed)
        reloaded = self.reload()
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.moves_while_building()
        self.finish()
        self.ingest(20, "voyages")
        for feature, service in ("trips_lifetime", "riders"), ("n_lifetime", "others"):
            self.assertEqual(self.total(feature, service), len(self.sent))
        gone = self.push([trip(1)], "trips")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("there is no source", gone.stderr)
        _, metrics = self.folder.fetch("/metrics")
        self.assertIn('freshet_ingest_lag_records{partition="0",source="voyages"}', metrics)
        self.assertNotIn('freshet_ingest_lag_records{partition="0",source="trips"}', metrics)
        report = self.verify()
        self.assertTrue(report["ok"], report)

    def test_a_push_to_a_source_that_changed_is_checked_by_what_is_served(self):
        self.replay(50)
        without = {"at": "2024-01-05T00:00:00Z", "rider": "r1", "tip": 1}
        self.assertEqual(self.push([without], "trips").returncode, 0)
        self.folder.write("freshet.yaml", PROJECT.replace("km: int64", "km: { type: int64, required: true }"))
        reloaded = self.reload("--wait")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        refused = self.push([without], "trips")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("incomplete", refused.stdout + refused.stderr)
        self.ingest(10)
        self.assertEqual(self.total(), len(self.sent))

    def test_a_reload_that_another_took_the_place_of_does_not_say_served(self):
        self.replay(MANY)
        self.folder.write("freshet.yaml", with_others(slowly(PROJECT)))
        waiting = self.folder.start("reload", "--wait", "--address", self.folder.grpc)
        waiting.says(r"until the views are built")
        self.folder.write("freshet.yaml", PROJECT)
        back = self.reload("--wait")
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertIn("served", back.stdout)
        self.assertEqual(waiting.end(), 1)
        self.assertIn("another took its place", waiting.text)


class StopWhileReloading(ReloadCase):
    """A server that ends while it builds, beside a broker that stays."""

    def setUp(self):
        self.folder = Folder(BINARY)
        self.addCleanup(self.folder.close)
        self.folder.start("broker", str(self.folder.path)).says("127.0.0.1")
        self.server = self.folder.serve()
        self.folder.wait_ready()
        self.sent = []

    def test_a_server_that_stops_while_it_builds_serves_the_new_declaration_at_its_next_start(self):
        self.replay(MANY)
        self.folder.write("freshet.yaml", with_others(slowly(PROJECT)))
        self.assertEqual(self.reload().returncode, 0)
        self.assertEqual(self.rebuilding(), ["others"])
        self.assertEqual(self.server.stop(), 0)
        self.server = self.folder.serve()
        self.folder.wait_ready()
        self.assertEqual(self.total(), len(self.sent))
        wait_until(lambda: all(one["state"] == "complete" for one in self.views().values()), "the new view")
        self.assertEqual(self.total("n_lifetime", "others"), len(self.sent))
        self.ingest(10)
        self.assertEqual(self.total("n_lifetime", "others"), len(self.sent))
        report = self.verify()
        self.assertTrue(report["ok"], report)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
