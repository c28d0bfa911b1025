"""One update of the stack, from before its first resource until the roll-out of its service has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.rollout import before_service, gate, health_change, login_secret, paused_schedules

if TYPE_CHECKING:
    import pulumi
    import pulumi_aws as aws

    from stack.settings import Settings


class Update:
    """Notes what the update changes, and waits at its end until the service runs what it deploys.

    Create it before the first resource, with the resources of the state (infra/state.py).
    Raises RunError where the new health check would take down the tasks that run.
    """

    def __init__(self, settings: Settings, resources: Mapping[str, Mapping[str, Any]]) -> None:
        self._settings, self._changes = settings, gate.watch(settings.names, resources)
        health_change.refuse_outage(settings, self._changes)
        if settings.jobs:
            paused_schedules.watch(settings)

    def hooks(self) -> pulumi.ResourceHookBinding:
        """Return the hooks of the ECS service."""
        return before_service.hooks(self._settings, self._changes)

    def wait_for(
        self,
        service: aws.ecs.Service,
        balancer: gate.Balancer,
        workers: Mapping[str, aws.ecs.Service],
        login_rule_arns: Sequence[pulumi.Output[str]],
    ) -> None:
        """Wait for the roll-outs once the program has declared everything. Fails `pulumi up` where one fails.

        ``workers`` are the workers' services by name. The rules with which users log in get their secret.
        """
        if login_rule_arns:
            login_secret.send(self._settings, login_rule_arns)
        gate.gate(service, balancer, self._settings, self._changes, workers)
