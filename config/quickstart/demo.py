#!/usr/bin/python3
"""The demo: serves this folder with an embedded broker, replays departures into it and asks for features.
`./run demo` builds what it needs and starts it."""

import argparse
import collections
import contextlib
import datetime
import gzip
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
ROOT = PROJECT.parents[1]
WHOLE = ROOT.parent / "shared/data/flights.jsonl.gz"
SAMPLE = PROJECT / "flights.jsonl.gz"
FLIGHT = {"origin": "JFK", "carrier": "B6", "dest": "LAX"}
LOOKUPS = 1000


class Failed(Exception):
    """What went wrong and what to do, in a line."""


def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return None
        return s.getsockname()[1]


def choose_ports():
    """The default ones where they are free."""
    ports = []
    for port in (7570, 7571):
        chosen = free(port) or free(0)
        if chosen != port:
            print(f"port {port} is in use: taking {chosen} in its place")
        ports.append(chosen)
    return [f"127.0.0.1:{port}" for port in ports]


class Server:
    """`freshet serve` with its data and log in a folder of their own, until the with block ends."""

    def __init__(self, program, folder):
        self.program = program
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.grpc, self.admin = choose_ports()
        self.env = {**os.environ, "FRESHET_STORAGE__PATH": str(self.data), "FRESHET_SERVER__GRPC": self.grpc,
                    "FRESHET_SERVER__ADMIN": self.admin}

    def __enter__(self):
        with self.log.open("wb") as log:  # a session of its own: Ctrl-C is for the demo, which then stops it
            self.process = subprocess.Popen([self.program, "serve", PROJECT], env=self.env, stdout=log, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None:
                raise Failed(f"the server ended with status {self.process.returncode}; its words:\n{self.words()}")
            if time.monotonic() > deadline:
                self.__exit__()
                raise Failed(f"the server was not ready within 60 s; its words:\n{self.words()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ready(self):
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=1):
                return True
        return False

    def words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def run(self, *arguments, **options):
        return subprocess.run([self.program, *arguments], env=self.env, check=False, **options)


def plain_answer(events_file):
    """What the events say about FLIGHT at the newest of them, by plain loops over the file's last day, and that day's
    flights. Hops as freshet.yaml's windows have them: 1m of 1h, 1h of 24h."""
    events = collections.deque()
    with gzip.open(events_file, "rt") as file:
        for line in file:
            event = json.loads(line)
            at = datetime.datetime.fromisoformat(event["scheduled"].replace("Z", "+00:00")).timestamp()
            events.append((at, event))
            while events[0][0] < at - 90_000:
                events.popleft()
    now = events[-1][0]
    here = [(at, e) for at, e in events if e["origin"] == FLIGHT["origin"]]
    hour = [e["dep_delay"] for at, e in here if at >= (now - 3600) // 60 * 60]
    delays = [d for d in hour if d is not None]
    return {
        "departures_1h": len(hour),
        "departures_24h": sum(at >= (now - 86400) // 3600 * 3600 for at, _ in here),
        "departures_tumbling_1d": sum(at >= now // 86400 * 86400 for at, _ in here),
        "delay_mean_1h": sum(delays) / len(delays) if delays else None,
    }, [tuple(e[k] for k in FLIGHT) for _, e in events]


def check(server, expected):
    """The server's answer beside that of the plain loops."""
    asked = server.run("get", "departure_board", *(f"{k}={v}" for k, v in FLIGHT.items()), "--address", server.grpc,
                       "--output", "json", capture_output=True, text=True)
    if asked.returncode != 0:
        raise Failed(f"freshet get failed: {asked.stderr.strip()}")
    features = json.loads(asked.stdout)["features"]
    for name, value in expected.items():
        got = features.get(name)
        same = got == value if got is None or value is None else abs(got - value) <= 1e-9 * max(1, abs(value))
        if not same:
            raise Failed(f"{name} is {got}; the events say {value}")


def measure(server, client_path, flights):
    """Microseconds of one lookup after the other, each of another flight, as a Python client sees them."""
    sys.path.insert(0, str(client_path))
    import freshet  # noqa: PLC0415  lies in the build folder

    chosen = random.Random(1).choices(flights, k=LOOKUPS + 100)
    taken = []
    with freshet.Client(server.grpc, timeout=10) as client:
        for flight in chosen:
            keys = dict(zip(FLIGHT, flight))
            begin = time.perf_counter_ns()
            client.get_features("departure_board", keys)
            taken.append(time.perf_counter_ns() - begin)
    taken = sorted(t / 1e6 for t in taken[100:])  # the first ones warm up
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def lines_to_try(server):
    flight = " ".join(f"{k}={v}" for k, v in FLIGHT.items())
    address = "" if server.grpc == "127.0.0.1:7570" else f" --address {server.grpc}"
    broker = json.loads((server.data / "broker.json").read_text())["bootstrap"]
    request = {"feature_service": "airport_now", "layout": "LAYOUT_ROWS",
               "keys": [{"name": "origin", "strings": {"values": ["JFK", "EWR"]}}]}
    event = {"scheduled": "2014-01-01T05:10:00Z", "carrier": "B6", "flight": 1, "origin": "JFK", "dest": "LAX",
             "dep_delay": 3, "distance": 2475}
    return f"""The server stays up until Ctrl-C. In another terminal:

  ./run freshet get departure_board {flight}{address}
  ./run freshet get airport_now origin=EWR --output json{address}
  curl -s http://{server.admin}/metrics | grep freshet_ingest
  grpcurl -plaintext -d '{json.dumps(request)}' \\
    {server.grpc} freshet.v1.ServingService/GetFeatures
  echo '{json.dumps(event)}' | kcat -P -b {broker} -t departures
  PYTHONPATH=build/dev/python /usr/bin/python3 -c 'import freshet; print(freshet.Client("{server.grpc}").get_features(
    "airport_now", {{"origin": ["JFK", "EWR", "LGA"]}}).to_pandas())'     # needs python3-pandas
"""


def demo(arguments, folder):
    events = WHOLE if WHOLE.is_file() else SAMPLE
    print(f"Departures from New York in 2013: {'all of them' if events == WHOLE else 'the first 100,000'}, {events}")
    with Server(arguments.freshet, folder) as server:
        print(f"Serving {PROJECT.relative_to(ROOT)}: gRPC {server.grpc}, HTTP {server.admin}; data and log in {folder}, "
              "removed at the end\n")
        replay = server.run("replay", events, "--project", PROJECT, "--source", "departures", "--wait")
        if replay.returncode != 0:
            raise Failed(f"the replay failed; its words are above, the server's:\n{server.words()}")
        expected, flights = plain_answer(events)
        command = ["get", "departure_board", *(f"{k}={v}" for k, v in FLIGHT.items())]
        print(f"\n$ freshet {' '.join(command)}", flush=True)
        if server.run(*command, "--address", server.grpc).returncode != 0:
            raise Failed("freshet get failed; its words are above")
        check(server, expected)
        print("\nThe same as a plain loop over the events finds.")
        p50, p99 = measure(server, arguments.client, flights)
        print(f"{LOOKUPS:,} lookups of 10 features, one at a time from the Python client: p50 {p50:.2f} ms, "
              f"p99 {p99:.2f} ms\n", flush=True)
        if arguments.once:
            return
        print(lines_to_try(server), flush=True)
        server.process.wait()
        raise Failed(f"the server ended with status {server.process.returncode}; its words:\n{server.words()}")


def main():
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end once the answers were shown")
    parser.add_argument("--freshet", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--client", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(line_buffering=True)  # what the program itself prints comes in between
    folder = Path(tempfile.mkdtemp(prefix="freshet-demo-"))
    try:
        demo(arguments, folder)
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0 if not arguments.once else 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
