"""How one service's roll-out stands: what AWS says of it at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ops.aws.errors import AwsProblem
from ops.aws.session import Session
from ops.snapshot import ecs, elb
from ops.snapshot.elb import Target
from ops.snapshot.records import Deployment, Event, Service, Task, short


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What has to run, by ARN: this task definition revision, in this service and target group."""

    cluster: str
    service: str
    definition: str
    target_group: str

    @property
    def revision(self) -> str:
        """Short, for people: `careapp-poc:7`."""
        return short(self.definition)


@dataclass(frozen=True, kw_only=True)
class View:
    """The service at one moment, with the tasks that are to run and the registered targets."""

    service: Service
    tasks: tuple[Task, ...] = ()
    targets: tuple[Target, ...] = ()
    undone: str = ""
    """Why ECS went back to the service as it was, where the wanted revision was in it already."""

    @property
    def desired(self) -> int:
        """How many tasks are to run."""
        return self.service.desired

    @property
    def events(self) -> list[Event]:
        """The service's events, the oldest first."""
        return sorted(self.service.events, key=lambda event: event.at)

    @property
    def primary(self) -> Deployment | None:
        """The deployment that ECS is making, or has made."""
        return self.service.primary

    def of(self, definition: str) -> Deployment | None:
        """The youngest deployment of a revision."""
        mine = [each for each in self.service.deployments if each.definition == definition]
        return max(mine, key=lambda each: (each.primary, each.created), default=None)


def look(session: Session, wanted: Wanted) -> View | None:
    """Ask AWS once; None when there is no such service, or no more. Raises AwsProblem."""
    named = {"cluster": wanted.cluster, "services": [wanted.service]}
    try:
        found = session.call("ecs", "describe_services", **named)["services"]
    except AwsProblem as problem:
        if problem.kind == "missing":  # the cluster, too
            return None
        raise
    if not found or found[0]["status"] != "ACTIVE":
        return None
    view = View(
        service=ecs.service_of(found[0]),
        tasks=_tasks(session, wanted),
        targets=elb.targets(session, wanted.target_group),
    )
    mine = view.of(wanted.definition)
    if mine is None or not mine.primary or mine.rollout != "COMPLETED":
        return view
    service = {"cluster": wanted.cluster, "service": wanted.service}
    return replace(view, undone=ecs.rollback_reason(session, service, wanted.definition))


def _tasks(session: Session, wanted: Wanted) -> tuple[Task, ...]:
    named = {"cluster": wanted.cluster, "serviceName": short(wanted.service)}
    arns = session.all("ecs", "list_tasks", "taskArns", **named)
    return tuple(map(ecs.task_of, ecs.described(session, wanted.cluster, arns)))


def is_deregistered(session: Session, definition: str) -> bool:
    """Whether a revision is INACTIVE: ECS remembers it, but deploys it no more (ECS API, UpdateService)."""
    try:
        answer = session.call("ecs", "describe_task_definition", taskDefinition=definition)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return True
        raise
    return bool(answer["taskDefinition"]["status"] != "ACTIVE")
