"""Workers: ECS services without a load balancer, from the web service's image."""

from __future__ import annotations

from dataclasses import replace

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings
from careapp.settings.workers import Worker

from . import container
from .component import Component
from .scaling import Scaling
from .service import Service, deployment_settings


class Workers(Component):
    """One ECS service for each entry of `workers`. Each has a task definition of its own, and ECS rolls it back.

    They share the image, the roles, the network and the cluster of the web service, ``web``.

    They change after the web service, and so after `deployCommand`. None is protected: it keeps no data. With
    `schedule` they run in its hours.
    """

    def __init__(self, name: str, settings: Settings, web: Service) -> None:
        super().__init__(name, settings)
        for worker in settings.workers:
            web.workers[worker.name] = self._service(worker, web)
        self.register_outputs({})

    def _service(self, worker: Worker, web: Service) -> tuple[aws.ecs.Service, pulumi.Output[str]]:
        settings = self.settings
        name = settings.names.worker(worker.name)
        process = container.Process(
            name=f"worker-{worker.name}", command=worker.command, stop_seconds=worker.stop_seconds
        )
        definition = web.task.definition(
            name, name, self.child, process, (worker.cpu, worker.memory)
        )
        hours = settings.service.scaling.hours if worker.count else None
        service = aws.ecs.Service(
            name,
            name=name,
            cluster=web.cluster_arn,
            task_definition=definition.arn,
            desired_count=worker.count,
            network_configuration=web.network,
            **deployment_settings(settings.service),
            opts=self.options(
                delete_before_replace=True,
                depends_on=[web.service],
                # Application Auto Scaling changes the count; an update must not reset it.
                ignore_changes=["desiredCount"] if hours else None,
            ),
        )
        if hours:
            # To its count in the hours of `schedule`, and to none outside of them.
            count, web_scaling = worker.count, settings.service.scaling
            scaling = replace(web_scaling, minimum=count, maximum=count, cpu=0, requests=0)
            Scaling(name, settings, scaling, service, self.child)
        return service, definition.arn
