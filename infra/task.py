"""What one task is: its log, its roles, and the definition that ECS starts it from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra import container
from infra.database import Database
from infra.registry import AppImage
from infra.roles import TaskRoles, TaskRolesArgs
from stack.names import StackNames
from stack.service import ServiceSettings
from stack.statements import secret_arn


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """What a task needs to be told: its names, its settings, its image and its database."""

    names: StackNames
    settings: ServiceSettings
    region: str
    image: AppImage
    database: Database
    tags: Mapping[str, str] = field(default_factory=dict)


class Task(pulumi.ComponentResource):
    """A task definition by the image's digest, so that a changed app is always a new revision."""

    log_group_name: pulumi.Output[str]
    definition_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: TaskArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Task", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        log_group = self._log_group(name)
        definition = self._definition(name, log_group, self._roles(name, log_group))
        self.log_group_name = log_group.name
        self.definition_arn = definition.arn
        self.register_outputs(
            {"log_group_name": self.log_group_name, "definition_arn": self.definition_arn}
        )

    def _log_group(self, name: str) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            f"{name}-app",
            name=self.args.names.log_group,
            retention_in_days=self.args.settings.log_days,
            tags=dict(self.args.tags),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _roles(self, name: str, log_group: aws.cloudwatch.LogGroup) -> TaskRoles:
        args = TaskRolesArgs(
            repository_arn=self.args.image.repository_arn,
            log_group_arn=log_group.arn,
            secret_arn=self.args.database.secret_arn,
            app_secrets=sorted({secret_arn(each) for each in self.args.settings.secrets.values()}),
            exec_enabled=self.args.settings.exec_enabled,
            tags=self.args.tags,
        )
        return TaskRoles(name, args, self.child)

    def _definition(
        self, name: str, log_group: aws.cloudwatch.LogGroup, roles: TaskRoles
    ) -> aws.ecs.TaskDefinition:
        settings = self.args.settings
        return aws.ecs.TaskDefinition(
            f"{name}-app",
            family=self.args.names.family,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(settings.cpu),
            memory=str(settings.memory),
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                operating_system_family="LINUX", cpu_architecture=settings.architecture
            ),
            execution_role_arn=roles.execution_arn,
            task_role_arn=roles.task_arn,
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=container.SCRATCH)],
            container_definitions=self._container(log_group),
            # ECS goes back to an earlier revision by itself only while that one is active.
            skip_destroy=True,
            tags=dict(self.args.tags),
            opts=self.child,
        )

    def _container(self, log_group: aws.cloudwatch.LogGroup) -> pulumi.Output[str]:
        image, database = self.args.image, self.args.database

        def text(digest: str, host: str, secret_arn: str, log: str) -> str:
            around = container.Surroundings(
                image=digest,
                version=image.tag,
                db_host=host,
                db_port=database.port,
                db_name=database.db_name,
                db_user=database.username,
                db_secret_arn=secret_arn,
                log_group=log,
                region=self.args.region,
            )
            return json.dumps([container.definition(around, self.args.settings)])

        return pulumi.Output.all(
            image.digest, database.address, database.secret_arn, log_group.name
        ).apply(lambda known: text(*known))
