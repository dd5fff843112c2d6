#!/usr/bin/python3
"""Every library that the program links is of a package in the [runtime] group of packages.txt (RocksDB's may be in [plain]):
runtime_packages.py PROGRAM LIST.

The image (Dockerfile) installs that group and nothing else; a library that comes only as another package's dependency may go
when that one changes. Elsewhere than on Debian there is nothing to compare with: exit status 77.
"""

import os
import re
import shutil
import subprocess
import sys


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def owner(path):
    # With /lib a link to /usr/lib, dpkg knows a file under one of the two.
    for name in (path, "/usr" + path, path.removeprefix("/usr")):
        done = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return f"no package (owner of {path})"


def group(lines, name):
    inside = False
    for line in lines:
        if line.startswith("["):
            inside = line.startswith(f"[{name}]")
        elif inside and line.split():
            yield line.split()[0]


def main(program, package_list):
    if not all(shutil.which(tool) for tool in ("dpkg", "readelf", "ldd")):
        return 77
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", program))
    loaded = output("ldd", program)
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", loaded, re.MULTILINE))
    # The loader itself is named by its path.
    paths |= {os.path.basename(path): path for path in re.findall(r"^\s*(/\S+) \(", loaded, re.MULTILINE)}
    owners = {library: owner(os.path.normpath(paths[library])) for library in needed}
    with open(package_list, encoding="utf-8") as listing:
        lines = listing.readlines()
    listed = {*group(lines, "runtime"), *group(lines, "plain")}
    missing = sorted({package for package in owners.values() if package not in listed})
    for package in missing:
        libraries = ", ".join(library for library, of in owners.items() if of == package)
        print(f"packages.txt: [runtime] lacks {package}, of which the program links {libraries}")
    print(f"{len(owners)} libraries of {len(set(owners.values()))} packages")
    return 1 if missing or not needed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
