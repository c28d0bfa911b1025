"""One update of the stack, from before its first resource until the roll-outs of its services have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pulumi
import pulumi_aws as aws

from stack.names import StackNames
from stack.settings import Settings
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.i18n import Refused, t
from tools.rollout import (
    before_service,
    gate,
    health_change,
    login_secret,
    paused_schedules,
    say,
)
from tools.rollout.log import ResourceLog, RolloutFailed
from tools.rollout.look import Expected, Reader
from tools.rollout.verdict import End
from tools.snapshot.records import Deletion
from tools.waiting import Changes

NOT_PART = t("the service is not part of this update, so its roll-out was not checked")

BROKEN = t("it is not known whether the app runs: the roll-out gate itself failed:")

ON_THE_PATH = ("aws:alb/", "aws:ec2/", "aws:ecs/service:", "aws:lb/", "aws:vpc/")
"""Types that decide whether the load balancer reaches a task, and with which request.

The service is one: after a change ECS may still show its last deployment for a moment.
"""


class PageOutputs(Protocol):
    """The load balancer's outputs that the gate reads."""

    target_group_arn: pulumi.Output[str]
    url: pulumi.Output[str]


class Update:
    """Notes what the update changes, and waits at its end until the service runs what it deploys.

    Create it before the first resource, with the resources of the state (infra/config.py). Raises RunError where the
    new health check would take down the tasks that run.
    """

    def __init__(self, settings: Settings, resources: Mapping[str, Mapping[str, Any]]) -> None:
        self._settings, self._changes = settings, watch(settings.names, resources)
        health_change.refuse_outage(settings, self._changes)
        if settings.jobs:
            paused_schedules.watch(settings)

    def hooks(self) -> pulumi.ResourceHookBinding:
        """Return the hooks of the ECS service."""
        return before_service.hooks(self._settings, self._changes)

    def wait_for(
        self,
        service: aws.ecs.Service,
        balancer: PageOutputs,
        workers: Mapping[str, aws.ecs.Service],
        login_rule_arns: Sequence[pulumi.Output[str]],
    ) -> None:
        """Wait in `pulumi up` until the roll-outs of service and workers have ended. Fails it where one fails.

        Pulumi runs this after the program has declared everything, on every update, changed or not,
        and records resources and outputs in any case. An interrupt is safe. While it
        waits the engine keeps replaced resources: a rollback finds its revision. The desired count is
        that of the service, because scaling changes it; one that the stack file does not allow is logged.
        ``workers`` are the workers' services by name. The rules with which users log in get their secret.

        It changes one thing: it lets ECS roll a deployment back, while the tasks before it serve. It does so where
        the page of healthy tasks fails, for users get errors; where ECS shifts requests, before the first user gets
        one. It does so, too, where tasks fail and ECS's circuit breaker does not watch. A worker that fails does not
        roll the web service back: the page serves users, and the worker's own command may be wrong.
        """
        if login_rule_arns:
            login_secret.send(self._settings, login_rule_arns)
        if not pulumi.runtime.is_dry_run():
            # pulumi.run would do as well, but an interrupt would then lose the stack's outputs.
            waiting = self._wait(service, balancer, workers)
            pulumi.Output.from_input(waiting)  # type: ignore[arg-type]  # mypy cannot infer its U

    async def _wait(
        self,
        service: aws.ecs.Service,
        balancer: PageOutputs,
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
            await follow_all(arns, self._settings, self._changes, ResourceLog(service), workers)
            return True
        except RolloutFailed:
            raise
        except Exception as mistake:
            why = f"{type(mistake).__name__}: {mistake}"
            raise RolloutFailed(f"{BROKEN} {why}") from mistake


async def follow_all(
    arns: dict[str, str],
    settings: Settings,
    changes: Changes,
    log: ResourceLog,
    workers: Mapping[str, aws.ecs.Service],
) -> None:
    """Follow the web service, then the workers, and ask the doctor in the end. Raises RolloutFailed.

    ECS rolls all services out side by side, so one after the other takes no longer.
    """
    session, counts = Session(settings.region, settings.profile), settings.service.scaling.counts
    expected = Expected(names=settings.names, **arns)
    inquiry = expected.inquiry(settings, session, {})
    reader = Reader(expected, replace(inquiry, page_before=changes.page_before))
    end = await _end(reader, log, changes)
    deployed: dict[str, str] = {}
    tasks_of = {each.name: each.count for each in settings.workers}
    for name, service in workers.items():
        outputs = await pulumi.Output.all(service.id, service.task_definition).future()
        if not outputs:
            pulumi.log.warn(str(NOT_PART), service)
            continue
        deployed[name] = str(outputs[1])
        if tasks_of[name]:
            mine = Expected(names=settings.names.of_worker(name), definition=deployed[name])
            own = replace(inquiry, workers={name: deployed[name]})
            await _end(Reader(mine, own), ResourceLog(service), changes)
    if note := say.another_count(end.view.desired, counts, expected, session.place):
        log.lasting(note)
    reader = replace(reader, inquiry=replace(reader.inquiry, workers=deployed))
    gone = tuple(_pending(changes))
    if why := await gate.causes(reader, log, counts, gone):
        worked = changes.page_worked
        raise RolloutFailed(say.running_with_a_cause(end, expected, why, page_worked=worked))
    if gone and (why := await gate.causes_after_deletion(reader, log, counts, gone)):
        raise RolloutFailed(say.would_delete(expected, why))


async def _end(reader: Reader, log: ResourceLog, changes: Changes) -> End:
    """Follow one roll-out, and return its end. Raises RolloutFailed where the revision does not run."""
    try:
        end, why = await gate.roll_out(reader, log, changes)
    except Refused as refusal:
        raise RolloutFailed(str(refusal.text)) from None
    except AwsProblem as problem:
        raise RolloutFailed(say.unconfirmed(reader.expected, problem.as_text())) from problem
    if why:
        raise RolloutFailed(why)
    return end


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
    for urn, each in changes.state.items():
        old = Deletion(each["type"], urn.rpartition("::")[2], each["outputs"])
        key = (old.kind, old.name)
        new = changes.created.get(key)
        if key not in changes.declared or (
            new is not None and Deletion(*key, new).identity != old.identity
        ):
            yield old
