"""A port of 127.0.0.1 that leads to the database, for as long as it is held open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from i18n import Refused, t
from ops.access import plugin
from ops.access.plugin import Plugin
from ops.access.ways import Way
from ops.aws import AwsProblem, Session
from ops.snapshot.surroundings import Database

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel."""

    way: Way
    port: int
    _plugin: Plugin

    @property
    def alive(self) -> bool:
        """Session Manager closes an idle session after 20 minutes (Systems Manager user guide)."""
        return self._plugin.alive


@contextmanager
def opened(session: Session, way: Way, database: Database, port: int = 0) -> Iterator[Tunnel]:
    """Open it, and close it again. Port 0 takes any. Raises Refused and AwsProblem."""
    path = plugin.find()
    request = {
        "Target": way.target,
        "DocumentName": DOCUMENT,
        "Parameters": {
            "host": [database.address],
            "portNumber": [str(database.port)],
            "localPortNumber": [str(port)],
        },
    }
    answer = _started(session, request, way)
    near = None
    try:
        endpoint = session.client("ssm").meta.endpoint_url
        arguments = [session.region, "StartSession", session.profile or "", json.dumps(request)]
        near = Plugin(path, answer, [*arguments, endpoint])
        yield Tunnel(way, near.port(), near)
    finally:
        if near is not None:
            near.stop()
        # The plugin may have ended it already.
        with suppress(AwsProblem):
            session.call("ssm", "terminate_session", SessionId=answer["SessionId"])


def _started(session: Session, request: dict[str, Any], way: Way) -> dict[str, Any]:
    try:
        return session.call("ssm", "start_session", **request)
    except AwsProblem as problem:
        if problem.code != "TargetNotConnected":
            raise
        raise Refused(
            t(
                "Session Manager does not reach {way}: its agent connects a minute after the start, and "
                "needs a way out to AWS and the role's ssmmessages rights; try again, then look at "
                "those.",
                way=way.text,
            )
        ) from None
