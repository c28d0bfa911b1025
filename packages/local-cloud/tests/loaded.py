"""What the first test of a process would load for all of them: moto's backends and botocore's models."""

from collections.abc import Callable
from typing import Any

ASKED = {
    "ec2": "describe_vpcs",
    "ecs": "list_clusters",
    "elbv2": "describe_load_balancers",
    "iam": "list_roles",
    "logs": "describe_log_groups",
    "rds": "describe_db_instances",
    "secretsmanager": "list_secrets",
}
"""An operation of each service that the tests share."""


def load(call: Callable[[str, str], Any]) -> None:
    """Ask each service once, so that no test's second is used up by that."""
    for service, operation in ASKED.items():
        call(service, operation)
