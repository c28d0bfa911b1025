"""The keys and the record of what watches the stack."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import t
from infra import thresholds
from infra.settings import database, rules
from infra.settings.key import Key
from infra.settings.reader import Reader

ALARMS_ENABLED = Key(
    "alarmsEnabled", "true", rules.boolean, "CloudWatch alarms, and the SNS topic they tell"
)
ALARM_EMAIL = Key(
    "alarmEmail",
    "",
    rules.optional(
        rules.pattern(r"[^@\s]+@[^@\s]+\.[^@\s]+", t("an e-mail address like team@example.com"))
    ),
    "address that alarms are mailed to, once it has confirmed; empty mails nobody",
)
DASHBOARD_ENABLED = Key(
    "dashboardEnabled", "true", rules.boolean, "the CloudWatch dashboard for an incident"
)


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """Whether alarms and the dashboard exist, and whom an alarm is mailed to (empty: nobody)."""

    alarms: bool
    email: str
    dashboard: bool

    @classmethod
    def load(cls, read: Reader) -> MonitoringSettings:
        alarms, dashboard = read(ALARMS_ENABLED), read(DASHBOARD_ENABLED)
        instance_class = read(database.DATABASE_INSTANCE_CLASS)
        if alarms or dashboard:
            read.together(
                lambda: thresholds.database_memory(instance_class),
                database.DATABASE_INSTANCE_CLASS,
                otherwise=0,
            )
        return cls(alarms=alarms, email=read(ALARM_EMAIL), dashboard=dashboard)
