"""The roll-out gate: `pulumi up` is green only when the wanted revision really runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from i18n import Refused, Text, t
from ops.aws import local_cloud
from ops.aws.errors import AwsProblem

if TYPE_CHECKING:
    import pulumi_aws as aws

    from ops.aws.session import Session
    from ops.rollout.verdict import End
    from ops.rollout.view import Wanted
    from stack.settings import Settings


# The functions import what they look with: a preview needs none of it.

NOT_PART = t("the service is not part of this update, so no roll-out was looked at")


BROKEN = t("nobody knows whether the app runs: the roll-out gate itself failed:")


class RolloutFailed(pulumi.RunError):
    """The wanted revision does not run, or nobody could see whether it does.

    A RunError, because Pulumi prints its text without a traceback and fails the command.
    """


def gate(
    service: aws.ecs.Service, target_group: pulumi.Output[str], settings: Settings, changes: Changes
) -> None:
    """Hold this `pulumi up` until the service's roll-out has ended; RolloutFailed ends it red.

    Pulumi runs this after the program has declared everything, on every update, changed or not,
    and records resources and outputs all the same. It only reads, so an interrupt leaves nothing
    half done. While it waits the engine keeps replaced resources: a rollback finds its revision.
    The count is whatever the service wants, for scaling may change it; when it is not one of
    those of the stack file, that is said.
    """
    if not pulumi.runtime.is_dry_run():
        held = _wait(service, target_group, settings, changes)
        # pulumi.run would do as well, but an interrupt would then lose the stack's outputs.
        pulumi.Output.from_input(held)  # type: ignore[arg-type]  # mypy cannot infer its U


async def _wait(
    service: aws.ecs.Service,
    target_group: pulumi.Output[str],
    settings: Settings,
    changes: Changes,
) -> bool:
    """Whether there was a roll-out to follow."""
    arns = await pulumi.Output.all(
        # Outputs of the service itself: they are there only when it has been updated.
        cluster=service.cluster,
        service=service.id,
        definition=service.task_definition,
        target_group=target_group,
    ).future()
    if not arns:
        pulumi.log.warn(str(NOT_PART), service)
        return False
    try:
        await _follow(arns, settings, changes, Log(service))
        return True
    except RolloutFailed:
        raise
    except Exception as mistake:
        why = f"{type(mistake).__name__}: {mistake}"
        raise RolloutFailed(f"{BROKEN} {why}") from mistake


async def _follow(arns: dict[str, str], settings: Settings, changes: Changes, log: Log) -> None:
    from ops.aws.session import Session
    from ops.rollout import text as words
    from ops.rollout.causes import causes
    from ops.rollout.follow import Pace, follow, succeeded
    from ops.rollout.view import Wanted

    try:
        pace = Pace.of()
    except Refused as refusal:
        raise RolloutFailed(str(refusal.text)) from None
    wanted, counts = Wanted(**arns), settings.service.scaling.counts
    session = Session(settings.region, settings.profile)
    try:
        patience = pace.patience(settings.rollout_minutes, settings.health.notice)
        end = await follow(session, wanted, patience, pace, log, changes)
    except AwsProblem as problem:
        said = words.unconfirmed(wanted, problem.as_text())
        raise RolloutFailed(said) from problem
    if not succeeded(end):
        raise RolloutFailed(await _why(end, wanted, session, log))
    log.moment(end.verdict.text)
    if end.view and end.view.desired not in counts:
        log.lasting(words.another_count(end.view.desired, counts, wanted, session.place))
    ill = await causes(pulumi.get_stack(), session, log, wanted.definition, counts)
    if ill:
        raise RolloutFailed(words.running_but_ill(end, wanted, ill))


async def _why(end: End, wanted: Wanted, session: Session, log: Log) -> str:
    """The block that a failed roll-out ends with."""
    from ops.rollout import text as words
    from ops.rollout.causes import diagnosis
    from ops.rollout.view import is_deregistered

    found, deregistered = "", False
    if end.verdict.outcome in words.WORTH_A_DIAGNOSIS:
        log.moment(t("it failed; looking for the cause"))
        found = await asyncio.to_thread(diagnosis, pulumi.get_stack(), session)
        # The failure stands; that this cannot be asked, too, must not hide it.
        with contextlib.suppress(AwsProblem):
            deregistered = await asyncio.to_thread(is_deregistered, session, wanted.definition)
    stack = pulumi.get_stack()
    return words.failed(end, wanted, found, stack, deregistered=deregistered)


@dataclass(frozen=True)
class Log:
    """Pulumi's log: lines about the service. The engine shows passing ones beside it."""

    resource: pulumi.Resource

    def moment(self, text: Text) -> None:
        pulumi.log.info(str(text), self.resource, ephemeral=True)

    def lasting(self, text: Text) -> None:
        pulumi.log.info(str(text), self.resource)

    def warning(self, text: Text) -> None:
        pulumi.log.warn(str(text), self.resource)


ON_THE_WAY = ("aws:alb/", "aws:ec2/", "aws:ecs/service:", "aws:lb/", "aws:vpc/")
"""Types that decide whether the load balancer reaches a task and what it asks it.

The service among them: where it changes, ECS may still show its last deployment for a moment.
"""


class Changes:
    """When this update last created or changed something on the way.

    Such a change makes targets unhealthy without any roll-out, and not at once: the load balancer
    has to ask in vain for some time first.
    """

    def __init__(self) -> None:
        self.last: float | None = None
        """`local.monotonic()` of the last change; None while there was none."""

    def note(self, _changed: pulumi.ResourceHookArgs) -> None:
        """A resource hook. What a preview would change is not changed: it runs no hooks."""
        self.last = local_cloud.monotonic()


def watch() -> Changes:
    """Note the changes from now on; to be called before the first resource.

    By a transform and not by each resource's own options, so that the parts of an awsx component
    are noted, too.
    """
    changes = Changes()
    hook = pulumi.ResourceHook("on-the-way", changes.note)
    hooks = pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])

    def noted(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not args.type_.startswith(ON_THE_WAY):
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformResult(args.props, opts)

    pulumi.runtime.register_resource_transform(noted)
    return changes
