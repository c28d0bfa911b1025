"""Rehearses named faults: ``python -m tests.benchmarks.faults [NAME…]`` writes their rows in docs/faults.md.

Run it from the project's folder with ``.venv/bin/python``; it takes one to three minutes for each fault.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from careapp import ROOT
from careapp.rehearsal.faults import FAULTS
from local_cloud.console import duration

PAGE = ROOT / "docs" / "faults.md"
ROW = re.compile(r"^(\| `([\w-]+)` \|.*\n)", re.MULTILINE)
SPEED = "5"
SLEEPS = {"slow-start": "20", "slow-health": "20"}
"""The speed for faults whose app sleeps by this machine's clock."""
HEAD = """# Named faults

What `./careapp rehearse --break NAME --mend` does wrong, what comes of it, and what mends it: one rehearsal a row;
`tests/benchmarks/faults.py` writes it again, last on {day}. In every one `pulumi up` was red, and so was the next
one, with nothing mended; where it says that it shows later, `pulumi up` was green and `./careapp doctor` ended with
1. After the fourth column `pulumi up` was green, the page answered 200, and the doctor called the stack healthy. "Red
after" is AWS's time from the creation of the deployment. The tasks were processes.

| fault | the mistake | doctor's first finding | what made it green | red after |
|---|---|---|---|---|
"""
LONG = re.compile(
    r"arn:aws:elasticloadbalancing:\S+|(?<=sg-)[0-9a-f]{17}|(?<=rtb-)[0-9a-f]{8,17}"
    r"|(?<=-execution-)[0-9a-f]{7}|(?<=poc-jobs-)[0-9a-f]{7}|(?<=rds!db-)[0-9a-f-]{36}-\w{6}|(?<=/proxy/)[0-9a-f]{32}"
    r"|(?<=poc/login-)\w{6}|(?<=of client )[0-9a-f]{16}|(?<=rtbassoc-)[0-9a-f]{17}"
)
"""Identifiers that AWS generates for each stack."""


class Unlike(Exception):
    """A rehearsal of a fault differs from the table's description."""


def rehearse(name: str) -> str:
    """Return one row. Raises Unlike."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        how = ["--mend", "--exit", "--tasks", "process", "--port", "0", "--json", str(report)]
        how += ["--speed", SLEEPS.get(name, SPEED)]
        done = subprocess.run(
            [sys.executable, "-m", "careapp.cli", "rehearse", "--break", name, *how],
            env={**os.environ, "CAREAPP_HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        seen = json.loads(report.read_text()) if report.exists() else {}
    red = FAULTS[name].shows_later or seen.get("second_up", {}).get("red")
    if done.returncode != 0 or not seen["mend"]["green"] or not red:
        raise Unlike(f"{name}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    found = seen["diagnosis"]["findings"][0]
    if found["id"] != FAULTS[name].cause:
        raise Unlike(f"{name}: the first finding is {found['id']}, not {FAULTS[name].cause}")
    first = found["title"]
    took = duration(seen["aws_seconds"]) if "aws_seconds" in seen else "none began"
    took = "green: it shows later" if FAULTS[name].shows_later else took
    return f"| `{name}` | {FAULTS[name].mistake} | {first} | {mended(seen['mend'])} | {took} |\n"


def mended(done: dict[str, Any]) -> str:
    """Return the edits and commands of the fix, one a line."""
    edits = [f"`{file}` put right" for file in done["edited"]]
    commands = [f"`{LONG.sub('…', command)}`" for command in done["commands"]]
    told = [LONG.sub("…", text.rstrip(":")) for text in done["told"]]
    return "<br>".join([*told, *edits, *commands])


def main() -> int:
    rows, unlike = {}, []
    for name in sys.argv[1:] or FAULTS:
        try:
            rows[name] = rehearse(name)
        except Unlike as problem:
            unlike.append(str(problem))
    text = PAGE.read_text()
    rows = {**{name: row for row, name in ROW.findall(text)}, **rows}
    table = "".join(rows[name] for name in FAULTS if name in rows)
    rest = text.partition("\n## ")[2]
    PAGE.write_text(f"{HEAD.format(day=datetime.now(UTC).date())}{table}\n## {rest}")
    if unlike:
        sys.exit("\n".join(unlike))
    return 0


if __name__ == "__main__":
    sys.exit(main())
