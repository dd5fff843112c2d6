#!/usr/bin/python3
"""What rules, alerts and the dashboard read is what a real server exports: exported_test.py PROGRAM ROOT [unittest's arguments]."""

import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from running import PROJECT, Folder, free_port, wait_until
from rule_files import Config, matchers_of, metrics_of, promtool

BINARY, ROOT = "", "."
# Of what happens only while a view is built or where a source lost records.
NOW_AND_THEN = {"freshet_view_build_passed_records", "freshet_view_build_records", "freshet_view_build_remaining_seconds"}

_SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$', re.M)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples_of(text):
    return [(name, dict(_LABEL.findall(labels))) for name, labels in _SAMPLE.findall(text)]


class Exported(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = Config(ROOT)
        cls.texts = [*cls.a_server_that_works(), cls.a_server_whose_broker_is_away()]
        cls.samples = [sample for text in cls.texts for sample in samples_of(text)]
        cls.names = {name for name, _ in cls.samples}

    @classmethod
    def a_server_that_works(cls):
        folder = Folder(BINARY, PROJECT.replace("memory: 64MiB", "memory: 64MiB, checkpoints: { to: ./to }"))
        try:
            server = folder.serve()
            server.says(r"serves project journeys")
            folder.wait_ready()
            events = [{"at": "2024-01-01T12:00:00Z", "rider": f"r{n}", "km": n, "tip": 1.0} for n in range(1000)]
            done = folder.replay(events + [{"at": "never"}], "--wait")
            assert done.returncode == 0, done.stderr
            folder.rows([{"rider": f"r{n}"} for n in range(1100)])
            done = folder.run("checkpoint", "create", "--address", folder.grpc)
            assert done.returncode == 0, done.stderr
            texts = [folder.fetch("/metrics")[1]]
            # Its stop writes table files, which the next start has.
            assert server.stop() == 0, server.text
            folder.serve()
            folder.wait_ready()
            return texts + [folder.fetch("/metrics")[1]]
        finally:
            folder.close()

    @classmethod
    def a_server_whose_broker_is_away(cls):
        away = f'brokers: "127.0.0.1:{free_port()}"'
        folder = Folder(BINARY, re.sub(r"brokers: embedded, embedded: \{[^}]*\}", away, PROJECT))
        try:
            folder.serve()
            return wait_until(lambda: (text := folder.fetch("/metrics")[1]) if "freshet_ingest_paused{" in
                              folder.fetch("/metrics")[1] else None, "a paused source")
        finally:
            folder.close()

    def expressions(self):
        return [rule["expr"] for rule in self.config.rules()] + self.config.dashboard_expressions()

    def test_promtool_has_nothing_to_say_about_what_is_exported(self):
        for text in self.texts:
            done = promtool("check", "metrics", input=text)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_every_metric_that_is_read_is_exported(self):
        known = self.names | self.config.recorded() | NOW_AND_THEN
        for expression in self.expressions():
            self.assertEqual(metrics_of(expression) - known, set(), expression)

    def test_every_label_that_is_matched_is_exported_with_a_value_that_fits(self):
        for expression in self.expressions():
            for name, label, operator, value in matchers_of(expression):
                if name not in self.names or label in ("job", "instance"):
                    continue
                values = {labels[label] for other, labels in self.samples if other == name and label in labels}
                for one in value.split("|"):
                    self.assertIn(one, values, f"{name}{{{label}{operator}…}} of {expression}")

    def test_what_is_exported_now_and_then_is_documented(self):
        for name in NOW_AND_THEN:
            self.assertIn(name, self.config.operations)

    def test_every_family_that_is_exported_is_documented(self):
        families = {name for text in self.texts for name in re.findall(r"^# TYPE (\S+)", text, re.M)}
        for name in sorted(families):
            short = f"`{name.removeprefix('freshet_rocksdb_')}`"
            self.assertTrue(f"`{name}`" in self.config.operations or short in self.config.operations, name)

    def test_the_dashboard_reads_what_promql_takes(self):
        rules = "".join(f"      - record: panel:{at}\n        expr: >-\n          {expression}\n"
                        for at, expression in enumerate(self.config.dashboard_expressions()))
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write("groups:\n  - name: dashboard\n    rules:\n" + rules)
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_dashboard_is_one_that_grafana_can_lay_out(self):
        panels = self.config.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertEqual([panel["title"] for panel in panels if panel["type"] == "row"],
                         ["Serving", "Freshness and ingestion", "Storage", "Memory", "Disk"])
        taken = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(taken & cells, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            taken |= cells
        # Rates and quantiles are worked out once, by the recorded rules.
        for expression in self.config.dashboard_expressions():
            self.assertNotRegex(expression, r"\b(rate|increase|histogram_quantile)\(")


if __name__ == "__main__":
    BINARY, ROOT = sys.argv.pop(1), sys.argv.pop(1)
    if shutil.which("promtool") is None:
        sys.exit("promtool is missing: install Debian's package prometheus")
    unittest.main(verbosity=2)
