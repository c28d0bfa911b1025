"""Scaling and the schedule: their keys and records."""

import re
import zoneinfo
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache
from typing import Self

from careapp.settings import rules
from careapp.settings.file import Reader
from careapp.settings.rules import Invalid, Key
from ecs_gate.text import t

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST = 1000
ZONES = cache(zoneinfo.available_timezones)  # It reads 600 files.
AREAS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"),
    *("Indian", "Pacific", "Etc"),
)
"""The first parts of canonical IANA names (tz database, theory.html). The others are old names
(Japan, US/Pacific) or names of the machine (localtime)."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """The days and hours of a schedule; days like MON-FRI or SAT,SUN."""

    text: str
    days: str
    start: time
    stop: time

    @property
    def starts(self) -> str:
        """The start as a cron expression of Application Auto Scaling, in the schedule's time zone."""
        return _cron(self.start, self.days)

    @property
    def stops(self) -> str:
        """The end as a cron expression of Application Auto Scaling, in the schedule's time zone."""
        return _cron(self.stop, self.days)

    def include(self, moment: datetime) -> bool:
        """Return whether the hours include a moment, which is in the schedule's time zone."""
        at = moment.time().replace(tzinfo=None)
        return moment.weekday() in _numbers(self.days.lower()) and self.start <= at < self.stop


def _cron(at: time, days: str) -> str:
    return f"cron({at.minute} {at.hour} ? * {days} *)"


def hours(text: str) -> Hours | None:
    """Return the hours of a text like `mon-fri 08:00-20:00` or `mon,wed 08:00-20:00`; None when empty."""
    if not text:
        return None
    match = re.fullmatch(r"(\S+) (\d\d:\d\d)-(\d\d:\d\d)", text)
    try:
        if match is None:
            raise ValueError
        start, stop = time.fromisoformat(match[2]), time.fromisoformat(match[3])
        days = _days(match[1])
    except ValueError:
        raise Invalid(
            "{text!r} is not days and hours like mon-fri 08:00-20:00", text=text
        ) from None
    if start >= stop:
        raise Invalid(
            "{text!r} does not end after it starts, and both are on the same day; swap the two, "
            "or end at 23:59",
            text=text,
        )
    return Hours(text=text, days=days, start=start, stop=stop)


def _days(text: str) -> str:
    """Return the days as in a cron expression. Raises ValueError unless they are in order.

    A range that ends on Sunday becomes a list: SUN is 1 in AWS's cron expressions, so SAT-SUN would
    be a range backwards (EventBridge User Guide, cron expressions, to which Application Auto Scaling's
    guide refers).
    """
    first, dash, last = text.partition("-")
    named = list(map(DAYS.index, [first, last] if dash else text.split(",")))
    if named != sorted(set(named)):
        raise ValueError(text)
    if dash and last == DAYS[-1]:
        text = ",".join(DAYS[DAYS.index(first) :])
    return text.upper()


def _numbers(days: str) -> Collection[int]:
    """Return the days as numbers, 0 for Monday."""
    first, dash, last = days.partition("-")
    if dash:
        return range(DAYS.index(first), DAYS.index(last) + 1)
    return list(map(DAYS.index, days.split(",")))


def time_zone(text: str) -> str:
    """Return a canonical IANA name; AWS accepts no other (API reference, PutScheduledAction)."""
    if text not in ZONES() or (text.partition("/")[0] not in AREAS and text != "UTC"):
        raise Invalid(
            "{text!r} is not a canonical IANA time zone, which AWS requires; write a name like "
            "Asia/Tokyo, or UTC",
            text=text,
        )
    return text


MIN_COUNT = Key("minCount", "1", rules.Integer(1, MOST), "minimum number of tasks with scaling")
MAX_COUNT = Key(
    "maxCount",
    "0",
    rules.Integer(0, MOST, t(" (0 turns scaling off)")),
    "maximum number of tasks with scaling; 0: scaling is off and `desiredCount` tasks run",
    example="4",
)
SCALE_CPU_TARGET = Key(
    "scaleCpuTarget",
    "60",
    rules.Integer(0, 90, t(" percent (0 turns it off)")),
    "target of the tasks' average CPU in percent; 0: off",
)
SCALE_REQUESTS_PER_TARGET = Key(
    "scaleRequestsPerTarget",
    "0",
    rules.Integer(0, 1_000_000, t(" a minute (0 turns it off)")),
    "target of requests per task and minute; 0: off",
)
SCHEDULE = Key(
    "schedule",
    "",
    hours,
    "days and hours in which tasks run, like `mon-fri 08:00-20:00`; empty: always",
    example="mon-sun 00:00-23:59",
)
SCHEDULE_TIME_ZONE = Key(
    "scheduleTimeZone", "Asia/Tokyo", time_zone, "IANA time zone of `schedule`", example="UTC"
)


@dataclass(frozen=True, kw_only=True)
class ScalingSettings:
    """The number of tasks and the schedule. A target of 0 is off, hours of None are no schedule."""

    minimum: int = 1
    maximum: int = 1
    cpu: int = 0
    requests: int = 0
    hours: Hours | None = None
    time_zone: str = "Asia/Tokyo"

    @property
    def enabled(self) -> bool:
        """Return whether scaling, not Pulumi, sets the desired count."""
        return bool(self.cpu or self.requests or self.hours)

    @property
    def counts(self) -> frozenset[int]:
        """Every number of tasks that may be wanted, with a schedule within its hours."""
        return frozenset(range(self.minimum, self.maximum + 1))

    def includes(self, moment: datetime) -> bool:
        """Return whether the schedule includes a moment; always true without a schedule."""
        return self.hours is None or self.hours.include(
            moment.astimezone(zoneinfo.ZoneInfo(self.time_zone))
        )

    @classmethod
    def load(cls, read: Reader, desired: int) -> Self:
        low, high, when = read(MIN_COUNT), read(MAX_COUNT), read(SCHEDULE)
        cpu, requests = read(SCALE_CPU_TARGET), read(SCALE_REQUESTS_PER_TARGET)
        targets = (SCALE_CPU_TARGET, SCALE_REQUESTS_PER_TARGET)
        above = t(
            "{low} is above maxCount {high}; lower one or raise the other", low=low, high=high
        )
        read.refuse(high and low > high, above, MIN_COUNT, MAX_COUNT)
        no_target = t(
            "{high} has no scaling target; set scaleCpuTarget or scaleRequestsPerTarget, or "
            "maxCount 0",
            high=high,
        )
        read.refuse(high and not (cpu or requests), no_target, MAX_COUNT, *targets)
        if when:
            no_task = t("{hours!r} starts 0 tasks; set desiredCount or maxCount", hours=when.text)
            read.refuse(not (high or desired), no_task, SCHEDULE, MAX_COUNT)
        return cls(
            minimum=low if high else desired,
            maximum=high or desired,
            cpu=cpu if high else 0,
            requests=requests if high else 0,
            hours=when,
            time_zone=read(SCHEDULE_TIME_ZONE),
        )
