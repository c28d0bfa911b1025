"""Waits for AWS at one pace, and notes when the load balancer has something new to notice."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.i18n import Refused, Text, t

if TYPE_CHECKING:
    import pulumi

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


class Waiting:
    """Waits for a state, reading at one pace. Limits are in minutes of AWS's clock."""

    def __init__(
        self,
        say: Callable[[Text], None],
        pace: Pace,
        now: Callable[[], float] = local_cloud.monotonic,
    ) -> None:
        self.say, self.pace, self._now = say, pace, now

    @classmethod
    def printing(cls, as_json: bool = False) -> Waiting:
        """Return the wait of a command; its progress goes to standard error when the output is JSON."""
        out = sys.stderr if as_json else sys.stdout
        return cls(lambda text: print(str(text), file=out, flush=True), Pace.of())

    def until_done(self, look: Callable[[], Text | None], minutes: float) -> None:
        """Read until ``look`` returns None: nothing is left to wait for.

        Raises Refused with its last text when the limit has passed, and AwsProblem.
        """
        begun, limit, blind = self._now(), 60 * minutes, 0
        said, said_at = Text(""), 0.0
        while True:
            elapsed = (self._now() - begun) * self.pace.speed
            try:
                left, blind = look(), 0
            except AwsProblem as problem:
                blind += 1
                if not may_pass(problem) or blind >= FAILED_READS:
                    raise
                left = t("AWS does not answer for now: {problem}", problem=problem.text)
            if left is None:
                return
            if elapsed > limit:
                raise Refused(
                    t(
                        "After {minutes} minutes {left}; ./careapp doctor says why, and the same command goes on.",
                        minutes=int(minutes),
                        left=left,
                    )
                )
            if left != said or elapsed - said_at >= QUIET_SECONDS:
                said, said_at = left, elapsed
                self.say(timed(left, elapsed, limit))
            time.sleep(self.pace.poll)


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
        self.page_worked = False
        """Whether the page answered right before this update changed the service; False where it did not."""

    def note(self, _changed: pulumi.ResourceHookArgs) -> None:
        """Note a change, as a resource hook. A preview runs no hooks."""
        self.last = local_cloud.monotonic()

    def note_created(self, made: pulumi.ResourceHookArgs) -> None:
        """Note a new resource, as a resource hook."""
        self.note(made)
        self.created[made.type, made.name] = dict(made.new_outputs or {})
