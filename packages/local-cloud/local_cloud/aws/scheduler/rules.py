"""AWS's rules for EventBridge Scheduler that moto lacks, and what the local cloud cannot do.

Where AWS does not document a message, it says the same in the local cloud's words.
"""

from moto.scheduler import models

from local_cloud.aws import iam
from local_cloud.aws.cloudwatch.store import STORE
from local_cloud.aws.hooks import Params, Refusals, after, backend, other_than
from local_cloud.aws.schedule_expressions import is_schedule

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


def install() -> None:
    """Let moto date schedules by the local cloud's clock. A second call changes nothing."""
    vars(models)["unix_time"] = lambda: STORE.now().timestamp()


def may_assume(role: str, group: str) -> bool:
    """Return whether the service may assume a role for the schedules of a group.

    The source is the group's ARN, not the schedule's (user guide, "Confused deputy prevention").
    """
    return iam.may_assume(PRINCIPAL, role, iam.arn(SERVICE, f"schedule-group/{group}"))


def _unknown_group(name: str | None) -> str | None:
    """Return the name of a schedule's group that does not exist."""
    found = name or DEFAULT
    return None if found in backend(SERVICE).schedule_groups else found


@after(SERVICE, "CreateSchedule")
@after(SERVICE, "UpdateSchedule")
def keep(params: Params) -> None:
    """Keep what moto drops of a request, with the defaults of AWS.

    UpdateSchedule sets a member that it is not given to its default (API reference, UpdateSchedule).
    """
    schedule = backend(SERVICE).get_schedule(params.get("GroupName"), params["Name"])
    schedule.state = params.get("State") or "ENABLED"
    schedule.action_after_completion = params.get("ActionAfterCompletion") or "NONE"
    schedule.target["RetryPolicy"] = RETRY | schedule.target["RetryPolicy"]


INVALID = "ValidationException"
NO_GROUP = ("ResourceNotFoundException", "Schedule group {} does not exist.")
LACKS = "the local cloud does not implement"

# fmt: off
REFUSALS: Refusals = {
    "scheduler CreateSchedule UpdateSchedule": (
        (*NO_GROUP, lambda p: _unknown_group(p.get("GroupName"))),
        (INVALID, "The time zone {} is not one of the IANA database.", lambda p: (
            zone := p.get("ScheduleExpressionTimezone")) and not is_schedule("rate(1 day)", zone) and zone),
        (INVALID, "Invalid Schedule Expression {}.", lambda p: (
            not is_schedule(p["ScheduleExpression"]) and p["ScheduleExpression"])),
        (INVALID, NOT_ASSUMED, lambda p: not may_assume(p["Target"]["RoleArn"], p.get("GroupName") or DEFAULT)),
        # What AWS would do and the local cloud does not.
        (INVALID, f"{LACKS} the target {{}}: it starts only ECS tasks, with EcsParameters", lambda p: (
            not (p["Target"]["Arn"].startswith(iam.arn("ecs", "cluster/")) and "EcsParameters" in p["Target"])
            and p["Target"]["Arn"])),
        (INVALID, f"{LACKS} a flexible time window with the mode {{}}, only OFF",
         lambda p: other_than("OFF", p["FlexibleTimeWindow"]["Mode"])),
        (INVALID, f"{LACKS} the dead-letter queue {{}}: it has no SQS",
         lambda p: (queue := p["Target"].get("DeadLetterConfig")) and queue.get("Arn", "-")),
    ),
    # moto would replace it and lose its schedules.
    "scheduler CreateScheduleGroup": (
        ("ConflictException", "Schedule group {} already exists.",
         lambda p: not _unknown_group(p["Name"]) and p["Name"]),
    ),
    # moto keeps tags for any ARN.
    "scheduler ListTagsForResource TagResource UntagResource": (
        (*NO_GROUP, lambda p: _unknown_group(str(p["ResourceArn"]).rpartition("/")[2])),
    ),
    "scheduler DeleteScheduleGroup": (
        (*NO_GROUP, lambda p: _unknown_group(p["Name"])),
        (INVALID, "The default schedule group cannot be deleted.", lambda p: p["Name"] == DEFAULT),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
