"""What is always true of a finding. Each is declared in the file of `ecs_gate/checks/` whose check makes it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

INTERNET, FORWARD, DATABASE = "internet", "forward", "database"

IMAGE, SECRETS, LOGS = "image", "secrets", "logs"

BALANCER_NODE, TASKS_NODE, DATABASE_NODE = "balancer-node", "tasks-node", "database-node"

WHOLE = "whole"
"""Of findings about the service or the account as a whole, which no single place shows."""

START = "a task's start"
TO_DATABASE = "the way to the database"
LOG = "what a line of the log names"
CRASH = "the app's end"
PAGE = "the page"
OUTCOME = "the end of a roll-out"
JOB = "a run of a job"
OTHER = "all else"
"""Subjects: a finding can be explained by all those of a subject. No id has a space."""


@dataclass(frozen=True)
class Facts:
    """What is always true of the findings with this id."""

    id: str
    depth: int
    """Orders findings of a kind: a lower one is nearer to the root and comes first. At the same depth the check that
    stands first in CHECKS does.

    Up to 18 service, account and capacity; 19 to 29 what a task needs to start; 30 to 34 load balancer; 40 to 47
    database, 44 memory, 45 a line of the log; 48 and 49 the app's files; 50 to 52 the app's end; 57 to 67 health
    check and pages; 68 and 69 the jobs; from 70 on what only follows from a cause.
    """
    places: Collection[str] = field(hash=False)
    """Where on the path from a browser to the database it shows."""
    explained_by: Collection[str] = field(default=(), hash=False)
    """The causes, by id or subject and all of a lower depth, beside any of which it is a consequence."""
    subject: str = OTHER
    repeats: bool = False
    """Whether it only says again, or wrongly, what such a cause says: beside one it is left out."""
    blocks: bool = True
    """Whether it, as a cause, fails a roll-out although the targets are healthy."""
    warms_up: bool = False
    """Whether an app that is still warming up shows it: the gate gives it time before it is red."""
    certain: bool = False
    """Whether waiting never ends it: only a change of the program, the image, a setting or a resource does.

    False where any case of it may pass: what starts, is throttled or full, or fails under load alone.
    """

    result: bool = False
    """Whether it says only what came of a cause: where none is known, it is shown as what happened."""
    told: bool = False
    """Whether the gate says it as well where all is well."""
    outside: bool = False
    """Whether its cause lies outside of the version that is deployed: the version before has it as well."""

    def explains(self, other: Facts) -> bool:
        """Return whether ``other`` is a consequence beside a cause of this type."""
        return self.id in other.explained_by or self.subject in other.explained_by


AtStart = partial(Facts, subject=START, certain=True)
"""What keeps a task from starting, however long one waits."""
Outside = partial(Facts, certain=True, outside=True)
"""What keeps users, or the app, away from any version."""

NO_DATABASE = frozenset({"vpc-without-dns", "database-secret", TO_DATABASE})
"""Why the app does not get into its database."""

NO_PASSWORD = NO_DATABASE | {"task-role-cannot-read-secret"}

NO_DATA = NO_DATABASE | {LOG, "app-database-away", "app-cannot-migrate"}
"""Why a running app gets nothing out of its database."""

REASONS = frozenset({START, TO_DATABASE, LOG, CRASH, PAGE, OTHER})

FAILED = REASONS | {"tasks-die"}
"""Why a roll-out fails."""
