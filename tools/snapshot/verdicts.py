"""The gate's verdict on a service deployment: a stream of its own in the app's log group."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stack.names import StackNames
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.snapshot import ecs, task_logs
from tools.snapshot.records import short

STREAMS = "gate/"
"""With what the names of the streams begin, which end with the service deployment's id."""
WELL = ("SUCCESSFUL", *ecs.GOING)
"""The statuses of a service deployment of which no verdict counts (botocore)."""


def newest(session: Session, names: StackNames) -> str | None:
    """Return the verdict on the service's newest deployment, unless that goes on or ended well. Raises AwsProblem."""
    rows = ecs.service_deployments(session, names)
    if not rows or rows[0]["status"] in WELL:
        return None
    events = task_logs.tail(session, names.log_group, _stream(rows[0]), 1)
    return str(events[-1]["message"]) if events else None


def keep(session: Session, names: StackNames, verdict: str) -> None:
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
    event = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": verdict}
    session.call("logs", "put_log_events", **where, logEvents=[event])


def _stream(row: Mapping[str, Any]) -> str:
    return STREAMS + short(row["serviceDeploymentArn"])
