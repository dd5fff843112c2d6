#!/usr/bin/python3
"""config/prometheus by itself: rules_test.py ROOT [unittest's arguments]."""

import re
import shutil
import sys
import unittest

from rule_files import Config, matchers_of, metrics_of, promtool

ROOT = "."
THRESHOLD = re.compile(r"(?<=[<>] )\d[\d.]*")


def name_of(rule):
    return rule.get("alert") or rule["record"]


class Rules(unittest.TestCase):
    def setUp(self):
        self.config = Config(ROOT)

    def test_promtool_takes_the_rules_and_their_tests_pass(self):
        done = promtool("check", "rules", *(str(self.config.prometheus / name) for name in self.config.documents))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = self.config.test()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def failures(self, change):
        """Rules whose tests fail when `change` has been made to the expression of each."""
        rules = list(self.config.rules())
        before = [rule["expr"] for rule in rules]
        for rule in rules:
            rule["expr"] = change(rule)
        done = self.config.test()
        for rule, expression in zip(rules, before):
            rule["expr"] = expression
        said = done.stdout + done.stderr
        return {name for name in map(name_of, rules) if re.search(rf"(alertname: |expr: .*){re.escape(name)}\b", said)}

    def test_the_tests_notice_a_rule_that_says_something_else(self):
        names = set(map(name_of, self.config.rules()))
        self.assertEqual(self.failures(lambda rule: rule["expr"]), set())
        self.assertEqual(names - self.failures(lambda _: "vector(42)"), set(), "always fires, and no test fails")
        self.assertEqual(names - self.failures(lambda _: "vector(0) > 1"), set(), "never fires, and no test fails")

    def test_the_tests_notice_a_threshold_that_moves(self):
        def moved(rule, nth, factor):
            found = list(THRESHOLD.finditer(rule["expr"]))
            if "record" in rule or len(found) <= nth:
                return rule["expr"]
            at = found[nth]
            return rule["expr"][:at.start()] + repr(float(at[0]) * factor) + rule["expr"][at.end():]

        # Of each alert its first threshold, its second, …; 0 is where something begins.
        most = max(len(THRESHOLD.findall(alert["expr"])) for alert in self.config.alerts())
        self.assertGreaterEqual(most, 3)
        for nth in range(most):
            noticed = set.union(*(self.failures(lambda rule, f=factor: moved(rule, nth, f)) for factor in (0.5, 2)))
            having = {name_of(alert) for alert in self.config.alerts()
                      if len(at := THRESHOLD.findall(alert["expr"])) > nth and float(at[nth]) > 0}
            self.assertEqual(having - noticed, set(), f"threshold {nth} may be anything")

    def test_each_alert_has_a_paragraph_that_says_what_to_change(self):
        for alert in self.config.alerts():
            with self.subTest(alert["alert"]):
                file, anchor = alert["annotations"]["runbook"].split("#")
                self.assertEqual((file, anchor), ("docs/operations.md", alert["alert"].lower()))
                paragraph = re.search(rf"^### {alert['alert']}\n\n(.+?)(?=\n#|\Z)", self.config.operations, re.S | re.M)
                self.assertIsNotNone(paragraph, "docs/operations.md has no such heading")
                self.assertGreater(len(paragraph[1].split()), 15)
                self.assertIn(alert["labels"]["severity"], ("critical", "warning"))

    def test_what_reads_an_expression_sees_its_metrics(self):
        expression = ('sum without (a, b) (rate(x_total{l="y", m=~"z|w"}[5m])) / ignoring (v) group_left () (r:x:rate5m > 0)'
                      ' and changes(g[10m] offset 1d) == 0 or histogram_quantile(0.99, h_bucket) >= 1e5')
        self.assertEqual(metrics_of(expression), {"x_total", "r:x:rate5m", "g", "h_bucket"})
        self.assertEqual(list(matchers_of(expression)), [("x_total", "l", "=", "y"), ("x_total", "m", "=~", "z|w")])


if __name__ == "__main__":
    ROOT = sys.argv.pop(1)
    if shutil.which("promtool") is None:
        sys.exit("promtool is missing: install Debian's package prometheus")
    unittest.main(verbosity=2)
