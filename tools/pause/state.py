"""Reads and changes the parts of a stack that a pause stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stack.names import StackNames
from stack.settings import Settings
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.diagnosis.case import Case
from tools.doctor.checks.databases import PASSING, USABLE
from tools.i18n import Refused, Text, t
from tools.pause import processes
from tools.pause.processes import DIMENSION, SCALING
from tools.snapshot import overview, rds
from tools.snapshot.rds import Database, Pause, keeps_snapshot
from tools.snapshot.records import Service

STOPPED = ("stopping", "stopped")


@dataclass(frozen=True)
class ScalingRange:
    """The range of tasks that autoscaling keeps, and which of SCALING are suspended."""

    low: int
    high: int
    suspended: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The state that pause and resume decide by. ``scaled`` is None without autoscaling; ``left`` are task ids.

    ``at`` is AWS's time where that is ahead of this machine's.
    """

    at: datetime
    database: Database
    service: Service | None
    left: tuple[str, ...]
    scaled: ScalingRange | None
    steady: bool

    @property
    def suspended(self) -> bool | None:
        """Return whether autoscaling is suspended completely; None without autoscaling."""
        return None if self.scaled is None else all(self.scaled.suspended)

    @property
    def pause(self) -> Pause | None:
        return self.database.pause


class PausableStack:
    """Reads one stack and changes it. Every method raises AwsProblem."""

    def __init__(self, session: Session, names: StackNames, settings: Settings) -> None:
        self.session, self.names, self.settings = session, names, settings

    def read(self) -> StackState:
        """Return the current state. Raises Refused without a database."""
        now = overview(self.settings, self.session)
        for part in (now.database, now.service, now.tasks, now.targets):
            if part.problem:
                raise part.problem
        if now.database.value is None:
            raise Refused(
                t(
                    "There is no database {id} in {region}: nothing to pause or resume; `pulumi up -s "
                    "{stack}` creates the stack.",
                    id=self.names.database,
                    region=self.session.region,
                    stack=self.names.stack,
                )
            )
        left = [each.short for each in now.tasks.value or () if each.status != "STOPPED"]
        if now.service.value and (self.settings.workers or self.settings.jobs):
            left += processes.left(self.session, self.names)
        case = Case(now)
        return StackState(
            at=case.moment,
            database=now.database.value,
            service=now.service.value,
            left=tuple(left),
            scaled=self._scaled() if now.service.value else None,
            steady=case.steady,
        )

    @property
    def _resource(self) -> str:
        return f"service/{self.names.cluster}/{self.names.service}"

    def _scaled(self) -> ScalingRange | None:
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
        target, state = found[0], found[0].get("SuspendedState") or {}
        suspended = tuple(bool(state.get(name)) for name in SCALING)
        return ScalingRange(target["MinCapacity"], target["MaxCapacity"], suspended)

    def suspend_scaling(self) -> None:
        """Suspend autoscaling and keep its range.

        Parameters that are left out do not change, but AWS moves the desired count into the existing range (API
        reference, RegisterScalableTarget).
        """
        self._register([True] * len(SCALING))

    def set_scaling(self, scaled: ScalingRange) -> None:
        """Set range and suspension of autoscaling; AWS moves the desired count into the range."""
        self._register(scaled.suspended, MinCapacity=scaled.low, MaxCapacity=scaled.high)

    def _register(self, suspended: Sequence[bool], **bounds: int) -> None:
        self.session.call(
            "application-autoscaling",
            "register_scalable_target",
            ServiceNamespace="ecs",
            ResourceId=self._resource,
            ScalableDimension=DIMENSION,
            SuspendedState=dict(zip(SCALING, suspended, strict=True)),
            **bounds,
        )

    def set_alarm_actions(self, enabled: bool) -> None:
        """Enable or disable the actions of the alarms that a pause sets off. Alarms that do not exist are ignored."""
        operation = "enable_alarm_actions" if enabled else "disable_alarm_actions"
        self.session.call("cloudwatch", operation, AlarmNames=list(self.names.alarms_of_a_pause))

    def set_desired_count(self, count: int) -> None:
        """Set the service's desired count."""
        names = self.names
        self.session.call(
            "ecs",
            "update_service",
            cluster=names.cluster,
            service=names.service,
            desiredCount=count,
        )

    def stop_others(self) -> None:
        """Stop the workers and the schedules of jobs."""
        processes.stop(self.session, self.settings)

    def start_others(self, at: datetime) -> None:
        """Start the workers and the schedules of jobs as the stack file says, at this time."""
        processes.start(self.session, self.settings, at)

    def call_rds(self, operation: str) -> None:
        """Call ``start_db_instance`` or ``stop_db_instance``."""
        self.session.call("rds", operation, DBInstanceIdentifier=self.names.database)

    def tag_paused(self, database: Database, pause: Pause) -> None:
        """Tag the database as paused, for `resume`, `status` and `doctor`."""
        where: dict[str, Any] = {"ResourceName": database.arn}
        self.session.call("rds", "add_tags_to_resource", Tags=pause.tags(), **where)

    def untag_paused(self, database: Database) -> None:
        """Delete the tags of a pause."""
        keys = [rds.AT, rds.COUNT]
        self.session.call(
            "rds", "remove_tags_from_resource", ResourceName=database.arn, TagKeys=keys
        )

    def declared_count(self) -> int:
        """Return the stack file's desired count."""
        return self.settings.service.desired_count


def not_waiting(database: Database) -> Refused | None:
    """Return a refusal for a status that neither accepts the operation nor ends on its own."""
    if database.status in USABLE | PASSING | {"stopped"}:
        return None
    return Refused(
        t(
            "The database {id} is {status}, which does not change without action; ./careapp "
            "doctor shows how to fix it.",
            id=database.id,
            status=database.status,
        )
    )


def stopped_database(session: Session, settings: Settings) -> Text | None:
    """Return why a destroy of the stack would fail: its database is stopped and keeps a final snapshot.

    RDS takes no snapshot of a stopped DB instance (RDS API, DeleteDBInstance: InvalidDBInstanceState),
    and `pulumi destroy` asks for it last, when service and load balancer are gone. Raises AwsProblem.
    """
    if not keeps_snapshot(settings):
        return None
    try:
        found = rds.database(session, settings.names.database, full=False)
    except AwsProblem as problem:
        if problem.kind != "missing":
            raise
        return None
    if found is None or found.status not in STOPPED:
        return None
    return t(
        "The database {id} is {status}, and RDS takes no final snapshot of it (databaseFinalSnapshot): a "
        "destroy would delete the service and the load balancer, then fail. Start it first: "
        "./careapp resume -s {stack}",
        id=found.id,
        status=found.status,
        stack=settings.stack,
    )
