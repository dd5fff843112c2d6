"""Freshet and its peers as measured processes: each reads the same topic, says how many events it has applied, answers for a card."""

import fcntl
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import typing
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support" / "kafka"))
from kafka_broker import end_with_parent, free_port  # noqa: E402  pylint: disable=wrong-import-position

BUILD = ROOT / "build" / "peers"
FEATURES = ("spend_10m", "spend_1h", "spend_24h", "payments_10m", "payments_1h", "payments_24h",
            "mean_1h", "mean_24h", "max_1h", "max_24h")
TICKS = os.sysconf("SC_CLK_TCK")
# Java's own modules that RocksDB's and Flink's libraries reach into.
OPENED = ("--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
          "--add-opens=java.base/java.nio=ALL-UNNAMED")


class Failed(Exception):
    """A program that did not do what it is measured for."""


def build():
    """The peers' jars, by maven, where they are missing or older than their sources. One at a time: the second finds them there."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = BUILD / "built"
        sources = [path for path in HERE.rglob("*") if path.suffix in (".java", ".xml")]
        if stamp.exists() and all(path.stat().st_mtime < stamp.stat().st_mtime for path in sources):
            return
        print("bench peers: building Kafka Streams' and Flink's programs (the first time maven fetches 150 MB)", file=sys.stderr)
        done = subprocess.run(["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "package", f"-Dpeers.build={BUILD}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"maven could not build bench/peers:\n{done.stdout[-3000:]}")
        stamp.touch()


def java(module, program, options, words):
    return ["java", *OPENED, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", *options,
            "-cp", f"{BUILD}/{module}/{module}.jar:{BUILD}/{module}/lib/*", f"freshet.peers.{program}", *words]


class Moment(typing.NamedTuple):
    time: float  # monotonic seconds
    cpu: float  # seconds of the process until then
    applied: int  # events


class Program:
    """A started process. `began`: just before it was started (monotonic seconds)."""

    def __init__(self, command):
        self.output = []
        self.applied = 0
        self.changed = threading.Condition()
        self.began = time.monotonic()
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=end_with_parent)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                if line.startswith("applied "):
                    self.applied = int(line.split()[1])
                else:
                    self.output.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def cpu_seconds(self):
        """User and system time of the process, all its threads, since its start."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def check_alive(self):
        if self.process.poll() is not None:
            said = "\n".join(self.output[-40:])
            raise Failed(f"{type(self).__name__} ended ({self.process.returncode}):\n{said}")

    def wait_applied(self, events, seconds):
        """The moment at which so many events were applied."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while self.applied < events:
                self.check_alive()
                if time.monotonic() > deadline:
                    raise Failed(f"{type(self).__name__} applied {self.applied} of {events} events within {seconds:.0f} s")
                self.changed.wait(0.2)
            return Moment(time.monotonic(), self.cpu_seconds(), self.applied)

    def kill(self):
        """kill -9."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Peer(Program):
    """A Java program that takes questions on standard input."""

    def features(self, cards, now):
        """The features of each card at `now` (µs): a list, or None for a card that it does not know."""
        answers = {}
        with self.changed:
            for card in cards:
                self.process.stdin.write(f"get {card} {now}\n")
            self.process.stdin.flush()
            deadline = time.monotonic() + 60
            while len(answers) < len(cards):
                for line in self.output:
                    if line.startswith("row "):
                        _, card, values = line.split(" ", 2)
                        answers[card] = json.loads(values) if values != "null" else None
                self.check_alive()
                if time.monotonic() > deadline:
                    raise Failed(f"{type(self).__name__} answered for {len(answers)} of {len(cards)} cards")
                self.changed.wait(0.2)
            self.output = [line for line in self.output if not line.startswith("row ")]
        return answers


class Streams(Peer):
    """Kafka Streams, Processor API (StreamsProgram.java)."""

    OPTIONS = ("-Xms2g", "-Xmx2g", "-XX:+UseParallelGC")

    def __init__(self, broker, topic, folder, run, session_ms=0, instance="", **more):
        words = {"bootstrap": broker, "topic": topic, "application": f"streams-{run}", "state": folder / "streams",
                 "session_ms": session_ms, "instance": instance, **more}
        super().__init__(java("peers-streams", "StreamsProgram", self.OPTIONS, [f"{k}={v}" for k, v in words.items()]))


class Flink(Peer):
    """Flink with RocksDB (FlinkProgram.java)."""

    OPTIONS = ("-Xms2g", "-Xmx2g", "-XX:+UseParallelGC", "-XX:MaxDirectMemorySize=1g")

    def __init__(self, broker, topic, folder, run, **more):
        words = {"bootstrap": broker, "topic": topic, "application": f"flink-{run}", "state": folder / "flink", **more}
        super().__init__(java("peers-flink", "FlinkProgram", self.OPTIONS, [f"{k}={v}" for k, v in words.items()]))


class Freshet(Program):
    """`freshet serve` of config/bench; `applied` is asked of /metrics."""

    BINARY = ROOT / "build" / "release" / "server" / "freshet"

    def __init__(self, broker, topic, folder, ask_every=0.1):
        folder.mkdir(parents=True, exist_ok=True)
        self.rocksdb = None  # its build, once known
        self.grpc, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        super().__init__([str(self.BINARY), "serve", str(ROOT / "config" / "bench"),
                          "--set", f"kafka.brokers={broker}", "--set", f"sources.payments.topic={topic}",
                          "--set", f"storage.path={folder / 'freshet'}",
                          "--set", f"server.grpc={self.grpc}", "--set", f"server.admin={self.admin}"])
        threading.Thread(target=self._ask, args=(ask_every,), daemon=True).start()

    def _ask(self, every):
        build = re.compile(r'^freshet_build_info\{.*rocksdb="([^"]*)"', re.M)
        count = re.compile(r"^freshet_ingest_events_applied_total\{[^}]*\} ([0-9.e+]+)", re.M)
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as answer:
                    text = answer.read().decode()
            except OSError:
                text = ""
            found = count.search(text)
            if found:
                self.rocksdb = build.search(text)[1]
                with self.changed:
                    self.applied = int(float(found[1]))
                    self.changed.notify_all()
            time.sleep(every)

    def features(self, cards, _now):
        """The features of each card; the server's own now is the newest event's time (clock: event_time)."""
        rows = "".join(json.dumps({"card": card}) + "\n" for card in cards)
        done = subprocess.run([str(self.BINARY), "get", "card_model", "--rows", "-", "--output", "json", "--address", self.grpc],
                              input=rows, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failed(f"freshet get: {done.stderr}")
        return {card: json.loads(line) for card, line in zip(cards, done.stdout.splitlines())}
