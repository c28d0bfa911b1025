"""A container's output, line by line, into its CloudWatch log stream."""

from __future__ import annotations

from typing import IO

from rehearsal.clock import Clock
from rehearsal.control import hooks

LONGEST_LINE = 256 * 1024
"""Bytes; CloudWatch takes no longer event."""


def pump(output: IO[bytes], group: str | None, stream: str | None, clock: Clock) -> None:
    """Read ``output`` to its end. Without a log group the lines are dropped, as on Fargate."""
    with output:
        while line := output.readline(LONGEST_LINE):
            text = line.decode(errors="replace").rstrip("\r\n")
            if group is not None and stream is not None:
                _put(group, stream, text or " ", int(clock.now().timestamp() * 1000))


def _put(group: str, stream: str, message: str, timestamp: int) -> None:
    """Into the stream itself: moto's call refuses times more than two hours ahead of this machine's."""
    with hooks.LOCK:
        found = hooks.backend("logs").groups.get(group)
        if found is not None and stream in found.streams:
            event = {"timestamp": timestamp, "message": message}
            found.streams[stream].put_log_events([event])
