#!/usr/bin/python3
"""A real Apache Kafka for tests and benchmarks: one process (KRaft), on loopback, its data in a folder of its own.

As a command it prints the bootstrap address once the broker answers, and runs until SIGTERM, until its parent ends, or until
its standard input (where that is a pipe or a terminal) ends:

    kafka_broker.py start [--port 9092] [--partitions 4] [--set log.retention.check.interval.ms=100] [--data FOLDER]
    kafka_broker.py jars          # fetches them where they are missing, prints their folder

As a module: Broker. Its jars are fetched once, by maven, into ~/.cache/freshet; where they cannot be had, Unavailable says why.
"""

import argparse
import base64
import ctypes
import fcntl
import os
import pathlib
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "3.9.1"
SKIPPED = 77  # SKIP_RETURN_CODE of the tests that need a broker
# Starts fast; a broker of a benchmark may say otherwise.
JAVA_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Unavailable(Exception):
    """No real Kafka can be run here; says what is missing."""


def jars():
    """The folder of Kafka's jars: fetched where it is missing, whole or not at all."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "freshet"
    folder = cache / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing: install {package} (packages.txt, [kafka])")
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".kafka.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder  # another test has fetched them meanwhile
        beside = pathlib.Path(tempfile.mkdtemp(prefix=f"kafka-{VERSION}-", dir=cache))
        try:
            done = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies",
                 f"-DoutputDirectory={beside}", "-DincludeScope=runtime"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=300, check=False)
            if done.returncode != 0 or not list(beside.glob("kafka_*.jar")):
                said = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stdout[-300:])
                raise Unavailable(f"maven could not fetch Kafka {VERSION}: {said.strip()}")
            beside.chmod(0o755)
            beside.rename(folder)
        except subprocess.TimeoutExpired as late:
            raise Unavailable(f"maven did not fetch Kafka {VERSION} within {late.timeout:.0f} s") from late
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder


def required():
    """For a test's main: ends it as skipped where there is no Kafka to be had, as failed where CI runs."""
    try:
        return jars()
    except Unavailable as reason:
        ci = bool(os.environ.get("CI"))
        print(f"{'FAILED' if ci else 'SKIPPED'}: {reason}{'; CI skips nothing' if ci else ''}", file=sys.stderr, flush=True)
        sys.exit(1 if ci else SKIPPED)


def end_with_parent():
    """In a child: whatever ends the parent (its forking thread), also kill -9, ends it too."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    """A broker that answers. `settings`: its server.properties, over what is said here. `data`: its folder, kept; else one of
    its own, removed by close(). Starts on the same port and data as often as wanted."""

    def __init__(self, port=0, partitions=1, settings=None, data=None, java=JAVA_OPTIONS):
        self.jars = jars()
        self.java = java
        self.keep = data is not None
        self.folder = pathlib.Path(data or tempfile.mkdtemp(prefix="freshet-kafka-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = self.folder / "broker.log"
        self.process = None
        self._configure(partitions, settings or {})
        try:
            if not (self.folder / "log" / "meta.properties").exists():
                self._format()
            self.start()
        except BaseException:
            self.close()
            raise

    def _configure(self, partitions, settings):
        controller = free_port()
        self.properties = self.folder / "server.properties"
        wanted = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "log", "num.partitions": partitions,
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            **settings}
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in wanted.items()), encoding="utf-8")
        (self.folder / "log4j.properties").write_text(
            "log4j.rootLogger=WARN, stdout\n"
            "log4j.logger.kafka.server.KafkaRaftServer=INFO\n"  # says when it is there
            "log4j.appender.stdout=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.stdout.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.stdout.layout.ConversionPattern=%d{ISO8601} %p %c %m%n\n", encoding="utf-8")

    def _java(self, *words):
        return ["java", *self.java, f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                "-cp", f"{self.jars}/*", *words]

    def _format(self):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self.properties)),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka could not format {self.folder}: {done.stdout}")

    def start(self, seconds=90):
        """Again, after stop() or kill(): same port, same data. Waits until it answers."""
        with open(self.log, "ab") as log:
            said_before = log.tell()
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
                self._java("kafka.Kafka", str(self.properties)), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True, preexec_fn=end_with_parent)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            said = self.log.read_bytes()[said_before:]
            if b"Kafka Server started" in said:
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended ({self.process.returncode}):\n{said.decode(errors='replace')[-3000:]}")
            time.sleep(0.05)
        raise RuntimeError(f"the broker did not start within {seconds} s:\n{said.decode(errors='replace')[-3000:]}")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=30):
        """In order, as an operator would."""
        if self.running():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """kill -9."""
        if self.running():
            self.process.kill()
            self.process.wait()

    def pause(self):
        """SIGSTOP: its connections stay open, and nothing comes."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_for_end(broker):
    """Until a signal says so, the parent is gone, the input ends, or the broker does."""
    parent = os.getppid()
    kind = os.fstat(0).st_mode
    inputs = [0] if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(0) else []
    while broker.running() and os.getppid() == parent:
        for ready in select.select(inputs, [], [], 0.2)[0]:
            if not os.read(ready, 4096):
                return 0
    return 0 if broker.running() else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("jars", help="fetch Kafka's jars, print their folder")
    start = commands.add_parser("start", help="run a broker, print its address")
    start.add_argument("--port", type=int, default=0, help="on 127.0.0.1; any free one without it")
    start.add_argument("--partitions", type=int, default=1, help="of topics that come into being by being used")
    start.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the broker's server.properties")
    start.add_argument("--data", help="a folder to keep its data in; without it a new one, removed at the end")
    start.add_argument("--java", default=" ".join(JAVA_OPTIONS), help="options of the virtual machine (default: %(default)s)")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    try:
        if asked.command == "jars":
            print(jars())
            return 0
        settings = dict(setting.split("=", 1) for setting in asked.set)
        with Broker(asked.port, asked.partitions, settings, asked.data, asked.java.split()) as broker:
            print(broker.address, flush=True)
            return wait_for_end(broker)
    except Unavailable as reason:
        print(f"kafka_broker: {reason}", file=sys.stderr)
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
