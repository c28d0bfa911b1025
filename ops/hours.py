"""How many tasks a stack file wants, and whether it wants any at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from i18n import Text, said, t
from ops.refused import Refused
from ops.stack import Declared

if TYPE_CHECKING:
    from infra.settings import scaling

ZONE = "Asia/Tokyo"
"""The time zone of hours that name none (Pulumi.yaml, scheduleTimeZone)."""


@dataclass(frozen=True)
class Hours:
    """The hours in which tasks run, in their time zone."""

    known: scaling.Hours
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str, zone: str) -> Self:
        """As the settings read them. Raises ValueError."""
        # It brings Pulumi along, which takes most of a second and is needed with hours alone.
        from infra.settings import scaling

        known, there = scaling.hours(text), ZoneInfo(scaling.time_zone(zone))
        if known is None:
            raise ValueError(text)
        return cls(known, there)

    def include(self, moment: datetime) -> bool:
        """Whether a moment lies in them."""
        return self.known.include(moment.astimezone(self.zone))


@dataclass(frozen=True)
class Wish:
    """The fewest and most tasks that a stack file wants; hours of None are always."""

    low: int
    high: int
    hours: Hours | None

    @classmethod
    def of(cls, declared: Declared) -> Self:
        """Raises Refused for hours that `pulumi up` would not take either."""
        least = declared.number("minCount", 1)
        most = declared.number("maxCount")
        fixed = declared.number("desiredCount", 1)
        text = declared.get("schedule")
        try:
            hours = Hours.read(text, declared.get("scheduleTimeZone") or ZONE) if text else None
        except ValueError as wrong:
            raise Refused(
                t("The schedule in the stack file cannot be read: {wrong}", wrong=said(wrong))
            ) from None
        return cls(least if most else fixed, most or fixed, hours)

    def none(self, moment: datetime) -> Text | None:
        """Why no task is to run at a moment; None where some are."""
        if self.hours is None or self.hours.include(moment):
            return None if self.high else t("the stack file's desiredCount is 0")
        return t(
            "it is outside of the hours {hours} ({zone}), and the schedule starts the tasks",
            hours=self.hours.known.text,
            zone=self.hours.zone.key,
        )
