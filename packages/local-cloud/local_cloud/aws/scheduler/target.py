"""The target of a schedule: RunTask, called with the schedule's role.

Sources: EventBridge Scheduler User Guide, "Using templated targets" and "Adding context attributes"; ECS Developer
Guide, "Amazon ECS EventBridge IAM Role".
"""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from botocore.model import Shape
from botocore.session import Session
from botocore.validate import ParamValidator

from local_cloud.aws import hooks, iam
from local_cloud.aws.hooks import Params, Refused
from local_cloud.aws.policy_evaluation import Context
from local_cloud.aws.scheduler.rules import NOT_ASSUMED, may_assume

STARTED_BY = "chronos-schedule/"
"""How the ``startedBy`` of a schedule's tasks begins. AWS does not document it; its users report it, cut to 36
characters, which was ECS's limit."""
STARTED_BY_LENGTH = 36
RENAMED = {"taskDefinitionArn": "taskDefinition", "taskCount": "count"}


def run(schedule: Any, target: Params, due: datetime, attempt: int) -> None:
    """Start the tasks of a schedule's target. Raises Refused with AWS's error."""
    role, execution = target["RoleArn"], uuid.uuid4().hex
    if not may_assume(role, schedule.group_name):
        raise Refused("AccessDeniedException", NOT_ASSUMED)
    context = {
        "scheduled-time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": execution,
        "attempt-number": str(attempt),
        "schedule-arn": schedule.arn,
    }
    asked = request(schedule.name, target, context)
    for action, resource, keys in _needed(asked):
        if refused := iam.TaskRole(role, execution).refusal(action, resource, context=keys):
            raise Refused("AccessDeniedException", refused)
    hooks.perform("ecs", "RunTask", asked)


def request(name: str, target: Params, context: dict[str, str]) -> Params:
    """Return the parameters of RunTask. The target's input has the overrides.

    Raises Refused for parameters that RunTask does not have.
    """
    text = target.get("Input") or "{}"
    for key, value in context.items():
        text = text.replace(f"<aws.scheduler.{key}>", value)
    try:
        overrides = json.loads(text)
    except ValueError:
        words = f"the input of the schedule {name} is not RunTask's overrides in JSON: {text}"
        raise Refused("InvalidParameterException", words) from None
    given = {RENAMED.get(key, key): value for key, value in _lower(target["EcsParameters"]).items()}
    asked = {
        "cluster": target["Arn"],
        "startedBy": f"{STARTED_BY}{name}"[:STARTED_BY_LENGTH],
        "overrides": overrides,
        **given,
    }
    report = ParamValidator().validate(asked, _parameters())
    if report.has_errors():
        raise Refused("InvalidParameterException", report.generate_report())
    return asked


@cache
def _parameters() -> Shape:
    shape: Shape = Session().get_service_model("ecs").operation_model("RunTask").input_shape
    return shape


def _lower(value: Any) -> Any:
    """Return the API's members with the first letter in lower case, as ECS writes them."""
    if isinstance(value, dict):
        return {f"{key[0].lower()}{key[1:]}": _lower(member) for key, member in value.items()}
    return [_lower(member) for member in value] if isinstance(value, list) else value


def _needed(asked: Params) -> Iterator[tuple[str, str, Context]]:
    """Yield the actions that the role must be allowed, each with its resource and condition keys.

    A task definition without a revision must be allowed as it is named and with the revision that runs: AWS does
    not document which of them counts.
    """
    ecs = hooks.backend("ecs")
    cluster = {"ecs:cluster": asked["cluster"]}
    with hooks.LOCK:
        definition = ecs.describe_task_definition(asked["taskDefinition"])
    for resource in sorted({asked["taskDefinition"], definition.arn}):
        yield "ecs:RunTask", resource, cluster
    own = {"executionRoleArn": "execution_role_arn", "taskRoleArn": "task_role_arn"}
    for name, attribute in own.items():
        # moto sets no attribute for a role that the definition does not have.
        if passed := asked["overrides"].get(name) or getattr(definition, attribute, None):
            yield "iam:PassRole", passed, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    propagated = asked.get("propagateTags") == "TASK_DEFINITION" and definition.tags
    if asked.get("tags") or propagated or asked.get("enableECSManagedTags"):
        task = f"{asked['cluster'].replace(':cluster/', ':task/')}/{uuid.uuid4().hex}"
        yield "ecs:TagResource", task, {**cluster, "ecs:CreateAction": "RunTask"}
