"""Follows one roll-out to its end: reads it, judges it, shows the progress, waits, and reads again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.aws.session import Session
from tools.i18n import Text, t
from tools.rollout import text as words
from tools.rollout.text import undiagnosed
from tools.rollout.verdict import End, Memory, Outcome, Patience, Verdict, judge
from tools.rollout.view import Expected, look
from tools.screen import short_time
from tools.snapshot.records import Event
from tools.snapshot.rollout import Rollout
from tools.waiting import Changes, Shown, may_pass, reads_in_thread

if TYPE_CHECKING:
    from tools.rollout.causes import Certainty


class Progress(Protocol):
    """Shows the progress."""

    def moment(self, text: Text) -> None:
        """Show a line that the next one replaces."""

    def lasting(self, text: Text) -> None:
        """Show a line that stays."""


@dataclass
class Reporter:
    """Shows the state, and each new event once."""

    progress: Progress
    state: Shown
    since: datetime | None = None
    shown: set[str] = field(default_factory=set)
    begun: datetime | None = None
    """When the update began, as far as it is known: of a deployment since then every event is new."""

    def report(self, view: Rollout, verdict: Verdict, elapsed: float) -> None:
        for event in self._news(view):
            self.progress.lasting(
                t("{at} ECS: {message}", at=short_time(event.at), message=event.message)
            )
        self.state.show(words.progress(view, verdict), elapsed)

    def _news(self, view: Rollout) -> list[Event]:
        """Return the new events of this roll-out, without those of an earlier one."""
        events, mine = view.service.events if view.service else (), view.deployment
        if self.since is None and mine is not None:
            self.since = mine.created
            is_older = self.begun is None or mine.created < self.begun
            if mine.rollout == "COMPLETED" and is_older:
                self.shown |= {event.id for event in events}
        since = self.since
        news = [
            event
            for event in sorted(events, key=lambda event: event.at)
            if since is not None and event.at >= since and event.id not in self.shown
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
    begun_at = certainty.since if certainty else None
    reporter = Reporter(progress, Shown(progress.moment, patience.limit), begun=begun_at)
    memory, begun = Memory(), now()
    async for view in reads_in_thread(partial(look, session, expected), pace, progress.moment):
        elapsed = (now() - begun) * pace.speed
        noticed = patience.notified_at(changes.last if changes else None, begun, pace.speed)
        verdict, memory = judge(view, expected, memory, elapsed, patience, noticed)
        if certainty and not verdict.final:
            verdict = await _certain(certainty, view, progress) or verdict
        reporter.report(view, verdict, elapsed)
        if verdict.final:
            break
    return End(verdict, view)


async def _certain(certainty: Certainty, view: Rollout, progress: Progress) -> Verdict | None:
    try:
        return await certainty.judge(view)
    except AwsProblem as problem:
        # ECS was not told to go on.
        if not may_pass(problem):
            raise
        progress.moment(t("AWS does not answer for now: {problem}", problem=problem.text))
        return None
    except Exception as mistake:
        # Without a diagnosis ECS's own verdict is waited for.
        progress.moment(undiagnosed(mistake))
        return None


def succeeded(end: End) -> bool:
    """Return whether the revision runs."""
    return end.verdict.outcome is Outcome.RUNS
