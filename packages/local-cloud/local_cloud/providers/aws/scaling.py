"""Application Auto Scaling: the range of a service's count, policies and scheduled actions."""

from local_cloud.providers.kind import modify, regular

SCOPE = {"ServiceNamespace": "serviceNamespace", "ScalableDimension": "scalableDimension"}
NAMED = SCOPE | {"ResourceId": "resourceId"}
PLACE = "serviceNamespace scalableDimension resourceId"


TARGET = regular(
    "aws:appautoscaling/target:Target",
    "ResourceId",
    scope=SCOPE,
    create="register_scalable_target",
    read="describe_scalable_targets",
    delete="deregister_scalable_target",
    replaces=PLACE,
    # The provider also sends the range with every change.
    settings=(modify("register_scalable_target", "minCapacity", "maxCapacity", "suspendedState"),),
    outputs={"arn": "ScalableTargetARN", "resourceId": "ResourceId"},
    absent=("ValidationException",),
)

POLICY = regular(
    "aws:appautoscaling/policy:Policy",
    "PolicyName",
    scope=NAMED,
    create="put_scaling_policy",
    read="describe_scaling_policies",
    delete="delete_scaling_policy",
    replaces=PLACE,
    names={"name": "policyName"},
    autoname="name",
    settings=(
        modify("put_scaling_policy", "policyType", "targetTrackingScalingPolicyConfiguration"),
    ),
    outputs={"arn": "PolicyARN", "name": "PolicyName"},
    absent=("ValidationException",),
)

ACTION = regular(
    "aws:appautoscaling/scheduledAction:ScheduledAction",
    "ScheduledActionName",
    scope=NAMED,
    create="put_scheduled_action",
    replaces=PLACE,
    names={"name": "scheduledActionName"},
    autoname="name",
    # As the provider, which sends what changed (terraform-provider-aws, appautoscaling/scheduled_action.go).
    settings=tuple(
        modify("put_scheduled_action", name)
        for name in ("schedule", "timezone", "scalableTargetAction")
    ),
    outputs={"arn": "ScheduledActionARN", "name": "ScheduledActionName"},
    absent=("ValidationException",),
)

KINDS = (TARGET, POLICY, ACTION)
