"""What ECS, a running task and the bastion may do: policies, as plain data."""

from __future__ import annotations

from collections.abc import Sequence

from stack.statements import Policy, allow, of, policy, trusted

ECS_TASKS = trusted("ecs-tasks.amazonaws.com")
"""Who may take either role."""
CHANNELS = of(
    "ssmmessages",
    *("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
)
"""Session Manager's, which know no resource (Service Authorization Reference)."""
AGENT = (*of("ssm", "UpdateInstanceInformation"), *CHANNELS)
"""What the agent of an instance needs for Session Manager, as AWS's own AWSCloud9SSMInstanceProfile
has it: to be seen by Systems Manager, and the channels."""


def execution(
    repository_arn: str, log_group_arn: str, secret_arn: str, *, app_secrets: Sequence[str] = ()
) -> Policy:
    """For ECS itself: pull this image, write this log, read this secret and the app's own; nothing else.

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
        *([allow(app_secrets, "secretsmanager:GetSecretValue")] if app_secrets else []),
    )


def task(secret_arn: str, *, exec_enabled: bool) -> Policy:
    """For the app: read the database's secret again after RDS has rotated it.

    `execute-command` needs the channels (ECS Developer Guide, ECS Exec).
    """
    shell = allow("*", *CHANNELS)
    secret = allow(secret_arn, "secretsmanager:GetSecretValue")
    return policy(secret, shell) if exec_enabled else policy(secret)


def bastion() -> Policy:
    """For the bastion's agent: sessions, and no more.

    Narrower than AWS's AmazonSSMManagedInstanceCore, which allows every parameter and document.
    """
    return policy(allow("*", *AGENT))
