#!/usr/bin/env python3
"""Reads every #include and fails on a breach of the arrows of docs/architecture.md, or of "each vendor library is
included by one folder". Needs nothing but Python: include_direction.py [ROOT]"""

import re
import sys
from pathlib import Path

# Module -> what it may include besides itself. What stands left of an arrow may be included by all to its right.
_LEFT_OF_WINDOW = {"base", "model", "decode", "expr", "aggregate"}
_LEFT_OF_STATE = _LEFT_OF_WINDOW | {"window"}
_LEFT_OF_STORE = _LEFT_OF_STATE | {"state"}
_LEFT_OF_SERVE = _LEFT_OF_STORE | {"declare", "store", "observe"}
ARROWS = {
    "base": set(),
    "model": {"base"},
    "decode": {"base", "model"},
    "expr": {"base", "model"},
    "aggregate": {"base", "model"},
    "window": _LEFT_OF_WINDOW,
    "state": _LEFT_OF_STATE,
    "declare": _LEFT_OF_STORE,
    "store": _LEFT_OF_STORE,
    "observe": {"base"},
    # Right answers must not be computed by what they check.
    "oracle": {"base", "model"},
    "ingest": _LEFT_OF_SERVE,
    "serve": _LEFT_OF_SERVE,
    "scenario": _LEFT_OF_SERVE | {"ingest", "serve"},
    "verify": _LEFT_OF_SERVE | {"ingest", "oracle"},
    "server": _LEFT_OF_SERVE | {"ingest", "serve", "scenario", "verify", "oracle"},
}

# How a vendor's includes begin -> the folders that may hold them. The first that fits counts.
EVERYWHERE = set(ARROWS)
VENDORS = [
    ("yaml-cpp/", {"declare"}),
    ("rocksdb/", {"store"}),
    ("librdkafka/", {"ingest"}),
    ("prometheus/", {"observe"}),
    ("spdlog/", {"observe"}),
    ("pg_query", {"expr"}),
    ("simdjson", {"decode"}),
    ("hll.hpp", {"aggregate"}),  # Apache DataSketches
    ("frequent_items_sketch.hpp", {"aggregate"}),
    ("xxhash.h", {"base"}),
    ("zlib.h", {"ingest"}),
    ("grpc", {"server"}),
    ("google/", {"server"}),
    ("freshet/v1/", {"server"}),
    ("CLI/", {"server"}),
    ("microhttpd.h", {"server"}),
    # Not a library that someone may want to exchange but words of the language here.
    ("absl/status/", EVERYWHERE),
    ("absl/", {"base", "server"}),
    ("fmt/", EVERYWHERE),
    ("nlohmann/", {"declare", "expr", "ingest", "observe", "oracle", "scenario", "server"}),
]

_SYSTEM = re.compile(
    r"(sys|netinet|arpa|net|linux|bits)/.+\.h"
    r"|(unistd|fcntl|poll|signal|netdb|pthread|dirent|errno|time|ctype|strings?|stdlib|stdint|stdio|malloc|sched"
    r"|termios|pwd|grp|semaphore|immintrin|x86intrin|cxxabi|execinfo|math|float|limits|endian|spawn)\.h")
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_LINKED = re.compile(r"freshet_module\(\s*(\w+)[^)]*?\bMODULES\b([^)]*?)(?:\bVENDORS\b|\))", re.S)


def module_of(path: Path) -> str:
    """featurestore/store/store.cc -> store; server/commands/serve.cc -> server."""
    return path.parts[1] if path.parts[0] == "featurestore" else "server"


def breach(module: str, kind: str, target: str) -> str | None:
    """What is wrong with `module` including `target`; None where nothing is."""
    own = re.match(r"featurestore/(\w+)/|(server)/", target)
    if own:
        other = own[1] or own[2]
        if other == module or other in ARROWS.get(module, set()):
            return None
        return f"{module} may not include {other}: it may include {', '.join(sorted(ARROWS[module])) or 'nothing'}"
    if kind == "<" and (re.fullmatch(r"\w+", target) or _SYSTEM.fullmatch(target)):
        return None
    for prefix, folders in VENDORS:
        if target.startswith(prefix):
            if module in folders:
                return None
            return f"{target} belongs to {', '.join(sorted(folders))}, not to {module}"
    return f"{target} is in no list: name its folder in VENDORS of tests/tree/include_direction.py"


def breaches(root: Path) -> list[str]:
    found = []
    for folder in ("featurestore", "server"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc") or not path.is_file():
                continue
            relative = path.relative_to(root)
            module = module_of(relative)
            if module not in ARROWS:
                found.append(f"{relative}: the module {module} is in no arrow; name it in ARROWS")
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                include = _INCLUDE.match(line)
                wrong = include and breach(module, include[1], include[2])
                if wrong:
                    found.append(f"{relative}:{number}: {wrong}")
    # The link line says the same as the includes.
    for path in sorted((root / "featurestore").glob("*/CMakeLists.txt")):
        for name, linked in _LINKED.findall(re.sub(r"#.*", "", path.read_text())):
            for other in linked.split():
                if other not in ARROWS.get(name, set()):
                    found.append(f"{path.relative_to(root)}: {name} may not link {other}")
    return found


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    if not (root / "featurestore").is_dir():
        print(f"{root}: no featurestore/ here", file=sys.stderr)
        return 2
    found = breaches(root)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
