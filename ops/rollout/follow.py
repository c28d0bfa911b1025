"""Follows one roll-out to its end: look, judge, tell, wait, and look again."""

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
from ops.rollout.text import timed
from ops.rollout.verdict import End, Memory, Outcome, Patience, Verdict, judge
from ops.rollout.view import View, Wanted, look
from ops.screen import short_time
from ops.snapshot.records import Event

if TYPE_CHECKING:
    from ops.rollout.gate import Changes


POLL_SECONDS = 3.0


SETTLE_LOOKS = 5
"""Looks in which ECS may not yet show an update."""


PASSING_CODES = frozenset(
    {"InternalError", "InternalFailure", "ServerException", "ServiceUnavailable"}
)
"""AWS's own failures (botocore, CommonErrors; ECS's ServerException)."""


BLIND_LOOKS = 5
"""Looks in a row that may fail with a passing problem."""


QUIET_SECONDS = 30.0
"""How long nothing is said while nothing changes."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to look, in seconds of the wall, and how much faster than the wall AWS's clock runs.

    On AWS itself the speed is 1. A rehearsal compresses AWS's waits; limits and the times that are
    shown are always AWS's.
    """

    poll: float = POLL_SECONDS
    speed: float = 1.0

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Pace:
        """From CAREAPP_POLL_SECONDS and CAREAPP_CLOCK_SPEED, which a rehearsal sets.

        ValueError names a variable that is no number above 0.
        """
        return cls(
            poll=_positive(environment, "CAREAPP_POLL_SECONDS", POLL_SECONDS),
            speed=_positive(environment, "CAREAPP_CLOCK_SPEED", 1.0),
        )

    def patience(self, minutes: float, notice: float) -> Patience:
        """A limit of some minutes of AWS's time; `notice` is in its seconds."""
        settle = SETTLE_LOOKS * self.poll * self.speed
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


class Tells(Protocol):
    """Where the progress is shown."""

    def moment(self, text: Text) -> None:
        """Of interest until the next one."""

    def lasting(self, text: Text) -> None:
        """Worth keeping in the record."""


@dataclass
class Reporter:
    """Says what is new, at a calm rate."""

    tells: Tells
    wanted: Wanted
    said: Text | None = None
    said_at: float = 0.0
    since: datetime | None = None
    shown: set[str] = field(default_factory=set)

    def report(self, view: View | None, verdict: Verdict, elapsed: float, limit: float) -> None:
        for event in self._news(view):
            self.tells.lasting(
                t("{at} ECS: {message}", at=short_time(event.at), message=event.message)
            )
        line = words.progress(view, self.wanted, verdict)
        if line == self.said and elapsed - self.said_at < QUIET_SECONDS:
            return
        self.said, self.said_at = line, elapsed
        self.tells.moment(words.timed(line, elapsed, limit))

    def _news(self, view: View | None) -> list[Event]:
        """Events of this roll-out only: none from before it, none of one that had ended earlier."""
        mine = view.of(self.wanted.definition) if view else None
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
    wanted: Wanted,
    patience: Patience,
    pace: Pace,
    tells: Tells,
    changes: Changes | None = None,
    now: Callable[[], float] = local_cloud.monotonic,
) -> End:
    """Look until the verdict is final. AwsProblem when AWS cannot be asked, or not any more."""
    reporter, memory, blind, begun = Reporter(tells, wanted), Memory(), 0, now()
    while True:
        try:
            view = await asyncio.to_thread(look, session, wanted)
        except AwsProblem as problem:
            blind += 1
            if not may_pass(problem) or blind >= BLIND_LOOKS:
                raise
            tells.moment(t("AWS does not answer for now: {problem}", problem=problem.text))
        else:
            blind, elapsed = 0, (now() - begun) * pace.speed
            told = patience.told(changes.last if changes else None, begun, pace.speed)
            verdict, memory = judge(view, wanted, memory, elapsed, patience, told)
            reporter.report(view, verdict, elapsed, patience.limit)
            if verdict.final:
                return End(verdict, view)
        await asyncio.sleep(pace.poll)


def may_pass(problem: AwsProblem) -> bool:
    """Whether waiting may help; it does not with, say, expired credentials."""
    return problem.temporary or problem.code in PASSING_CODES


def succeeded(end: End) -> bool:
    return end.verdict.outcome is Outcome.RUNS


Tell = Callable[[Text], None]


class Waiting:
    """Looks again and again, at one pace. Limits are in minutes of AWS's time."""

    def __init__(
        self, tell: Tell, pace: Pace, now: Callable[[], float] = local_cloud.monotonic
    ) -> None:
        self.tell, self._pace, self._now = tell, pace, now

    def until_done(self, look: Callable[[], Text | None], minutes: float) -> None:
        """Look until nothing is left to wait for: ``look`` answers None.

        Raises Refused with the last answer when it takes too long, and AwsProblem.
        """
        begun, limit, blind = self._now(), 60 * minutes, 0
        said, said_at = Text(""), 0.0
        while True:
            elapsed = (self._now() - begun) * self._pace.speed
            try:
                left, blind = look(), 0
            except AwsProblem as problem:
                blind += 1
                if not may_pass(problem) or blind >= BLIND_LOOKS:
                    raise
                left = t("AWS does not answer for now: {problem}", problem=problem.text)
            if left is None:
                return
            if elapsed > limit:
                raise Refused(_too_late(left, minutes))
            if left != said or elapsed - said_at >= QUIET_SECONDS:
                said, said_at = left, elapsed
                self.tell(timed(left, elapsed, limit))
            time.sleep(self._pace.poll)


def _too_late(left: Text, minutes: float) -> Text:
    return t(
        "After {minutes} minutes {left}; ./careapp doctor says why, and the same command goes on.",
        minutes=int(minutes),
        left=left,
    )
