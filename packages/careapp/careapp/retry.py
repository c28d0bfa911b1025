"""Starts a new deployment of the newest revision, with the declared health check."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from careapp.additions.owner import inquiry_of
from careapp.additions.target import session_of
from careapp.command_line import FAILED, INTERRUPTED
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, elb
from ecs_gate.parts.elb import TargetGroup
from ecs_gate.parts.records import Service, read_existing, short
from ecs_gate.rollout.gate import roll_out
from ecs_gate.rollout.look import Expected, Reader
from ecs_gate.text import Refused, Text, t

PARAMETERS = {
    "healthPath": ("path", "HealthCheckPath"),
    "healthMatcher": ("matcher", "Matcher"),
    "interval": ("interval", "HealthCheckIntervalSeconds"),
    "timeout": ("timeout", "HealthCheckTimeoutSeconds"),
    "healthy": ("healthy", "HealthyThresholdCount"),
    "unhealthy": ("unhealthy", "UnhealthyThresholdCount"),
}
"""A health check's settings, with their fields and ModifyTargetGroup's parameters (botocore)."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The revision to deploy again, and the settings that AWS gets before: setting -> value."""

    expected: Expected = field(kw_only=False)
    check: Mapping[str, str | int] = field(default_factory=dict)
    grace: int | None = None
    alternate: tuple[str, ...] = ()
    """The target group that alternates with the expected one, if any."""


def plan(session: Session, names: StackNames, settings: Settings) -> Retry:
    """Read what to deploy again. Raises Refused where there is nothing, and AwsProblem."""
    service = read_existing(ecs.service, session, names)
    group = None
    if not names.process:
        group = read_existing(elb.target_group, session, names.target_group)
    if service is None or not (group or names.process):
        raise Refused(
            "There is no service {name} with a target group, so there is nothing to try again; "
            "`./careapp doctor -s {stack}` says what is missing.",
            name=names.service,
            stack=names.stack,
        )
    if service.desired == 0:
        raise Refused(
            "The desired count of the service {name} is 0, so there is nothing to try again; "
            "`./careapp doctor -s {stack}` says why.",
            name=names.service,
            stack=names.stack,
        )
    definition = ecs.definition(session, names.family)
    _refuse_unless_deployed(session, names, service, definition.arn)
    if group is None:
        return Retry(Expected(names=names, definition=definition.arn))
    grace = settings.service.grace_period
    return Retry(
        Expected(names=names, definition=definition.arn, target_group=group.arn),
        check=_differing(settings, group),
        grace=grace if grace != service.grace else None,
        alternate=(service.alternate,) if service.alternate else (),
    )


def _refuse_unless_deployed(
    session: Session, names: StackNames, service: Service, definition: str
) -> None:
    """Raise Refused for a task definition that ECS has never deployed: its deployCommand has not succeeded."""
    if any(deployment.definition == definition for deployment in service.deployments):
        return
    if not ecs.was_deployed(session, names, definition):
        raise Refused(
            "ECS was never told to deploy {revision}, so there is nothing to try again: `pulumi up` ended "
            "before it changed the service, as it does when deployCommand fails. `pulumi up -s {stack}` runs "
            "deployCommand and deploys.",
            revision=short(definition),
            stack=names.stack,
        )


def _differing(settings: Settings, group: TargetGroup) -> dict[str, str | int]:
    """Return the values of the health check that differ in AWS from the declared ones."""
    return {
        key: getattr(settings.health, name)
        for key, (name, _) in PARAMETERS.items()
        if getattr(settings.health, name) != getattr(group.check, name)
    }


def start(session: Session, retry: Retry) -> None:
    """Change the health check where it differs, then deploy the revision again. Raises AwsProblem."""
    expected = retry.expected
    if retry.check:
        changes: dict[str, Any] = {PARAMETERS[key][1]: value for key, value in retry.check.items()}
        if "Matcher" in changes:
            changes["Matcher"] = {"HttpCode": changes["Matcher"]}
        for group in (expected.target_group, *retry.alternate):
            session.call("elbv2", "modify_target_group", TargetGroupArn=group, **changes)
    more = {} if retry.grace is None else {"healthCheckGracePeriodSeconds": retry.grace}
    session.call(
        "ecs",
        "update_service",
        cluster=expected.names.cluster,
        service=expected.names.service,
        taskDefinition=expected.definition,
        forceNewDeployment=True,
        **more,
    )


def steps(retry: Retry) -> Iterator[Text]:
    """Return what a retry does, in sentences."""
    for key, value in retry.check.items():
        yield t(
            "The health check of the target group gets {key} {value}, as it is declared.",
            key=key,
            value=value,
        )
    if retry.grace is not None:
        yield t(
            "The service gets healthGracePeriod {grace}, as the stack file says.", grace=retry.grace
        )
    yield t("ECS deploys {revision} again.", revision=retry.expected.revision)


@dataclass(frozen=True)
class Screen:
    """Prints the progress of the roll-out."""

    def moment(self, text: Text) -> None:
        """Print a line."""
        print(str(text), flush=True)

    lasting = warning = moment


def run(stack: str, dry_run: bool, worker: str) -> int:
    """Deploy again and follow. Return 0: it runs, 1: it does not, 2: AWS could not be read."""
    settings = Settings.read(stack)
    session, screen = session_of(settings), Screen()
    retry = plan(session, settings.names_of(worker), settings)
    for step in steps(retry):
        screen.lasting(step)
    if dry_run:
        screen.lasting(t("--dry-run: nothing was changed."))
        return 0
    start(session, retry)
    return _followed(session, retry, settings, screen)


def _followed(session: Session, retry: Retry, settings: Settings, screen: Screen) -> int:
    expected = web = retry.expected
    workers = {}
    if worker := expected.names.process:
        newest = ecs.definition(session, settings.names.family).arn
        web = Expected(names=settings.names, definition=newest)
        workers = {worker: expected.definition}
    try:
        reader = Reader(expected, inquiry_of(settings, session, web.definition, "", workers))
        _, why = asyncio.run(roll_out(reader, screen))
    except KeyboardInterrupt:
        text = t(
            "not following any more; ECS goes on with the roll-out: `./careapp status -w -s {stack}` shows it.",
            stack=settings.stack,
        )
        print(f"careapp: {text!s}", file=sys.stderr)
        return INTERRUPTED
    if why:
        print(f"careapp: {why}", file=sys.stderr)
    return FAILED if why else 0
