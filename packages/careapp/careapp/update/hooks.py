"""One update of the stack, from before its first resource until the roll-outs of its services have ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from careapp.update import health_change
from ecs_gate.waiting import Changes

ON_THE_PATH = ("aws:alb/", "aws:ec2/", "aws:ecs/service:", "aws:lb/", "aws:vpc/")
"""Types that decide whether the load balancer reaches a task, and with which request.

The service is one: after a change ECS may still show its last deployment for a moment.
"""


Declared = tuple[aws.ecs.Service, pulumi.Output[str]]
"""An ECS service, and the ARN of the task definition that the program declares for it."""


class Update:
    """Notes what the update changes, and waits at its end until the service runs what it deploys.

    Create it before the first resource, with the resources of the state (infra/config.py). Raises RunError where the
    new health check would take down the tasks that run. A preview runs no hooks and waits for nothing, so it loads
    none of the modules that do.
    """

    def __init__(self, settings: Settings, resources: Mapping[str, Mapping[str, Any]]) -> None:
        self._settings, self._changes = settings, watch(settings.names, resources)
        health_change.refuse_outage(settings, self._changes)
        if settings.jobs and not pulumi.runtime.is_dry_run():
            from careapp.update import paused_schedules

            paused_schedules.watch(settings)

    def hooks(self) -> pulumi.ResourceHookBinding:
        """Return the hooks of the ECS service."""
        if pulumi.runtime.is_dry_run():
            return pulumi.ResourceHookBinding()
        from careapp.update import before_service

        return before_service.hooks(self._settings, self._changes)

    def wait_for(
        self,
        web: Declared,
        page: tuple[pulumi.Output[str], pulumi.Output[str]],
        workers: Mapping[str, Declared],
        login_rule_arns: Sequence[pulumi.Output[str]],
    ) -> None:
        """Wait in `pulumi up` until the roll-outs of service and workers have ended. Fails it where one fails.

        Pulumi runs this after the program has declared everything, on every update, changed or not,
        and records resources and outputs in any case. An interrupt is safe. While it
        waits the engine keeps replaced resources: a rollback finds its revision. The desired count is
        that of the service, because scaling changes it; one that the stack file does not allow is logged.
        ``web`` and ``workers``, by name, come with the task definitions that the program declares: a service's own
        output is read back from ECS, and after a rollback it is the version before (terraform-provider-aws,
        resourceServiceRead). ``page`` are the target group's ARN and the page's URL. The rules with which users log in
        get their secret.

        It changes one thing: it lets ECS roll a deployment back, while the tasks before it serve. It does so where
        the page of healthy tasks fails, for users get errors; where ECS shifts requests, before the first user gets
        one. It does so, too, where tasks fail and ECS's circuit breaker does not watch. A worker that fails does not
        roll the web service back: the page serves users, and the worker's own command may be wrong.
        """
        if pulumi.runtime.is_dry_run():
            return
        from careapp.update import login_secret, services

        if login_rule_arns:
            login_secret.send(self._settings, login_rule_arns)
        service, definition = web
        outputs = pulumi.Output.all(
            service=service.id,
            definition=definition,
            target_group=page[0],
            page_url=page[1],
        )
        # pulumi.run would do as well, but an interrupt would then lose the stack's outputs.
        waiting = services.until_ended(outputs, self._settings, self._changes, service, workers)
        pulumi.Output.from_input(waiting)  # type: ignore[arg-type]  # mypy cannot infer its U


def watch(names: StackNames, resources: Mapping[str, Mapping[str, Any]]) -> Changes:
    """Note the changes from now on. Call this before the first resource. No request comes to a worker.

    ``resources`` are those of the state before this update, by URN.
    A transform, unlike the options of each resource, covers the children of an awsx component, too.
    """
    workers = names.worker("")
    changes = Changes(
        {
            urn: resource
            for urn, resource in resources.items()
            if resource["type"].startswith(ON_THE_PATH)
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
    for alias in aliases:
        if isinstance(alias, pulumi.Alias):
            if isinstance(alias.name, str):
                yield alias.name
        elif isinstance(alias, str):
            yield alias.rpartition("::")[2]
