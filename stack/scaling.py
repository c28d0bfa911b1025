"""The keys and record of scaling, and of the hours in which tasks run."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time

from i18n import t
from stack import rules
from stack.reader import Reader
from stack.rules import Key

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST = 1000
AREAS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"),
    *("Indian", "Pacific", "Etc"),
)
"""The first parts of canonical IANA names (tz database, theory.html). All else that a machine knows
is an old name (Japan, US/Pacific) or its own (localtime)."""


@dataclass(frozen=True, kw_only=True)
class Hours:
    """The hours of a day, from one minute until another, and the days: MON-FRI or SAT,SUN."""

    text: str
    days: str
    start: time
    stop: time

    @property
    def starts(self) -> str:
        """As Application Auto Scaling's cron writes it, in a time zone that stands beside it."""
        return _cron(self.start, self.days)

    @property
    def stops(self) -> str:
        return _cron(self.stop, self.days)

    def include(self, moment: datetime) -> bool:
        """Whether a moment lies in them, told in the time zone in which they are meant."""
        at = moment.time().replace(tzinfo=None)
        return moment.weekday() in _numbers(self.days.lower()) and self.start <= at < self.stop


def _cron(at: time, days: str) -> str:
    return f"cron({at.minute} {at.hour} ? * {days} *)"


def hours(text: str) -> Hours | None:
    """`mon-fri 08:00-20:00`, or days by name: `mon,wed 08:00-20:00`; None when empty."""
    if not text:
        return None
    found = re.fullmatch(r"(\S+) (\d\d:\d\d)-(\d\d:\d\d)", text)
    try:
        if found is None:
            raise ValueError
        start, stop = time.fromisoformat(found[2]), time.fromisoformat(found[3])
        days = _days(found[1])
    except ValueError:
        raise ValueError(
            t("{text!r} is not days and hours like mon-fri 08:00-20:00", text=text)
        ) from None
    if start >= stop:
        raise ValueError(
            t(
                "{text!r} stops no later than it starts, and both are on the same day; swap them, "
                "or end at 23:59",
                text=text,
            )
        )
    return Hours(text=text, days=days, start=start, stop=stop)


def _days(text: str) -> str:
    """ValueError when they are none, come twice or go backwards.

    A range until Sunday is written out: AWS counts days from SUN as 1, so that SAT-SUN
    would go backwards (EventBridge User Guide, cron expressions, to which Application Auto
    Scaling's guide refers).
    """
    first, dash, last = text.partition("-")
    named = list(map(DAYS.index, [first, last] if dash else text.split(",")))
    if named != sorted(set(named)):
        raise ValueError(text)
    if dash and last == DAYS[-1]:
        text = ",".join(DAYS[DAYS.index(first) :])
    return text.upper()


def _numbers(days: str) -> Collection[int]:
    """The days by number, 0 for Monday."""
    first, dash, last = days.partition("-")
    if dash:
        return range(DAYS.index(first), DAYS.index(last) + 1)
    return list(map(DAYS.index, days.split(",")))


def time_zone(text: str) -> str:
    """A canonical IANA name, for AWS takes no other (API reference, PutScheduledAction)."""
    area, _, _ = text.partition("/")
    known = zoneinfo.available_timezones()
    if text not in known or (area not in AREAS and text != "UTC"):
        raise ValueError(
            t(
                "{text!r} is not a canonical name of the IANA's time zones, which AWS asks for; "
                "write region and city, like Asia/Tokyo, or UTC",
                text=text,
            )
        )
    return text


MIN_COUNT = Key("minCount", "1", rules.integer(1, MOST), "fewest tasks that scaling leaves")
MAX_COUNT = Key(
    "maxCount",
    "0",
    rules.integer(0, MOST, t(" (0 turns scaling off)")),
    "most tasks that scaling starts; 0 turns it off, then `desiredCount` run",
)
SCALE_CPU_TARGET = Key(
    "scaleCpuTarget",
    "60",
    rules.integer(0, 90, t(" percent (0 turns it off)")),
    "mean CPU of the tasks in percent that scaling aims at; 0: not by CPU",
)
SCALE_REQUESTS_PER_TARGET = Key(
    "scaleRequestsPerTarget",
    "0",
    rules.integer(0, 1_000_000, t(" a minute (0 turns it off)")),
    "requests a minute and task that scaling aims at; 0: not by requests",
)
SCHEDULE = Key(
    "schedule",
    "",
    hours,
    "days and hours in which tasks run, like `mon-fri 08:00-20:00`; outside none does; empty: always",
)
SCHEDULE_TIME_ZONE = Key(
    "scheduleTimeZone", "Asia/Tokyo", time_zone, "IANA time zone of `schedule`"
)


@dataclass(frozen=True, kw_only=True)
class ScalingSettings:
    """How many tasks run, when. Targets of 0 and hours of None are off."""

    minimum: int = 1
    maximum: int = 1
    cpu: int = 0
    requests: int = 0
    hours: Hours | None = None
    time_zone: str = "Asia/Tokyo"

    @property
    def enabled(self) -> bool:
        """Whether somebody else than Pulumi decides on the number of tasks."""
        return bool(self.cpu or self.requests or self.hours)

    @property
    def counts(self) -> frozenset[int]:
        """Every number of tasks that may be wanted."""
        return frozenset(range(self.minimum, self.maximum + 1)) | ({0} if self.hours else set())

    def includes(self, moment: datetime) -> bool:
        """Whether a moment lies in the hours; without hours each does."""
        return self.hours is None or self.hours.include(
            moment.astimezone(zoneinfo.ZoneInfo(self.time_zone))
        )

    @classmethod
    def load(cls, read: Reader, desired: int) -> ScalingSettings:
        low, high, when = read(MIN_COUNT), read(MAX_COUNT), read(SCHEDULE)
        cpu, requests = read(SCALE_CPU_TARGET), read(SCALE_REQUESTS_PER_TARGET)
        least = read.together(lambda: in_order(low, high), MIN_COUNT, MAX_COUNT, otherwise=low)
        most = read.together(
            lambda: with_a_reason(high, cpu, requests),
            *(MAX_COUNT, SCALE_CPU_TARGET, SCALE_REQUESTS_PER_TARGET),
            otherwise=high,
        )
        hours = read.together(
            lambda: starting_something(when, most or desired), SCHEDULE, MAX_COUNT, otherwise=when
        )
        return cls(
            minimum=least if most else desired,
            maximum=most or desired,
            cpu=cpu if most else 0,
            requests=requests if most else 0,
            hours=hours,
            time_zone=read(SCHEDULE_TIME_ZONE),
        )


def in_order(low: int, high: int) -> int:
    """The least number of tasks, where it is not above the greatest. Raises ValueError."""
    if high and low > high:
        raise ValueError(
            t("{low} is above maxCount {high}; lower one or raise the other", low=low, high=high)
        )
    return low


def with_a_reason(high: int, cpu: int, requests: int) -> int:
    """The greatest number of tasks, where there is something to scale by. Raises ValueError."""
    if high and not (cpu or requests):
        raise ValueError(
            t(
                "{high} has nothing to scale by; set scaleCpuTarget or "
                "scaleRequestsPerTarget, or maxCount 0",
                high=high,
            )
        )
    return high


def starting_something(when: Hours | None, tasks: int) -> Hours | None:
    """The hours, where tasks run in them. Raises ValueError."""
    if when and not tasks:
        raise ValueError(
            t("{hours!r} starts 0 tasks; set desiredCount or maxCount", hours=when.text)
        )
    return when
