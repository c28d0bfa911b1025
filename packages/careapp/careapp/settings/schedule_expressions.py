"""The times of EventBridge Scheduler's expressions `cron(…)`, `rate(…)` and `at(…)`.

Source: EventBridge Scheduler User Guide, "Schedule types in EventBridge Scheduler". The local cloud has a copy.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Next = Callable[[datetime], datetime | None]
"""Return the first time at or after a moment; None if there is none. All times are in UTC."""

MINUTE = timedelta(minutes=1)


def next_time(expression: str, zone: str, anchor: datetime) -> Next:
    """Return the function of an expression's times. A rate counts from ``anchor``; its day is always 24 hours.

    Raises ValueError for an expression, and LookupError, ValueError or OSError for a time zone that is not known.
    """
    place = ZoneInfo(zone)
    if match := re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", expression):
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=place).astimezone(UTC)
        return lambda since: moment if since <= moment else None
    if match := re.fullmatch(r"rate\(([1-9]\d*) (minute|hour|day)s?\)", expression):
        every = timedelta(**{f"{match[2]}s": int(match[1])})
        # Two negations divide upwards.
        return lambda since: anchor + every * max(0, -((anchor - since) // every))
    if match := re.fullmatch(r"cron\((.*)\)", expression):
        return _cron(match[1], place)
    raise ValueError(expression)


def _cron(text: str, place: ZoneInfo) -> Next:
    """Read six fields. A time that the zone's clocks skip is skipped; of one that they repeat the first is taken."""
    from aws_croniter import AwsCroniter  # few stacks have a job

    fields = text.split(" ")
    # A lone L is the week's last day (user guide); for the library it is no day at all.
    fields[4:5] = ["SAT" if field == "L" else field for field in fields[4:5]]
    cron = AwsCroniter(" ".join(fields))

    def following(since: datetime) -> datetime | None:
        # The library computes in UTC: it is given the zone's wall-clock time as if that were UTC.
        wall: datetime | None = since.astimezone(place).replace(tzinfo=UTC, fold=0) - MINUTE
        while (wall := cron.occurrence(wall).next()) is not None:
            moment: datetime = wall.replace(tzinfo=place).astimezone(UTC)
            exists = moment.astimezone(place).replace(tzinfo=UTC, fold=0) == wall
            if exists and moment >= since:
                return moment
        return None

    return following


def each_time(following: Next, since: datetime) -> Iterator[datetime]:
    """Yield the times at or after a moment."""
    while (moment := following(since)) is not None:
        yield moment
        since = moment + timedelta.resolution
