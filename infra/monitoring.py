"""The monitoring components: topic, database alarms and dashboard; in stage 2 the service's alarms."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import alarms, dashboard
from infra.load_balancer import LoadBalancer
from infra.notices import (
    Notices,
    NoticesArgs,
    notify_failed_deployments,
    notify_failed_runs,
    rule_name,
)
from infra.service import Service
from stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """The stack's settings, and the load balancer, whose ARN suffix AWS generates."""

    settings: Settings
    balancer: LoadBalancer


class Monitoring(pulumi.ComponentResource):
    """The part of stage 1: the topic, the database's alarms and the dashboard of both stages.

    It can be recreated without loss, so it is not protected.
    """

    topic_arn: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Monitoring", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.topic_arn = None
        if args.settings.monitoring.alarms:
            self.topic_arn = self._alarms(name)
            self._dashboard(name)
        self.register_outputs({"topic_arn": self.topic_arn})

    def add_service(self, name: str, service: Service) -> list[pulumi.Resource]:
        """Create the part of stage 2 when alarms are on."""
        if not self.topic_arn:
            return []
        args = ServiceMonitoringArgs(
            settings=self.args.settings,
            topic_arn=self.topic_arn,
            balancer=self.args.balancer,
            service=service,
        )
        return [ServiceMonitoring(name, args)]

    def _alarms(self, name: str) -> pulumi.Output[str]:
        settings = self.args.settings
        args = NoticesArgs(
            region=settings.region,
            email=settings.monitoring.email,
            deployer=settings.deployer,
            tags=settings.tags,
        )
        topic = Notices(name, args, self.child).topic_arn
        watched = alarms.database(name, settings.database)
        alarms.create(name, watched, topic, settings.tags, self.child)
        return topic

    def _dashboard(self, name: str) -> None:
        settings = self.args.settings

        def text(balancer: str, *groups: str) -> str:
            watched = dashboard.Watched(
                stack=settings.stack,
                region=settings.region,
                balancer=balancer,
                target_groups=groups,
                database=settings.names.database,
                cluster=settings.names.cluster,
                service=settings.names.service,
                rule=rule_name(name),
            )
            every = (
                *alarms.page(balancer, groups),
                *alarms.service(
                    watched.cluster, watched.service, balancer, groups, settings.service
                ),
                *alarms.database(name, settings.database),
            )
            return json.dumps(dashboard.body(watched, every))

        known = pulumi.Output.all(self.args.balancer.arn_suffix, *self.args.balancer.group_suffixes)
        aws.cloudwatch.Dashboard(
            name,
            dashboard_name=name,
            dashboard_body=known.apply(lambda suffixes: text(*suffixes)),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


@dataclass(frozen=True, kw_only=True)
class ServiceMonitoringArgs:
    """The service, its load balancer and the topic."""

    settings: Settings
    topic_arn: pulumi.Input[str]
    balancer: LoadBalancer
    service: Service


class ServiceMonitoring(pulumi.ComponentResource):
    """The part of stage 2: alarms on page, tasks and jobs, and the rules for failed deployments and runs of jobs."""

    def __init__(
        self, name: str, args: ServiceMonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:ServiceMonitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        balancer, settings = args.balancer, args.settings
        targets = balancer.arn_suffix, balancer.group_suffixes
        watched = (
            *alarms.page(*targets),
            *alarms.service(
                settings.names.cluster, settings.names.service, *targets, settings.service
            ),
            *(alarms.jobs(name) if settings.jobs else ()),
        )
        alarms.create(name, watched, args.topic_arn, settings.tags, child)
        if settings.jobs:
            notify_failed_runs(
                settings.names.jobs, settings.stack, args.topic_arn, settings.tags, child
            )
        notify_failed_deployments(
            name,
            settings.stack,
            args.service.service.arn,
            args.topic_arn,
            settings.tags,
            child,
        )
        self.register_outputs({})
