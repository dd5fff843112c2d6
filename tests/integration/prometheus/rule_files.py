"""The files of config/prometheus and config/grafana, and promtool's word about them."""

import json
import pathlib
import re
import subprocess
import tempfile

import yaml


class Config:
    def __init__(self, root):
        self.prometheus = pathlib.Path(root) / "config" / "prometheus"
        self.documents = {name: yaml.safe_load((self.prometheus / name).read_text(encoding="utf-8"))
                          for name in ("freshet.rules.yml", "freshet.alerts.yml")}
        self.dashboard = json.loads((pathlib.Path(root) / "config" / "grafana" / "freshet.json").read_text(encoding="utf-8"))
        self.operations = (pathlib.Path(root) / "docs" / "operations.md").read_text(encoding="utf-8")

    def rules(self):
        """Each as it is loaded: a change of one changes what write() writes."""
        for document in self.documents.values():
            for group in document["groups"]:
                yield from group["rules"]

    def alerts(self):
        return [rule for rule in self.rules() if "alert" in rule]

    def recorded(self):
        return {rule["record"] for rule in self.rules() if "record" in rule}

    def panels(self):
        return [panel for panel in self.dashboard["panels"] if panel["type"] != "row"]

    def dashboard_expressions(self):
        return [target["expr"] for panel in self.panels() for target in panel["targets"]]

    def test(self):
        """promtool test rules, of the rules as they are now in memory."""
        with tempfile.TemporaryDirectory(prefix="freshet-rules-") as name:
            folder = pathlib.Path(name)
            (folder / "tests").mkdir()
            for file, document in self.documents.items():
                (folder / file).write_text(yaml.safe_dump(document), encoding="utf-8")
            tests = sorted((self.prometheus / "tests").glob("*.yml"))
            for test in tests:
                (folder / "tests" / test.name).write_text(test.read_text(encoding="utf-8"), encoding="utf-8")
            return promtool("test", "rules", *(str(folder / "tests" / test.name) for test in tests))


def promtool(*args, **more):
    return subprocess.run(["promtool", *args], capture_output=True, text=True, timeout=120, check=False, **more)


# What stands in an expression and is no metric.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_WORDS = {"and", "or", "unless", "bool", "offset"}
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def metrics_of(expression):
    """Names of the metrics that a PromQL expression reads."""
    text = _STRING.sub('""', expression)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\boffset\s+\w+", "", text)
    text = _LABEL_LIST.sub("", text)
    return {match[1] for match in re.finditer(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()", text)} - _WORDS


def matchers_of(expression):
    """(metric, label, operator, value) of each selector."""
    for name, inside in _SELECTOR.findall(expression):
        for label, operator, value in _MATCHER.findall(inside):
            yield name, label, operator, value
