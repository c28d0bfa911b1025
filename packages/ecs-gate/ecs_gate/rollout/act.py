"""Answers a hook, stops a deployment, and follows ECS back to the version before it. Nothing else is changed."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.aws.session import Session
from ecs_gate.owner import AWS, Advice
from ecs_gate.parts import ecs
from ecs_gate.parts.records import Deployment, PauseHook, read_existing, short
from ecs_gate.rollout.say import runs_now
from ecs_gate.target import Names
from ecs_gate.text import Refused, Text, t, text_of
from ecs_gate.waiting import Waiting

STARTED = frozenset(ecs.GOING)
ENDING = frozenset({"STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
"""Statuses in which a service deployment can be stopped; in those of ENDING ECS already ends it.

Source: ECS developer guide, "Stopping Amazon ECS service deployments".
"""

MOVED_ON = frozenset({"ConflictException", "InvalidParameterException"})
"""How ECS refuses to go on with, or to stop, a deployment that it has ended meanwhile (ECS API reference,
ContinueServiceDeployment and StopServiceDeployment)."""


@dataclass(frozen=True, kw_only=True)
class Stoppable:
    """A service deployment that ECS can roll back."""

    names: Names
    arn: str
    status: str
    definition: str
    hook: PauseHook | None = None
    """The hook at which it waits for an answer."""
    first: bool = False
    """Whether ECS has no earlier version to go back to."""

    @property
    def revision(self) -> str:
        """Return family and number of its task definition, like `shop:7`."""
        return short(self.definition)


def find(session: Session, names: Names, *, first: bool = False) -> Stoppable | None:
    """Return the deployment under way; None without one. Raises AwsProblem.

    Raises Refused when ECS has no earlier version to go back to, unless a ``first`` deployment may be ended, too.
    """
    rows = ecs.service_deployments(session, names)
    if not rows or rows[0]["status"] not in STARTED | ENDING:
        return None
    row = _row(session, rows[0]["serviceDeploymentArn"], names)
    deployment = Stoppable(
        names=names,
        arn=row["serviceDeploymentArn"],
        status=rows[0]["status"],
        definition=ecs.deployed_definition(session, rows[0]),
        hook=ecs.waiting_hook(row),
        first=not row.get("sourceServiceRevisions"),
    )
    if first or not deployment.first:
        return deployment
    raise Refused(
        "No deployment before {revision} was completed, so ECS has no version to go back to. "
        "Correct the program, then deploy.",
        revision=deployment.revision,
    )


def _row(session: Session, arn: str, names: Names) -> Mapping[str, Any]:
    """Return DescribeServiceDeployments' item. Raises Refused without one, and AwsProblem."""
    row = ecs.service_deployment(session, arn)
    if row is None:
        raise Refused(_no_service(names))
    return row


def go_on(session: Session, hook: PauseHook, *, again: bool) -> bool:
    """Let ECS give the version its requests. Return whether it had waited for that. Raises AwsProblem.

    ``again``: ECS has refused the answer several times, and shows the hook nevertheless.
    """
    try:
        ecs.answer_hook(session, hook, "CONTINUE")
    except AwsProblem as problem:
        if again or problem.code not in MOVED_ON:
            raise
        return False
    return True


def stop(session: Session, deployment: Stoppable) -> bool:
    """Let ECS roll the deployment back, unless it does already. Return False where ECS has ended it meanwhile.

    One that waits for an answer gets it. Raises AwsProblem.
    """
    if deployment.status not in STARTED:
        return True
    try:
        if deployment.hook:
            ecs.answer_hook(session, deployment.hook, "ROLLBACK")
        else:
            arguments = {"serviceDeploymentArn": deployment.arn, "stopType": "ROLLBACK"}
            session.call("ecs", "stop_service_deployment", **arguments)
    except AwsProblem as problem:
        rows = ecs.service_deployments(session, deployment.names)
        goes_on = bool(rows) and rows[0]["status"] in STARTED
        if goes_on or problem.code not in MOVED_ON:
            raise
        return False
    return True


def wait(session: Session, deployment: Stoppable, waiting: Waiting, minutes: float) -> Deployment:
    """Wait until the version before serves, and return its deployment. ``minutes`` are AWS's.

    Raises Refused when ECS could not roll back, or not in time, and AwsProblem.
    """

    def left() -> Text | None:
        row = _row(session, deployment.arn, deployment.names)
        if row["status"] == "ROLLBACK_SUCCESSFUL":
            return None
        if row["status"] not in STARTED | ENDING:
            raise Refused(
                "{revision} was not rolled back: ECS says {status}: {reason} The doctor finds the "
                "cause.",
                revision=deployment.revision,
                status=row["status"],
                reason=row.get("statusReason") or "-",
            )
        now = primary(session, deployment.names)
        if now.definition == deployment.definition:
            return t("ECS begins to roll {revision} back", revision=deployment.revision)
        return t(
            "ECS rolls back to {older}: {running} of {desired} tasks run",
            older=now.revision,
            running=now.running,
            desired=now.desired,
        )

    waiting.until_done(left, minutes)
    return primary(session, deployment.names)


def primary(session: Session, names: Names) -> Deployment:
    """Return the service's primary deployment. Raises Refused without a service, and AwsProblem."""
    service = read_existing(ecs.service, session, names)
    if service is None or service.primary is None:
        raise Refused(_no_service(names))
    return service.primary


async def undo(
    session: Session,
    names: Names,
    progress: Callable[[Text], None],
    minutes: float,
    rollback: str,
    advice: Advice = AWS,
    *,
    first: bool = False,
) -> Text:
    """Let ECS roll the deployment under way back; return what runs then, or why it was not.

    ``rollback`` is the command for a person who has to do it. ``first``: a first deployment is ended, too, so that ECS
    starts no more tasks.
    """
    loop = asyncio.get_running_loop()

    def work() -> Text:
        deployment = find(session, names, first=first)
        if deployment is None or not stop(session, deployment):
            return _ended(session, names, advice)
        if deployment.first:
            return t(
                "ECS was told to end the deployment of {revision}, so that it starts no more tasks. No version before "
                "it was completed, so none runs.",
                revision=deployment.revision,
            )
        waiting = Waiting(lambda text: loop.call_soon_threadsafe(progress, text), Pace.of())
        return t(
            "ECS was told to roll {revision} back: {now}",
            revision=deployment.revision,
            now=runs_now(wait(session, deployment, waiting, minutes)),
        )

    try:
        return await asyncio.to_thread(work)
    except Refused as refusal:
        return text_of(refusal)
    except AwsProblem as problem:
        return t(
            "It was not rolled back: {problem} Then: {command}",
            problem=problem.as_text(),
            command=rollback,
        )


def _ended(session: Session, names: Names, advice: Advice) -> Text:
    """Return how ECS has ended the newest deployment by itself."""
    rows = ecs.service_deployments(session, names)
    if not rows or not rows[0]["status"].startswith(ecs.UNDONE):
        return advice.completed
    return t(
        "ECS has ended the deployment by itself: {reason} {now}",
        reason=rows[0].get("statusReason") or rows[0]["status"],
        now=runs_now(primary(session, names)),
    )


def _no_service(names: Names) -> Text:
    return t(
        "There is no service {name}, so there is nothing to roll back; the doctor says what is missing.",
        name=names.service,
    )
