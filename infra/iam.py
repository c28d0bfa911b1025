"""The IAM roles and policies of ECS, the tasks and the bastion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from stack.statements import Policy, allow, of, policy, trusted

ECS_TASKS = trusted("ecs-tasks.amazonaws.com")
"""The trust policy of both task roles."""
CHANNELS = of(
    "ssmmessages",
    *("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
)
"""Session Manager's channels, which have no resource-level permissions (Service Authorization Reference)."""
AGENT = (*of("ssm", "UpdateInstanceInformation"), *CHANNELS)
"""The actions that the SSM Agent needs for Session Manager, as in AWS's AWSCloud9SSMInstanceProfile."""

OBJECTS = of("s3", "GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
"""What the app does with its files."""


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


def task_policy(secret_arn: str, bucket_arn: str = "", *, exec_enabled: bool) -> Policy:
    """Return the task role's policy: read the database's secret again after RDS has rotated it.

    With a bucket the role may list it, and read, write and delete its objects. A large file is written in parts,
    which boto3 aborts after an error: all but the abortion are `s3:PutObject` (S3 User Guide, "Multipart upload API
    and permissions"). ECS Exec needs the channels (ECS Developer Guide, "ECS Exec").
    """
    secret = allow(secret_arn, "secretsmanager:GetSecretValue")
    files = [allow(bucket_arn, "s3:ListBucket"), allow(f"{bucket_arn}/*", *OBJECTS)]
    channels = [allow("*", *CHANNELS)] if exec_enabled else []
    return policy(secret, *(files if bucket_arn else []), *channels)


def bastion_policy() -> Policy:
    """Return the policy of the bastion's SSM Agent, for Session Manager only.

    AWS's AmazonSSMManagedInstanceCore allows every parameter and document.
    """
    return policy(allow("*", *AGENT))


def role(
    name: str, trust: pulumi.Input[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> aws.iam.Role:
    """Create a role with the trust policy `trust`."""
    return aws.iam.Role(
        name,
        assume_role_policy=trust,
        # A policy attached outside Pulumi would make IAM refuse to delete the role.
        force_detach_policies=True,
        tags=dict(tags),
        opts=opts,
    )


@dataclass(frozen=True, kw_only=True)
class TaskRolesArgs:
    """The resources that the roles may use."""

    repository_arn: pulumi.Input[str]
    log_group_arn: pulumi.Input[str]
    secret_arn: pulumi.Input[str]
    app_secrets: Sequence[str] = ()
    """ARNs of the app's own secrets."""
    exec_enabled: bool
    bucket_arn: pulumi.Input[str] = ""
    """The bucket of the app's files; empty without one."""
    tags: Mapping[str, str] = field(default_factory=dict)


class TaskRoles(pulumi.ComponentResource):
    """The execution role, with which ECS starts a task, and the task role, which the app uses.

    The policies are inline: they are deleted with the role and cannot be attached to another one.
    """

    execution_arn: pulumi.Output[str]
    task_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: TaskRolesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:TaskRoles", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.execution_arn = self._role(
            f"{name}-execution",
            pulumi.Output.all(args.repository_arn, args.log_group_arn, args.secret_arn).apply(
                lambda arns: json.dumps(execution_policy(*arns, app_secrets=args.app_secrets))
            ),
        )
        self.task_arn = self._role(
            f"{name}-task",
            pulumi.Output.all(args.secret_arn, args.bucket_arn).apply(
                lambda arns: json.dumps(task_policy(*arns, exec_enabled=args.exec_enabled))
            ),
        )
        self.register_outputs({"execution_arn": self.execution_arn, "task_arn": self.task_arn})

    def _role(self, name: str, policy: pulumi.Output[str]) -> pulumi.Output[str]:
        made = role(name, json.dumps(ECS_TASKS), self.args.tags, self.child)
        aws.iam.RolePolicy(name, role=made.name, policy=policy, opts=self.child)
        return made.arn
