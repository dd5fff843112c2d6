#!/usr/bin/python3
"""Every sentence that a scenario quotes as its rule stands in docs/semantics.md, word by word; sentences without a scenario are
printed: rules_test.py PROGRAM SEMANTICS SCENARIOS"""

import json
import re
import subprocess
import sys


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def sentences(text: str) -> list[str]:
    """Of the paragraphs and of the tables' cells; headings and code are none."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        if rows:
            cells = [normal(cell) for row in rows[2:] for cell in row.strip("|").split(" | ")[1:]]
            found += [cell for cell in cells if len(cell.split()) > 2]
        elif not block.lstrip().startswith("#"):
            found += [normal(one) for one in re.split(r"(?<=[.:;]) ", normal(block)) if len(one.split()) > 3]
    return found


def main() -> int:
    program, semantics, folder = sys.argv[1:4]
    with open(semantics, encoding="utf-8") as file:
        text = file.read()
    run = subprocess.run([program, "test", folder, "--output", "json"], capture_output=True, text=True, check=False)
    scenarios = json.loads(run.stdout)["scenarios"]
    failed = not scenarios
    whole = normal(text)
    quoted = []
    for scenario in scenarios:
        if not scenario["rules"]:
            print(f"{scenario['file']}: quotes no rule; add rule: with a sentence of docs/semantics.md")
            failed = True
        for rule in map(normal, scenario["rules"]):
            quoted.append(rule)
            if rule not in whole:
                print(f"{scenario['file']}: docs/semantics.md does not say: {rule}")
                failed = True
    without = [one for one in sentences(text) if not any(one in rule or rule in one for rule in quoted)]
    print(f"{len(scenarios)} scenarios quote {len(set(quoted))} rules; sentences that none quotes: {len(without)}")
    for one in without:
        print(f"  - {one}")
    if len(scenarios) < 40:
        print(f"only {len(scenarios)} scenarios")
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
