"""The task definitions of one image, their roles and their log group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import container
from infra.app_resource import AppResource, allowed
from infra.component import Component, required
from infra.database import Database
from infra.iam import TaskRoles
from infra.load_balancer import LoadBalancer
from infra.registry import AppImage
from stack.service import ServiceSettings
from stack.settings import Settings


class Task(Component):
    """The web service's task definition, which names the image by digest: a changed image is a new revision.

    `definition` makes those of workers and jobs, with the same image, variables, roles and log group.
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
        resources: Sequence[AppResource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(name, settings, opts)
        self.image, self.database, self.balancer = image, database, balancer
        self.resources = resources
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-app",
            name=settings.names.log_group,
            retention_in_days=settings.service.log_days,
            tags=self.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        arns = image.repository_arn, log_group.arn, database.secret_arn
        self.roles = TaskRoles(name, settings, *arns, allowed(resources), self.child)
        self.log_group_name = log_group.name
        definition = self.definition(f"{name}-app", settings.names.family, self.child)
        self.definition_arn = definition.arn
        self.register_outputs(
            {"log_group_name": self.log_group_name, "definition_arn": self.definition_arn}
        )

    def definition(
        self,
        name: str,
        family: str,
        opts: pulumi.ResourceOptions,
        process: container.Process | None = None,
        size: tuple[int, int] | None = None,
    ) -> aws.ecs.TaskDefinition:
        """Create a task definition: of another process with its CPU units and MiB, ``size``, or of the web server."""
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
        def text(known: dict[str, Any]) -> str:
            inputs = container.ContainerInputs(**known)
            return json.dumps([container.container_definition(inputs, settings, process)])

        variables = required(
            APP_VERSION=self.image.tag,
            DB_HOST=self.database.address,
            DB_NAME=self.database.db_name,
            DB_PORT=str(self.database.port),
            DB_SECRET_ARN=self.database.secret_arn,
            DB_USER=self.database.username,
            LOAD_BALANCER_ARN=self.balancer.arn,
            **{each.key.variable: each.value for each in self.resources},
        )
        return required(
            image=self.image.digest,
            log_group=self.log_group_name,
            region=self.settings.region,
            variables=variables,
        ).apply(text)
