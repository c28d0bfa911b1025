"""Workers: ECS services without a load balancer, from the web service's image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from infra import container
from infra.scaling import Scaling, ScalingArgs
from infra.service import Service, deployment_settings
from stack.settings import Settings
from stack.workers import Worker


@dataclass(frozen=True, kw_only=True)
class WorkersArgs:
    """The stack's settings, and the web service, whose image, roles, network and cluster the workers share."""

    settings: Settings
    service: Service


class Workers(pulumi.ComponentResource):
    """One ECS service for each entry of `workers`. Each has a task definition of its own, and ECS rolls it back.

    They change after the web service, and so after `deployCommand`. None is protected: it keeps no data. With
    `schedule` they run in its hours.
    """

    def __init__(
        self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Workers", name, None, opts)
        self.args = args
        for each in args.settings.workers:
            args.service.workers[each.name] = self._service(each)
        self.register_outputs({})

    def _service(self, worker: Worker) -> aws.ecs.Service:
        settings, web = self.args.settings, self.args.service
        name = settings.names.worker(worker.name)
        process = container.Process(
            name=f"worker-{worker.name}",
            command=worker.command,
            stop_seconds=worker.stop_seconds,
        )
        child = pulumi.ResourceOptions(parent=self)
        definition = web.task.process(name, process, (worker.cpu, worker.memory), child)
        options = deployment_settings(settings.service)
        options.pop("health_check_grace_period_seconds")  # ECS refuses it without a load balancer.
        hours = settings.service.scaling.hours if worker.count else None
        made = aws.ecs.Service(
            name,
            name=name,
            cluster=web.cluster_arn,
            task_definition=definition.arn,
            desired_count=worker.count,
            network_configuration=web.network_configuration,
            **options,
            enable_execute_command=settings.service.exec_enabled,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            tags=settings.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                depends_on=[web.service],
                # Application Auto Scaling changes the count; an update must not reset it.
                ignore_changes=["desiredCount"] if hours else None,
            ),
        )
        if hours:
            self._follow_hours(name, made, worker.count, child)
        return made

    def _follow_hours(
        self, name: str, service: aws.ecs.Service, count: int, child: pulumi.ResourceOptions
    ) -> None:
        """Scale the service to its count in the hours of `schedule`, and to none outside of them."""
        scaling = self.args.settings.service.scaling
        args = ScalingArgs(
            settings=replace(scaling, minimum=count, maximum=count, cpu=0, requests=0),
            cluster_name=self.args.service.cluster_name,
            service_name=service.name,
            tags=self.args.settings.tags,
        )
        Scaling(name, args, child)
