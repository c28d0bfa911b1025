"""EventBridge Scheduler: schedules and their groups.

Which inputs replace a resource: terraform-provider-aws, internal/service/scheduler/schedule.go and schedule_group.go.
"""

from typing import Any

from local_cloud.providers.kind import Values, regular, whole

DEFAULT = "default"
"""The group of a schedule that names none."""


def _schedule(inputs: Values) -> Values:
    """Name the group, which every operation needs, and convert the target."""
    result = {"groupName": DEFAULT, "scheduleExpressionTimezone": "UTC", **inputs}
    target = dict(inputs.get("target") or {})
    if target.get("ecsParameters"):
        target["ecsParameters"] = _ecs_parameters(target["ecsParameters"])
    return {**result, "target": target}


def _ecs_parameters(given: Values) -> Values:
    """Convert the network and the tags, which the API takes as RunTask does."""
    result: Values = {"taskCount": 1, **given}
    if given.get("networkConfiguration"):
        network = dict(given["networkConfiguration"])
        public = "ENABLED" if network.pop("assignPublicIp", None) else "DISABLED"
        own = {"awsvpcConfiguration": {**network, "assignPublicIp": public}}
        result["networkConfiguration"] = own
    if given.get("tags"):
        tags = sorted(given["tags"].items())
        result["tags"] = [{"key": name, "value": value} for name, value in tags]
    if given.get("capacityProviderStrategies"):
        result["capacityProviderStrategy"] = result.pop("capacityProviderStrategies")
    return result


def _identity(answer: Any) -> str:
    """Return GROUP/NAME, the end of the schedule's ARN."""
    return str(answer["ScheduleArn"]).partition(":schedule/")[2]


SCHEDULE = regular(
    "aws:scheduler/schedule:Schedule",
    "Name",
    scope={"GroupName": "groupName"},
    identity_from=_identity,
    locate=lambda _, identity: identity.partition("/")[2],
    read="get_schedule",
    replaces="groupName",
    prepare=_schedule,
    settings=(
        # UpdateSchedule sets what it is not sent to the defaults.
        whole(
            "update_schedule",
            *("actionAfterCompletion", "description", "endDate", "flexibleTimeWindow"),
            *("kmsKeyArn", "scheduleExpression", "scheduleExpressionTimezone"),
            *("startDate", "state", "target"),
        ),
    ),
    autoname="name",
    outputs={"arn": "Arn", "groupName": "GroupName", "name": "Name"},
)

GROUP = regular(
    "aws:scheduler/scheduleGroup:ScheduleGroup",
    "Name",
    read="get_schedule_group",
    autoname="name",
    outputs={"arn": "Arn", "name": "Name", "state": "State"},
)

KINDS = (SCHEDULE, GROUP)
