"""What `./careapp db restore` has beside the database until it has ended."""

from dataclasses import dataclass

from ecs_gate.aws.session import Session
from ecs_gate.parts import rds
from ecs_gate.parts.gather import Reading
from ecs_gate.parts.of_service import PartOf
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import read_existing
from ecs_gate.text import t

RESTORED = "careapp:restored"
"""The tag of an instance that a command restored, until Pulumi has it: its source, in words for people."""


@dataclass(frozen=True)
class Aside:
    """What an interrupted restore has left, where no instance has the database's name."""

    instances: tuple[Database, ...] = ()


def temporary_name(identifier: str) -> str:
    """Return the name of the instance into which `./careapp db restore` restores beside the database."""
    return f"{identifier}-restored"


def old_name(identifier: str) -> str:
    """Return the name that `./careapp db restore` gives to the database before it has the restored one in its place."""
    return f"{identifier}-before-restore"


def instances(session: Session, identifier: str) -> tuple[Database, ...]:
    """Return the instances that a restore of a database has beside it. Raises AwsProblem."""
    names = temporary_name(identifier), old_name(identifier)
    found = (read_existing(rds.database, session, name, False) for name in names)
    return tuple(instance for instance in found if instance is not None)


def _aside(now: Reading) -> Aside | None:
    """Read what a restore has left where the database does not exist."""
    if not now.database.absent:
        return None
    left = instances(now.session, now.names.database)
    return Aside(left) if left else None


ASIDE = PartOf(t("the DB instances of a restore"), _aside)
