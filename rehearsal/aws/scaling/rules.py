"""AWS's rules for Application Auto Scaling that moto lacks: the range of a target, and what is deleted with it."""

from __future__ import annotations

from typing import Any

from rehearsal.aws.hooks import ACCOUNT, Params, Refused, after, backend, before, registry
from rehearsal.aws.scaling import activities

SERVICE = activities.SERVICE


@before(SERVICE, "RegisterScalableTarget")
def range_in_order(params: Params) -> None:
    low, high = params.get("MinCapacity"), params.get("MaxCapacity")
    if low is not None and high is not None and low > high:
        words = "Maximum capacity cannot be less than minimum capacity"
        raise Refused("ValidationException", words)


@after(SERVICE, "RegisterScalableTarget")
def move_into_range(params: Params) -> None:
    """Move an active service's count into the range at once (API reference, RegisterScalableTarget)."""
    targets = backend(SERVICE).targets.get(params["ScalableDimension"], {})
    if params["ResourceId"] in targets:
        enforce(targets[params["ResourceId"]])


@before(SERVICE, "PutScalingPolicy")
def delete_alarms_of_changed_policy(params: Params) -> None:
    """Delete the alarms of a policy that is changed; moto creates new ones and keeps the old."""
    for policy in backend(SERVICE).policies.values():
        if (policy.policy_name, policy.resource_id) == (params["PolicyName"], params["ResourceId"]):
            policy.delete_alarms(ACCOUNT, registry.region)


@after(SERVICE, "DeregisterScalableTarget")
def delete_dependents(params: Params) -> None:
    """Delete policies and scheduled actions with their target (API reference, DeregisterScalableTarget)."""
    scaling, resource = backend(SERVICE), params["ResourceId"]
    scaling.scheduled_actions = [
        each for each in scaling.scheduled_actions if each.resource_id != resource
    ]
    for key, policy in list(scaling.policies.items()):
        if policy.resource_id == resource:
            policy.delete_alarms(ACCOUNT, registry.region)
            del scaling.policies[key]


def clamp(target: Any, count: int) -> int:
    """Return the count within the target's range."""
    return max(int(target.min_capacity), min(count, int(target.max_capacity)))


def enforce(target: Any) -> None:
    """Move the service's count into its target's range with an UpdateService call."""
    service = activities.service_of(target)
    if service is None:
        return
    now = int(service.desired_count)
    count = clamp(target, now)
    if count != now:
        bound = "minimum" if count > now else "maximum"
        activities.begin(target, count, f"{bound} capacity was set to {count}")
        _, cluster, name = target.resource_id.split("/")
        set_count(cluster, name, count)


def set_count(cluster: str, name: str, count: int) -> None:
    """Set a service's desired count as UpdateService does."""
    call, params = ("ecs", "UpdateService"), {"cluster": cluster, "service": name}
    if call in registry.instead:
        registry.instead[call]({**params, "desiredCount": count})
    else:
        backend("ecs").update_service({**params, "desired_count": count})
    for act in registry.after.get(call, []):
        act({**params, "desiredCount": count})
