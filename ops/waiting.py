"""Waits for AWS, and says meanwhile what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

from i18n import Refused, Text, t
from ops import local
from ops.aws import AwsProblem
from ops.rollout_follow import BLIND_LOOKS, QUIET_SECONDS, Pace, may_pass
from ops.rollout_text import timed

Tell = Callable[[Text], None]


class Waiting:
    """Looks again and again, at one pace. Limits are in minutes of AWS's time."""

    def __init__(self, tell: Tell, pace: Pace, now: Callable[[], float] = local.monotonic) -> None:
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
