"""Read the scaling activities: what Application Auto Scaling did to the service's desired count, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ops.aws.session import Session
from stack.names import StackNames

NEWEST = 50
"""DescribeScalingActivities answers no more on one page (botocore). AWS keeps those of six weeks."""
FAILED = ("Failed", "Unfulfilled")
"""Values of StatusCode (botocore, ScalingActivity)."""


@dataclass(frozen=True)
class Activity:
    """One scaling activity in AWS's words."""

    at: datetime
    text: str
    cause: str
    failed: bool = False


def activities(session: Session, names: StackNames) -> tuple[Activity, ...]:
    """Return the newest activities. Raises AwsProblem."""
    answer = session.call(
        "application-autoscaling",
        "describe_scaling_activities",
        ServiceNamespace="ecs",
        ScalableDimension="ecs:service:DesiredCount",
        ResourceId=f"service/{names.cluster}/{names.service}",
        MaxResults=NEWEST,
    )
    return tuple(
        Activity(
            at=each["StartTime"],
            text=each["StatusMessage"] if each["StatusCode"] in FAILED else each["Description"],
            cause=each["Cause"],
            failed=each["StatusCode"] in FAILED,
        )
        for each in answer["ScalingActivities"]
    )
