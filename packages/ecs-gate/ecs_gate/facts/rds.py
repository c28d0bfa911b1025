"""RDS for PostgreSQL: the memory of an instance class, and the connections that it allows."""

import re
from types import MappingProxyType

GIB, MIB = 1024**3, 1024**2
LARGE_GIB = MappingProxyType({"c": 4, "t": 8, "m": 8, "r": 16, "x": 32})
"""GiB of memory of `large` by family (EC2 instance types; a test compares them)."""
BELOW_LARGE = MappingProxyType({"micro": 8, "small": 4, "medium": 2, "large": 1})
"""By which factor a size is smaller than `large`."""
BYTES_A_CONNECTION = 9531392
MOST_CONNECTIONS = 5000
"""RDS's default: max_connections = LEAST(DBInstanceClassMemory / 9531392, 5000)."""
RESERVED_CONNECTIONS = 5
"""Connections that RDS keeps: superuser_reserved_connections and rds.rds_superuser_reserved_connections.

Source: AWS re:Post, "FATAL: remaining connection slots are reserved for non replicate superuser".
"""


def database_memory(instance_class: str) -> int:
    """Return the memory of an RDS instance class in bytes. Raises ValueError for an unknown family.

    Known are the families whose sizes all follow one rule; of `x` only x2g does.
    """
    match = re.fullmatch(r"db\.(t[234]g?|[cmr][5-9][a-z]*|x2g)\.(\d*)(\w+)", instance_class)
    if match and not (match[2] and match[3] != "xlarge"):
        large = LARGE_GIB[match[1][0]] * GIB
        if match[3] == "xlarge":
            return large * 2 * int(match[2] or 1)
        if match[3] in BELOW_LARGE:
            return large // BELOW_LARGE[match[3]]
    raise ValueError(f"the memory of {instance_class} is unknown")


def max_connections(instance_class: str) -> int:
    """Return RDS's default of max_connections by the class's whole memory. Raises ValueError.

    RDS uses a part of the memory itself: on db.t4g.small, for which this gives 225, 181 were measured
    (kirill-markin/flashcards-open-source-app, pull request 1657).
    """
    return min(database_memory(instance_class) // BYTES_A_CONNECTION, MOST_CONNECTIONS)
