"""The IAM roles and policies of ECS, the tasks and the bastion."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings
from careapp.settings.statements import Policy, allow, of, policy, trusted
from ecs_gate.facts.secrets import secret_arn

from .component import Component, required

ECS_TASKS = trusted("ecs-tasks.amazonaws.com")
"""The trust policy of both task roles."""
CHANNELS = of(
    "ssmmessages",
    *("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
)
"""Session Manager's channels, which have no resource-level permissions (Service Authorization Reference)."""
AGENT = (*of("ssm", "UpdateInstanceInformation"), *CHANNELS)
"""The actions that the SSM Agent needs for Session Manager, as in AWS's AWSCloud9SSMInstanceProfile."""


def execution_policy(
    repository_arn: str, log_group_arn: str, secret_arn: str, *, app_secrets: Sequence[str] = ()
) -> Policy:
    """Return the execution role's policy: pull this image, write this log, read these secrets.

    AWS's AmazonECSTaskExecutionRolePolicy allows every repository and log group.
    GetAuthorizationToken has no resource-level permissions (Service Authorization Reference, Amazon
    ECR).
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


def task_policy(secret_arn: str, resources: Sequence[Policy], *, exec_enabled: bool) -> Policy:
    """Return the task role's policy: read the database's secret again after RDS has rotated it.

    ``resources`` are the statements of the resources for the app. ECS Exec needs the channels (ECS Developer Guide,
    "ECS Exec").
    """
    secret = allow(secret_arn, "secretsmanager:GetSecretValue")
    return policy(secret, *resources, *([allow("*", *CHANNELS)] if exec_enabled else []))


def bastion_policy() -> Policy:
    """Return the policy of the bastion's SSM Agent, for Session Manager only.

    AWS's AmazonSSMManagedInstanceCore allows every parameter and document.
    """
    return policy(allow("*", *AGENT))


def role(component: Component, name: str, trust: pulumi.Input[Policy]) -> aws.iam.Role:
    """Create a role of a component with the trust policy `trust`, in which outputs may stand."""
    return aws.iam.Role(
        name,
        assume_role_policy=pulumi.Output.json_dumps(trust),
        # A policy attached outside Pulumi would make IAM refuse to delete the role.
        force_detach_policies=True,
        opts=component.child,
    )


def role_arn(
    component: Component, name: str, trust: pulumi.Input[Policy], allowed: pulumi.Input[Policy]
) -> pulumi.Output[str]:
    """Create a role with an inline policy, and return its ARN, which is known only after the role has the policy.

    An inline policy is deleted with its role and cannot be attached to another one.
    """
    new_role = role(component, name, trust)
    text = pulumi.Output.json_dumps(allowed)
    attached = aws.iam.RolePolicy(name, role=new_role.name, policy=text, opts=component.child)
    return pulumi.Output.all(new_role.arn, attached.id).apply(lambda known: str(known[0]))


class TaskRoles(Component):
    """The execution role, with which ECS starts a task, and the task role, which the app uses."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        repository_arn: pulumi.Input[str],
        log_group_arn: pulumi.Input[str],
        db_secret_arn: pulumi.Input[str],
        resources: pulumi.Input[Sequence[Policy]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        app = settings.service
        app_secrets = sorted({secret_arn(secret) for secret in app.secrets.values()})
        start = required(
            repository_arn=repository_arn, log_group_arn=log_group_arn, secret_arn=db_secret_arn
        ).apply(lambda arns: execution_policy(**arns, app_secrets=app_secrets))
        run = required(secret_arn=db_secret_arn, resources=resources).apply(
            lambda known: task_policy(**known, exec_enabled=app.exec_enabled)
        )
        self.execution_arn = role_arn(self, f"{name}-execution", ECS_TASKS, start)
        self.task_arn = role_arn(self, f"{name}-task", ECS_TASKS, run)
        self.register_outputs({})
