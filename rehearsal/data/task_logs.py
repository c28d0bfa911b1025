"""A container's output, line by line, into its CloudWatch log stream."""

from __future__ import annotations

from typing import IO

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data.container_plan import Plan

LONGEST_LINE = 256 * 1024
"""Bytes; CloudWatch takes no longer event."""


def pump(output: IO[bytes], container: Plan, clock: Clock) -> None:
    """Read a container's output to its end. Without a log group the lines are dropped, as on Fargate.

    A traceback names the image's files as on AWS (/app/webapp/pages.py), not this machine's copies.
    """
    group, stream = container.log_group, container.log_stream
    with output:
        while line := output.readline(LONGEST_LINE):
            text = line.decode(errors="replace").rstrip("\r\n")
            if group is not None and stream is not None:
                text = container.image.inside(text)
                _put(group, stream, text or " ", int(clock.now().timestamp() * 1000))


def _put(group: str, stream: str, message: str, timestamp: int) -> None:
    """Into the stream itself: moto's call refuses times more than two hours ahead of this machine's."""
    with hooks.LOCK:
        found = hooks.backend("logs").groups.get(group)
        if found is not None and stream in found.streams:
            event = {"timestamp": timestamp, "message": message}
            found.streams[stream].put_log_events([event])
