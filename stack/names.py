"""The names that a stack's resources bear."""

from __future__ import annotations

from dataclasses import dataclass

PROJECT = "careapp"
CONTAINER = "app"
RULE_PRIORITY = 100
"""The number of the listener's rule that stage 2 makes."""
RUNNING, PAGE_ERRORS = "service-running", "page-errors"
"""What the names of two alarms end with, whose actions are off while a stack is paused."""


@dataclass(frozen=True)
class StackNames:
    """What one stack's resources are called; the hand-over note's commands name those of poc."""

    stack: str
    project: str = PROJECT

    @classmethod
    def of(cls, stack: str) -> StackNames:
        """The names of a stack, e.g. ``poc``."""
        return cls(stack)

    @property
    def prefix(self) -> str:
        return f"{self.project}-{self.stack}"

    @property
    def cluster(self) -> str:
        return f"{self.prefix}-cluster"

    @property
    def service(self) -> str:
        return f"{self.prefix}-service"

    @property
    def family(self) -> str:
        """The task definition's."""
        return self.prefix

    @property
    def container(self) -> str:
        return CONTAINER

    @property
    def balancer(self) -> str:
        return f"{self.prefix}-alb"

    @property
    def target_group(self) -> str:
        return f"{self.prefix}-tg"

    @property
    def alarms_of_a_pause(self) -> tuple[str, ...]:
        """Those that would ring while nothing is to run: for missing tasks, and for the 503 that is answered then."""
        return f"{self.prefix}-{RUNNING}", f"{self.prefix}-{PAGE_ERRORS}"

    @property
    def database(self) -> str:
        """The DB instance's identifier."""
        return self.prefix

    @property
    def log_group(self) -> str:
        return f"/ecs/{self.prefix}"

    @property
    def streams(self) -> str:
        """What the names of the tasks' log streams begin with (ECS developer guide, awslogs)."""
        return f"{self.container}/{self.container}"

    @property
    def repository(self) -> str:
        return f"{self.project if self.stack == 'poc' else self.prefix}/hello-ecs"
