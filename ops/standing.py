"""What of a stack can be paused, how it stands, and the calls that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops import paused
from ops.aws import Session
from ops.checks.case import Case
from ops.checks.databases import PASSING, USABLE
from ops.names import StackNames
from ops.paused import Pause
from ops.refused import Refused
from ops.snapshot.records import Service
from ops.snapshot.surroundings import Database
from ops.stack import Declared
from ops.status import overview
from ops.texts import Text, t

SCALING = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
DIMENSION = "ecs:service:DesiredCount"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How it stands. ``suspended`` is None where nothing scales the service; ``left`` are task ids."""

    database: Database
    service: Service | None
    left: tuple[str, ...]
    suspended: bool | None
    steady: bool

    @property
    def pause(self) -> Pause | None:
        return self.database.pause


class Station:
    """Looks at one stack and changes it. Every method raises AwsProblem."""

    def __init__(self, session: Session, names: StackNames, declared: Declared) -> None:
        self.session, self.names, self.declared = session, names, declared

    def look(self) -> Standing:
        """How it stands now. Raises Refused without a database."""
        now = overview(self.names, self.session, self.declared)
        for part in (now.database, now.service, now.tasks, now.targets):
            if part.problem:
                raise part.problem
        if now.database.value is None:
            raise Refused(_no_database(self.names, self.session.region))
        tasks = now.tasks.value or ()
        return Standing(
            database=now.database.value,
            service=now.service.value,
            left=tuple(each.short for each in tasks if each.status != "STOPPED"),
            suspended=self._suspended() if now.service.value else None,
            steady=Case(now).steady,
        )

    @property
    def _resource(self) -> str:
        return f"service/{self.names.cluster}/{self.names.service}"

    def _suspended(self) -> bool | None:
        found = self.session.all(
            "application-autoscaling",
            "describe_scalable_targets",
            "ScalableTargets",
            ServiceNamespace="ecs",
            ResourceIds=[self._resource],
            ScalableDimension=DIMENSION,
        )
        if not found:
            return None
        state = found[0].get("SuspendedState") or {}
        return all(state.get(name) for name in SCALING)

    def suspend(self, suspended: bool) -> None:
        """Whether autoscaling keeps its hands off; minimum and maximum stay as they are.

        Parameters that are left out do not change (API reference, RegisterScalableTarget).
        """
        self.session.call(
            "application-autoscaling",
            "register_scalable_target",
            ServiceNamespace="ecs",
            ResourceId=self._resource,
            ScalableDimension=DIMENSION,
            SuspendedState=dict.fromkeys(SCALING, suspended),
        )

    def ring(self, rings: bool) -> None:
        """Whether the alarm for missing tasks tells anybody; a stack without it is fine, too."""
        operation = "enable_alarm_actions" if rings else "disable_alarm_actions"
        self.session.call("cloudwatch", operation, AlarmNames=[self.names.running_alarm])

    def scale(self, count: int) -> None:
        """The service's desired count."""
        names = self.names
        self.session.call(
            "ecs",
            "update_service",
            cluster=names.cluster,
            service=names.service,
            desiredCount=count,
        )

    def database(self, operation: str) -> None:
        """``start_db_instance`` or ``stop_db_instance``."""
        self.session.call("rds", operation, DBInstanceIdentifier=self.names.database)

    def remember(self, database: Database, pause: Pause) -> None:
        """That it is paused, where `resume`, `status` and `doctor` see it."""
        where: dict[str, Any] = {"ResourceName": database.arn}
        self.session.call("rds", "add_tags_to_resource", Tags=pause.tags(), **where)

    def forget(self, database: Database) -> None:
        """That it was paused."""
        keys = [paused.AT, paused.COUNT]
        self.session.call(
            "rds", "remove_tags_from_resource", ResourceName=database.arn, TagKeys=keys
        )

    def declared_count(self) -> int:
        """The tasks that the stack file asks for."""
        found = self.declared.get("desiredCount")
        return int(found) if found.isdigit() else 1


def unusable(database: Database) -> Refused | None:
    """Why waiting would not help: a status that neither is well nor passes."""
    if database.status in USABLE | PASSING | {"stopped"}:
        return None
    return Refused(
        t(
            "The database {id} is {status}, and does not leave that by itself; "
            "./careapp doctor says what mends it.",
            id=database.id,
            status=database.status,
        )
    )


def _no_database(names: StackNames, region: str) -> Text:
    return t(
        "There is no database {id} in {region}: nothing to pause or resume; "
        "`pulumi up -s {stack}` makes the stack.",
        id=names.database,
        region=region,
        stack=names.stack,
    )
