"""The two IAM roles of a task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.role import role


@dataclass(frozen=True, kw_only=True)
class TaskRolesArgs:
    """What the roles may touch."""

    repository_arn: pulumi.Input[str]
    log_group_arn: pulumi.Input[str]
    secret_arn: pulumi.Input[str]
    app_secrets: Sequence[str] = ()
    """ARNs of the secrets that ECS reads for the app besides the database's."""
    exec_enabled: bool
    tags: Mapping[str, str] = field(default_factory=dict)


class TaskRoles(pulumi.ComponentResource):
    """The role with which ECS starts a task, and the role of the app that runs in it.

    Inline policies: they go when the role goes, and nobody else can attach them.
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
                lambda arns: json.dumps(policies.execution(*arns, app_secrets=args.app_secrets))
            ),
        )
        self.task_arn = self._role(
            f"{name}-task",
            pulumi.Output.from_input(args.secret_arn).apply(
                lambda arn: json.dumps(policies.task(arn, exec_enabled=args.exec_enabled))
            ),
        )
        self.register_outputs({"execution_arn": self.execution_arn, "task_arn": self.task_arn})

    def _role(self, name: str, policy: pulumi.Output[str]) -> pulumi.Output[str]:
        made = role(name, json.dumps(policies.ECS_TASKS), self.args.tags, self.child)
        aws.iam.RolePolicy(name, role=made.name, policy=policy, opts=self.child)
        return made.arn
