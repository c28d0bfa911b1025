"""The roll-out gate: `pulumi up` is green only when the revision that it deploys runs and is healthy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pulumi

from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.i18n import Refused, Text, t
from tools.i18n.masking import mask
from tools.waiting import Changes

if TYPE_CHECKING:
    import pulumi_aws as aws

    from stack.names import StackNames
    from stack.settings import Settings
    from tools.aws.session import Session
    from tools.rollout.causes import Certainty
    from tools.rollout.verdict import End
    from tools.rollout.view import Expected
    from tools.snapshot.deletions import Deletion


# The functions import what they need, because a preview needs none of it.

NOT_PART = t("the service is not part of this update, so its roll-out was not checked")

BROKEN = t("it is not known whether the app runs: the roll-out gate itself failed:")


class RolloutFailed(pulumi.RunError):
    """The revision does not run, or its roll-out could not be read.

    A RunError: Pulumi prints its text without a traceback and fails the command. Secrets are masked.
    """

    def __init__(self, text: str) -> None:
        super().__init__(mask(text))


class Balancer(Protocol):
    """The load balancer's outputs that the gate reads."""

    target_group_arn: pulumi.Output[str]
    url: pulumi.Output[str]


def gate(
    service: aws.ecs.Service,
    balancer: Balancer,
    settings: Settings,
    changes: Changes,
    workers: Mapping[str, aws.ecs.Service],
) -> None:
    """Wait in `pulumi up` until the roll-outs of the service and of the workers have ended. Raises RolloutFailed.

    Pulumi runs this after the program has declared everything, on every update, changed or not,
    and records resources and outputs in any case. An interrupt is safe. While it
    waits the engine keeps replaced resources: a rollback finds its revision. The desired count is
    that of the service, because scaling changes it; one that the stack file does not allow is logged.

    It changes one thing: a deployment whose tasks are healthy and whose page fails is stopped while ECS
    still can, for its users get errors; where ECS shifts requests, before the first user gets one. One
    whose tasks fail is not: the tasks before it serve all the time, and where the cause lies outside of
    the version, its tasks start once it is removed. A worker that fails does not roll the web service back:
    the page serves users, and the worker's own command may be wrong.
    """
    if not pulumi.runtime.is_dry_run():
        waiting = _wait(service, balancer, settings, changes, workers)
        # pulumi.run would do as well, but an interrupt would then lose the stack's outputs.
        pulumi.Output.from_input(waiting)  # type: ignore[arg-type]  # mypy cannot infer its U


async def _wait(
    service: aws.ecs.Service,
    balancer: Balancer,
    settings: Settings,
    changes: Changes,
    workers: Mapping[str, aws.ecs.Service],
) -> bool:
    """Follow the roll-outs. Return whether the service was part of the update."""
    arns = await pulumi.Output.all(
        # Outputs of the service: they exist only when it is part of this update.
        service=service.id,
        definition=service.task_definition,
        target_group=balancer.target_group_arn,
        page_url=balancer.url,
    ).future()
    if not arns:
        pulumi.log.warn(str(NOT_PART), service)
        return False
    del arns["service"]
    try:
        await _follow(arns, settings, changes, Log(service), workers)
        return True
    except RolloutFailed:
        raise
    except Exception as mistake:
        why = f"{type(mistake).__name__}: {mistake}"
        raise RolloutFailed(f"{BROKEN} {why}") from mistake


async def _follow(
    arns: dict[str, str],
    settings: Settings,
    changes: Changes,
    log: Log,
    workers: Mapping[str, aws.ecs.Service],
) -> None:
    from tools.aws.session import Session
    from tools.rollout import text as words
    from tools.rollout.causes import Certainty, causes, causes_after_deletion, diagnose_expected
    from tools.rollout.held import Held
    from tools.rollout.view import Expected

    expected, counts = Expected(names=settings.names, **arns), settings.service.scaling.counts
    asked = Asked(settings, Session(settings.region, settings.profile))
    before = changes.page_before
    diagnose = diagnose_expected(settings, asked.session, expected, page_before=before)
    held = Held(asked.session, settings, expected.page_url, log, diagnose)
    certainty = Certainty(expected, diagnose, changes.page_worked, held)
    end = await _end(asked, expected, certainty, log, changes)
    deployed = await _follow_workers(workers, expected, asked, changes)
    if note := words.another_count(end.view.desired, counts, expected, asked.session.place):
        log.lasting(note)
    diagnose = diagnose_expected(settings, asked.session, expected, deployed, before)
    gone = tuple(_pending(changes))
    found = await causes(diagnose, log, counts, gone)
    if found:
        worked = changes.page_worked
        raise RolloutFailed(words.running_with_a_cause(end, expected, found, page_worked=worked))
    if gone:
        found = await causes_after_deletion(settings.stack, diagnose, log, counts, gone)
        if found:
            raise RolloutFailed(words.would_delete(expected, found))


@dataclass(frozen=True)
class Asked:
    """The stack whose roll-outs are followed, and the session with which AWS is asked."""

    settings: Settings
    session: Session


async def _end(
    asked: Asked,
    expected: Expected,
    certainty: Certainty,
    log: Log,
    changes: Changes | None = None,
) -> End:
    """Follow one roll-out, and return its end. Raises RolloutFailed where the revision does not run."""
    from tools.rollout import text as words
    from tools.rollout.follow import follow, succeeded
    from tools.rollout.verdict import Patience

    settings, session = asked.settings, asked.session
    try:
        pace = Pace.of()
        notice = settings.health.notice if changes else 0
        patience = Patience.of(pace, settings.rollout_minutes, notice)
        end = await follow(session, expected, patience, pace, log, changes, certainty)
    except Refused as refusal:
        raise RolloutFailed(str(refusal.text)) from None
    except AwsProblem as problem:
        raise RolloutFailed(words.unconfirmed(expected, problem.as_text())) from problem
    if not succeeded(end):
        raise RolloutFailed(await _why(end, expected, session, log, settings))
    log.moment(end.verdict.text)
    return end


async def _follow_workers(
    workers: Mapping[str, aws.ecs.Service], web: Expected, asked: Asked, changes: Changes
) -> dict[str, str]:
    """Follow each worker that has tasks, and return the workers' task definitions. Raises RolloutFailed.

    ECS rolls all services out side by side, so one after the other takes no longer.
    """
    from tools.rollout.causes import Certainty, diagnose_expected
    from tools.rollout.view import Expected

    deployed: dict[str, str] = {}
    counts = {each.name: each.count for each in asked.settings.workers}
    for name, service in workers.items():
        arns = await pulumi.Output.all(service.id, service.task_definition).future()
        if not arns:
            pulumi.log.warn(str(NOT_PART), service)
            continue
        deployed[name] = str(arns[1])
        if counts[name]:
            names = asked.settings.names.of_worker(name)
            expected, mine = (
                Expected(names=names, definition=deployed[name]),
                {name: deployed[name]},
            )
            diagnose = diagnose_expected(asked.settings, asked.session, web, mine)
            certainty = Certainty(expected, diagnose, since=changes.begun)
            await _end(asked, expected, certainty, Log(service))
    return deployed


async def _why(end: End, expected: Expected, session: Session, log: Log, settings: Settings) -> str:
    """Return the text that a failed roll-out ends with. ECS rolls back a version that is healthy and wrong."""
    from tools.doctor.screen import plain
    from tools.rollout import text as words
    from tools.rollout.causes import diagnosis
    from tools.rollout.rollback import undo
    from tools.rollout.verdict import Outcome
    from tools.rollout.view import is_deregistered

    found, deregistered, back = "", False, None
    if end.verdict.outcome is Outcome.WRONG:
        back = await undo(session, settings.names, log.moment, settings.rollout_minutes)
    if end.verdict.diagnosis:
        found = plain(end.verdict.diagnosis)
    elif end.verdict.outcome in words.WORTH_A_DIAGNOSIS:
        log.moment(t("it failed; reading the cause"))
        found = await asyncio.to_thread(diagnosis, settings, session)
        # An error here must not hide the failed roll-out.
        with contextlib.suppress(AwsProblem):
            deregistered = await asyncio.to_thread(is_deregistered, session, expected.definition)
    return words.failed(end, expected, found, deregistered=deregistered, back=back)


@dataclass(frozen=True)
class Log:
    """Pulumi's log of the service. The engine shows an ephemeral line beside the resource."""

    resource: pulumi.Resource

    def moment(self, text: Text) -> None:
        """Show a line that the next one replaces."""
        pulumi.log.info(str(text), self.resource, ephemeral=True)

    def lasting(self, text: Text) -> None:
        """Show a line that stays."""
        pulumi.log.info(str(text), self.resource)

    def warning(self, text: Text) -> None:
        """Show a warning."""
        pulumi.log.warn(str(text), self.resource)


ON_THE_PATH = ("aws:alb/", "aws:ec2/", "aws:ecs/service:", "aws:lb/", "aws:vpc/")
"""Types that decide whether the load balancer reaches a task, and with which request.

The service is one: after a change ECS may still show its last deployment for a moment.
"""


def watch(names: StackNames, resources: Mapping[str, Mapping[str, Any]]) -> Changes:
    """Note the changes from now on. Call this before the first resource. No request comes to a worker.

    ``resources`` are those of the state before this update, by URN.
    A transform, unlike the options of each resource, covers the children of an awsx component, too.
    """
    workers = names.worker("")
    changes = Changes(
        {
            urn: each
            for urn, each in resources.items()
            if each["type"].startswith(ON_THE_PATH)
            and not urn.rpartition("::")[2].startswith(workers)
        }
    )
    hook = pulumi.ResourceHook("on-the-path", changes.note)
    created = pulumi.ResourceHook("created-on-the-path", changes.note_created)
    hooks = pulumi.ResourceHookBinding(after_create=[created], after_update=[hook])

    def add_hooks(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not args.type_.startswith(ON_THE_PATH) or args.name.startswith(workers):
            return None
        names = (args.name, *_former_names(args.opts.aliases or ()))
        changes.declared.update((args.type_, name) for name in names)
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformResult(args.props, opts)

    pulumi.runtime.register_resource_transform(add_hooks)
    return changes


def _former_names(aliases: Iterable[object]) -> Iterator[str]:
    """Return the names that a resource had before: under one of them it is in the state."""
    for each in aliases:
        if isinstance(each, pulumi.Alias):
            if isinstance(each.name, str):
                yield each.name
        elif isinstance(each, str):
            yield each.rpartition("::")[2]


def _pending(changes: Changes) -> Iterator[Deletion]:
    """Return what Pulumi deletes on the path after the program has ended.

    That is what the program no longer declares, and the old one of each resource that it has replaced.
    """
    from tools.snapshot.deletions import Deletion

    for urn, each in changes.state.items():
        old = Deletion(each["type"], urn.rpartition("::")[2], each["outputs"])
        key = (old.kind, old.name)
        new = changes.created.get(key)
        if key not in changes.declared or (
            new is not None and Deletion(*key, new).identity != old.identity
        ):
            yield old
