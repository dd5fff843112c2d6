#!/usr/bin/python3
"""Runs the fuzzers, as many at once as there are cores: run_fuzzers.py [NAME…] [--seconds N] [--keep]

What they learn stays in BUILD/corpus, what they find in BUILD/findings. With --keep the smallest set of inputs that reaches all that was
reached goes into tests/fuzz/corpus, which git keeps and every build's tests repeat; commit it."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NAMES = sorted(path.name.removesuffix("_target.cc") for path in HERE.glob("*_target.cc"))
KEPT_BYTES = 2048  # of an input that git keeps; longer ones are learnt from, and stay in the build folder


def environment():
    return {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", "ASAN_OPTIONS": "detect_stack_use_after_return=1"}


def fuzz(name, build, seconds):
    """True where nothing was found."""
    corpus, findings = build / "corpus" / name, build / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    command = [str(build / "tests" / "fuzz" / f"fuzz_{name}"), f"-max_total_time={seconds}", f"-artifact_prefix={findings}/{name}-",
               # An input of 20 s or of 2 GiB is a finding as well.
               "-timeout=20", "-rss_limit_mb=2048", "-max_len=8192", "-use_value_profile=1", "-print_final_stats=1"]
    dictionary = HERE / "dictionaries" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    log = findings / f"{name}.log"
    with open(log, "wb") as out:
        # The first folder is where new inputs go, the other is read only.
        status = subprocess.run([*command, str(corpus), str(HERE / "corpus" / name)], stdout=out, stderr=subprocess.STDOUT,
                                env=environment(), check=False).returncode
    said = log.read_text(errors="replace")
    if status != 0:
        last = "\n".join([line for line in said.splitlines() if not line.startswith("#")][-60:])
        print(f"{name}: a finding. {log} ends so:\n{last}", flush=True)
        return False
    units = re.search(r"number_of_executed_units: *(\d+)", said)
    covered = re.findall(r"cov: (\d+)", said)
    print(f"{name}: {int(units[1]) if units else 0:,} inputs, {covered[-1] if covered else '?'} edges reached, no finding", flush=True)
    return True


def keep(name, build):
    kept = HERE / "corpus" / name
    with tempfile.TemporaryDirectory() as merged:
        # Before all others those that are kept already: a regression's input is never left out.
        for path in kept.iterdir():
            shutil.copy(path, merged)
        before = len(os.listdir(merged))
        subprocess.run([str(build / "tests" / "fuzz" / f"fuzz_{name}"), "-merge=1", f"-max_len={KEPT_BYTES}", merged,
                        str(build / "corpus" / name)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), check=True)
        for path in pathlib.Path(merged).iterdir():
            shutil.copy(path, kept)
        print(f"{name}: {len(os.listdir(kept))} inputs are kept, {len(os.listdir(merged)) - before} of them new", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without")
    parser.add_argument("--seconds", type=int, default=600, help="for each (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep in tests/fuzz/corpus what reaches more")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no fuzzer {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = args.names or NAMES
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = all(list(pool.map(lambda name: fuzz(name, args.build, args.seconds), names)))
    if args.keep:
        for name in names:
            keep(name, args.build)
    if not clean:
        print(f"there are findings: their inputs are in {args.build / 'findings'}; once mended, each belongs into tests/fuzz/corpus/NAME")
        return 1
    print("no finding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
