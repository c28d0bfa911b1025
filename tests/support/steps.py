"""A stack's life, step by step, and what the engine did at each, compared with its record in `tests/engine/recorded/`.

`python -m tests.recorded engine` writes the records, in as long as those tests take.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cloud.engine.pulumi import Changes, PulumiFailed
from tests import said
from tests.support.local_stack import LocalStack

FOLDER = Path(__file__).parents[1] / "engine" / "recorded"
MANY = 24
"""So many steps of one kind are recorded by their number: a stage comes or goes, whose resources unit/recorded has."""


@dataclass
class Story:
    """A stack's life: by its name, what each step did or was refused with, and what was seen after it."""

    stack: LocalStack
    look: Callable[[LocalStack], Any]
    did: dict[str, Changes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    def up(self, name: str, **config: str) -> None:
        self.keep(name, self.stack.up(**config))

    def keep(self, name: str, changes: Changes) -> None:
        self.did[name], self.seen[name] = changes, self.look(self.stack)

    def refuse(self, name: str, **config: str) -> None:
        """Take a step that must fail."""
        with pytest.raises(PulumiFailed) as failed:
            self.stack.up(**config)
        self.refused[name] = failed.value.output

    def check(self, record: str) -> None:
        """Compare the steps with their record, or write it."""
        found = {name: _short(done(changes)) for name, changes in self.did.items()}
        text = yaml.safe_dump(found, sort_keys=False, width=140)
        said.compare(FOLDER / f"{record}.yaml", text)


def done(changes: Changes) -> list[str]:
    """Return what was done and to what; the three words for a replacement as one, the components left out."""
    return sorted(
        f"{operation} {kind.rpartition(':')[2]} {re.sub('login-[0-9]+$', 'login-PORT', name)}"
        for operation, kind, name in (step.split() for step in changes.steps)
        if operation not in ("create-replacement", "delete-replaced", "refresh")
        and not kind.startswith("careapp:")
    )


def _short(lines: list[str]) -> list[str] | str:
    kinds = {line.partition(" ")[0] for line in lines}
    return f"{kinds.pop()} {len(lines)}" if len(lines) >= MANY and len(kinds) == 1 else lines
