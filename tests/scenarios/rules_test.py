#!/usr/bin/python3
"""Every rule of docs/semantics.md has its scenario: rules_test.py PROGRAM SEMANTICS SCENARIOS. Fails when a scenario quotes what is not said there
word by word, and when a sentence is quoted by no scenario and is not in rules_elsewhere.py either, which names the test that a rule has instead."""

import json
import re
import subprocess
import sys
from pathlib import Path

from rules_elsewhere import ELSEWHERE, NO_RULE

LEAST_WORDS = 3  # of a quotation
COVERED = 0.75  # of a sentence's characters: a quotation may leave out the brackets
HINT = """Quote it as `rule:` of a scenario in tests/scenarios that would fail if it were not so; what no scenario can show goes into
tests/scenarios/rules_elsewhere.py, with the test that it has instead."""


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def joined(code: str) -> str:
    """With literals in one piece that C++ has in several."""
    return re.sub(r'" "', "", normal(code))


def split(text: str) -> list[str]:
    """At full stops, semicolons and colons, but for those in code and in brackets."""
    parts, start, depth, code = [], 0, 0, False
    for i, c in enumerate(text):
        if c == "`":
            code = not code
        elif not code and c in "([":
            depth += 1
        elif not code and c in ")]":
            depth = max(0, depth - 1)
        elif not code and depth == 0 and c in ".;:" and text[i + 1 : i + 2] in (" ", ""):
            parts.append(text[start : i + 1])
            start = i + 1
    return [part.strip() for part in parts + [text[start:]]]


def sentences(text: str) -> list[str]:
    """Of the paragraphs, the lists and the tables' cells; headings and what has one or two words are none."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        if block.lstrip().startswith("#"):
            continue
        rows = [line for line in block.splitlines() if line.startswith("|")]
        if rows:
            parts = [cell for row in rows[2:] for cell in row.strip("|").split(" | ")[1:]]
        else:
            parts = re.split(r"(?m)^- ", block)
        found += [one for part in parts for one in split(normal(part)) if len(one.split()) > 2]
    return found


class Cover:
    """Which characters of a text were quoted."""

    def __init__(self, text: str):
        self.text = normal(text)
        self.quoted = bytearray(len(self.text))

    def quote(self, words: str) -> bool:
        words = normal(words)
        starts = [found.start() for found in re.finditer(re.escape(words), self.text)] if words else []
        for start in starts:
            self.quoted[start : start + len(words)] = b"\1" * len(words)
        return bool(starts)

    def share(self, sentence: str) -> float:
        """Of its characters, at the place where it is quoted best."""
        starts = [found.start() for found in re.finditer(re.escape(sentence), self.text)]
        return max((sum(self.quoted[start : start + len(sentence)]) / len(sentence) for start in starts), default=0)


def mistakes_elsewhere(cover: Cover, tests: Path) -> list[str]:
    mistakes = []
    for words, file, name in ELSEWHERE:
        if not cover.quote(words):
            mistakes.append(f"rules_elsewhere.py: docs/semantics.md does not say: {words}")
        if not (tests / file).is_file():
            mistakes.append(f"rules_elsewhere.py: there is no tests/{file}")
        elif not name or normal(name) not in joined((tests / file).read_text(encoding="utf-8")):
            mistakes.append(f"rules_elsewhere.py: tests/{file} has no {name!r}")
    for words, why in NO_RULE:
        if not cover.quote(words) or not why:
            mistakes.append(f"rules_elsewhere.py: docs/semantics.md does not say: {words}")
    return mistakes


def main() -> int:
    program, semantics, folder = sys.argv[1:4]
    text = Path(semantics).read_text(encoding="utf-8")
    run = subprocess.run([program, "test", folder, "--output", "json"], capture_output=True, text=True, check=False)
    scenarios = json.loads(run.stdout)["scenarios"]
    cover = Cover(text)
    mistakes = []
    for scenario in scenarios:
        if not scenario["rules"]:
            mistakes.append(f"{scenario['file']}: quotes no rule; add rule: with a sentence of docs/semantics.md")
        if not scenario["passed"] or not scenario["checks"]:
            mistakes.append(f"{scenario['file']}: a rule is shown by a scenario that passes and compares something")
        mistakes += [f"{scenario['file']}: too short to be a rule: {rule}" for rule in scenario["rules"] if len(rule.split()) < LEAST_WORDS]
        mistakes += [f"{scenario['file']}: docs/semantics.md does not say: {rule}" for rule in scenario["rules"] if not cover.quote(rule)]
    said = sentences(text)
    quoted = sum(cover.share(one) >= COVERED for one in said)
    mistakes += mistakes_elsewhere(cover, Path(folder).parent)
    without = [one for one in said if cover.share(one) < COVERED]
    mistakes += [f"neither quoted by a scenario nor listed: {one}" for one in without]
    print(f"{len(said)} sentences: {quoted} quoted by {len(scenarios)} scenarios, {len(said) - quoted - len(without)} tested elsewhere or no rules")
    for mistake in mistakes:
        print(mistake)
    if without:
        print(HINT)
    if len(scenarios) < 40:
        print(f"only {len(scenarios)} scenarios")
    return 1 if mistakes or len(scenarios) < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
