"""How often EventBridge's rules matched an event of ECS (EventBridge user guide, TriggeredRules)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.control import hooks
from rehearsal.control.metrics.store import Metric, Values
from rehearsal.data.ecs_state import Deployment
from rehearsal.data.managed import Managed
from rehearsal.data.metrics.datum import Datum

FAILED = "SERVICE_DEPLOYMENT_FAILED"


class Rules:
    """Tells of each deployment that has failed to every rule that asks for it, once."""

    def __init__(self, services: Mapping[str, Managed]) -> None:
        self._services = services
        self._told: set[str] = set()

    def take(self, minute: int) -> Iterator[Datum]:
        """The rules that matched what has failed since the last minute."""
        for managed in list(self._services.values()):
            for deployment in [*managed.core.deployments, *managed.core.history]:
                if deployment.rollout == "FAILED" and deployment.id not in self._told:
                    self._told.add(deployment.id)
                    for rule in _matching(_event(managed, deployment)):
                        metric = Metric.of("AWS/Events", "TriggeredRules", RuleName=rule)
                        yield Datum(metric, minute, Values.of(1), "Count")


def _event(managed: Managed, deployment: Deployment) -> dict[str, Any]:
    """ECS Developer Guide, service deployment state change events."""
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Deployment State Change",
        "account": hooks.ACCOUNT,
        "region": hooks.registry.region,
        "resources": [str(managed.record.arn)],
        "detail": {
            "eventType": "ERROR",
            "eventName": FAILED,
            "deploymentId": deployment.id,
            "reason": deployment.reason,
        },
    }


def _matching(event: dict[str, Any]) -> list[str]:
    with hooks.LOCK:
        return [
            str(rule.name)
            for rule in hooks.backend("events").event_buses["default"].rules.values()
            if rule.state == "ENABLED"
            and rule.event_pattern.get_pattern()
            and rule.event_pattern.matches_event(event)
        ]
