"""The task definitions of one image, their roles and their log group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.service import ServiceSettings
from careapp.settings.settings import Settings

from . import container
from .app_resource import AppResource, allowed
from .component import Component, required
from .database import Database
from .iam import TaskRoles
from .load_balancer import LoadBalancer
from .login import Endpoints
from .network import Network
from .registry import AppImage


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """The components that the service uses."""

    network: Network
    image: AppImage
    database: Database
    balancer: LoadBalancer
    endpoints: Endpoints | None = None
    """The endpoints of the provider at which users log in; None without a login."""
    resources: Sequence[AppResource] = ()
    """The resources that settings add for the app."""
    hooks: pulumi.ResourceHookBinding | None = None
    """What the engine runs before it creates or changes the ECS service."""


class Task(Component):
    """The web service's task definition, which names the image by digest: a changed image is a new revision.

    `definition` makes those of workers and jobs, with the same image, variables, roles and log group.
    """

    def __init__(
        self, name: str, settings: Settings, args: ServiceArgs, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(name, settings, opts)
        self.args = args
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-app",
            name=settings.names.log_group,
            retention_in_days=settings.service.log_days,
            opts=self.options(delete_before_replace=True),
        )
        arns = args.image.repository_arn, log_group.arn, args.database.secret_arn
        self.roles = TaskRoles(name, settings, *arns, allowed(args.resources), self.child)
        self.log_group_name = log_group.name
        self.definition_arn = self.definition(f"{name}-app", settings.names.family, self.child).arn
        self.register_outputs({})

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
            runtime_platform={
                "operating_system_family": "LINUX",
                "cpu_architecture": settings.architecture,
            },
            execution_role_arn=self.roles.execution_arn,
            task_role_arn=self.roles.task_arn,
            volumes=[{"name": container.TMP_VOLUME}],
            container_definitions=self._container(process, replace(settings, cpu=cpu)),
            # ECS rolls back only to a revision that is still ACTIVE.
            skip_destroy=True,
            opts=opts,
        )

    def _container(
        self, process: container.Process | None, settings: ServiceSettings
    ) -> pulumi.Output[str]:
        def text(known: dict[str, Any]) -> str:
            return json.dumps([container.container_definition(settings, process, **known)])

        image, database = self.args.image, self.args.database
        variables = required(
            APP_VERSION=image.tag,
            DB_HOST=database.address,
            DB_NAME=database.db_name,
            DB_PORT=str(database.port),
            DB_SECRET_ARN=database.secret_arn,
            DB_USER=database.username,
            LOAD_BALANCER_ARN=self.args.balancer.arn,
            **{resource.variable: resource.value for resource in self.args.resources},
        )
        return required(
            image=image.digest,
            log_group=self.log_group_name,
            region=self.settings.region,
            variables=variables,
        ).apply(text)
