"""What every benchmark prints, for those in Python: bench/report.h has the same for those in C++."""

import json
import statistics
import sys

HEAD_PRINTED = []


def round6(value):
    return float(f"{value:.6g}")


def report(bench, case, what, unit, freshet, baseline, rocksdb, more):
    """One JSON object on standard output, then the table's row on standard error. `freshet` and `baseline`: pairs of measurements;
    `rocksdb`: the build that Freshet ran on."""
    ratios = [a / b for a, b in zip(freshet, baseline, strict=True)]
    line = {"bench": bench, "case": case, "what": what, "freshet": round6(statistics.median(freshet)),
            "baseline": round6(statistics.median(baseline)), "ratio": round(statistics.median(ratios), 3),
            "ratio_min": round(min(ratios), 3), "ratio_max": round(max(ratios), 3), "unit": unit, "runs": len(ratios), "rocksdb": rocksdb,
            **{name: round6(value) for name, value in more.items()}}
    print(json.dumps(line), flush=True)
    if not HEAD_PRINTED:
        print(f"{'case':<26} {'freshet':>12} {'baseline':>12} {'ratio':>8} {'spread':>17}  unit", file=sys.stderr)
        HEAD_PRINTED.append(True)
    spread = f"{line['ratio_min']:.3f}–{line['ratio_max']:.3f}"
    print(f"{case:<26} {line['freshet']:>12.6g} {line['baseline']:>12.6g} {line['ratio']:>8.3f} {spread:>17}  {unit}", file=sys.stderr)
    for name, value in more.items():
        print(f"  {name}: {value:.6g}", file=sys.stderr)
