"""The task definitions of one image, their roles and their log group."""

from __future__ import annotations

import json
from dataclasses import replace

import pulumi
import pulumi_aws as aws

from infra import container
from infra.component import Component
from infra.database import Database
from infra.iam import TaskRoles
from infra.load_balancer import LoadBalancer
from infra.registry import AppImage
from infra.uploads import Uploads
from stack.service import ServiceSettings
from stack.settings import Settings


class Task(Component):
    """The web service's task definition, which names the image by digest: a changed image is a new revision.

    `process` makes those of workers and jobs, with the same image, variables, roles and log group.
    """

    log_group_name: pulumi.Output[str]
    definition_arn: pulumi.Output[str]
    roles: TaskRoles

    def __init__(
        self,
        name: str,
        settings: Settings,
        image: AppImage,
        database: Database,
        balancer: LoadBalancer,
        uploads: Uploads | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        self.image, self.database, self.balancer, self.uploads = image, database, balancer, uploads
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-app",
            name=settings.names.log_group,
            retention_in_days=settings.service.log_days,
            tags=self.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        bucket = uploads.bucket_arn if uploads else ""
        arns = image.repository_arn, log_group.arn, database.secret_arn, bucket
        self.roles = TaskRoles(name, settings, *arns, self.child)
        self.log_group_name = log_group.name
        definition = self._definition(f"{name}-app", settings.names.family, self.child)
        self.definition_arn = definition.arn
        self.register_outputs(
            {"log_group_name": self.log_group_name, "definition_arn": self.definition_arn}
        )

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
        settings = self.settings.service
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
            tags=self.tags,
            opts=opts,
        )

    def _container(
        self, process: container.Process | None, settings: ServiceSettings
    ) -> pulumi.Output[str]:
        image, database, uploads = self.image, self.database, self.uploads

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
                region=self.settings.region,
                uploads_bucket=bucket,
            )
            return json.dumps([container.container_definition(inputs, settings, process)])

        return pulumi.Output.all(
            *(image.digest, database.address, database.secret_arn, self.log_group_name),
            self.balancer.arn,
            uploads.bucket if uploads else "",
        ).apply(lambda known: text(*known))
