"""Jobs: schedules of EventBridge Scheduler that run tasks of the web service's image."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from careapp.settings.jobs import Job
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from careapp.settings.statements import Policy, allow, policy, trusted

from . import container
from .component import Component
from .iam import role_arn
from .service import Service

SCHEDULER, TASKS = "scheduler.amazonaws.com", "ecs-tasks.amazonaws.com"
KILL_SECONDS = 30
"""Between the SIGTERM and the SIGKILL of coreutils' `timeout`."""
RETRIES, OLDEST_SECONDS = 3, 600
"""Retries of a call that AWS refuses, such as for a quota, and their time. A later start would run into the next one;
EventBridge Scheduler's own defaults are 185 retries in a day (API reference, RetryPolicy)."""


class Jobs(Component):
    """One schedule for each entry of `jobs`, in a schedule group of the stack, and the role that runs their tasks.

    They share the image, the roles, the network and the cluster of the web service, ``web``.

    ECS ends no task by time, so `timeout` of the image (coreutils, busybox) ends the command. The schedules
    change after the web service, and so after `deployCommand`.
    """

    def __init__(self, name: str, settings: Settings, web: Service) -> None:
        super().__init__(name, settings)
        self.web = web
        group = aws.scheduler.ScheduleGroup(f"{name}-jobs", name=name, opts=self.child)
        may_run = self._role(name, group)
        for job in settings.jobs:
            self._schedule(job, group, may_run)
        self.register_outputs({})

    def _role(self, name: str, group: aws.scheduler.ScheduleGroup) -> pulumi.Output[str]:
        account, web = aws.get_caller_identity_output().account_id, self.web
        own = {"aws:SourceAccount": account, "aws:SourceArn": group.arn}
        roles = [web.task.roles.execution_arn, web.task.roles.task_arn]
        allowed = pulumi.Output.all(account, web.cluster_arn, *roles).apply(
            lambda known: run_policy(
                self.settings.region, self.settings.names, known[0], known[1], known[2:]
            )
        )
        trust = trusted(SCHEDULER, {"StringEquals": own})
        return role_arn(self, f"{name}-jobs", trust, allowed)

    def _schedule(
        self, job: Job, group: aws.scheduler.ScheduleGroup, may_run: pulumi.Output[str]
    ) -> None:
        web, name = self.web, self.settings.names.job(job.name)
        process = container.Process(name=f"job-{job.name}", command=limited(job))
        definition = web.task.definition(name, name, self.child, process, (job.cpu, job.memory))
        aws.scheduler.Schedule(
            name,
            name=job.name,
            group_name=group.name,
            schedule_expression=job.schedule,
            schedule_expression_timezone=job.time_zone,
            state="ENABLED" if job.enabled else "DISABLED",
            flexible_time_window={"mode": "OFF"},
            target={
                "arn": web.cluster_arn,
                "role_arn": may_run,
                "retry_policy": {
                    "maximum_retry_attempts": RETRIES,
                    "maximum_event_age_in_seconds": OLDEST_SECONDS,
                },
                "ecs_parameters": {
                    "task_definition_arn": definition.arn,
                    "task_count": 1,
                    "launch_type": "FARGATE",
                    "platform_version": "LATEST",
                    "network_configuration": web.network,
                    "enable_ecs_managed_tags": True,
                    "propagate_tags": "TASK_DEFINITION",
                },
            },
            opts=self.options(depends_on=[web.service]),
        )


def limited(job: Job) -> tuple[str, ...]:
    """Return the command under `timeout`, which ends it with exit code 124 (coreutils) or 143 (busybox)."""
    return ("timeout", "-k", str(KILL_SECONDS), str(60 * job.timeout_minutes), *job.command)


def run_policy(
    region: str, names: StackNames, account: str, cluster: str, roles: list[str]
) -> Policy:
    """Return the policy to run tasks of the jobs' families in the cluster, and to pass their two roles."""
    family = f"arn:aws:ecs:{region}:{account}:task-definition/{names.jobs}*:*"
    in_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
    to_tasks = {"StringEquals": {"iam:PassedToService": TASKS}}
    tasks = f"{cluster.replace(':cluster/', ':task/')}/*"
    return policy(
        {**allow(family, "ecs:RunTask"), "Condition": in_cluster},
        {**allow(roles, "iam:PassRole"), "Condition": to_tasks},
        {
            **allow(tasks, "ecs:TagResource"),
            "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        },
    )
