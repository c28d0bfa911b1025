"""The names of a stack's resources."""

from __future__ import annotations

from dataclasses import dataclass

PROJECT = "careapp"
CONTAINER = "app"
DEPLOY_COMMAND_TASK = "careapp-deploy"
"""`startedBy` of the tasks that run the setting deployCommand."""
RULE_PRIORITY = 100
"""The priority of stage 2's listener rule."""
TEST_RULE_PRIORITY = 50
"""The priority of the rule that leads to a new version before users' requests do: ELB asks it first."""
TEST_HEADER = "X-Test-Release"
"""The header of a request to a new version; its value is drawn for each stack."""
RUNNING, PAGE_ERRORS = "service-running", "page-errors"
"""The ends of the names of two alarms, whose actions are off while a stack is paused."""
DEPLOYMENT = "deployment"
"""How the names of the alarms begin, after the stack's prefix, that ECS watches during a deployment."""


@dataclass(frozen=True)
class StackNames:
    """The names of one stack's resources; those of poc are in the hand-over note's commands."""

    stack: str
    project: str = PROJECT

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
        """The task definition's family."""
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
    def alternate_group(self) -> str:
        """The second target group, which only a strategy other than `rolling` has."""
        return f"{self.prefix}-tg2"

    @property
    def alarms_of_a_pause(self) -> tuple[str, ...]:
        """The alarms on missing tasks and on 503 responses, which a pause would set to ALARM."""
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
        """The prefix of the tasks' log streams (ECS developer guide, awslogs)."""
        return f"{self.container}/{self.container}"

    @property
    def repository(self) -> str:
        return f"{self.project if self.stack == 'poc' else self.prefix}/hello-ecs"
