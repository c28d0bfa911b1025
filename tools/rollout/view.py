"""Reads the state of one roll-out from ECS and Elastic Load Balancing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stack.names import StackNames
from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.snapshot import ecs, elb, read_existing
from tools.snapshot.records import short
from tools.snapshot.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The task definition revision that this update deploys, and its target group, by ARN.

    ``names`` are those of the web service or of a worker, which has no target group.
    """

    names: StackNames
    definition: str
    target_group: str = ""
    page_url: str = ""
    """The output ``pageUrl``."""

    @property
    def revision(self) -> str:
        """Return family and number, like `careapp-poc:7`."""
        return short(self.definition)


def look(session: Session, expected: Expected) -> Rollout:
    """Read the roll-out; one without a service where there is no ACTIVE one. Raises AwsProblem."""
    names = expected.names
    service = read_existing(ecs.service, session, names)  # the cluster may be missing, too
    if service is None or service.status != "ACTIVE":
        return Rollout(expected=expected.definition, process=names.process)
    groups = (expected.target_group, *(service.target_groups if service.alternate else ()))
    groups = tuple(dict.fromkeys(each for each in groups if each))
    seen = Rollout(
        expected=expected.definition,
        service=service,
        tasks=ecs.tasks(session, names),
        targets=elb.targets(session, *groups),
        process=names.process,
        at=local_cloud.now() if names.process else None,
    )
    if seen.rolled_back or seen.primary is None or seen.primary.rollout != "COMPLETED":
        return seen
    return replace(seen, rollback_reason=ecs.rollback_reason(session, names, expected.definition))


def is_deregistered(session: Session, definition: str) -> bool:
    """Return whether a revision is INACTIVE: ECS does not deploy it any more (ECS API, UpdateService)."""
    try:
        answer = session.call("ecs", "describe_task_definition", taskDefinition=definition)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return True
        raise
    return bool(answer["taskDefinition"]["status"] != "ACTIVE")
