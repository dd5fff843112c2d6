#!/usr/bin/python3
"""Applies each mutant of mutants.txt to a copy of the tree, builds the property test alone and requires that it fails.

By hand, not in CI: a mutant takes some ten seconds on an idle machine. `./run mutants [--only WORDS] [--list]`; exit status 1
where a mutant survives, is stale or does not build. The copy and its build stay in build/mutants for the next time.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Mutant:
    def __init__(self, name):
        self.name = name
        self.file = None
        self.which = None
        self.test = "every cell*"
        self.old = []
        self.new = []

    def pattern(self):
        """The text as it is, whatever its lines begin with and wherever the formatter broke them."""
        words = " ".join(line.strip() for line in self.old).split()
        return re.compile(r"\s+".join(re.escape(word) for word in words))

    def apply(self, text):
        """The mutated text; a sentence where the mutant is stale."""
        found = list(self.pattern().finditer(text))
        if not found:
            return None, "its text is not there"
        if self.which is None and len(found) > 1:
            return None, f"its text is there {len(found)} times: say which"
        if self.which is not None and self.which > len(found):
            return None, f"its text is there {len(found)} times only"
        at = found[(self.which or 1) - 1]
        return text[: at.start()] + "\n".join(self.new) + text[at.end():], None


def read_mutants(path):
    mutants = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("== "):
            mutants.append(Mutant(line[3:].strip()))
        elif not line.strip() or line.startswith("#"):
            continue
        elif not mutants:
            sys.exit(f"{path}:{number}: no mutant has begun; begin one with ==")
        elif line.startswith("@ "):
            mutants[-1].test = line[2:].strip()
        elif line.startswith("- "):
            mutants[-1].old.append(line[2:])
        elif line.startswith("+ "):
            mutants[-1].new.append(line[2:])
        elif mutants[-1].file is None:
            name, _, which = line.partition(" #")
            mutants[-1].file = name.strip()
            mutants[-1].which = int(which) if which else None
        else:
            sys.exit(f"{path}:{number}: neither text that is nor text in its place: {line}")
    names = [m.name for m in mutants]
    for m in mutants:
        if m.file is None or not m.old:
            sys.exit(f"{path}: mutant without a file or a text: {m.name}")
        if names.count(m.name) > 1:
            sys.exit(f"{path}: two mutants of one name: {m.name}")
    return mutants


def copy_tree(tree):
    """What git knows of, as it is in the working tree. A file that is the same keeps its time, and so what was built of it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout.split("\n")
    kept = set()
    for name in filter(None, listed):
        source = ROOT / name
        if not source.is_file():
            continue
        kept.add(name)
        target = tree / name
        content = source.read_bytes()
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for path in list(tree.rglob("*")):
        if tree / "build" in path.parents:
            continue
        if path.is_file() and str(path.relative_to(tree)) not in kept:
            path.unlink()


DRAWS = 3


class Trial:
    def __init__(self, args):
        self.tree = pathlib.Path(args.folder).resolve()
        self.build = self.tree / "build" / "dev"  # as preset dev has it, so that ccache knows what no mutant touches
        self.args = args
        self.limit = 1800  # seconds; once it is known what the test takes here and now, five times that

    def run(self, command, **options):
        return subprocess.run(["nice", *map(str, command)], capture_output=True, text=True, errors="replace",
                              **options)

    def configure(self):
        self.tree.mkdir(parents=True, exist_ok=True)
        copy_tree(self.tree)
        done = self.run(["cmake", "--preset", "dev", "-DPython3_EXECUTABLE=/usr/bin/python3"],
                        cwd=self.tree)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)

    def built(self):
        return self.run(["ninja", "-C", self.build, "-j", self.args.jobs, "property_tests"])

    def tested(self, test):
        """The exit status (None: it hangs) and the output."""
        environment = dict(os.environ, FRESHET_PROPERTY_SCALE=str(self.args.scale))
        if self.args.seed:
            environment["FRESHET_PROPERTY_SEED"] = self.args.seed
        try:
            done = self.run([self.build / "tests/property/property_tests", test], env=environment, timeout=self.limit)
        except subprocess.TimeoutExpired:
            return None, ""
        return done.returncode, done.stdout + done.stderr

    def without_mutant(self):
        built = self.built()
        if built.returncode != 0:
            sys.exit(built.stdout[-4000:] + "the tree does not build without a mutant")
        start = time.monotonic()
        status, output = self.tested("*")
        if status is None:
            sys.exit(f"the property test takes more than {self.limit} s without a mutant")
        self.limit = max(300, 5 * (time.monotonic() - start))
        if status != 0:
            sys.exit(output[-4000:] + "the property test fails without a mutant")

    def with_mutant(self, mutant):
        """Whether it was caught, and how."""
        path = self.tree / mutant.file
        if not path.is_file():
            return False, "STALE: there is no such file"
        before = path.read_text()
        after, stale = mutant.apply(before)
        if stale:
            return False, "STALE: " + stale
        path.write_text(after)
        try:
            built = self.built()
            if built.returncode != 0:
                errors = re.findall(r"error: .*", built.stdout)
                return False, "DOES NOT BUILD: " + (errors[0] if errors else built.stdout[-300:])
            # What the test draws is chance, and some mistakes show in few streams only.
            for draw in range(1, 2 if self.args.seed else DRAWS + 1):
                status, output = self.tested(mutant.test)
                if status != 0:
                    break
        finally:
            path.write_text(before)
        drawn = f" (draw {draw})" if draw > 1 else ""
        if status is None:
            return True, "it hangs" + drawn
        if status == 0:
            return False, f"SURVIVED {draw} draws"
        if status < 0:
            return True, f"it dies of signal {-status}" + drawn
        said = re.findall(r"^\s*(f\w+: expected .*|event time of the row.*|Apply says .*|encoding a decoded.*|view .*row.*)$",
                          output, re.M)
        return True, (said[0].strip()[:110] if said else "the test fails") + drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORDS", help="mutants whose names hold these words")
    parser.add_argument("--list", action="store_true", help="names them and says which are stale; builds nothing")
    parser.add_argument("--scale", type=float, default=2, help="of the property test (default: 2)")
    parser.add_argument("--seed", help="of the property test (default: chance)")
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="of ninja (default: one a core)")
    parser.add_argument("--folder", default=str(ROOT / "build/mutants"), help="for the copy and its build")
    args = parser.parse_args()

    mutants = [m for m in read_mutants(HERE / "mutants.txt") if not args.only or args.only in m.name]
    if args.list:
        stale = 0
        for mutant in mutants:
            path = ROOT / mutant.file
            why = mutant.apply(path.read_text())[1] if path.is_file() else "there is no such file"
            stale += why is not None
            print(f"{mutant.name}{': STALE: ' + why if why else ''}")
        print(f"{len(mutants)} mutants, {stale} stale")
        return 1 if stale else 0

    trial = Trial(args)
    trial.configure()
    trial.without_mutant()
    caught = 0
    for mutant in mutants:
        start = time.monotonic()
        good, how = trial.with_mutant(mutant)
        caught += good
        print(f"{'caught  ' if good else 'NOT     '} {mutant.name}: {how} ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"{caught} of {len(mutants)} mutants caught")
    return 0 if mutants and caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
