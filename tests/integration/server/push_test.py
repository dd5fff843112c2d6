"""Pushes to a real server: over HTTP and by `freshet ingest`, with the embedded broker and without Kafka; kill -9 before the
acknowledgement, and the retry at the other replica; dead letters listed, shown and replayed."""

import base64
import datetime
import gzip
import http.client
import json
import pathlib
import random
import signal
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, wait_until  # noqa: E402

BINARY = ""
WITHOUT_KAFKA = PROJECT.replace("kafka: { brokers: embedded, embedded: { partitions: 2 } }", "kafka: { brokers: none }")


def trip(rider, minute, km=1):
    return {"at": f"2026-01-05T10:{minute % 60:02d}:00Z", "rider": rider, "km": km, "tip": 0.5}


def push(address, events, *query, producer=None, timeout=20, source="trips"):
    """Status and answer; (0, {}) where the server went away."""
    body = events if isinstance(events, bytes) else "".join(json.dumps(event) + "\n" for event in events).encode()
    request = urllib.request.Request(f"http://{address}/push/{source}?{'&'.join(query)}", body)
    if producer:
        request.add_header("Freshet-Producer", producer[0])
        request.add_header("Freshet-Sequence", str(producer[1]))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else {"text": text}
    except OSError:
        return 0, {}


class Pushes(unittest.TestCase):
    def setUp(self):
        self.folders = []

    def tearDown(self):
        for folder in self.folders:
            folder.close()

    def folder(self, project=PROJECT):
        self.folders.append(Folder(BINARY, project))
        return self.folders[-1]

    def totals(self, folder, rider):
        row = folder.rows([{"rider": rider}])[0]["features"]
        return row["trips_lifetime"], row["km_lifetime"]

    def push_and_read(self, project):
        folder = self.folder(project)
        folder.serve()
        folder.wait_ready()
        # Applied: the next read sees it.
        status, answer = push(folder.admin, [trip("r1", 1, 3), trip("r1", 2, 4)], producer=("p", 1))
        self.assertEqual((status, answer["durable"], answer["applied"], answer["repeated"]), (200, 2, 2, 0), answer)
        self.assertEqual(self.totals(folder, "r1"), (2, 7))
        # Again: nothing changes, and it is said.
        status, answer = push(folder.admin, [trip("r1", 1, 3), trip("r1", 2, 4)], producer=("p", 1))
        self.assertEqual((status, answer["repeated"]), (200, 2), answer)
        self.assertEqual(self.totals(folder, "r1"), (2, 7))
        # An array, an object, durable alone.
        status, answer = push(folder.admin, json.dumps([trip("r1", 3), trip("r2", 3)]).encode(), "wait=durable")
        self.assertEqual((status, answer["durable"]), (200, 2), answer)
        self.assertNotIn("applied", answer)
        wait_until(lambda: self.totals(folder, "r1") == (3, 8), "the durable ones to be applied")
        # What would be a dead letter is told by its index.
        status, answer = push(folder.admin, b'{"at":"2026-01-05T10:00:00Z","rider":"r1"}\n{"at":7}\nnonsense')
        self.assertEqual((status, answer["error"]["reason"]), (400, "BAD_EVENT"), answer)
        self.assertEqual([v["field"] for v in answer["error"]["violations"]], ["events[1]", "events[2]"])
        status, answer = push(folder.admin, b'{"at":7}\n' + json.dumps(trip("r1", 4)).encode(), "skip_bad")
        self.assertEqual((status, answer["applied"], answer["bad"][0]["reason"]), (200, 1, "mistyped"), answer)
        self.assertEqual(push(folder.admin, [trip("r1", 1)], source="trip")[0], 404)
        self.assertEqual(push(folder.admin, b"")[0], 400)
        self.assertEqual(push(folder.admin, [trip("r1", 1)], "wait=never")[0], 400)
        self.assertEqual(push(folder.admin, b" " * (4 << 20) + b" ")[0], 413)
        self.assertIn("repeated_push", folder.fetch("/metrics")[1])
        # The next life goes on where this one was.
        total = self.totals(folder, "r1")
        if "none" in project:
            self.assertEqual(folder.started[0].stop(), 0, folder.started[0].text)
            folder.serve()
            folder.wait_ready()
            self.assertEqual(self.totals(folder, "r1"), total)
            status, answer = push(folder.admin, [trip("r1", 2, 4), trip("r1", 5, 1)], producer=("p", 2))
            self.assertEqual((status, answer["repeated"]), (200, 1), answer)
            self.assertEqual(self.totals(folder, "r1"), (total[0] + 1, total[1] + 1))

    def test_a_page_in_a_browser_cannot_push(self):
        folder = self.folder()
        folder.serve()
        folder.wait_ready()
        body = json.dumps(trip("r1", 0)).encode()

        def status(**headers):
            request = urllib.request.Request(f"http://{folder.admin}/push/trips", body)
            for name, value in headers.items():
                request.add_header(name.replace("_", "-"), value)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
                        {"Sec_Fetch_Site": "same-site"}):
            code, text = status(Content_Type="application/json", **headers)
            self.assertEqual(code, 403, text)
            self.assertIn("FROM_A_BROWSER", text)
        for form in ("text/plain", "Text/Plain; charset=utf-8", "multipart/form-data; boundary=x"):
            code, text = status(Content_Type=form)
            self.assertEqual(code, 415, text)
            self.assertIn("application/x-ndjson", text)
        # As curl -d, and as it should be.
        for kind in ("application/x-www-form-urlencoded", "application/json", "application/x-ndjson"):
            self.assertEqual(status(Content_Type=kind)[0], 200)
        self.assertEqual(self.totals(folder, "r1")[0], 3)

    def test_pushes_with_the_embedded_broker(self):
        self.push_and_read(PROJECT)

    def test_pushes_without_kafka(self):
        self.push_and_read(WITHOUT_KAFKA)

    def test_a_folder_without_kafka_is_verified_against_its_own_log(self):
        folder = self.folder(WITHOUT_KAFKA)
        server = folder.serve()
        folder.wait_ready()
        for _ in range(2):
            self.assertEqual(push(folder.admin, [trip("r", minute) for minute in range(9)], producer=("p", 1))[0], 200)
        server.stop()
        verified = folder.run("verify", str(folder.path))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def kill_between(self, project):
        """kill -9 while a push is on its way, then the same push again: it counts once."""
        folder = self.folder(project)
        if "embedded" in project:
            folder.start("broker", str(folder.path)).says("127.0.0.1")
        server = folder.serve()
        folder.wait_ready()
        # Between an answer, where it came too late, and nothing in the log, where it came too early: however fast the machine is.
        jitter, delay = random.Random(7), 0.005
        sequence, repeated, unanswered = 1, 0, 0
        for kill in range(40):
            events, producer = [trip("k", kill) for _ in range(20)], ("till", sequence)
            answers = []
            thread = threading.Thread(target=lambda e=events, p=producer, a=answers: a.append(
                push(folder.admin, e, producer=p)))
            thread.start()
            time.sleep(delay * jitter.uniform(0.7, 1.3))
            server.signal(signal.SIGKILL)
            server.end()
            thread.join()
            unanswered += answers[0][0] == 0
            server = folder.serve()
            folder.wait_ready()
            status, answer = push(folder.admin, events, producer=producer)
            self.assertEqual((status, answer.get("applied")), (200, 20), answer)
            answered, was_there = answers[0][0] != 0, answer["repeated"] > 0
            repeated += was_there and not answered
            delay *= 0.7 if answered else 1.0 if was_there else 1.4
            sequence += 20
            self.assertEqual(self.totals(folder, "k"), (20 * (kill + 1), 20 * (kill + 1)))
            if repeated >= 3 and kill >= 9:
                break
        # Some were durable and not acknowledged: what this is about.
        self.assertGreater(repeated, 0, f"{unanswered} went unanswered")

    def test_killed_before_the_acknowledgement_with_a_broker(self):
        self.kill_between(PROJECT)

    def test_killed_before_the_acknowledgement_without_kafka(self):
        self.kill_between(WITHOUT_KAFKA)

    def test_a_retry_at_the_other_replica_counts_once(self):
        first = self.folder()
        broker = first.start("broker", str(first.path)).says(r"127\.0\.0\.1:\d+").group(0)
        second = self.folder(PROJECT.replace("brokers: embedded, embedded: { partitions: 2 }", f"brokers: \"{broker}\""))
        for folder in (first, second):
            folder.serve()
            folder.wait_ready()
        events = [trip("r", minute) for minute in range(30)]
        self.assertEqual(push(first.admin, events, producer=("till", 1))[0], 200)
        first.started[1].signal(signal.SIGKILL)
        status, answer = push(second.admin, events + [trip("r", 31)], producer=("till", 1))
        self.assertEqual((status, answer["applied"], answer["repeated"]), (200, 31, 30), answer)
        self.assertEqual(self.totals(second, "r"), (31, 31))
        first.serve()
        first.wait_ready()
        wait_until(lambda: self.totals(first, "r") == (31, 31), "the first replica to have it, too")

    def test_a_file_that_is_ingested_twice_changes_nothing(self):
        for project in (PROJECT, WITHOUT_KAFKA):
            folder = self.folder(project)
            folder.serve()
            folder.wait_ready()
            lines = [json.dumps(trip(f"r{i % 7}", i)) for i in range(2500)]
            lines[3] = "nonsense"
            packed = folder.path / "trips.jsonl.gz"
            packed.write_bytes(gzip.compress("\n".join(lines).encode()))
            ingest = ("ingest", str(packed), "--source", "trips", "--address", folder.grpc)
            once = folder.run(*ingest)
            self.assertEqual(once.returncode, 1, once.stderr)
            self.assertIn("2,499 applied, 0 already there, 1 refused", once.stdout)
            self.assertIn("trips.jsonl.gz:4: malformed", once.stderr)
            rows = [self.totals(folder, f"r{i}") for i in range(7)]
            self.assertEqual(sum(trips for trips, _ in rows), 2499)
            twice = folder.run(*ingest)
            self.assertIn("0 applied, 2,499 already there, 1 refused", twice.stdout)
            self.assertEqual([self.totals(folder, f"r{i}") for i in range(7)], rows)
            wrong = folder.run(*ingest[:3], "trip", *ingest[4:])
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("trips", wrong.stderr)
            self.assertNotIn("run it again", wrong.stderr)
            # The same content, packed or not.
            plain = folder.write("trips.jsonl", "\n".join(lines))
            unpacked = folder.run("ingest", plain, *ingest[2:])
            self.assertIn("0 applied, 2,499 already there, 1 refused", unpacked.stdout)
            # Nothing is sent of a file that is not whole.
            cut = folder.path / "cut.jsonl.gz"
            whole = gzip.compress("".join(json.dumps(trip("cut", i, i)) + "\n" for i in range(9000)).encode())
            cut.write_bytes(whole[:-len(whole) // 5])
            torn = folder.run("ingest", str(cut), *ingest[2:])
            self.assertEqual((torn.returncode, torn.stdout), (1, ""), torn.stderr)
            self.assertIn("cut off", torn.stderr)
            self.assertEqual(torn.stderr.count("cut.jsonl.gz"), 1)
            self.assertNotIn("run it again", torn.stderr)
            self.assertEqual(folder.rows([{"rider": "cut"}])[0]["statuses"]["trips_lifetime"], "NOT_FOUND")

    def test_what_is_asked_for_unclearly_is_refused(self):
        folder = self.folder()
        folder.serve()
        folder.wait_ready()
        mixed = [trip("u", 1), {"at": "nonsense"}]
        for query, named in (("wiat=durable", "wiat"), ("foo", "foo"), ("wait=durable&wait=applied", "wait"),
                             ("skip_bad=no", "skip_bad=no"), ("wait", "wait"), ("wait=durable%00", "wait")):
            status, told = push(folder.admin, [trip("u", 1)], query)
            self.assertEqual((status, told["error"]["reason"]), (400, "BAD_REQUEST"), query)
            self.assertIn(named, told["error"]["message"])
        self.assertEqual(push(folder.admin, mixed, "skip_bad=false")[0], 400)
        for query in ("skip_bad", "skip_bad=true"):
            status, told = push(folder.admin, mixed, query)
            self.assertEqual((status, len(told["bad"])), (200, 1), query)
        self.assertEqual(push(folder.admin, [trip("u", 1)], source="trips%00")[0], 404)
        twice = http.client.HTTPConnection(folder.admin, timeout=20)
        twice.putrequest("POST", "/push/trips")
        for name, value in (("Freshet-Producer", "p"), ("Freshet-Sequence", "1"), ("freshet-sequence", "7"),
                            ("Content-Length", "2")):
            twice.putheader(name, value)
        twice.endheaders(b"{}")
        answer = twice.getresponse()
        self.assertEqual(answer.status, 400)
        self.assertIn("Freshet-Sequence is sent twice", answer.read().decode())
        twice.close()
        other = http.client.HTTPConnection(folder.admin, timeout=20)
        other.request("PUT", "/push/trips", "{}")
        answer = other.getresponse()
        self.assertEqual((answer.status, answer.read().decode(), answer.getheader("Allow")), (405, "only POST\n", "POST"))
        other.close()

    def test_dead_letters_are_listed_shown_and_replayed_once(self):
        folder = self.folder()
        folder.start("broker", str(folder.path)).says("127.0.0.1")
        server = folder.serve()
        folder.wait_ready()
        bad = [dict(trip("d", minute), km=f"{minute}") for minute in range(5)]
        done = folder.replay([*bad, trip("d", 9)], "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        dlq = lambda *args: folder.run("dlq", *args, "--address", folder.grpc)  # noqa: E731
        listed = json.loads(dlq("list", "--output", "json", "--source", "trips").stdout)
        self.assertEqual([(c["reason"], c["letters"]) for c in listed["counts"]], [("mistyped", 5)])
        place = listed["letters"][0]["place"]
        shown = json.loads(dlq("show", place, "--output", "json").stdout)
        self.assertEqual(json.loads(shown["value"]), bad[0])
        self.assertIn("km", shown["detail"])
        self.assertIn("mistyped", dlq("list").stdout)
        self.assertIn("mistyped", dlq("show", place).stdout)
        # What a record holds does nothing to a terminal.
        hostile = folder.write("hostile.tsv", "k\x1b[2Jey\t\x1b]0;title\x07\rforged\u009b\n")
        done = folder.run("replay", hostile, "--project", str(folder.path), "--source", "trips", "--address", folder.grpc,
                          "--key-separator", "\\t", "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: "malformed" in dlq("list").stdout, "its letter")
        malformed = json.loads(dlq("list", "--output", "json", "--reason", "malformed").stdout)["letters"][0]["place"]
        text = dlq("show", malformed).stdout
        self.assertIn("\\x1b]0;title\\x07\\x0dforged\\xc2\\x9b", text)
        self.assertIn("k\\x1b[2Jey", text)
        self.assertNotIn("\x1b", text)
        # Bytes that are no text are told as bytes.
        (folder.path / "bytes.tsv").write_bytes(b"k\xff\t\xfe{\n")
        done = folder.run("replay", folder.path / "bytes.tsv", "--project", str(folder.path), "--source", "trips",
                          "--address", folder.grpc, "--key-separator", "\\t", "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        newest = lambda: json.loads(dlq("list", "--output", "json", "--letters", "1").stdout)["letters"][0]["place"]  # noqa: E731
        wait_until(lambda: newest() != malformed and "value_base64" in dlq("show", newest(), "--output", "json").stdout, "its letter")
        shown = json.loads(dlq("show", newest(), "--output", "json").stdout)
        self.assertEqual((base64.b64decode(shown["key_base64"]), base64.b64decode(shown["value_base64"])), (b"k\xff", b"\xfe{"))
        self.assertIn("no dead letter", dlq("show", "trips/9/9/9").stderr)
        self.assertIn("source/incarnation", dlq("show", "nonsense").stderr)
        self.assertEqual(dlq("replay").returncode, 1)

        # What the log still holds, a view that is rebuilt reads there: a copy of it would count twice.
        refused = dlq("replay", place)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("still holds the record", refused.stderr)
        server.stop()
        folder.write("freshet.yaml", PROJECT.replace("km: int64", 'km: { type: int64, on_bad: "null" }'))
        folder.serve()
        folder.wait_ready()
        wait_until(lambda: self.totals(folder, "d")[0] == 6, "the mended declaration to count all")
        self.assertEqual(dlq("replay", "--all").returncode, 1)
        self.assertEqual(self.totals(folder, "d"), (6, 1))

    def test_what_came_from_the_future_is_replayed_once(self):
        project = PROJECT.replace("clock: event_time\n", "").replace("    timestamp: at\n", "    timestamp: at\n    max_future_skew: 1s\n")
        folder = self.folder(project)
        folder.start("broker", str(folder.path)).says("127.0.0.1")
        folder.serve()
        folder.wait_ready()
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5)
        early = dict(trip("f", 0), at=soon.isoformat())
        done = folder.replay([early, trip("f", 1)], "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        dlq = lambda *args: folder.run("dlq", *args, "--address", folder.grpc)  # noqa: E731
        counts = lambda: json.loads(dlq("list", "--output", "json").stdout)["counts"]  # noqa: E731
        wait_until(lambda: counts() and counts()[0]["reason"] == "future", "the letter")
        wait_until(lambda: datetime.datetime.now(datetime.timezone.utc) > soon, "its time to come")
        replayed = dlq("replay", "--source", "trips")
        self.assertIn("1 replayed, 0 had been before", replayed.stdout, replayed.stderr)
        wait_until(lambda: self.totals(folder, "f")[0] == 2, "the replayed one")
        self.assertIn("0 replayed, 1 had been before", dlq("replay", "--all").stdout)
        self.assertEqual(self.totals(folder, "f"), (2, 2))

    def test_pushes_can_be_switched_off_or_bound_elsewhere(self):
        folder = self.folder()
        off = folder.serve("--set", "server.push=false")
        folder.wait_ready()
        self.assertEqual(push(folder.admin, [trip("r", 1)])[0], 405)
        file = folder.write("trips.jsonl", json.dumps(trip("r", 1)) + "\n")
        refused = folder.run("ingest", file, "--source", "trips", "--address", folder.grpc)
        self.assertIn("server.push: false", refused.stderr)
        self.assertNotIn("run it again", refused.stderr)
        # Letters can be looked at; sending them again is what is off.
        listed = folder.run("dlq", "list", "--address", folder.grpc)
        self.assertEqual((listed.returncode, listed.stdout), (0, "no dead letters\n"), listed.stderr)
        again = folder.run("dlq", "replay", "--all", "--address", folder.grpc)
        self.assertEqual(again.returncode, 1)
        self.assertIn("server.push: false", again.stderr)
        self.assertEqual(off.stop(), 0)
        elsewhere = folder.serve("--set", "server.push_http=127.0.0.1:0")
        address = elsewhere.says(r"POST http://(127[^/]+)/push").group(1)
        folder.wait_ready()
        self.assertEqual(push(folder.admin, [trip("r", 1)])[0], 405)
        self.assertEqual(push(address, [trip("r", 1)])[0], 200)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
