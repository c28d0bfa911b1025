"""Scaling activities: the changes of a service's desired count that Application Auto Scaling made, with the cause.

The texts are those of the examples in Application Auto Scaling's user guide, "Scaling activities", and of the AWS
CLI's reference, "describe-scaling-activities".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rehearsal.aws.cloudwatch.store import STORE
from rehearsal.aws.hooks import Params, backend, instead

SERVICE = "application-autoscaling"
IN_PROGRESS, SUCCESSFUL, OVERRIDDEN = "InProgress", "Successful", "Overridden"
"""Values of StatusCode (API reference, ScalingActivity)."""
KEPT = 50
"""The activities that are kept. AWS keeps those of six weeks."""


@dataclass(eq=False, kw_only=True)
class Activity:
    """One change of a desired count. It is in progress until that many tasks run."""

    target: Any
    count: int
    cause: str
    started: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    ended: datetime | None = None
    status: str = IN_PROGRESS

    def end(self, status: str) -> None:
        """End the activity now."""
        self.status, self.ended = status, STORE.now()

    def described(self) -> Params:
        """Return an item of DescribeScalingActivities."""
        done = "Change successfully fulfilled" if self.status == SUCCESSFUL else ""
        row = {
            "ActivityId": self.id,
            "ServiceNamespace": "ecs",
            "ResourceId": self.target.resource_id,
            "ScalableDimension": self.target.scalable_dimension,
            "Description": f"Setting desired count to {self.count}.",
            "Cause": self.cause,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StatusCode": self.status,
            "StatusMessage": f"Successfully set desired count to {self.count}. "
            f"{done or 'Waiting for change to be fulfilled'} by ecs.",
        }
        return {key: value for key, value in row.items() if value is not None}


ACTIVITIES: list[Activity] = []
"""Every service's activities, the newest last. Hold the API's lock for every use."""


def service_of(target: Any) -> Any:
    """Return moto's record of the active service of a scalable target, or None."""
    _, cluster, name = target.resource_id.split("/")
    service = backend("ecs").services.get(f"{cluster}:{name}")
    return service if service is not None and service.status == "ACTIVE" else None


def begin(target: Any, count: int, cause: str) -> None:
    """Record that the desired count was set. The target's activity in progress, if any, is overridden."""
    settle()
    for each in ACTIVITIES:
        if each.status == IN_PROGRESS and each.target.resource_id == target.resource_id:
            each.end(OVERRIDDEN)
    ACTIVITIES.append(Activity(target=target, count=count, cause=cause, started=STORE.now()))
    del ACTIVITIES[:-KEPT]


def settle() -> None:
    """End the activities whose number of tasks runs."""
    for each in ACTIVITIES:
        service = service_of(each.target) if each.status == IN_PROGRESS else None
        if service is not None and service.running_count == each.count:
            each.end(SUCCESSFUL)


@instead(SERVICE, "DescribeScalingActivities")
def describe(params: Params) -> Params:
    """Return the activities, the newest first, all on one page."""
    settle()
    wanted = params.get("ResourceId")
    found = [each for each in ACTIVITIES if wanted in (None, each.target.resource_id)]
    return {"ScalingActivities": [each.described() for each in reversed(found)]}
