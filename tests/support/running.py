"""A project folder, the program's processes on it, and what they say."""

import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

PROJECT = """
project: journeys
clock: event_time
kafka: { brokers: embedded, embedded: { partitions: 2 } }
storage: { path: ./data, memory: 64MiB }
sources:
  trips:
    topic: trips
    key: rider
    timestamp: at
    fields: { at: timestamp, rider: string, km: int64, tip: double }
entities:
  rider: { keys: { rider: string } }
feature_views:
  riders:
    source: trips
    entity: rider
    ttl: never
    history: 30d
    features:
      trips: { aggregate: count, windows: [1d, lifetime] }
      km: { aggregate: sum, of: km, windows: [lifetime] }
      tip: { aggregate: max, of: tip, windows: [lifetime] }
feature_services:
  riders: [riders]
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=60.0, every=0.02):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


class Process:
    """One `freshet …` whose output is kept."""

    def __init__(self, binary, *args, env=None):
        self.text = ""
        self.process = subprocess.Popen([binary, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def says(self, pattern, seconds=60.0):
        def found():
            match = re.search(pattern, self.text)
            if not match and self.process.poll() is not None:
                self.reader.join()
                match = re.search(pattern, self.text)
                assert match, f"ended ({self.process.returncode}) without saying {pattern!r}:\n{self.text}"
            return match
        return wait_until(found, f"{pattern!r} of:\n{self.text}", seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=30):
        """The exit status, after which `text` is whole."""
        status = self.process.wait(seconds)
        self.reader.join()
        self.process.stdout.close()
        return status

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.end()


class Folder:
    """A project folder of its own; everything started on it is ended with it."""

    def __init__(self, binary, project=PROJECT):
        self.binary = binary
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="freshet-journey-"))
        self.grpc, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.write("freshet.yaml", project)
        self.started = []

    def write(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")
        return str(self.path / name)

    def start(self, *args, env=None):
        process = Process(self.binary, *args, env=env)
        self.started.append(process)
        return process

    def serve(self, *more, env=None):
        return self.start("serve", str(self.path), "--set", f"server.grpc={self.grpc}",
                          "--set", f"server.admin={self.admin}", *more, env=env)

    def run(self, *args):
        return subprocess.run([self.binary, *args], capture_output=True, text=True, timeout=120, check=False)

    def replay(self, events, *more):
        file = self.write("events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        return self.run("replay", file, "--project", str(self.path), "--source", "trips", "--address", self.grpc, *more)

    def get(self, *args):
        return self.run("get", *args, "--address", self.grpc)

    def rows(self, rows, *more, service="riders"):
        file = self.write("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        done = self.get(service, "--rows", file, "--output", "json", *more)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def fetch(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, seconds=60):
        wait_until(lambda: self.fetch("/readyz")[0] == 200, f"readiness: {self.fetch('/readyz?verbose')}", seconds)

    def close(self, keep=False):
        for process in self.started:
            if process.process.poll() is None:
                process.process.kill()
                process.end()
        if not keep:
            shutil.rmtree(self.path)


class Proxy:
    """A fixed address before a broker or server whose port is not ours to choose: away or there, as a test wishes. `delay`: seconds
    that pass before anything goes through a new connection."""

    def __init__(self, delay=0.0):
        self.delay = delay
        self.address = f"127.0.0.1:{free_port()}"
        self.listener = None

    def up(self, target):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = self.address.split(":")
        self.listener.bind((host, int(port)))
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener, target), daemon=True).start()

    def down(self):
        # close() alone does not wake accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self, listener, target):
        host, port = target.split(":")
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((host, int(port)))
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near, far):
        time.sleep(self.delay)
        with near, far:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    try:
                        data = ready.recv(65536)
                        if not data:
                            return
                        (far if ready is near else near).sendall(data)
                    except OSError:
                        return
