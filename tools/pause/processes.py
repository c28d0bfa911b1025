"""Stops and starts a stack's workers, and the schedules of its jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from stack.names import StackNames
from stack.settings import Settings
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.i18n import Text, t
from tools.snapshot.ecs import described

DIMENSION = "ecs:service:DesiredCount"
SCALING = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
GIVEN_BY_AWS = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
"""What GetSchedule returns and UpdateSchedule, which replaces the whole schedule, does not take."""


def planned_changes(settings: Settings) -> Iterator[Text]:
    """Yield what a pause stops besides the web service."""
    if settings.workers:
        names = ", ".join(each.name for each in settings.workers)
        yield t("the workers stop: {names}", names=names)
    if settings.jobs:
        names = ", ".join(each.name for each in settings.jobs)
        yield t(
            "the schedules of the jobs are disabled: {names}; a run that has begun is waited for",
            names=names,
        )


def stop(session: Session, settings: Settings) -> None:
    """Disable the schedules and set the workers' desired counts to 0. Raises AwsProblem."""
    switch_schedules(session, settings.names, ())
    _scale(session, settings, {}, suspended=True)


def start(session: Session, settings: Settings, at: datetime) -> None:
    """Set the workers' counts and the schedules' states to the stack file's. Raises AwsProblem.

    What the stack file has no more stays stopped: the next `pulumi up` deletes it. Outside the hours of `schedule` its
    scheduled actions start the workers.
    """
    hours = settings.service.scaling.includes(at)
    counts = {each.name: each.count for each in settings.workers if hours}
    _scale(session, settings, counts, suspended=False)
    switch_schedules(session, settings.names, {each.name for each in settings.jobs if each.enabled})


def switch_schedules(session: Session, names: StackNames, enabled: Collection[str]) -> None:
    """Enable these schedules and disable the others. Raises AwsProblem."""
    for name in _schedules(session, names):
        place = {"GroupName": names.prefix, "Name": name}
        found = session.call("scheduler", "get_schedule", **place)
        state = "ENABLED" if name in enabled else "DISABLED"
        if found["State"] != state:
            kept = {key: found[key] for key in found if key not in GIVEN_BY_AWS}
            session.call("scheduler", "update_schedule", **{**kept, "State": state})


def _schedules(session: Session, names: StackNames) -> list[str]:
    try:
        found = session.all("scheduler", "list_schedules", "Schedules", GroupName=names.prefix)
    except AwsProblem as problem:
        if problem.kind != "missing":
            raise
        return []
    return [each["Name"] for each in found]


def _scale(
    session: Session, settings: Settings, counts: Mapping[str, int], *, suspended: bool
) -> None:
    """Set the counts of the workers that exist; 0 of those without one.

    Where they follow hours their scalable targets are set, too: RegisterScalableTarget moves the count into the range.
    """
    names, scaled = settings.names, settings.service.scaling.hours is not None
    for name in workers(session, names):
        count = counts.get(name, 0)
        where = {"cluster": names.cluster, "service": names.worker(name)}
        if scaled:
            session.call(
                "application-autoscaling",
                "register_scalable_target",
                ServiceNamespace="ecs",
                ResourceId=f"service/{names.cluster}/{names.worker(name)}",
                ScalableDimension=DIMENSION,
                MinCapacity=count,
                MaxCapacity=count,
                SuspendedState=dict.fromkeys(SCALING, suspended),
            )
        session.call("ecs", "update_service", **where, desiredCount=count)


def workers(session: Session, names: StackNames) -> list[str]:
    """Return the names of the workers whose services exist. Raises AwsProblem."""
    arns = session.all("ecs", "list_services", "serviceArns", cluster=names.cluster)
    prefix = names.worker("")
    found = (arn.rpartition("/")[2] for arn in arns)
    return sorted(each.removeprefix(prefix) for each in found if each.startswith(prefix))


def left(session: Session, names: StackNames) -> Iterator[str]:
    """Yield the ids of tasks of the cluster, other than the web service's, that have not stopped. Raises AwsProblem."""
    arns: list[str] = []
    for status in ("RUNNING", "STOPPED"):
        asked: dict[str, Any] = {"cluster": names.cluster, "desiredStatus": status}
        arns += session.all("ecs", "list_tasks", "taskArns", **asked)
    for each in described(session, names.cluster, arns):
        if each["lastStatus"] != "STOPPED" and each.get("group") != f"service:{names.service}":
            yield each["taskArn"].rpartition("/")[2]
