"""Deployments of the service: the keys and record of their strategy."""

import math
from dataclasses import dataclass
from typing import Self

from careapp.settings import rules, scaling
from careapp.settings.file import Reader
from careapp.settings.rules import Change, Invalid, Key, value_of
from ecs_gate.text import t

ROLLING, CANARY, LINEAR, BLUE_GREEN = "rolling", "canary", "linear", "blueGreen"
STRATEGIES = {ROLLING: "ROLLING", CANARY: "CANARY", LINEAR: "LINEAR", BLUE_GREEN: "BLUE_GREEN"}
"""Each strategy's name in ECS (botocore, DeploymentStrategy)."""
MAXIMUM_PERCENT = 200
"""Percent of the desired tasks that may run in a deployment.

A rolling one starts new tasks up to this limit and stops old ones as the new become healthy; the others
keep both sets until they end (ECS developer guide, "Amazon ECS deployment strategies").
"""
LONGEST_WAIT = 1440
"""Minutes: ECS's limit of each wait (botocore, CanaryConfiguration, LinearConfiguration), and ours of all."""
SHIFT_PERCENT = 10
"""Share of the requests that a new version gets first (canary), or with each step (linear).

ECS requires 3 or more of a linear step (botocore, LinearConfiguration).
"""
USUAL_MINUTES = 15
"""The least that `rolloutTimeoutMinutes` is where it is not set."""
START_MINUTES = 10
"""What `rolloutTimeoutMinutes` leaves for the start of the new tasks, in addition to the waits.

Twice what the creation of a service took on AWS: canary 310 s, linear 286 s (terraform-provider-aws pull
request 45235). An image or a health check may take longer.
"""

PUSH_MINUTES = 60
"""Minutes that a roll-out may take in a job of GitHub Actions, whose `timeout-minutes` are 90 or more.

The rest is for the image, a new database and a lock. A test compares it with .github/workflows.
"""

WITHOUT_SERVICE = Change(
    "in place between `canary`, `linear` and `blueGreen`; to and from `rolling` refused while the service runs: "
    "first `ecsEnabled false`"
)

DEPLOY_STRATEGY = Key(
    "deployStrategy",
    ROLLING,
    rules.Choice(STRATEGIES),
    "how a new version gets its requests: `rolling`, `canary`, `linear` or `blueGreen`",
    example="blueGreen",
    change=WITHOUT_SERVICE,
)
BAKE_MINUTES = Key(
    "bakeMinutes",
    "5",
    rules.Integer(0, LONGEST_WAIT, t(" minutes")),
    "minutes that ECS watches a new version after each shift of requests, ready to go back; its alarms need 5",
)
"""Five are longer than the alarms take: two periods of a minute, and up to 3 min 20 s, measured on AWS, until
the load balancer's metrics are in CloudWatch."""
ROLLOUT_TIMEOUT = Key(
    "rolloutTimeoutMinutes",
    "0",
    rules.Integer(0, LONGEST_WAIT, t(" minutes")),
    "minutes after which an unfinished roll-out fails `pulumi up`; 0: 15, or as many as the waits of "
    "`deployStrategy` and the number of tasks need",
    example="20",
)


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """The strategy of deployments, and the minutes after each shift."""

    strategy: str = value_of(DEPLOY_STRATEGY)
    bake: int = value_of(BAKE_MINUTES)

    @property
    def shifts(self) -> bool:
        """Whether ECS shifts the requests between two target groups."""
        return self.strategy != ROLLING

    @property
    def wait(self) -> int:
        """The minutes that ECS waits in a deployment whose tasks are healthy; 0 with `rolling`.

        There is no wait after the last linear step but the bake time (botocore, LinearConfiguration).
        """
        shifts = {CANARY: 2, LINEAR: math.ceil(100 / SHIFT_PERCENT), BLUE_GREEN: 1}
        return shifts.get(self.strategy, 0) * self.bake

    @classmethod
    def load(cls, read: Reader, requests: int) -> Self:
        """Read the keys; ``requests`` is the target of scaling by requests."""
        settings = read.record(cls)
        # The metric is of one target group (Application Auto Scaling, PredefinedMetricSpecification).
        moved = t(
            "{requests} counts the requests of one target group, and deployStrategy {strategy} moves "
            "them between two; scale by scaleCpuTarget, or deploy by rolling",
            requests=requests,
            strategy=settings.strategy,
        )
        keys = (scaling.SCALE_REQUESTS_PER_TARGET, DEPLOY_STRATEGY)
        read.refuse(requests and settings.shifts, moved, *keys)
        return settings


def check_push(limit: int, commands: int) -> None:
    """Raise ValueError when a deploy by push may take longer than its job.

    The limit counts for the roll-out, and once more for the task of deployCommand: ``commands`` is 1 or 0.
    """
    if limit * (1 + commands) > PUSH_MINUTES:
        raise Invalid(
            "{limit} minutes are too long for a stack that GitHub Actions deploys (permissionsBoundary): the job "
            "ends first, in the middle of `pulumi up`. It has {minutes} minutes for the roll-out and "
            "for deployCommand, which may take as long again; set rolloutTimeoutMinutes to {most} or less, and "
            "shorter waits if it refuses that",
            limit=limit,
            minutes=PUSH_MINUTES,
            most=PUSH_MINUTES // (1 + commands),
        )
