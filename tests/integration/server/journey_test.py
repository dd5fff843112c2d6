#!/usr/bin/python3
"""The real program on free ports with a project of its own: journey_test.py PROGRAM [unittest's arguments]."""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, Proxy, free_port, wait_until

BINARY = ""
EVENTS = [
    {"at": f"2024-01-{day:02}T12:00:00Z", "rider": rider, "km": day, "tip": day / 4}
    for day in range(1, 11) for rider in ("ann", "bob", "cyd")
]


class Journey(unittest.TestCase):
    def setUp(self):
        self.folder = Folder(BINARY)
        self.addCleanup(self.folder.close)

    def serve(self, *more):
        server = self.folder.serve(*more)
        server.says(r"serves project journeys")
        self.folder.wait_ready()
        return server

    def replay(self, events):
        done = self.folder.replay(events, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_why_of_roles_inputs_latest_values_and_what_is_derived(self):
        self.folder.write("freshet.yaml", PROJECT.replace("feature_services:", """\
  newest: { source: trips, entity: rider, ttl: never, fields: [tip] }
feature_services:
  asked:
    features:
      - "riders:km_lifetime"
      - "newest:tip"
      - { view: riders, as: other, keys: { rider: other_rider }, features: [km_lifetime] }
    request: { km: int64 }
    derive: { share: "km / km_lifetime", other_share: "km / other.km_lifetime" }"""))
        self.serve()
        self.replay(EVENTS)
        done = self.folder.run("explain", "asked", "rider=bob", "other_rider=zoe", "km=11", "--address", self.folder.grpc,
                               "--output", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        why = json.loads(done.stdout)
        features = {one["name"]: one for one in why["features"]}
        self.assertEqual(list(features), ["km_lifetime", "tip", "other:km_lifetime", "share", "other_share"])
        self.assertEqual((features["share"]["value"], features["share"]["declared"], features["share"]["view"]),
                         (0.2, "km / km_lifetime", None))
        self.assertEqual(features["share"]["why"], "of km_lifetime = 55, km = 11 (input)")
        self.assertEqual((features["other_share"]["value"], features["other_share"]["status"]), (None, "ERROR"))
        self.assertIn("other:km_lifetime = 0 (NOT_FOUND: its default)", features["other_share"]["why"])
        self.assertIn("division by zero", features["other_share"]["why"])
        self.assertEqual((features["tip"]["value"], features["tip"]["why"]), (2.5, "set by the event of 2024-01-10T12:00:00Z"))
        self.assertEqual(features["other:km_lifetime"]["view"], "other:riders")
        self.assertEqual([view["view"] for view in why["views"]], ["riders", "newest", "other:riders"])
        row = ("asked", "rider=bob", "other_rider=zoe", "km=11", "--output", "json", "--project", str(self.folder.path))
        for command in ("get", "explain"):
            asked = self.folder.run(command, *row, "--set", f"server.grpc={self.folder.grpc}")
            self.assertEqual((asked.returncode, asked.stderr), (0, ""))
            self.assertIn('"km_lifetime"', asked.stdout)
            free = self.folder.run(command, *row, "--set", "server.grpc=127.0.0.1:0")
            self.assertEqual(free.returncode, 1)
            self.assertIn("took a free port; give --address", free.stderr)
            self.assertEqual(self.folder.run(command, *row, "--address", self.folder.grpc).returncode, 2)
            alone = self.folder.run(command, *row[:4], "--set", f"server.grpc={self.folder.grpc}")
            self.assertIn("--set is for a project's settings", alone.stderr)
        missing = self.folder.run("explain", "asked", "rider=bob", "other_rider=zoe", "--address", self.folder.grpc)
        self.assertIn("input km is missing", missing.stderr)

    def test_tombstones_delete_and_doubles_count_once(self):
        self.folder.write("freshet.yaml", PROJECT.replace("    timestamp: at\n", """\
    timestamp: at
    dedup: { by: [km], within: 30d }
""", 1))
        self.serve()

        def sent(*lines):
            file = self.folder.write("keyed.txt", "".join(line + "\n" for line in lines))
            return self.folder.run("replay", file, "--project", str(self.folder.path), "--source", "trips", "--address",
                                   self.folder.grpc, "--key-separator", "\\t", "--wait")

        def line(event):
            return event["rider"] + "\t" + json.dumps(event)

        def trips(*riders):
            rows = self.folder.rows([{"rider": rider} for rider in riders])
            return [(row["statuses"]["trips_lifetime"] if "trips_lifetime" in row["statuses"] else "PRESENT",
                     row["features"]["trips_lifetime"]) for row in rows]

        self.assertEqual(sent(*map(line, EVENTS + EVENTS)).returncode, 0)
        self.assertEqual(trips("ann", "bob"), [("PRESENT", 10), ("PRESENT", 10)])
        self.assertEqual(sent("bob\t").returncode, 0)
        self.assertEqual(trips("ann", "bob"), [("PRESENT", 10), ("NOT_FOUND", 0)])
        self.assertEqual(sent(line(EVENTS[1])).returncode, 0)  # after a delete it is no double
        self.assertEqual(trips("ann", "bob"), [("PRESENT", 10), ("PRESENT", 1)])
        metrics = self.folder.fetch("/metrics")[1]
        self.assertRegex(metrics, r'freshet_ingest_deletes_total\{[^}]*\} 1\n')
        self.assertRegex(metrics, r'freshet_ingest_events_skipped_total\{[^}]*reason="duplicate"[^}]*\} 30\n')
        # Without a key it is for nobody; a line without the separator is a mistake.
        self.assertEqual(sent("\t").returncode, 0)
        self.assertRegex(self.folder.fetch("/metrics")[1], r'freshet_[a-z_]*dead_letter[a-z_]*\{[^}]*reason="no_key"[^}]*\} 1\n')
        refused = sent(line(EVENTS[0]), "no separator")
        self.assertEqual(refused.returncode, 1)
        self.assertIn('event 2 has no "\\t" between key and value', refused.stderr)

    def test_from_events_to_features(self):
        server = self.serve()
        for fact in (self.folder.grpc, self.folder.admin, "riders: 4 features", "block_cache", "ingest"):
            self.assertIn(fact, server.text)
        self.assertIn("30 events to trips", self.replay(EVENTS).stdout)

        with self.subTest("JSON: one object a row, in the order asked"):
            bob, nobody, ann = self.folder.rows([{"rider": "bob"}, {"rider": "zoe"}, {"rider": "ann"}])
            self.assertEqual(bob["keys"], {"rider": "bob"})
            # A day back from the newest event, to the pane that holds its edge: yesterday's trip at the same hour counts.
            self.assertEqual(bob["features"],
                             {"trips_1d": 2, "trips_lifetime": 10, "km_lifetime": 55, "tip_lifetime": 2.5})
            self.assertEqual(set(bob["statuses"].values()), {"PRESENT"})
            self.assertEqual(set(bob["event_times"].values()), {"2024-01-10T12:00:00Z"})
            self.assertEqual(nobody["features"],
                             {"trips_1d": 0, "trips_lifetime": 0, "km_lifetime": 0, "tip_lifetime": None})
            self.assertEqual(set(nobody["statuses"].values()), {"NOT_FOUND"})
            self.assertEqual(ann["keys"], {"rider": "ann"})

        with self.subTest("a time for all rows, or one a row"):
            row = self.folder.rows([{"rider": "bob"}], "--as-of", "2024-01-05T12:30:00Z")[0]
            self.assertEqual(row["features"]["trips_1d"], 1)
            self.assertEqual(row["statuses"]["km_lifetime"], "OUTSIDE_HISTORY")
            early, late = self.folder.rows([{"rider": "bob", "as_of": "2023-12-30T00:00:00Z"},
                                            {"rider": "bob", "as_of": "2024-01-20T00:00:00Z"}])
            self.assertEqual(early["statuses"]["trips_1d"], "NOT_FOUND")
            self.assertEqual(late["features"]["trips_1d"], 0)

        with self.subTest("a table for people"):
            table = self.folder.get("riders", "rider=bob")
            self.assertEqual(table.returncode, 0, table.stderr)
            self.assertRegex(table.stdout, r"km_lifetime +55 +PRESENT +2024-01-10T12:00:00Z")

        with self.subTest("why a value is what it is"):
            def explain(*args):
                return self.folder.run("explain", "riders", *args, "--address", self.folder.grpc)
            why = json.loads(explain("rider=bob", "--output", "json").stdout)
            day = why["features"][0]
            self.assertEqual((day["name"], day["value"], day["status"]), ("trips_1d", 2, "PRESENT"))
            # Panes of 1h: from the one a day back to the one that holds the newest event.
            self.assertEqual(day["window"]["start"], "2024-01-09T12:00:00Z")
            self.assertEqual(day["window"]["end"], "2024-01-10T13:00:00Z")
            self.assertEqual((day["window"]["panes"], day["window"]["events"]), (2, 2))
            km = next(one for one in why["features"] if one["name"] == "km_lifetime")
            self.assertEqual((km["value"], km["window"]["events"]), (55, 10))
            self.assertEqual(why["views"][0]["newest_event"], "2024-01-10T12:00:00Z")
            past = explain("rider=bob", "--as-of", "2024-01-05T12:30:00Z").stdout
            self.assertIn("the pane of 1h that holds the read is left out", past)
            self.assertIn("lifetime has no history", past)
            self.assertIn("there is no row", explain("rider=zoe").stdout)
            self.assertIn("did you mean rider", explain("ridr=bob").stderr)

        with self.subTest("errors name the thing and the remedy"):
            self.assertIn("did you mean riders", self.folder.get("riderz", "rider=bob").stderr)
            self.assertIn("key rider is missing", self.folder.get("riders").stderr)
            file = self.folder.write("bad.jsonl", '{"rider": "ann"}\n{}\n')
            self.assertIn("bad.jsonl:2: key rider is missing", self.folder.get("riders", "--rows", file).stderr)

        with self.subTest("metrics that promtool has nothing to say about"):
            status, metrics = self.folder.fetch("/metrics")
            self.assertEqual(status, 200)
            done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            for family in ("freshet_build_info{", 'freshet_ready{condition="caught_up"} 1', "freshet_catalog_info{",
                           "freshet_ingest_events_applied_total{", "grpc_server_handled_total{",
                           "freshet_rocksdb_memtable_bytes{", "freshet_memory_budget_bytes{", "freshet_view_keys{"):
                self.assertIn(family, metrics)

        with self.subTest("stops on SIGTERM, and a new start answers from what it kept"):
            server.signal(signal.SIGTERM)
            self.assertEqual(server.end(), 0, server.text)
            self.serve()
            self.assertEqual(self.folder.rows([{"rider": "cyd"}])[0]["features"]["km_lifetime"], 55)

    def test_more_rows_than_a_call_may_have(self):
        self.serve("--set", "server.max_rows=3")
        self.replay(EVENTS)
        asked = [{"rider": rider} for rider in ("ann", "bob", "zoe", "cyd") * 5]
        answered = self.folder.rows(asked)
        self.assertEqual([row["keys"] for row in answered], asked)
        self.assertEqual([row["features"]["trips_lifetime"] for row in answered], [10, 10, 0, 10] * 5)

    def test_kill_between_two_replays(self):
        broker = self.folder.start("broker", str(self.folder.path))
        broker.says(r"broker  127\.0\.0\.1:")
        server = self.serve()
        self.replay(EVENTS)
        server.signal(signal.SIGKILL)
        server.end()
        self.serve()
        self.replay([{**event, "km": 100} for event in EVENTS])
        self.assertEqual(self.folder.rows([{"rider": "ann"}])[0]["features"],
                         {"trips_1d": 4, "trips_lifetime": 20, "km_lifetime": 1055, "tip_lifetime": 2.5})

    def test_sql_in_declarations(self):
        project = PROJECT.replace("km: int64, tip: double }", 'km: { type: int64, required: true }, tip: { type: double, on_bad: "null" } }\n'
                                  '    derive: { miles: "km / 1.6", loud: "upper(rider)" }\n    where: "km > 0"')
        project = project.replace("    history: 30d\n", "    history: 30d\n    where: \"rider <> 'test'\"\n")
        project = project.replace("windows: [1d, lifetime] }", 'windows: [1d, lifetime] }\n      far: { aggregate: count, where: "miles > 10", windows: [lifetime] }\n'
                                  "      miles: { aggregate: sum, of: miles, windows: [lifetime] }\n      loud: { aggregate: last, of: loud }")
        self.folder.write("freshet.yaml", project)
        self.serve()
        at = "2026-01-01T00:0{}:00Z".format
        self.replay([{"at": at(0), "rider": "ann", "km": 8, "tip": 1.5}, {"at": at(1), "rider": "ann", "km": 32, "tip": "much"},
                     {"at": at(2), "rider": "ann", "km": 0}, {"at": at(3), "rider": "ann"}, {"at": at(4), "rider": "test", "km": 5}])
        rows = self.folder.rows([{"rider": "ann"}, {"rider": "test"}])
        self.assertEqual(rows[0]["features"], {"trips_1d": 2, "trips_lifetime": 2, "far_lifetime": 1, "miles_lifetime": 25.0, "loud": "ANN",
                                               "km_lifetime": 40, "tip_lifetime": 1.5})
        self.assertEqual(rows[1]["statuses"]["km_lifetime"], "NOT_FOUND")
        metrics = self.folder.fetch("/metrics")[1].splitlines()
        self.assertIn('freshet_ingest_events_skipped_total{reason="where",source="trips",view="riders"} 2', metrics)
        self.assertIn('freshet_ingest_bad_values_total{source="trips"} 1', metrics)
        self.assertIn('freshet_ingest_dead_letters_total{reason="incomplete",source="trips"} 1', metrics)

    def test_second_server_on_the_same_folder(self):
        self.serve()
        second = self.folder.serve()
        self.assertEqual(second.end(), 1)
        self.assertIn("in use by another", second.text)
        # The first is untouched.
        self.assertEqual(self.folder.fetch("/readyz")[0], 200)

    def test_folder_of_another_project(self):
        self.serve().stop()
        self.folder.write("freshet.yaml", PROJECT.replace("project: journeys", "project: other"))
        other = self.folder.serve()
        self.assertEqual(other.end(), 1)
        self.assertIn('belongs to project "journeys"', other.text)

    def test_bad_declaration(self):
        self.folder.write("freshet.yaml", PROJECT.replace("aggregate: max", "aggregate: maxx").replace("km: int64", "km: int46"))
        server = self.folder.serve()
        self.assertEqual(server.end(), 1)
        self.assertRegex(server.text, r"freshet\.yaml:\d+:\d+: .*maxx")
        self.assertRegex(server.text, r"freshet\.yaml:\d+:\d+: .*int46")
        self.assertFalse((self.folder.path / "data").exists())

    def test_broker_away_at_start(self):
        broker = self.folder.start("broker", str(self.folder.path))
        real = broker.says(r"broker  (127\.0\.0\.1:\d+)").group(1)
        proxy = Proxy()
        self.folder.write("freshet.yaml", PROJECT.replace("brokers: embedded", f'brokers: "{proxy.address}"')
                          .replace(", embedded: { partitions: 2 }", ""))

        # A first start without a broker: alive, not ready, and says why.
        server = self.folder.serve("--set", "server.readiness.give_up_after=1s")
        server.says("serves project")
        self.assertEqual(self.folder.fetch("/livez")[0], 200)
        status, verbose = wait_until(
            lambda: (lambda page: page if "broker_down" in page[1] else None)(self.folder.fetch("/readyz?verbose")),
            "the broker to be missed")
        self.assertEqual(status, 503, verbose)
        # It comes: the server gets ready by itself.
        proxy.up(real)
        self.folder.wait_ready()
        self.replay(EVENTS)
        server.stop()
        proxy.down()

        # With data, a broker that stays away does not keep it from serving.
        self.folder.serve("--set", "server.readiness.give_up_after=2s").says("serves project")
        self.assertEqual(self.folder.fetch("/readyz")[0], 503)
        self.assertEqual(self.folder.rows([{"rider": "ann"}])[0]["features"]["km_lifetime"], 55)
        self.folder.wait_ready()
        self.assertIn("given up after 2s", self.folder.fetch("/readyz?verbose")[1])
        # And it resumes.
        proxy.up(real)
        self.replay(EVENTS)
        self.assertEqual(self.folder.rows([{"rider": "ann"}])[0]["features"]["km_lifetime"], 110)

    def test_broker_replaced(self):
        # brokers: embedded, but the broker is a process of its own: it comes back elsewhere, empty.
        broker = self.folder.start("broker", str(self.folder.path))
        first = broker.says(r"broker  (127\.0\.0\.1:\d+)").group(1)
        server = self.serve()
        self.replay(EVENTS)
        broker.signal(signal.SIGKILL)
        broker.end()
        again = self.folder.start("broker", str(self.folder.path))
        second = again.says(r"broker  (127\.0\.0\.1:\d+)").group(1)
        said = server.says(r"the broker at (\S+) is gone, and another one was started in its place at (\S+) .*restart this server")
        self.assertEqual(said.groups(), (first, second))
        metrics = self.folder.fetch("/metrics")[1].splitlines()
        self.assertIn('freshet_ingest_paused{reason="log_replaced",source="trips"} 1', metrics)
        # What it says to do is what helps.
        server.stop()
        self.serve()
        self.replay(EVENTS)
        self.assertEqual(self.folder.rows([{"rider": "ann"}])[0]["features"]["km_lifetime"], 110)

    def test_half_open_connections_do_not_block_admin(self):
        self.serve()
        host, port = self.folder.admin.split(":")
        half_open = [socket.create_connection((host, int(port))) for _ in range(3)]
        for connection in half_open:
            self.addCleanup(connection.close)
            connection.sendall(b"GET /metr")
        self.assertEqual(self.folder.fetch("/livez")[0], 200)
        self.assertEqual(self.folder.fetch("/metrics")[0], 200)
        self.assertEqual(self.folder.fetch("/nothing")[0], 404)

    def test_second_signal_ends_at_once(self):
        server = self.serve()
        server.signal(signal.SIGSTOP)  # so that both are pending when it goes on
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)
        server.signal(signal.SIGCONT)
        self.assertIn(server.end(5), (128 + signal.SIGTERM, 128 + signal.SIGINT))

    def test_validate_and_config(self):
        done = self.folder.run("validate", str(self.folder.path), "--data")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("trips_1d", done.stdout)
        self.assertIn("no data yet", done.stdout)
        self.serve()
        self.folder.write("freshet.yaml", PROJECT.replace("windows: [1d, lifetime]", "windows: [2d, lifetime]"))
        self.assertIn("changed: a start rebuilds it", self.folder.run("validate", str(self.folder.path), "--data").stdout)
        schema = self.folder.run("validate", "--schema")
        self.assertIn("$schema", json.loads(schema.stdout))
        config = self.folder.run("config", str(self.folder.path), "--set", "storage.memory=1GiB")
        self.assertRegex(config.stdout, r"storage\.memory +\S+ +--set")

    def test_usage(self):
        for args in ([], ["nonsense"], ["serve"], ["get"], ["replay", "x"], ["get", "s", "--output", "xml"]):
            done = self.folder.run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertTrue(done.stderr, args)
        for command in ("serve", "validate", "config", "broker", "get", "explain", "replay", "test", "doctor", "estimate"):
            done = self.folder.run(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Example:\n  freshet {command}", done.stdout.replace("FRESHET_STORAGE__MEMORY=1GiB ", ""))
        nobody = self.folder.run("get", "riders", "rider=x", "--address", f"127.0.0.1:{free_port()}")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("no freshet server answers", nobody.stderr)

    def test_a_server_that_is_slow_to_answer_is_found(self):
        self.serve()
        self.replay(EVENTS)
        proxy = Proxy(delay=1.0)
        proxy.up(self.folder.grpc)
        self.addCleanup(proxy.down)
        done = self.folder.run("get", "riders", "rider=ann", "--address", proxy.address)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    if shutil.which("promtool") is None:
        sys.exit("promtool is missing: install Debian's package prometheus")
    unittest.main(verbosity=2)
