"""The monitoring components: topic, database alarms and dashboard; in stage 2 the service's alarms."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings

from . import alarms, dashboard, notices
from .component import Component
from .load_balancer import LoadBalancer
from .notices import Notices
from .service import Service


class Monitoring(Component):
    """The part of stage 1: the topic, the database's alarms and the dashboard of both stages.

    It can be recreated without loss, so it is not protected.
    """

    def __init__(self, name: str, settings: Settings, balancer: LoadBalancer) -> None:
        super().__init__(name, settings)
        self.balancer = balancer
        self.topic_arn: pulumi.Output[str] | None = None
        if settings.monitoring.alarms:
            self.topic_arn = Notices(name, settings, self.child).topic_arn
            watched = alarms.database(name, settings.database)
            alarms.create(self, name, watched, self.topic_arn)
            self._dashboard(name)
        self.register_outputs({})

    def add_service(self, name: str, service: Service) -> list[pulumi.Resource]:
        """Create the part of stage 2 when alarms are on."""
        parts = name, self.settings, self.balancer, service.service
        return [ServiceMonitoring(*parts, self.topic_arn)] if self.topic_arn else []

    def _dashboard(self, name: str) -> None:
        def text(balancer: str, *groups: str) -> str:
            every = (
                *alarms.page(balancer, groups),
                *alarms.service(balancer, groups, self.settings),
                *alarms.database(name, self.settings.database),
            )
            return json.dumps(dashboard.body(self.settings, balancer, groups, every))

        known = pulumi.Output.all(self.balancer.arn_suffix, *self.balancer.group_suffixes)
        aws.cloudwatch.Dashboard(
            name,
            dashboard_name=name,
            dashboard_body=known.apply(lambda suffixes: text(*suffixes)),
            opts=self.options(delete_before_replace=True),
        )


class ServiceMonitoring(Component):
    """The part of stage 2: alarms on page, tasks and jobs, and the rules for failed deployments and runs of jobs."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        balancer: LoadBalancer,
        service: aws.ecs.Service,
        topic_arn: pulumi.Output[str],
    ) -> None:
        super().__init__(name, settings)
        targets = balancer.arn_suffix, balancer.group_suffixes
        watched = (
            *alarms.page(*targets),
            *alarms.service(*targets, settings),
            *(alarms.jobs(name) if settings.jobs else ()),
        )
        alarms.create(self, name, watched, topic_arn)
        runs = [notices.failed_runs(settings)] if settings.jobs else []
        for notice in (*runs, notices.failed_deployments(settings, service.arn)):
            notices.send(self, notice, topic_arn)
        self.register_outputs({})
