"""CloudWatch Logs where moto differs from AWS: the order of events, filter patterns, and the logs of tasks."""

import re
from collections.abc import Callable
from typing import IO, Any

from moto.logs import models as moto_logs

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Params, Refusals
from local_cloud.clock import Clock

_filter_log_events: Any = moto_logs.LogGroup.filter_log_events
_described: Any = moto_logs.LogGroup.to_describe_dict
_MotoFilter: Any = moto_logs.EventMessageFilter  # type: ignore[attr-defined]
OPTIONAL = re.compile(r'\?("[^"]+"|\w+)(?:\s+|$)')
"""A term of which one is enough (CloudWatch Logs user guide, filter pattern syntax: `?ERROR ?"no route"`)."""


def install() -> None:
    """Sort the events that moto finds, and find optional terms. A second call changes nothing."""
    moto_logs.LogGroup.filter_log_events = _in_order  # type: ignore[method-assign,assignment]
    moto_logs.LogGroup.to_describe_dict = _with_class  # type: ignore[method-assign,assignment]
    moto_logs.EventMessageFilter = _Filter  # type: ignore[attr-defined,assignment]


def _optional(pattern: str) -> list[str]:
    """Return the terms of a pattern of optional terms alone; none of another pattern."""
    return [] if OPTIONAL.sub("", pattern) else OPTIONAL.findall(pattern)


class _Filter:
    """moto's filter, with optional terms."""

    def __init__(self, pattern: str) -> None:
        self._terms = [term.strip('"') for term in _optional(pattern or "")]
        self._moto = _MotoFilter(pattern)

    def matches(self, message: str) -> bool:
        if self._terms:
            return any(term in message for term in self._terms)
        return bool(self._moto.matches(message))


def _with_class(group: Any) -> dict[str, Any]:
    """Describe a log group with its class, which moto does not keep: by default STANDARD (API reference, LogGroup)."""
    return {**_described(group), "logGroupClass": vars(group).get("class") or "STANDARD"}


@hooks.after("logs", "CreateLogGroup")
def class_is_kept(params: Params) -> None:
    vars(hooks.backend("logs").groups[params["logGroupName"]])["class"] = params.get(
        "logGroupClass"
    )


def _in_order(self: Any, *given: Any) -> Any:
    """Sort the events of all streams by time, as AWS does whatever ``interleaved`` says (API reference)."""
    return _filter_log_events(self, *given[:-1], True)


def _unknown_pattern(given: Params) -> str | None:
    """Return one of AWS's filter patterns that moto does not know and for which it would return every event."""
    pattern = str(given.get("filterPattern") or "")
    known = pattern[:1].isalpha() or pattern[:1] == '"' or _optional(pattern)
    return None if known else pattern


INVALID = "InvalidParameterException"

# fmt: off
REFUSALS: Refusals = {
    "logs FilterLogEvents": (
        (INVALID, "The local cloud finds words, quoted phrases and ?-terms only; {!r} works on AWS", _unknown_pattern),
        # recorded by LocalStack, test_filter_log_events_unknown_token
        (INVALID, "The specified nextToken is invalid.", lambda p: hooks.other_than(".+@.+@.+", p.get("nextToken"))),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""

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
