"""Every named fault, rehearsed: ``python benchmarks/faults/table.py [NAME…]`` writes docs/faults.md.

Run it from the project's folder with ``.venv/bin/python``; it takes about a minute for each fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rehearsal.engine_progress import spoken
from rehearsal.faults import FAULTS
from rehearsal.paths import ROOT

HEAD = """# Named faults

What `./careapp rehearse --break NAME` does wrong, and what comes of it: one rehearsal a row, of {day};
`benchmarks/faults/table.py` makes the table again. `pulumi up` was red in every one. The finding is the first that the
doctor tells, the time is AWS's, from the service's first event to its last.

| fault | the mistake | doctor's first finding | roll-out on AWS |
|---|---|---|---|
"""


def rehearse(name: str) -> str:
    """One row. Ends the program when the rehearsal was not red for the fault's sake."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        how = ("--exit", "--tasks", "process", "--port", "0", "--json", str(report))
        done = subprocess.run(
            [sys.executable, "-m", "rehearsal", "rehearse", "--break", name, *how],
            env={**os.environ, "CAREAPP_HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        seen = json.loads(report.read_text())
    if done.returncode != 1 or "diagnosis" not in seen:
        raise SystemExit(f"{name}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    first = seen["diagnosis"]["findings"][0]["title"]
    took = spoken(seen["aws_seconds"]) if "aws_seconds" in seen else "none began"
    return f"| `{name}` | {FAULTS[name].mistake} | {first} | {took} |\n"


def main() -> int:
    names = sys.argv[1:] or list(FAULTS)
    rows = [rehearse(name) for name in names]
    text = HEAD.format(day=f"{datetime.now(UTC):%Y-%m-%d}") + "".join(rows)
    if sys.argv[1:]:
        print(text)
    else:
        (ROOT / "docs" / "faults.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
