"""Logs, alarms and the dashboard: their keys and records."""

from dataclasses import dataclass
from typing import Self

from careapp.settings import database, rules, service
from careapp.settings.file import Reader
from careapp.settings.rules import Key, value_of
from ecs_gate.text import t

TRAFFIC_LOGS = Key(
    "trafficLogs",
    "false",
    rules.boolean,
    "VPC flow logs of rejected traffic, and the load balancer's access logs in an S3 bucket",
    change=rules.KEPT_LOGS,
)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Whether traffic is logged, and the retention of logs in days."""

    traffic: bool = value_of(TRAFFIC_LOGS)
    days: int = value_of(service.LOG_RETENTION_DAYS)


ALARMS_ENABLED = Key(
    "alarmsEnabled", "true", rules.boolean, "CloudWatch alarms, their SNS topic, and the dashboard"
)
ALARM_EMAIL = Key(
    "alarmEmail",
    "",
    rules.pattern(r"|[^@\s]+@[^@\s]+\.[^@\s]+", t("an e-mail address like team@example.com")),
    "e-mail address for alarms, which has to confirm; empty: none",
    example="team@example.com",
)
DEPLOY_ERROR_PERCENT = Key(
    "deployErrorPercent",
    "10",
    rules.Integer(0, 99, t(" percent")),
    "share of 5xx responses above which ECS rolls a deployment back; 0: never",
)
DEPLOY_LATENCY_SECONDS = Key(
    "deployLatencySeconds",
    "5",
    rules.Integer(0, 3600, t(" seconds")),
    "response time of the slowest 5 % above which ECS rolls a deployment back; 0: never",
)


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings:
    """Whether alarms and the dashboard exist, and the e-mail address for alarms, or empty.

    `error_percent` and `latency` (seconds) are the limits of the deployment alarms; 0 is none.
    """

    alarms: bool = value_of(ALARMS_ENABLED)
    email: str = value_of(ALARM_EMAIL)
    error_percent: int = value_of(DEPLOY_ERROR_PERCENT)
    latency: int = value_of(DEPLOY_LATENCY_SECONDS)

    @property
    def deployment_alarms(self) -> bool:
        """Whether ECS watches alarms during a deployment."""
        return self.alarms and bool(self.error_percent or self.latency)

    @classmethod
    def load(cls, read: Reader) -> Self:
        settings, instance_class = read.record(cls), read(database.DATABASE_INSTANCE_CLASS)
        if settings.alarms:
            key = database.DATABASE_INSTANCE_CLASS
            read.check(lambda: database.check_memory(instance_class), key)
        return settings
