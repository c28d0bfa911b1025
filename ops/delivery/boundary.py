"""The boundary of the stacks' own roles: the most that any role a deploy makes can ever do."""

from __future__ import annotations

from infra.policies import AGENT
from infra.statements import Policy, allow, policy
from ops.delivery.names import Account


def document(account: Account) -> Policy:
    """What tasks, the bastion, flow logs and RDS's monitoring need, for all stacks of the account.

    A deploy may make roles and write their policies; without this bound it could make itself an
    administrator by a role that a task of its own takes.
    """
    repositories = account.arn("ecr", "repository/careapp*")
    return policy(
        allow("*", "ecr:GetAuthorizationToken"),
        allow(
            repositories,
            *("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"),
        ),
        allow(
            account.arn("logs", "*"),
            *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
            *("logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutRetentionPolicy"),
            *("logs:GetLogEvents",),
        ),
        # RDS names the secrets that it manages, and rotates, by itself.
        allow(account.arn("secretsmanager", "secret:rds!db-*"), "secretsmanager:GetSecretValue"),
        allow("*", *AGENT),
    )
