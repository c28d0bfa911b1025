"""More situations: each is named after the finding that it shows first, and what is different in it.

Those that show none begin with "nothing". What the doctor says of each is in findings.txt.
"""

from ecs_gate.parts.gather import Snapshot
from tests.doctor.variants import app, health, network, other_apps, stack, tasks

TABLES: tuple[dict[str, Snapshot], ...] = tuple(
    module.VARIANTS for module in (stack, tasks, health, network, app, other_apps)
)
VARIANTS: dict[str, Snapshot] = {name: now for table in TABLES for name, now in table.items()}
assert len(VARIANTS) == sum(map(len, TABLES)), "two variants have one name"
