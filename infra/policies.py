"""What ECS may do to start a task, and what a running task may do: policies, as plain data."""

from __future__ import annotations

from typing import TypeAlias

Policy: TypeAlias = dict[str, object]

ECS_TASKS: Policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
"""Who may take either role."""


def execution(repository_arn: str, log_group_arn: str, secret_arn: str) -> Policy:
    """For ECS itself: pull this image, write this log, read this secret; and nothing else.

    Narrower than AWS's AmazonECSTaskExecutionRolePolicy, which allows every repository and log.
    GetAuthorizationToken knows no resource (Service Authorization Reference, Amazon ECR).
    """
    return _policy(
        _allow("*", "ecr:GetAuthorizationToken"),
        _allow(
            repository_arn,
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ),
        _allow(f"{log_group_arn}:*", "logs:CreateLogStream", "logs:PutLogEvents"),
        _allow(secret_arn, "secretsmanager:GetSecretValue"),
    )


def task(secret_arn: str, *, exec_enabled: bool) -> Policy:
    """For the app: read the database's secret again after RDS has rotated it.

    `execute-command` needs four actions that know no resource (ECS Developer Guide, ECS Exec).
    """
    shell = _allow(
        "*",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    )
    secret = _allow(secret_arn, "secretsmanager:GetSecretValue")
    return _policy(secret, shell) if exec_enabled else _policy(secret)


def _policy(*statements: Policy) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(resource: str, *actions: str) -> Policy:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}
