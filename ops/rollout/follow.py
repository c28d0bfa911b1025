"""Follows one roll-out to its end: reads it, judges it, shows the progress, waits, and reads again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from i18n import Refused, Text, t
from ops.aws import local_cloud
from ops.aws.errors import AwsProblem
from ops.aws.session import Session
from ops.rollout import text as words
from ops.rollout.text import timed, undiagnosed
from ops.rollout.verdict import End, Memory, Outcome, Patience, Verdict, judge
from ops.rollout.view import Expected, View, look
from ops.screen import short_time
from ops.snapshot.records import Event

if TYPE_CHECKING:
    from ops.rollout.certain import Certainty
    from ops.rollout.gate import Changes


POLL_SECONDS = 3.0

SETTLE_READS = 5
"""Reads in which ECS may not show an update yet."""

PASSING_CODES = frozenset(
    {"InternalError", "InternalFailure", "ServerException", "ServiceUnavailable"}
)
"""AWS's own failures (botocore, CommonErrors; ECS's ServerException)."""

FAILED_READS = 5
"""Reads in a row that may fail with a problem that passes."""

QUIET_SECONDS = 30.0
"""After how many seconds an unchanged state is shown again."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to read, in seconds of this machine, and how much faster AWS's clock runs.

    On AWS itself the speed is 1. A rehearsal compresses AWS's waits; limits and the times that are
    shown are always AWS's.
    """

    poll: float = POLL_SECONDS
    speed: float = 1.0

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Pace:
        """Return the pace of CAREAPP_POLL_SECONDS and CAREAPP_CLOCK_SPEED, which a rehearsal sets.

        Raises Refused for a variable that is not a number above 0.
        """
        return cls(
            poll=_positive(environment, "CAREAPP_POLL_SECONDS", POLL_SECONDS),
            speed=_positive(environment, "CAREAPP_CLOCK_SPEED", 1.0),
        )

    def patience(self, minutes: float, notice: float) -> Patience:
        """Return the limits for a roll-out of ``minutes``; ``notice`` is in seconds, both of AWS's clock."""
        settle = SETTLE_READS * self.poll * self.speed
        return Patience(limit=60 * minutes, settle=settle, notice=notice)


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Refused(
            t(
                "{name}: {text!r} is not a number above 0; unset it or correct it.",
                name=name,
                text=text,
            )
        )
    return value


class Progress(Protocol):
    """Shows the progress."""

    def moment(self, text: Text) -> None:
        """Show a line that the next one replaces."""

    def lasting(self, text: Text) -> None:
        """Show a line that stays."""


@dataclass
class Reporter:
    """Shows what has changed, and an unchanged state every half minute."""

    progress: Progress
    expected: Expected
    said: Text | None = None
    said_at: float = 0.0
    since: datetime | None = None
    shown: set[str] = field(default_factory=set)

    def report(self, view: View | None, verdict: Verdict, elapsed: float, limit: float) -> None:
        for event in self._news(view):
            self.progress.lasting(
                t("{at} ECS: {message}", at=short_time(event.at), message=event.message)
            )
        line = words.progress(view, self.expected, verdict)
        if line == self.said and elapsed - self.said_at < QUIET_SECONDS:
            return
        self.said, self.said_at = line, elapsed
        self.progress.moment(words.timed(line, elapsed, limit))

    def _news(self, view: View | None) -> list[Event]:
        """Return the new events of this roll-out, without those of an earlier one."""
        mine = view.of(self.expected.definition) if view else None
        if view is None or (self.since is None and mine is None):
            return []
        if self.since is None and mine is not None:
            self.since = mine.created
            if mine.rollout == "COMPLETED":
                self.shown |= {event.id for event in view.events}
        news = [
            event
            for event in view.events
            if self.since is not None and event.at >= self.since and event.id not in self.shown
        ]
        self.shown |= {event.id for event in news}
        return news


async def follow(
    session: Session,
    expected: Expected,
    patience: Patience,
    pace: Pace,
    progress: Progress,
    changes: Changes | None = None,
    certainty: Certainty | None = None,
    now: Callable[[], float] = local_cloud.monotonic,
) -> End:
    """Read until the verdict is final. Raises AwsProblem when AWS cannot be asked.

    With ``certainty`` a roll-out that cannot succeed ends before ECS gives it up.
    """
    reporter, memory, blind, begun = Reporter(progress, expected), Memory(), 0, now()
    while True:
        try:
            view = await asyncio.to_thread(look, session, expected)
        except AwsProblem as problem:
            blind += 1
            if not may_pass(problem) or blind >= FAILED_READS:
                raise
            progress.moment(t("AWS does not answer for now: {problem}", problem=problem.text))
        else:
            blind, elapsed = 0, (now() - begun) * pace.speed
            noticed = patience.notified_at(changes.last if changes else None, begun, pace.speed)
            verdict, memory = judge(view, expected, memory, elapsed, patience, noticed)
            if certainty and not verdict.final:
                verdict = await _certain(certainty, view, progress) or verdict
            reporter.report(view, verdict, elapsed, patience.limit)
            if verdict.final:
                return End(verdict, view)
        await asyncio.sleep(pace.poll)


async def _certain(certainty: Certainty, view: View | None, progress: Progress) -> Verdict | None:
    try:
        return await certainty.judge(view)
    except Exception as mistake:
        # Without a diagnosis ECS's own verdict is waited for.
        progress.moment(undiagnosed(mistake))
        return None


def may_pass(problem: AwsProblem) -> bool:
    """Return whether the problem may pass while waiting; expired credentials, for example, do not."""
    return problem.temporary or problem.code in PASSING_CODES


def succeeded(end: End) -> bool:
    """Return whether the revision runs."""
    return end.verdict.outcome is Outcome.RUNS


class Waiting:
    """Waits for a state, reading at one pace. Limits are in minutes of AWS's clock."""

    def __init__(
        self,
        say: Callable[[Text], None],
        pace: Pace,
        now: Callable[[], float] = local_cloud.monotonic,
    ) -> None:
        self.say, self._pace, self._now = say, pace, now

    def until_done(self, look: Callable[[], Text | None], minutes: float) -> None:
        """Read until ``look`` returns None: nothing is left to wait for.

        Raises Refused with its last text when the limit has passed, and AwsProblem.
        """
        begun, limit, blind = self._now(), 60 * minutes, 0
        said, said_at = Text(""), 0.0
        while True:
            elapsed = (self._now() - begun) * self._pace.speed
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
                raise Refused(_too_late(left, minutes))
            if left != said or elapsed - said_at >= QUIET_SECONDS:
                said, said_at = left, elapsed
                self.say(timed(left, elapsed, limit))
            time.sleep(self._pace.poll)


def _too_late(left: Text, minutes: float) -> Text:
    return t(
        "After {minutes} minutes {left}; ./careapp doctor says why, and the same command goes on.",
        minutes=int(minutes),
        left=left,
    )
