"""What the demonstrations share: a server with its data in a folder of its own, and how they begin and end."""

import argparse
import contextlib
import json
import os
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

ROOT = Path(__file__).resolve().parents[1]


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

    def __init__(self, program, project, folder):
        self.program = program
        self.project = project
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.grpc, self.admin = choose_ports()
        self.env = {**os.environ, "FRESHET_STORAGE__PATH": str(self.data), "FRESHET_SERVER__GRPC": self.grpc,
                    "FRESHET_SERVER__ADMIN": self.admin}

    def __enter__(self):
        with self.log.open("wb") as log:  # a session of its own: Ctrl-C is for the demo, which then stops it
            self.process = subprocess.Popen([self.program, "serve", self.project], env=self.env, stdout=log, stderr=log,
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

    def replay(self, source, file):
        """Until the server has applied them all."""
        done = self.run("replay", file, "--project", self.project, "--source", source, "--wait")
        if done.returncode != 0:
            raise Failed(f"the replay failed; its words are above, the server's:\n{self.words()}")

    def show(self, *arguments):
        """`freshet get` as a person would type it."""
        print(f"\n$ freshet get {' '.join(arguments)}", flush=True)
        if self.run("get", *arguments, "--address", self.grpc).returncode != 0:
            raise Failed("freshet get failed; its words are above")

    def ask(self, *arguments):
        """The features of one row, by name."""
        asked = self.run("get", *arguments, "--address", self.grpc, "--output", "json", capture_output=True, text=True)
        if asked.returncode != 0:
            raise Failed(f"freshet get failed: {asked.stderr.strip()}")
        return json.loads(asked.stdout)["features"]

    def wait(self):
        self.process.wait()
        raise Failed(f"the server ended with status {self.process.returncode}; its words:\n{self.words()}")


def compare(got, expected):
    """Fails where the server's features are not those of a plain loop."""
    for name, value in expected.items():
        answer = got.get(name)
        number = isinstance(value, (int, float)) and isinstance(answer, (int, float))
        same = abs(answer - value) <= 1e-9 * max(1, abs(value)) if number else answer == value
        if not same:
            raise Failed(f"{name} is {answer}; the events say {value}")


def measure(client, ask, count=1000):
    """Milliseconds of one lookup after the other, as a Python client sees them: p50, p99. ask(client, i) is one."""
    taken = []
    for i in range(count + 100):
        begin = time.perf_counter_ns()
        ask(client, i)
        taken.append(time.perf_counter_ns() - begin)
    taken = sorted(t / 1e6 for t in taken[100:])  # the first ones warm up
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def run(demo, description):
    """main() of a demonstration: demo(arguments, folder), the folder removed at the end."""
    parser = argparse.ArgumentParser(prog="./run demo", description=description)
    parser.add_argument("--once", action="store_true", help="end once the answers were shown")
    parser.add_argument("--freshet", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--client", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.client))  # the Python client lies in the build folder
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
