"""Moments as the reader's clock shows them. AWS's come in several zones: botocore's ECS times in the
machine's, RDS's events and the log's in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This machine's moment."""
    return datetime.now(UTC)


def of_day(at: datetime, today: datetime | None = None) -> str:
    """`17:53:20`, or `11-24 17:53:20` where that is not today, or not the day of ``today``."""
    here = at.astimezone()
    same = here.date() == (today or now()).astimezone().date()
    return f"{here:%H:%M:%S}" if same else dated(at)


def dated(at: datetime) -> str:
    """`11-24 17:53:20`: of one width, for lines below one another."""
    return f"{at.astimezone():%m-%d %H:%M:%S}"


def zoned(at: datetime) -> str:
    """`2026-11-24 17:53 JST`: for what is far away, or handed on to somebody elsewhere."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
