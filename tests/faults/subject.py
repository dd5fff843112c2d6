"""The server under test, one process at a time on one project folder, and the comparison of what it answers with the plain sums."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from running import Folder, wait_until

import load


class Wrong(AssertionError):
    """Something that must not be, seen."""


class Differs(Wrong):
    """Answers that are not what was produced: what mutants must lead to."""


class Subject(Folder):
    def __init__(self, binary, brokers, faults=(), options=""):
        super().__init__(str(binary), load.PROJECT.format(brokers=brokers, options=options))
        self.brokers = brokers
        self.environment = dict(faults)
        self.marks = self.path / "commits"
        self.marks.touch()
        self.watched = os.open(self.marks, os.O_RDONLY)
        self.server = None

    def start_server(self, slow_commits=True):
        """With slow_commits the server marks where each commit begins and ends, and waits a little inside (server/test_faults.h)."""
        marks = {"FRESHET_TEST_COMMIT_LOG": str(self.marks)} if slow_commits else {}
        self.server = self.serve(env={**self.environment, **marks})
        return self.server

    def commits(self):
        """Bytes written so far, and whether the last one says that a commit is in flight."""
        size = os.fstat(self.watched).st_size
        return size, size > 0 and os.pread(self.watched, 1, size - 1) == b"b"

    def check_alive(self):
        if self.server.process.poll() is not None:
            raise Wrong(f"the server ended by itself, status {self.server.end()}:\n{self.server.text[-3000:]}")

    def await_commits(self, count, in_flight, seconds=60):
        before, _ = self.commits()

        def reached():
            self.check_alive()
            size, begun = self.commits()
            return size >= before + 2 * count - 1 and (begun or not in_flight)

        wait_until(reached, f"{count} commits; readiness says {self.fetch('/readyz?verbose')}", seconds, every=0.001)

    def kill(self):
        self.server.signal(signal.SIGKILL)
        self.server.end()
        self.started.remove(self.server)

    def kill_in_flight(self, rng):
        """kill -9 inside a commit. False where it fell between two: that one does not count."""
        self.await_commits(rng.randint(1, 4), in_flight=True)
        time.sleep(rng.uniform(0, 0.02))
        self.kill()
        return self.commits()[1]

    def stop_server(self):
        self.server.says(re.escape(self.grpc))  # before that SIGTERM ends it as it would end anything
        status = self.server.stop()
        self.started.remove(self.server)
        if status != 0:
            raise Wrong(f"at SIGTERM the server ended with {status}:\n{self.server.text[-3000:]}")

    def pause(self):
        self.server.signal(signal.SIGSTOP)

    def resume(self):
        self.server.signal(signal.SIGCONT)

    def apply_all(self, seconds=120):
        """A new start, which is ready once it has applied all that the topic held then."""
        self.start_server(slow_commits=False)
        try:
            self.wait_ready(seconds)
        except AssertionError as late:
            self.check_alive()
            raise Wrong(f"not ready: {self.fetch('/readyz?verbose')[1]}\n{self.server.text[-2000:]}") from late

    def answers(self, service, key, entities):
        rows = self.rows([{key: entity} for entity in entities], service=service)
        return {entity: row["features"] for entity, row in zip(entities, rows)}

    def compare(self, truth):
        """Every entity, also those whose rows were deleted. Returns how many values were compared."""
        wrong = []
        compared = 0
        cards = self.answers("cards", "card", [f"c{n}" for n in range(load.CARDS)])
        shops = self.answers("shops", "shop", list(range(load.SHOPS)))
        for totals, answered in ((truth.cards, cards), (truth.shops, shops)):
            for entity, features in answered.items():
                expected = totals.get(entity, (0, 0))
                got = (features["count_lifetime"] or 0, features["sum_lifetime"] or 0)
                compared += 2
                if expected != got:
                    wrong.append(f"{entity}: count, sum are {got}, produced were {expected}")
        for card, features in cards.items():
            compared += 1
            expected, got = truth.recent.get(card, 0), features["recent_1h"] or 0
            if expected != got:
                wrong.append(f"{card}: the last hour's sum is {got}, produced was {expected}")
        if wrong:
            raise Differs(f"{len(wrong)} of {compared} values differ: " + "; ".join(wrong[:3]))
        return compared

    def compare_dead_letters(self, truth, seconds=60):
        """Each broken record is on the dead-letter topic, and nothing else is."""
        found = {}

        def delivered():
            found.clear()
            found.update(load.dead_letters(self.brokers, "faults.dead_letters"))
            return truth.broken <= found.keys()

        if truth.broken:
            try:
                wait_until(delivered, "", seconds, every=0.5)
            except AssertionError as late:
                lost = sorted(truth.broken - found.keys())
                raise Differs(f"{len(lost)} of {len(truth.broken)} broken records differ from the dead letters, such as {lost[:3]}") from late
        if not found.keys() <= truth.broken:
            raise Differs(f"dead letters differ: of sound records, such as {sorted(found.keys() - truth.broken)[:3]}")
        return len(truth.broken), sum(found.values())

    def verify(self):
        """`freshet verify`, on the stopped server's folder."""
        done = subprocess.run([self.binary, "verify", str(self.path)], capture_output=True, text=True, timeout=3000, check=False)
        if done.returncode != 0:
            raise Differs(f"freshet verify says that rows differ:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def close(self, keep=False):
        for process in self.started:
            if process.process.poll() is None:
                process.signal(signal.SIGCONT)
        os.close(self.watched)
        super().close(keep)
