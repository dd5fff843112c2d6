"""A real server over the quickstart project, with the first departures of the sample replayed into it."""

import contextlib
import datetime
import gzip
import itertools
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

SOURCE = Path(os.environ["FRESHET_SOURCE_DIR"])
EVENTS = 20_000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, address, events):
        self.address = address
        self.events = events  # with "at", a datetime
        self.now = max(e["at"] for e in events)


# What the quickstart has no use for: inputs, derived features, a role, the request's own event.
LIVE_SERVICE = """
  live_board:
    features:
      - "airport_departures:departures_1h"
      - { view: carrier_punctuality, as: operator, keys: { carrier: flown_by }, features: [carrier_flights_24h] }
    request: { dep_delay: int64, factor: double, note: string }
    derive:
      late: "dep_delay * factor"
      label: "note || '!'"
      busy: "departures_1h > 10 and operator.carrier_flights_24h > 0"
    count_request: departures
"""


def first_departures():
    with gzip.open(SOURCE / "config/quickstart/flights.jsonl.gz", "rt") as file:
        lines = list(itertools.islice(file, EVENTS))
    events = [json.loads(line) for line in lines]
    for event in events:
        event["at"] = datetime.datetime.fromisoformat(event["scheduled"].replace("Z", "+00:00"))
    return lines, events


def wait_until_ready(process, admin, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{admin}/readyz", timeout=1)
            return
        time.sleep(0.05)
    pytest.fail(f"the server did not become ready:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    program = os.environ["FRESHET_PROGRAM"]
    folder = tmp_path_factory.mktemp("freshet")
    address, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    env = {**os.environ, "FRESHET_STORAGE__PATH": str(folder / "data"), "FRESHET_SERVER__GRPC": address,
           "FRESHET_SERVER__ADMIN": admin}
    lines, events = first_departures()
    (folder / "departures.jsonl").write_text("".join(lines))
    project = folder / "project"
    project.mkdir()
    declared = (SOURCE / "config/quickstart/freshet.yaml").read_text()
    (project / "freshet.yaml").write_text(declared.rstrip() + "\n" + LIVE_SERVICE)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "serve", str(project)], env=env, stdout=out, stderr=out)
        try:
            wait_until_ready(process, admin, log)
            replay = subprocess.run(
                [program, "replay", str(folder / "departures.jsonl"), "--project", str(project), "--source",
                 "departures", "--wait"], env=env, capture_output=True, text=True, timeout=90)
            assert replay.returncode == 0, replay.stderr + log.read_text()
            yield Server(address, events)
        finally:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, log.read_text()
