"""AWS's rules for Application Auto Scaling that moto lacks: a target's range and tags, policies, and activities.

A policy is declared and checked; nothing is scaled by load, and a policy has no alarms.

An activity is a change of a service's desired count, with the cause. The texts are those of the examples in
Application Auto Scaling's user guide, "Scaling activities", and of the AWS CLI's reference,
"describe-scaling-activities".
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.applicationautoscaling.responses import _build_policy

from local_cloud.aws.cloudwatch.store import STORE
from local_cloud.aws.hooks import (
    ACCOUNT,
    Params,
    Refusals,
    Refused,
    after,
    backend,
    instead,
    other_than,
    registry,
)

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


def begin_activity(target: Any, count: int, cause: str) -> None:
    """Record that the desired count was set. The target's activity in progress, if any, is overridden."""
    settle_activities()
    for activity in ACTIVITIES:
        if activity.status == IN_PROGRESS and activity.target.resource_id == target.resource_id:
            activity.end(OVERRIDDEN)
    ACTIVITIES.append(Activity(target=target, count=count, cause=cause, started=STORE.now()))
    del ACTIVITIES[:-KEPT]


def settle_activities() -> None:
    for activity in ACTIVITIES:
        service = service_of(activity.target) if activity.status == IN_PROGRESS else None
        if service is not None and service.running_count == activity.count:
            activity.end(SUCCESSFUL)


@instead(SERVICE, "DescribeScalingActivities")
def describe_activities(params: Params) -> Params:
    """Return the activities, the newest first, all on one page."""
    settle_activities()
    wanted = params.get("ResourceId")
    found = [activity for activity in ACTIVITIES if wanted in (None, activity.target.resource_id)]
    return {"ScalingActivities": [activity.described() for activity in reversed(found)]}


@instead(SERVICE, "DescribeScalingPolicies")
def describe_policies(params: Params) -> Params:
    """Return the policies with these names, resource and dimension, all on one page.

    moto ignores PolicyNames, and takes a resource whose id is a part of the one in the request.
    """
    names, resource = params.get("PolicyNames"), params.get("ResourceId")
    found = [
        _build_policy(policy)
        for policy in backend(SERVICE).policies.values()
        if policy.service_namespace == params["ServiceNamespace"]
        and (not names or policy.policy_name in names)
        and resource in (None, policy.resource_id)
        and params.get("ScalableDimension") in (None, policy.scalable_dimension)
    ]
    return {"ScalingPolicies": found}


@after(SERVICE, "RegisterScalableTarget")
def registered(params: Params) -> None:
    """Keep the tags with which a target is created, which moto drops; a later registration changes none.

    Move an active service's count into the range at once (API reference, RegisterScalableTarget).
    """
    target = backend(SERVICE).targets[params["ScalableDimension"]][params["ResourceId"]]
    vars(target).setdefault("tags", dict(params.get("Tags") or {}))
    enforce(target)


def _tags(params: Params) -> dict[str, str]:
    """Return the tags of the target with this ARN. AWS does not document the message."""
    for targets in backend(SERVICE).targets.values():
        for target in targets.values():
            if target.arn == params["ResourceARN"]:
                tags: dict[str, str] = target.tags
                return tags
    words = f"No scalable target found for {params['ResourceARN']}"
    raise Refused("ResourceNotFoundException", words)


@instead(SERVICE, "ListTagsForResource")
def list_tags(params: Params) -> Params:
    return {"Tags": _tags(params)}


@instead(SERVICE, "TagResource")
def tag(params: Params) -> Params:
    _tags(params).update(params["Tags"])
    return {}


@instead(SERVICE, "UntagResource")
def untag(params: Params) -> Params:
    tags = _tags(params)
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}


LABEL = r"app/[^/]+/[0-9a-f]+/targetgroup/[^/]+/[0-9a-f]+"
"""The end of a load balancer's ARN and that of a target group's (API reference, PredefinedMetricSpecification)."""


def _metric(configuration: Params | None) -> Params:
    """Return the predefined metric of a target-tracking configuration; empty without one."""
    found: Params = (configuration or {}).get("PredefinedMetricSpecification") or {}
    return found


def _wrong_label(given: Params) -> str | None:
    metric = _metric(given.get("TargetTrackingScalingPolicyConfiguration"))
    counts = metric.get("PredefinedMetricType") == "ALBRequestCountPerTarget"
    return other_than(LABEL, metric.get("ResourceLabel") or "") if counts else None


def _second(given: Params) -> bool:
    """Return whether another policy of the target has the same metric."""
    metric = _metric(given.get("TargetTrackingScalingPolicyConfiguration"))
    others = (
        _metric(policy.target_tracking_scaling_policy_configuration)
        for policy in backend(SERVICE).policies.values()
        if policy.resource_id == given["ResourceId"] and policy.policy_name != given["PolicyName"]
    )
    return bool(metric) and metric in others


INVALID = "ValidationException"

# fmt: off
REFUSALS: Refusals = {
    "application-autoscaling PutScalingPolicy PutScheduledAction": (
        ("ObjectNotFoundException", "No scalable target registered for service namespace: {0[ServiceNamespace]}, "
         "resource ID: {0[ResourceId]}, scalable dimension: {0[ScalableDimension]}",
         lambda p: p["ResourceId"] not in backend(SERVICE).targets.get(p["ScalableDimension"], {}) and p),
    ),
    # AWS does not document the first message; the second: hashicorp/terraform-provider-aws issue 41179.
    "application-autoscaling PutScalingPolicy": (
        (INVALID, "Invalid resource label: {}", _wrong_label),
        (INVALID, "Only one TargetTrackingScaling policy for a given metric specification is allowed.", _second),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""


@after(SERVICE, "PutScalingPolicy")
def without_alarms(_: Params) -> None:
    """Delete the alarms that moto gives a policy: their metric and threshold are not AWS's."""
    for policy in backend(SERVICE).policies.values():
        policy.delete_alarms(ACCOUNT, registry.region)
        policy.alarms = []


@after(SERVICE, "DeregisterScalableTarget")
def delete_dependents(params: Params) -> None:
    """Delete policies and scheduled actions with their target (API reference, DeregisterScalableTarget)."""
    scaling, resource = backend(SERVICE), params["ResourceId"]
    scaling.scheduled_actions = [
        action for action in scaling.scheduled_actions if action.resource_id != resource
    ]
    for key, policy in list(scaling.policies.items()):
        if policy.resource_id == resource:
            del scaling.policies[key]


def enforce(target: Any) -> None:
    """Move the service's count into its target's range with an UpdateService call."""
    service = service_of(target)
    if service is None:
        return
    now = int(service.desired_count)
    count = max(int(target.min_capacity), min(now, int(target.max_capacity)))
    if count != now:
        bound = "minimum" if count > now else "maximum"
        begin_activity(target, count, f"{bound} capacity was set to {count}")
        _, cluster, name = target.resource_id.split("/")
        set_count(cluster, name, count)


def set_count(cluster: str, name: str, count: int) -> None:
    call, params = ("ecs", "UpdateService"), {"cluster": cluster, "service": name}
    if call in registry.instead:
        registry.instead[call]({**params, "desiredCount": count})
    else:
        backend("ecs").update_service({**params, "desired_count": count})
    for act in registry.after.get(call, []):
        act({**params, "desiredCount": count})
