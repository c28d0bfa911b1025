"""Fargate's launch rates, as token buckets (ECS developer guide, "AWS Fargate throttling quotas")."""

from dataclasses import dataclass

LAUNCHES_A_MINUTE, LAUNCHED_AT_ONCE = 500, 100
"""Launches of one service's tasks: the rate, and the burst."""
RUN_TASK_A_SECOND = 20
"""Calls of RunTask, at once and in each second (the same page)."""


@dataclass
class Bucket:
    """A full bucket of ``size`` tokens that refills by ``rate`` tokens in each second of AWS time."""

    size: float
    rate: float
    left: float = 0.0
    filled_at: float | None = None

    def take(self, now: float, wanted: int) -> int:
        """Take up to ``wanted`` tokens at a time in AWS seconds, and return how many there were."""
        since = now - self.filled_at if self.filled_at is not None else float("inf")
        self.left, self.filled_at = min(self.size, self.left + since * self.rate), now
        # Without the last digits: a sum of many small refills is a little too low.
        taken = min(wanted, int(self.left + 1e-6))
        self.left -= taken
        return taken


def of_service() -> Bucket:
    """Return the bucket of one service's launches. The account's own refills faster, with 20 tasks a second."""
    return Bucket(LAUNCHED_AT_ONCE, LAUNCHES_A_MINUTE / 60)


def of_run_task() -> Bucket:
    return Bucket(RUN_TASK_A_SECOND, RUN_TASK_A_SECOND)
