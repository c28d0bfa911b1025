"""Waits for AWS at one pace, and notes when the load balancer has something new to notice."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.text import Refused, Text, t

if TYPE_CHECKING:
    import pulumi

    from ecs_gate.parts.elb import PageAnswer

T = TypeVar("T")

PASSING_CODES = frozenset(
    {"InternalError", "InternalFailure", "ServerException", "ServiceUnavailable"}
)
"""AWS's own failures (botocore, CommonErrors; ECS's ServerException)."""

FAILED_READS = 5
"""Reads in a row that may fail with a problem that passes."""

QUIET_SECONDS = 30.0
"""After how many seconds an unchanged state is shown again."""


def may_pass(problem: AwsProblem) -> bool:
    """Return whether the problem may pass while waiting; expired credentials, for example, do not."""
    return problem.temporary or problem.code in PASSING_CODES


def timed(text: Text, elapsed: float, limit: float) -> Text:
    """Add the time that has passed, and the limit."""
    return t("{text} [{elapsed} of {limit}]", text=text, elapsed=clock(elapsed), limit=clock(limit))


def clock(seconds: float) -> str:
    """Return minutes and seconds: `2:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def duration(seconds: float) -> str:
    """Return a time that has passed: `6 s`, `2 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def reads(look: Callable[[], T], pace: Pace, say: Callable[[Text], object]) -> Iterator[T]:
    """Yield what ``look`` returns, again and again at one pace.

    A problem that may pass is shown. Raises AwsProblem for any other, and for the last of FAILED_READS in a row.
    """
    blind = 0
    while True:
        try:
            value = look()
        except AwsProblem as problem:
            blind += 1
            if not may_pass(problem) or blind >= FAILED_READS:
                raise
            say(t("AWS does not answer for now: {problem}", problem=problem.text))
        else:
            blind = 0
            yield value
        time.sleep(pace.poll)


async def reads_in_thread(
    look: Callable[[], T], pace: Pace, say: Callable[[Text], object]
) -> AsyncIterator[T]:
    """Yield the same beside an event loop. ``say`` is called in the loop's thread."""
    loop = asyncio.get_running_loop()
    values = reads(look, pace, lambda text: loop.call_soon_threadsafe(say, text))
    while True:
        yield await asyncio.to_thread(next, values)


@dataclass
class Shown:
    """Shows a state when it has changed, and an unchanged one every half minute. ``limit`` is in seconds."""

    say: Callable[[Text], object]
    limit: float
    said: Text | None = None
    said_at: float = 0.0

    def show(self, state: Text, elapsed: float) -> None:
        """Show the state, with the seconds that have passed."""
        if state != self.said or elapsed - self.said_at >= QUIET_SECONDS:
            self.said, self.said_at = state, elapsed
            self.say(timed(state, elapsed, self.limit))


@dataclass
class Waiting:
    """Waits for a state, reading at one pace. Limits are in minutes of AWS's clock."""

    say: Callable[[Text], object]
    pace: Pace
    now: Callable[[], float] = local_cloud.monotonic

    @classmethod
    def printing(cls, as_json: bool = False) -> Waiting:
        """Return the wait of a command; its progress goes to standard error when the output is JSON."""
        out = sys.stderr if as_json else sys.stdout
        return cls(lambda text: print(str(text), file=out, flush=True), Pace.of())

    def until_done(self, look: Callable[[], Text | None], minutes: float) -> None:
        """Read until ``look`` returns None: nothing is left to wait for.

        Raises Refused with its last text when the limit has passed, and AwsProblem.
        """
        begun, shown = self.now(), Shown(self.say, 60 * minutes)
        for left in reads(look, self.pace, self.say):
            if left is None:
                return
            elapsed = (self.now() - begun) * self.pace.speed
            if elapsed > shown.limit:
                raise Refused(
                    "After {minutes} min {left}; the doctor says why, and the same command goes on.",
                    minutes=int(minutes),
                    left=left,
                )
            shown.show(left, elapsed)


class Changes:
    """What this update changes on the path from the load balancer to the tasks.

    Such a change makes targets unhealthy without a roll-out, and not at once: some health checks
    have to fail first.
    """

    def __init__(self, state: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.last: float | None = None
        """``local_cloud.monotonic()`` of the last change; None without one."""
        self.state = state or {}
        """Type and outputs of the resources before this update, by URN."""
        self.declared: set[tuple[str, str]] = set()
        """Type and name of what the program declares."""
        self.created: dict[tuple[str, str], Mapping[str, Any]] = {}
        """The outputs of what this update has created, by type and name."""
        self.begun = local_cloud.now()
        """When the update began, by AWS's clock."""
        self.page_before: PageAnswer | None = None
        """The page right before this update changed the service; None where that is not known."""

    @property
    def page_worked(self) -> bool:
        """Return whether the page answered right before this update changed the service."""
        return self.page_before is not None and not self.page_before.fails

    def note(self, _changed: pulumi.ResourceHookArgs) -> None:
        """Note a change, as a resource hook. A preview runs no hooks."""
        self.last = local_cloud.monotonic()

    def note_created(self, resource: pulumi.ResourceHookArgs) -> None:
        """Note a new resource, as a resource hook."""
        self.note(resource)
        self.created[resource.type, resource.name] = dict(resource.new_outputs or {})
