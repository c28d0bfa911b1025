"""StartLiveTail: log events as they come, in a response that goes on for as long as the client listens."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from moto.core.eventstream import EventStreamEncoder
from moto.logs import models as moto_logs

from rehearsal.control import log_patterns
from rehearsal.control.hooks import LOCK, Params, Refused, Streamed, backend, instead

EVERY_SECONDS = 1.0
"""Of the wall: somebody watches (API reference, StartLiveTail: "every second")."""
MOST = 500
"""Log events of one update; of more a sample is sent (the same)."""
LONGEST_SECONDS = 3 * 60 * 60
"""After three hours AWS ends a session (the same)."""
TIMED_OUT = "The session timed out after three hours."

stopping = threading.Event()
"""Set when the local cloud stops: it ends every session."""


def install() -> None:
    """Let sessions begin. The hook is in by the import."""
    stopping.clear()


def stop() -> None:
    """End every session."""
    stopping.set()


@instead("logs", "StartLiveTail")
def start(params: Params) -> Streamed:
    """A session over log groups that are there; the pattern has been checked before."""
    names, prefixes = params.get("logStreamNames"), params.get("logStreamNamePrefixes")
    groups = [_group(each) for each in params["logGroupIdentifiers"]]
    if names and prefixes:
        _refuse("Only one of logStreamNames or logStreamNamePrefixes can be provided.")
    if (names or prefixes) and len(groups) != 1:
        _refuse(
            "logStreamNames and logStreamNamePrefixes can only be used with a single log group."
        )
    pattern = params.get("logEventFilterPattern") or ""
    begun = {
        "requestId": str(uuid.uuid4()),
        "sessionId": str(uuid.uuid4()),
        "logGroupIdentifiers": [each.arn for each in groups],
        "logStreamNames": names or [],
        "logStreamNamePrefixes": prefixes or [],
        "logEventFilterPattern": pattern,
    }

    def wanted(stream: str) -> bool:
        return (not names or stream in names) and (
            not prefixes or stream.startswith(tuple(prefixes))
        )

    news = _News(groups, wanted, log_patterns.compiled(pattern))
    return Streamed(_session(begun, news), "application/vnd.amazon.eventstream")


def _group(arn: str) -> Any:
    """The log group; moto's own search takes an unknown ARN for the last group."""
    if not arn.startswith("arn:") or arn.endswith("*"):
        _refuse(f"Log group {arn!r} must be named by its ARN, which does not end with an asterisk.")
    for each in backend("logs").groups.values():
        if each.arn == arn:
            return each
    raise Refused("ResourceNotFoundException", "The specified log group does not exist.")


def _refuse(words: str) -> NoReturn:
    raise Refused("InvalidParameterException", words)


class _News:
    """The events that came since it was made, or asked last."""

    def __init__(
        self, groups: Sequence[Any], wanted: Callable[[str], bool], matches: log_patterns.Matcher
    ) -> None:
        self._groups, self._wanted, self._matches = groups, wanted, matches
        self._next = moto_logs.LogEvent._event_id

    def take(self) -> list[dict[str, Any]]:
        """They, in the order of their times."""
        with LOCK:
            found = [
                _written(group.arn, stream, event)
                for group in self._groups
                for stream in group.streams.values()
                if self._wanted(stream.log_stream_name)
                for event in stream.events
                if event.event_id >= self._next and self._matches(event.message)
            ]
            self._next = moto_logs.LogEvent._event_id
        return sorted(found, key=lambda each: int(each["timestamp"]))


def _written(arn: str, stream: Any, event: Any) -> dict[str, Any]:
    return {
        "logStreamName": stream.log_stream_name,
        "logGroupIdentifier": arn,
        "message": event.message,
        "timestamp": event.timestamp,
        "ingestionTime": event.ingestion_time,
    }


def _session(begun: Params, news: _News) -> Iterator[bytes]:
    """The frames of a session, until it is over or the client has gone."""
    end = time.monotonic() + LONGEST_SECONDS
    yield _frame("initial-response", {})
    yield _frame("sessionStart", begun)
    while not stopping.wait(EVERY_SECONDS):
        if time.monotonic() > end:
            yield _frame("SessionTimeoutException", {"message": TIMED_OUT}, "exception")
            return
        found = news.take()
        update = {
            "sessionMetadata": {"sampled": len(found) > MOST},
            "sessionResults": found[:MOST],
        }
        yield _frame("sessionUpdate", update)


def _frame(name: str, payload: Params, kind: str = "event") -> bytes:
    """One message of the event stream (Smithy specification, "Amazon Event Stream Specification")."""
    headers = {
        ":message-type": kind,
        f":{kind}-type": name,
        ":content-type": "application/json",
    }
    encoded: bytes = EventStreamEncoder().encode_message(headers, json.dumps(payload).encode())
    return encoded
