"""What can happen to a service, and what the scheduler then wants done."""

from __future__ import annotations

from dataclasses import dataclass

from rehearsal.data.ecs_state import Revision, Settings


@dataclass(frozen=True)
class Launched:
    """The task's containers run."""

    task: str


@dataclass(frozen=True)
class FailedToStart:
    """The task's containers could not be started; ``reason`` in AWS's words."""

    task: str
    reason: str


@dataclass(frozen=True)
class Exited:
    """An essential container ended by itself."""

    task: str


@dataclass(frozen=True)
class TargetChanged:
    """A health check changed what is known of the task's target; ``words`` as DescribeTargetHealth has them."""

    task: str
    target_group: str
    state: str
    words: str = ""


@dataclass(frozen=True)
class ContainerChecked:
    """The container's own health check: HEALTHY, UNHEALTHY or UNKNOWN."""

    task: str
    health: str


@dataclass(frozen=True)
class StopAsked:
    """Somebody called StopTask."""

    task: str
    reason: str


@dataclass(frozen=True)
class Drained:
    """The task is in no target group any more."""

    task: str


@dataclass(frozen=True)
class Ended:
    """Every container of the task has ended."""

    task: str


@dataclass(frozen=True)
class Updated:
    """The service was created or updated. A ``revision`` begins a new deployment."""

    settings: Settings
    revision: Revision | None = None


@dataclass(frozen=True)
class Deleted:
    """The service is to end."""


Happening = (
    Launched
    | FailedToStart
    | Exited
    | TargetChanged
    | ContainerChecked
    | StopAsked
    | Drained
    | Ended
    | Updated
    | Deleted
)


@dataclass(frozen=True)
class Attach:
    """Give the new task a record and an address."""

    task: str


@dataclass(frozen=True)
class Launch:
    """Pull the image, resolve the secrets, start the containers."""

    task: str


@dataclass(frozen=True)
class Register:
    """Put the task into its service's target groups."""

    task: str


@dataclass(frozen=True)
class Deregister:
    """Take the task out of its target groups."""

    task: str


@dataclass(frozen=True)
class Kill:
    """End the containers: SIGTERM, then SIGKILL after the stop timeout."""

    task: str


@dataclass(frozen=True)
class Detach:
    """The task is over: give its address back."""

    task: str


Action = Attach | Launch | Register | Deregister | Kill | Detach
