"""The size of the house: ``python -m tests.sizes`` prints its lines by part, beside those of a day to compare with.

A figure to be looked at, no limit: a feature says what it takes away (CONTRIBUTING.md).
"""

import subprocess
from collections import Counter
from pathlib import PurePosixPath

from careapp import ROOT

PROGRAM = ("__main__.py", "infra", "policy", "webapp")
OF_THE_PROGRAM = ("delivery", "policy", "settings")
"""Folders of careapp's package that the program, or its pipeline, consists of."""
BEFORE = {
    "program": 11_264,
    "tools": 26_965,
    "ecs_gate": 0,
    "local cloud": 24_844,
    "tests": 54_024,
    "tests' data": 1_499,
    "documents": 6_927,
}
DAY = "2026-11-29"
"""The day on which the parts had the lines of ``BEFORE``."""


DATA = (".css", ".js", ".json", ".sh", ".txt", ".yaml")
"""What tests read beside Python: tables that people write, and records that commands write and people review."""


def part(file: PurePosixPath) -> str | None:
    """Return the part to which a file of the repository belongs; None for what is none of them."""
    if file.suffix == ".md":
        return "documents"
    if "tests" in file.parts and file.suffix in DATA:
        return "tests' data"
    if file.suffix != ".py":
        return None
    if "tests" in file.parts:
        return "tests"
    if file.parts[0] in PROGRAM:
        return "program"
    package = file.parts[2] if file.parts[0] == "packages" else ""
    if package == "careapp" and file.parts[3] in OF_THE_PROGRAM:
        return "program"
    return {"local_cloud": "local cloud", "ecs_gate": "ecs_gate"}.get(package, "tools")


def lines() -> Counter[str]:
    """Return the lines of each part's files that Git knows."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    sizes: Counter[str] = Counter()
    for name in filter(None, names.split("\0")):
        if (kind := part(PurePosixPath(name))) and (ROOT / name).is_file():
            sizes[kind] += (ROOT / name).read_bytes().count(b"\n")
    return sizes


def main() -> None:
    """Print the table."""
    now = lines()
    print(f"{'lines':<14}{'now':>8}{DAY:>14}{'change':>9}")
    for name, before in BEFORE.items():
        print(f"{name:<14}{now[name]:>8,}{before:>14,}{now[name] - before:>+9,}")


if __name__ == "__main__":
    main()
