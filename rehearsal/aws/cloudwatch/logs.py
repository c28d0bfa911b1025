"""CloudWatch Logs where moto differs from AWS: the order of events, filter patterns, and the logs of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

from moto.logs import models as moto_logs

from rehearsal.aws import hooks
from rehearsal.aws.hooks import Params, Refused, before
from rehearsal.clock import Clock

_filter_log_events: Any = moto_logs.LogGroup.filter_log_events


def install() -> None:
    """Sort the events that moto finds. A second call changes nothing."""
    moto_logs.LogGroup.filter_log_events = _in_order  # type: ignore[method-assign,assignment]


def _in_order(self: Any, *given: Any) -> Any:
    """Sort the events of all streams by time, as AWS does whatever ``interleaved`` says (API reference)."""
    return _filter_log_events(self, *given[:-1], True)


@before("logs", "FilterLogEvents")
def pattern_is_of_words(params: Params) -> None:
    """Refuse AWS's filter patterns that moto does not know and for which it would return every event."""
    pattern = str(params.get("filterPattern") or "")
    if pattern and not (pattern[0].isalpha() or pattern[0] == '"'):
        raise Refused(
            "InvalidParameterException",
            f"The local cloud finds words and quoted phrases only; {pattern!r} works on AWS",
        )


LONGEST_LINE = 256 * 1024
"""CloudWatch's limit for an event, in bytes."""


def pump(
    output: IO[bytes],
    group: str | None,
    stream: str | None,
    clock: Clock,
    edit: Callable[[str], str],
) -> None:
    """Write a container's output to a log stream until its end, each line as ``edit`` returns it.

    Without a log group the lines are dropped, as on Fargate.
    """
    with output:
        while line := output.readline(LONGEST_LINE):
            text = line.decode(errors="replace").rstrip("\r\n")
            if group is not None and stream is not None:
                _put(group, stream, edit(text) or " ", int(clock.now().timestamp() * 1000))


def _put(group: str, stream: str, message: str, timestamp: int) -> None:
    """Add an event to the stream. moto's call refuses times more than two hours ahead of this machine's."""
    with hooks.LOCK:
        found = hooks.backend("logs").groups.get(group)
        if found is not None and stream in found.streams:
            event = {"timestamp": timestamp, "message": message}
            found.streams[stream].put_log_events([event])
