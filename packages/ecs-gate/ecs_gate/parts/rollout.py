"""What ECS did with one task definition: which of its tasks failed, which serve, and whether it was rolled back."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from ecs_gate.parts.elb import TargetHealth
from ecs_gate.parts.records import (
    Alarmed,
    Deployment,
    PauseHook,
    Service,
    ServiceEvent,
    Task,
    Traffic,
    short,
)

STABLE_SECONDS = 30
"""AWS seconds for which each of a worker's tasks must have run. ECS calls its deployment completed before: of a task
without a health check the circuit breaker only asks that it reaches RUNNING (ECS developer guide, "How the Amazon ECS
deployment circuit breaker detects failures"; aws/containers-roadmap#1206)."""
STABLE = timedelta(seconds=STABLE_SECONDS)

SHIFTING = ("PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME")
"""Stages in which the new version gets requests of users, and the old tasks still run (botocore)."""

STEADY = re.compile(r"has reached a steady state|deployment completed")
FAILED_DEPLOYMENT = "deployment failed"
"""ECS's words in events of the service."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """The service at one moment, with its tasks and targets. The doctor, the gate and the status decide by it.

    Without a service nothing is rolled out.
    """

    expected: str = ""
    """The ARN of the task definition that is expected to run; "" where it is not known."""
    name: str = ""
    """That of the service, which ECS may not have."""
    service: Service | None = None
    tasks: tuple[Task, ...] = ()
    """The running tasks, and those that stopped within the hour, newest first."""
    targets: tuple[TargetHealth, ...] = ()
    """The registered targets."""
    rollback_reason: str = ""
    """Why ECS went back to the service as it was before, with the same revision; "" where it did not."""
    not_deployed: bool = False
    """Whether the expected revision is known never to have been given to ECS, which runs another one."""
    unread: bool = False
    """Whether tasks or targets could not be read."""
    process: str = ""
    """The worker's name; "" for the web service. A worker has no targets."""
    at: datetime | None = None
    """When a worker was read, by AWS's clock."""
    alarmed: Alarmed = field(default_factory=Alarmed)
    """The alarms that have ended the service's newest deployment, if any did."""

    @property
    def revision(self) -> str:
        """Return the expected family and number, like `shop:7`."""
        return short(self.expected)

    @property
    def desired(self) -> int:
        return self.service.desired if self.service else 0

    @property
    def running(self) -> int:
        """Return how many tasks of the service run, of any revision."""
        return self.service.running if self.service else 0

    @property
    def primary(self) -> Deployment | None:
        return self.service.primary if self.service else None

    @property
    def deployment(self) -> Deployment | None:
        """Return the newest deployment of the expected revision that ECS still shows."""
        known = self.service.deployments if self.service else ()
        mine = [each for each in known if each.definition == self.expected]
        return max(mine, key=lambda each: (each.primary, each.created), default=None)

    @property
    def other_deployments(self) -> tuple[Deployment, ...]:
        """Return the other deployments, to which ECS can go back; `retry` makes one of the same revision."""
        known, mine = self.service.deployments if self.service else (), self.deployment
        return tuple(deployment for deployment in known if deployment is not mine)

    @property
    def rolled_back(self) -> bool:
        """Return whether ECS rolled back: the primary deployment is of another revision, or of an earlier service."""
        if self.primary is None or not self.expected or self.not_deployed:
            return False
        return bool(self.rollback_reason) or self.primary.definition != self.expected

    @property
    def given_up(self) -> bool:
        """Return whether ECS has stopped trying the expected revision."""
        return self.rolled_back or bool(self.primary and self.primary.rollout == "FAILED")

    @cached_property
    def deployment_tasks(self) -> tuple[Task, ...]:
        """Return the tasks of the newest deployment of the expected revision, newest first."""
        expected = [task for task in self.tasks if task.definition == self.expected]
        primary = self.primary
        if primary and not self.rolled_back:
            return tuple(task for task in expected if task.started_by == primary.id)
        others = [task for task in expected if not primary or task.started_by != primary.id]
        return tuple(other for other in others if other.started_by == others[0].started_by)

    @cached_property
    def failed_tasks(self) -> tuple[Task, ...]:
        """Return those of `deployment_tasks` that were not stopped by a user, a scaling activity or a deployment."""
        return tuple(task for task in self.deployment_tasks if task.failed)

    @cached_property
    def active_tasks(self) -> tuple[Task, ...]:
        return tuple(task for task in self.deployment_tasks if not task.over)

    @property
    def unhealthy_tasks(self) -> tuple[Task, ...]:
        """Return those of `active_tasks` that the load balancer calls unhealthy, in their grace period or after it."""
        unhealthy = {target.address for target in self.targets if target.state == "unhealthy"}
        return tuple(task for task in self.active_tasks if task.address in unhealthy)

    @property
    def replaced_tasks(self) -> tuple[Task, ...]:
        """Return the unhealthy ones of `active_tasks` for which ECS has started a replacement.

        ECS starts the replacement of an unhealthy task before it stops the task, where the maximum
        percent has room for both (ECS API reference, DeploymentConfiguration, maximumPercent).
        Within the grace period it starts none.
        """
        return self.unhealthy_tasks if len(self.active_tasks) > self.desired else ()

    @property
    def running_tasks(self) -> tuple[Task, ...]:
        return self._running(self.expected)

    @property
    def serving(self) -> int:
        """Return how many running tasks of the expected revision are healthy in the target group.

        Of a worker, which has none, those that have run for STABLE_SECONDS without a failure.
        """
        return self._serving(self.expected)

    @property
    def current_tasks(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if not task.over)

    @cached_property
    def task_targets(self) -> tuple[TargetHealth, ...]:
        kept = {task.address for task in self.current_tasks}
        return tuple(target for target in self.targets if target.address in kept)

    @property
    def traffic(self) -> Traffic | None:
        """Return how far the deployment in progress has shifted the requests."""
        return self.service.traffic if self.service else None

    @property
    def breaks(self) -> bool:
        """Return whether ECS's circuit breaker ends a deployment of it that fails.

        "The deployment circuit breaker can only be used for services using the rolling update (ECS) deployment type"
        (ECS API reference, DeploymentCircuitBreaker).
        """
        service = self.service
        return service is None or (service.strategy == "ROLLING" and service.breaker)

    @property
    def shifts(self) -> bool:
        """Return whether users' requests go to the expected revision, and ECS can still give them to the one before."""
        mine, traffic = self.deployment, self.traffic
        return bool(mine and mine.primary and traffic and traffic.stage in SHIFTING)

    @property
    def hook(self) -> PauseHook | None:
        """Return the hook at which the deployment of the expected revision waits."""
        mine = self.deployment
        return self.traffic.hook if self.traffic and mine is not None and mine.primary else None

    @property
    def bakes(self) -> bool:
        """Return whether every task of the expected revision serves, and ECS still watches its deployment."""
        mine, service = self.deployment, self.service
        if service is None or mine is None or not mine.primary or mine.rollout != "IN_PROGRESS":
            return False
        if self.process:
            return False
        shifted = service.traffic is not None and service.traffic.stage == "BAKE_TIME"
        only = shifted or service.running == service.desired
        return not mine.pending and only and 0 < service.desired == self.serving

    @property
    def steady(self) -> bool:
        """Return whether the expected revision runs at its desired count, and every target is healthy."""
        return self._steadiness is True

    @property
    def unsteady(self) -> bool:
        """Return whether it is known not to be steady; False where the tasks or targets could not be read."""
        return self._steadiness is False

    @cached_property
    def _steadiness(self) -> bool | None:
        """Return whether the service is steady; None where that could not be read."""
        service, primary = self.service, self.primary
        if service is None or service.desired == 0:
            return False
        if primary is None:  # ECS does not make its deployments.
            return False if service.running < service.desired else None
        if self.rolled_back or self.not_deployed:
            return False
        if primary.rollout not in ("COMPLETED", "") or service.running < service.desired:
            return False
        if self.serving >= (service.desired if service.targets or self.process else 0):
            return True
        return None if self.unread else False

    @property
    def unfinished(self) -> bool:
        """Return whether a roll-out is in progress of which fewer tasks serve than the desired count."""
        primary = self.primary
        # ECS completes a worker's deployment as soon as its tasks run.
        going = ("IN_PROGRESS", "COMPLETED") if self.process else ("IN_PROGRESS",)
        if primary is None or primary.rollout not in going:
            return False
        return self._serving(primary.definition) < self.desired

    def _running(self, definition: str) -> tuple[Task, ...]:
        mine = (task for task in self.current_tasks if task.definition == definition)
        return tuple(task for task in mine if task.status == "RUNNING")

    def _serving(self, definition: str) -> int:
        if self.process:
            return len(self._stable(definition))
        healthy = {target.address for target in self.targets if target.state == "healthy"}
        # ECS says UNKNOWN of a container without a health check of its own.
        return sum(
            task.health != "UNHEALTHY" and task.address in healthy
            for task in self._running(definition)
        )

    def _stable(self, definition: str) -> list[Task]:
        """Return the running tasks that have run for STABLE_SECONDS since the last one failed."""
        failed = max((task.ended for task in self.failed_tasks if task.ended), default=None)
        return [
            task
            for task in self._running(definition)
            if self.at
            and task.started
            and self.at - max(task.started, failed or task.started) >= STABLE
        ]

    @cached_property
    def events(self) -> tuple[ServiceEvent, ...]:
        """Return ECS's events about the roll-out of the expected revision, newest first.

        ECS keeps the last hundred events, which may be days old. Those before the service was last steady are
        of another roll-out, or of what it has got over; those that name another deployment, or a task of another
        one, are not of this one either.
        """
        since, service = self._since, self.service
        if since is None or service is None:
            return ()
        return tuple(each for each in service.events if each.at >= since and self._is_mine(each))

    def _is_mine(self, event: ServiceEvent) -> bool:
        """Return whether an event is of this roll-out, as far as its message tells."""
        other_tasks = {task.id for task in self.tasks} - {task.id for task in self.deployment_tasks}
        if event.task or not event.deployment:
            return event.task not in other_tasks
        if self.deployment_tasks:
            return event.deployment == self.deployment_tasks[0].started_by
        # ECS has forgotten the tasks. After a rollback the primary deployment is that of the rollback.
        primary = self.primary.id if self.primary else ""
        return (event.deployment == primary) is not self.rolled_back

    @property
    def _since(self) -> datetime | None:
        """Return when the roll-out began, or the service was last steady; None where that is not known."""
        service, primary = self.service, self.primary
        if service is None or primary is None or self.not_deployed:
            return None
        steady = [event.at for event in service.events if STEADY.search(event.message)]
        if not self.rolled_back:
            return max([primary.created, *steady])
        created = [task.created for task in self.deployment_tasks if task.created]
        failed = [event.at for event in service.events if FAILED_DEPLOYMENT in event.message]
        if created or not failed:
            return min(created, default=None)
        # ECS has forgotten the tasks: what came before the failure, back to the last steady state.
        return max((moment for moment in steady if moment < max(failed)), default=max(failed))
