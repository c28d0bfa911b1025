"""CloudWatch Logs: the order of found events, patterns that moto would take for "everything", and tasks' output."""

from __future__ import annotations

from typing import IO, Any

from moto.logs import models as moto_logs

from rehearsal.aws import hooks
from rehearsal.aws.ecs.plans import Plan
from rehearsal.aws.hooks import Params, Refused, before
from rehearsal.clock import Clock

_filter_log_events: Any = moto_logs.LogGroup.filter_log_events


def install() -> None:
    """Sort what moto finds. Calling it twice does nothing more."""
    moto_logs.LogGroup.filter_log_events = _in_order  # type: ignore[method-assign,assignment]


def _in_order(self: Any, *given: Any) -> Any:
    """All streams in one order of time, as AWS answers whatever ``interleaved`` says (API reference)."""
    return _filter_log_events(self, *given[:-1], True)


@before("logs", "FilterLogEvents")
def pattern_is_of_words(params: Params) -> None:
    """Refuse the patterns of AWS that moto does not know: it would find every event."""
    pattern = str(params.get("filterPattern") or "")
    if pattern and not (pattern[0].isalpha() or pattern[0] == '"'):
        raise Refused(
            "InvalidParameterException",
            f"The local cloud finds words and quoted phrases only; {pattern!r} works on AWS",
        )


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
