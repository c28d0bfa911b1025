"""AWS's rules for EventBridge Scheduler that moto lacks, and what the local cloud cannot do.

Where AWS does not document a message, it says the same in the local cloud's words.
"""

from datetime import UTC, datetime
from typing import Any

from local_cloud.aws import iam
from local_cloud.aws.cloudwatch.store import STORE
from local_cloud.aws.hooks import ACCOUNT, Params, Refused, after, backend, before
from local_cloud.aws.policy_evaluation import trusts
from local_cloud.aws.schedule_expressions import next_time

SERVICE = "scheduler"
DEFAULT = "default"
"""The group of schedules that name none."""
PRINCIPAL = "scheduler.amazonaws.com"
RETRY = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
"""The default retry policy (API reference, RetryPolicy)."""
NOT_ASSUMED = (
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
)
"""AWS's words, by which the provider knows a new role (terraform-provider-aws, scheduler/schedule.go)."""


def may_assume(role: str, group: str) -> bool:
    """Return whether the service may assume a role for the schedules of a group.

    The source is the group's ARN, not the schedule's (user guide, "Confused deputy prevention").
    """
    trust = iam.trust_of(role)
    source = iam.arn(SERVICE, f"schedule-group/{group}")
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": source}
    return trust is not None and trusts(trust, PRINCIPAL, context)


def _invalid(words: str) -> Refused:
    return Refused("ValidationException", words)


@before(SERVICE, "CreateSchedule")
@before(SERVICE, "UpdateSchedule")
def schedule_is_valid(params: Params) -> None:
    """Refuse a schedule of an unknown group, with an unknown expression or zone, or a role that is not assumable."""
    group = _group(params.get("GroupName"))
    expression, zone = params["ScheduleExpression"], params.get("ScheduleExpressionTimezone")
    try:
        next_time("rate(1 day)", zone or "UTC", datetime.now(UTC))
    except (LookupError, ValueError, OSError):
        raise _invalid(f"The time zone {zone} is not one of the IANA database.") from None
    try:
        next_time(expression, "UTC", datetime.now(UTC))
    except (ValueError, OverflowError):
        raise _invalid(f"Invalid Schedule Expression {expression}.") from None
    if not may_assume(params["Target"]["RoleArn"], group):
        raise _invalid(NOT_ASSUMED)
    start, end = (params.get(f"{name}Date") for name in ("Start", "End"))
    if start and end and start >= end:
        raise _invalid("The StartDate must come before the EndDate.")


@before(SERVICE, "CreateSchedule")
@before(SERVICE, "UpdateSchedule")
def local_cloud_can_run_it(params: Params) -> None:
    """Refuse what AWS would do and the local cloud does not."""
    target, window = params["Target"], params["FlexibleTimeWindow"]["Mode"]
    lacks = ""
    if not target["Arn"].startswith(iam.arn("ecs", "cluster/")) or "EcsParameters" not in target:
        lacks = f"the target {target['Arn']}: it starts only ECS tasks, with EcsParameters"
    elif window != "OFF":
        lacks = f"a flexible time window with the mode {window}, only OFF"
    elif target.get("DeadLetterConfig"):
        lacks = f"the dead-letter queue {target['DeadLetterConfig'].get('Arn')}: it has no SQS"
    if lacks:
        raise _invalid(f"the local cloud does not implement {lacks}")


def _group(name: str | None) -> str:
    """Return the name of a schedule's group. Raises Refused if the group does not exist."""
    found = name or DEFAULT
    if found not in backend(SERVICE).schedule_groups:
        raise Refused("ResourceNotFoundException", f"Schedule group {found} does not exist.")
    return found


def _keep(params: Params) -> Any:
    """Keep what moto drops of a request, with the defaults of AWS and the time of the local cloud's clock.

    UpdateSchedule sets a member that it is not given to its default (API reference, UpdateSchedule).
    """
    schedule = backend(SERVICE).get_schedule(params.get("GroupName"), params["Name"])
    schedule.state = params.get("State") or "ENABLED"
    schedule.action_after_completion = params.get("ActionAfterCompletion") or "NONE"
    schedule.target["RetryPolicy"] = RETRY | schedule.target["RetryPolicy"]
    schedule.last_modified_date = STORE.now().timestamp()
    return schedule


@after(SERVICE, "UpdateSchedule")
def keep_changed(params: Params) -> None:
    _keep(params)


@after(SERVICE, "CreateSchedule")
def keep_created(params: Params) -> None:
    schedule = _keep(params)
    schedule.creation_date = schedule.last_modified_date


@before(SERVICE, "CreateScheduleGroup")
def group_once(params: Params) -> None:
    """Refuse a group that exists; moto would replace it and lose its schedules."""
    if params["Name"] in backend(SERVICE).schedule_groups:
        raise Refused("ConflictException", f"Schedule group {params['Name']} already exists.")


@before(SERVICE, "ListTagsForResource")
@before(SERVICE, "TagResource")
@before(SERVICE, "UntagResource")
def tagged_group(params: Params) -> None:
    """Refuse the tags of a group that does not exist; moto keeps tags for any ARN."""
    _group(str(params["ResourceArn"]).rpartition("/")[2])


@before(SERVICE, "DeleteScheduleGroup")
def group_to_delete(params: Params) -> None:
    """Refuse to delete a group that does not exist, or the default one. A group's schedules go with it."""
    if _group(params["Name"]) == DEFAULT:
        raise _invalid("The default schedule group cannot be deleted.")
