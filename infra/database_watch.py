"""How closely the database is watched: its logs, its operating system, its queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.role import role
from stack.database import DatabaseSettings
from stack.statements import Policy, trusted

LOGS = ("postgresql", "upgrade")
"""The logs that RDS for PostgreSQL can send to CloudWatch (RDS.36)."""
FREE_DAYS = 7
"""Days of insights that cost nothing."""
ENHANCED = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


def watching(
    name: str, settings: DatabaseSettings, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> dict[str, Any]:
    """Arguments of the instance that turn its monitoring, insights and log exports on or off.

    An interval of 0 turns enhanced monitoring off; the role then goes, too.
    """
    inputs: dict[str, Any] = {
        "monitoring_interval": settings.monitoring_interval,
        "performance_insights_enabled": settings.insights,
        "iam_database_authentication_enabled": settings.iam_auth,
    }
    if settings.monitoring_interval:
        inputs["monitoring_role_arn"] = _role(name, tags, opts)
    if settings.insights:
        inputs["performance_insights_retention_period"] = FREE_DAYS
    if settings.logs:
        inputs["enabled_cloudwatch_logs_exports"] = list(LOGS)
    return inputs


def log_groups(
    name: str, settings: DatabaseSettings, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> Sequence[aws.cloudwatch.LogGroup]:
    """The log groups, made before RDS does: it would keep them for ever and leave them behind."""
    return [
        aws.cloudwatch.LogGroup(
            f"{name}-database-{log}",
            name=f"/aws/rds/instance/{name}/{log}",
            retention_in_days=settings.log_days,
            tags=dict(tags),
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(delete_before_replace=True)
            ),
        )
        for log in (LOGS if settings.logs else ())
    ]


def _role(name: str, tags: Mapping[str, str], opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """RDS's role for reading the operating system."""
    account = aws.get_caller_identity_output().account_id
    takes = account.apply(lambda known: json.dumps(trust(known)))
    made = role(f"{name}-database-monitoring", takes, tags, opts)
    attached = aws.iam.RolePolicyAttachment(
        f"{name}-database-monitoring", role=made.name, policy_arn=ENHANCED, opts=opts
    )
    return pulumi.Output.all(made.arn, attached.id).apply(lambda known: str(known[0]))


def trust(account: str) -> Policy:
    """RDS's monitoring may take the role, for this account's databases only."""
    ours = {"StringEquals": {"aws:SourceAccount": account}}
    return trusted("monitoring.rds.amazonaws.com", ours)
