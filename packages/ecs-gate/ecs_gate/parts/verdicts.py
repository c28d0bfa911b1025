"""The gate's verdict on a service deployment: a stream of its own in the app's log group."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, task_logs
from ecs_gate.parts.records import read_existing, short
from ecs_gate.target import Names

STREAMS = "gate/"
"""With what the names of the streams begin, which end with the service deployment's id."""
DONE = "SUCCESSFUL"
WELL = (DONE, *ecs.GOING)
"""The statuses of a service deployment of which no verdict counts (botocore)."""
MOST = 3
"""Service deployments whose verdicts are read."""
WORKED = "worked"
"""The verdict of a roll-out that worked."""
MOST_BACK = 20
"""Service deployments among which one is looked for that worked."""
RECENT = timedelta(days=1)
"""How long a cure that was proposed is one that was tried."""


def newest(session: Session, names: Names) -> str | None:
    """Return the verdict on the service's newest deployment, unless that goes on or ended well. Raises AwsProblem."""
    rows = ecs.service_deployments(session, names)
    if not rows or rows[0]["status"] in WELL:
        return None
    events = task_logs.tail(session, names.log_group, _stream(rows[0]), 1)
    return str(events[-1]["message"]) if events else None


def before(session: Session, names: Names, by_up: bool) -> str | None:
    """Return the verdict of the roll-out before this one, or before the last one; None where a deployment between
    them ended well. Raises AwsProblem.

    ``by_up``: a roll-out asks at its end, before it keeps its own verdict.
    """
    streams: list[list[str]] = []
    for row in ecs.service_deployments(session, names)[:MOST]:
        streams.append(_recent(session, names, row))
        if row["status"] == DONE and not (by_up and len(streams) == 1):
            break
    first, *others = streams or [[]]
    # The newest one is the present one.
    earlier = first if by_up else first[1:]
    return next((verdict for group in (earlier, *others) for verdict in group), None)


def _recent(session: Session, names: Names, row: Mapping[str, Any]) -> list[str]:
    """Return the last two verdicts on a service deployment, the newest first."""
    events = read_existing(task_logs.tail, session, names.log_group, _stream(row), 2) or ()
    since = local_cloud.now() - RECENT
    return [str(e["message"]) for e in reversed(events) if task_logs.at(e["timestamp"]) > since]


def worked(session: Session, names: Names) -> str | None:
    """Return the task definition of the newest deployment after which the page worked; None where none is known.

    ECS completes a version whose page fails, too, where nobody requests it. Raises AwsProblem.
    """
    for row in ecs.service_deployments(session, names)[:MOST_BACK]:
        last = read_existing(task_logs.tail, session, names.log_group, _stream(row), 1) or ()
        if row["status"] == DONE and [event["message"] for event in last] == [WORKED]:
            return ecs.deployed_definition(session, row) or None
    return None


def keep(session: Session, names: Names, verdict: str) -> None:
    """Write the verdict on the service's newest deployment. Raises AwsProblem."""
    rows = ecs.service_deployments(session, names)
    if not rows:
        return
    where = {"logGroupName": names.log_group, "logStreamName": _stream(rows[0])}
    try:
        session.call("logs", "create_log_stream", **where)
    except AwsProblem as problem:
        if problem.code != "ResourceAlreadyExistsException":
            raise
    event = {"timestamp": int(local_cloud.now().timestamp() * 1000), "message": verdict}
    session.call("logs", "put_log_events", **where, logEvents=[event])


def _stream(row: Mapping[str, Any]) -> str:
    return STREAMS + short(row["serviceDeploymentArn"])
