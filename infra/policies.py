"""What ECS may do to start a task, and what a running task may do: policies, as plain data."""

from __future__ import annotations

from infra.statements import Policy, allow, policy, trusted

ECS_TASKS = trusted("ecs-tasks.amazonaws.com")
"""Who may take either role."""


def execution(repository_arn: str, log_group_arn: str, secret_arn: str) -> Policy:
    """For ECS itself: pull this image, write this log, read this secret; and nothing else.

    Narrower than AWS's AmazonECSTaskExecutionRolePolicy, which allows every repository and log.
    GetAuthorizationToken knows no resource (Service Authorization Reference, Amazon ECR).
    """
    return policy(
        allow("*", "ecr:GetAuthorizationToken"),
        allow(
            repository_arn,
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ),
        allow(f"{log_group_arn}:*", "logs:CreateLogStream", "logs:PutLogEvents"),
        allow(secret_arn, "secretsmanager:GetSecretValue"),
    )


def task(secret_arn: str, *, exec_enabled: bool) -> Policy:
    """For the app: read the database's secret again after RDS has rotated it.

    `execute-command` needs four actions that know no resource (ECS Developer Guide, ECS Exec).
    """
    shell = allow(
        "*",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    )
    secret = allow(secret_arn, "secretsmanager:GetSecretValue")
    return policy(secret, shell) if exec_enabled else policy(secret)
