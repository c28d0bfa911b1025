"""The keys and the record of what is written down about the stack, beside the app's own log."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings import rules, service
from infra.settings.key import Key
from infra.settings.reader import Reader

FLOW_LOGS = Key(
    "flowLogs", "false", rules.boolean, "log the connections that the VPC's rules refuse"
)
ACCESS_LOGS = Key(
    "accessLogs", "false", rules.boolean, "log each request to the load balancer, in an S3 bucket"
)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Which logs are kept, and for how many days."""

    flow: bool
    access: bool
    days: int

    @classmethod
    def load(cls, read: Reader) -> LogSettings:
        return cls(
            flow=read(FLOW_LOGS),
            access=read(ACCESS_LOGS),
            days=read(service.LOG_RETENTION_DAYS),
        )
