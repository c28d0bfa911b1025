"""The task definitions of one image, their roles and their log group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pulumi
import pulumi_aws as aws

from infra import container
from infra.database import Database
from infra.iam import TaskRoles, TaskRolesArgs
from infra.load_balancer import LoadBalancer
from infra.registry import AppImage
from infra.uploads import Uploads
from stack.names import StackNames
from stack.service import ServiceSettings
from stack.statements import secret_arn


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """The names, settings, image, database and load balancer of the task."""

    names: StackNames
    settings: ServiceSettings
    region: str
    image: AppImage
    database: Database
    balancer: LoadBalancer
    uploads: Uploads | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Task(pulumi.ComponentResource):
    """The web service's task definition, which names the image by digest: a changed image is a new revision.

    `process` makes those of workers and jobs, with the same image, variables, roles and log group.
    """

    log_group_name: pulumi.Output[str]
    definition_arn: pulumi.Output[str]
    roles: TaskRoles

    def __init__(
        self, name: str, args: TaskArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Task", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        log_group = self._log_group(name)
        self.roles = self._roles(name, log_group)
        self.log_group_name = log_group.name
        definition = self._definition(f"{name}-app", args.names.family, self.child)
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
            bucket_arn=self.args.uploads.bucket_arn if self.args.uploads else "",
            tags=self.args.tags,
        )
        return TaskRoles(name, args, self.child)

    def process(
        self,
        name: str,
        process: container.Process,
        size: tuple[int, int],
        opts: pulumi.ResourceOptions,
    ) -> aws.ecs.TaskDefinition:
        """Create the task definition of another process: `size` is its CPU units and its MiB."""
        return self._definition(name, name, opts, process, size)

    def _definition(
        self,
        name: str,
        family: str,
        opts: pulumi.ResourceOptions,
        process: container.Process | None = None,
        size: tuple[int, int] | None = None,
    ) -> aws.ecs.TaskDefinition:
        settings = self.args.settings
        cpu, memory = size or (settings.cpu, settings.memory)
        return aws.ecs.TaskDefinition(
            name,
            family=family,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(cpu),
            memory=str(memory),
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                operating_system_family="LINUX", cpu_architecture=settings.architecture
            ),
            execution_role_arn=self.roles.execution_arn,
            task_role_arn=self.roles.task_arn,
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=container.TMP_VOLUME)],
            container_definitions=self._container(process, replace(settings, cpu=cpu)),
            # ECS rolls back only to a revision that is still ACTIVE.
            skip_destroy=True,
            tags=dict(self.args.tags),
            opts=opts,
        )

    def _container(
        self, process: container.Process | None, settings: ServiceSettings
    ) -> pulumi.Output[str]:
        image, database, uploads = self.args.image, self.args.database, self.args.uploads

        def text(
            digest: str, host: str, secret_arn: str, log: str, balancer: str, bucket: str
        ) -> str:
            inputs = container.ContainerInputs(
                image=digest,
                version=image.tag,
                db_host=host,
                db_port=database.port,
                db_name=database.db_name,
                db_user=database.username,
                db_secret_arn=secret_arn,
                balancer_arn=balancer,
                log_group=log,
                region=self.args.region,
                uploads_bucket=bucket,
            )
            return json.dumps([container.container_definition(inputs, settings, process)])

        return pulumi.Output.all(
            *(image.digest, database.address, database.secret_arn, self.log_group_name),
            self.args.balancer.arn,
            uploads.bucket if uploads else "",
        ).apply(lambda known: text(*known))
