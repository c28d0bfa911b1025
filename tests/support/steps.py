"""What the engine did at each step of a story, compared with its record in `tests/engine/recorded/`.

`python -m tests.recorded engine` writes the records, in as long as those tests take.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from local_cloud.engine.pulumi import Changes
from tools.tests import said

FOLDER = Path(__file__).parents[1] / "engine" / "recorded"
MANY = 24
"""So many steps of one kind are recorded by their number: a stage comes or goes, whose resources unit/recorded has."""


def done(changes: Changes) -> list[str]:
    """Return what was done and to what; the three words for a replacement as one, the components left out."""
    return sorted(
        f"{operation} {kind.rpartition(':')[2]} {re.sub('login-[0-9]+$', 'login-PORT', name)}"
        for operation, kind, name in (step.split() for step in changes.steps)
        if operation not in ("create-replacement", "delete-replaced", "refresh")
        and not kind.startswith("careapp:")
    )


def check(story: str, steps: Mapping[str, Changes]) -> None:
    """Compare the steps of a story with its record, or write it."""
    found = {name: _short(done(changes)) for name, changes in steps.items()}
    said.compare(FOLDER / f"{story}.yaml", yaml.safe_dump(found, sort_keys=False, width=140))


def _short(lines: list[str]) -> list[str] | str:
    kinds = {line.partition(" ")[0] for line in lines}
    return f"{kinds.pop()} {len(lines)}" if len(lines) >= MANY and len(kinds) == 1 else lines
