"""Where an alarm rings: numbers that follow from the size of what is watched."""

from __future__ import annotations

import re
from types import MappingProxyType

from i18n import t

GIB, MIB = 1024**3, 1024**2
LARGE_GIB = MappingProxyType({"c": 4, "t": 8, "m": 8, "r": 16, "x": 32})
"""GiB of memory of each family's `large` (EC2 instance types; a test compares them with EC2's)."""
BELOW_LARGE = MappingProxyType({"micro": 8, "small": 4, "medium": 2, "large": 1})
"""How many times smaller than `large`."""
BYTES_A_CONNECTION = 9531392
MOST_CONNECTIONS = 5000
"""RDS's default: max_connections = LEAST(DBInstanceClassMemory / 9531392, 5000)."""


def database_memory(instance_class: str) -> int:
    """Bytes of memory that an RDS instance class has. ValueError for a family not known here.

    Only families whose members all follow one rule: `x` is the Graviton 2 generation.
    """
    found = re.fullmatch(r"db\.(t[234]g?|[cmr][5-9][a-z]*|x2g)\.(\d*)(\w+)", instance_class)
    if found and not (found[2] and found[3] != "xlarge"):
        large = LARGE_GIB[found[1][0]] * GIB
        if found[3] == "xlarge":
            return large * 2 * int(found[2] or 1)
        if found[3] in BELOW_LARGE:
            return large // BELOW_LARGE[found[3]]
    raise ValueError(
        t(
            "the memory of {instance_class} is not known here, so no alarm can watch it; choose a "
            "class of the families t, m, r or c, or set alarmsEnabled and dashboardEnabled to false",
            instance_class=instance_class,
        )
    )


def free_memory(instance_class: str) -> int:
    """Bytes below which a database is short of memory: a twentieth, but no less than 64 MiB."""
    return max(database_memory(instance_class) // 20, 64 * MIB)


def free_storage(gibibytes: int) -> int:
    """Bytes below which storage must be added: a fifth, for adding takes people and hours."""
    return gibibytes * GIB // 5


def connections(instance_class: str) -> int:
    """Open connections above which new ones will soon be refused.

    Three fifths of what the class's whole memory would give: RDS keeps a part of it for itself,
    so that e.g. 1 GiB allows some 80 and not the 112 of the formula.
    """
    formula = database_memory(instance_class) // BYTES_A_CONNECTION
    return min(formula, MOST_CONNECTIONS) * 3 // 5


def task_memory(mebibytes: int) -> int:
    """Per cent of a task's memory that leave it a tenth, but no less than 64 MiB, until it is killed."""
    return int(100 - 100 * max(mebibytes / 10, 64) / mebibytes)
