"""The IAM policy that a command needs: an action for each operation of AWS that it calls."""

from collections.abc import Iterable, Mapping
from typing import Any

from ecs_gate.aws.errors import IAM_PREFIX

LOOKS = {
    "ecs": (
        *("describe_services", "describe_tasks", "describe_task_definition", "list_tasks"),
        *("list_service_deployments", "describe_service_deployments", "describe_service_revisions"),
    ),
    "elbv2": (
        *("describe_target_groups", "describe_target_health", "describe_load_balancers"),
        *("describe_listeners", "describe_rules"),
    ),
    "acm": ("describe_certificate",),
    "rds": ("describe_db_instances",),
    "cloudwatch": ("describe_alarms",),
}
"""What a roll-out is followed by, and what finds the parts of a service: operations by their services in botocore."""
DIAGNOSES = {
    "ecs": ("list_clusters",),
    "ec2": (
        *("describe_security_groups", "describe_subnets", "describe_route_tables"),
        *("describe_nat_gateways", "describe_vpc_endpoints", "describe_network_acls"),
        "describe_vpc_attribute",
    ),
    "ecr": (
        *("describe_images", "batch_get_image", "get_repository_policy"),
        "get_download_url_for_layer",
    ),
    "iam": (
        *("get_role", "get_role_policy", "list_role_policies", "list_attached_role_policies"),
        *("get_policy", "get_policy_version"),
    ),
    "logs": ("describe_log_groups", "get_log_events", "filter_log_events"),
    "rds": ("describe_events",),
    "secretsmanager": ("describe_secret",),
    "cloudwatch": ("get_metric_data",),
    "service-quotas": ("get_service_quota",),
}
"""What a cause is looked for in."""
MASKS = {"secretsmanager": ("get_secret_value",), "ssm": ("get_parameter",)}
"""What the values of secrets are read with, so that no line of a log or an event is shown with one.

Without it, patterns alone mask them, and the diagnosis says so.
"""
ROLLS_BACK = {"ecs": ("stop_service_deployment", "continue_service_deployment")}
"""What `--roll-back` calls, and nothing else does."""


def action(service: str, operation: str) -> str:
    """Return the IAM action of an operation, by botocore's names of both.

    An action is called as its operation of the API, which botocore's name spells with underscores, after its service's
    prefix (Service Authorization Reference).
    """
    from botocore import xform_name
    from botocore.session import Session

    known = Session().get_service_model(service).operation_names
    name = next(each for each in known if xform_name(each) == operation)
    return f"{IAM_PREFIX.get(service, service)}:{name}"


def _statement(sid: str, *operations: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    actions = {action(name, call) for part in operations for name in part for call in part[name]}
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": "*"}


def policy(*, roll_back: bool = False) -> dict[str, Any]:
    """Return the policy of `wait` and `doctor`: `wait` diagnoses, too, where it fails and at its end."""
    statements = [_statement("Look", LOOKS, DIAGNOSES), _statement("Mask", MASKS)]
    if roll_back:
        statements.append(_statement("RollBack", ROLLS_BACK))
    return {"Version": "2012-10-17", "Statement": statements}
