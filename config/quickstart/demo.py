#!/usr/bin/python3
"""The demo: serves this folder with an embedded broker, replays departures into it and asks for features.
`./run demo` builds what it needs and starts it."""

import collections
import datetime
import gzip
import json
import random
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parent))
from demonstration import ROOT, Server, compare, measure, run  # noqa: E402

WHOLE = ROOT.parent / "shared/data/flights.jsonl.gz"
SAMPLE = PROJECT / "flights.jsonl.gz"
FLIGHT = {"origin": "JFK", "carrier": "B6", "dest": "LAX"}
LOOKUPS = 1000


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
    with Server(arguments.freshet, PROJECT, folder) as server:
        print(f"Serving {PROJECT.relative_to(ROOT)}: gRPC {server.grpc}, HTTP {server.admin}; data and log in {folder}, "
              "removed at the end\n")
        server.replay("departures", events)
        expected, flights = plain_answer(events)
        lookup = ["departure_board", *(f"{k}={v}" for k, v in FLIGHT.items())]
        server.show(*lookup)
        compare(server.ask(*lookup), expected)
        print("\nThe same as a plain loop over the events finds.")

        import freshet  # lies in the build folder

        chosen = random.Random(1).choices(flights, k=LOOKUPS + 100)
        with freshet.Client(server.grpc, timeout=10) as client:
            p50, p99 = measure(client, lambda c, i: c.get_features("departure_board", dict(zip(FLIGHT, chosen[i]))), LOOKUPS)
        print(f"{LOOKUPS:,} lookups of 10 features, one at a time from the Python client: p50 {p50:.2f} ms, "
              f"p99 {p99:.2f} ms\n", flush=True)
        if arguments.once:
            return
        print(lines_to_try(server), flush=True)
        server.wait()


if __name__ == "__main__":
    sys.exit(run(demo, __doc__))
