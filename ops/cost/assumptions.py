"""What the resource graph cannot say: how much is used of what is billed by use."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from i18n import Text, t
from ops.cost.prices import HOURS

CONNECTIONS_PER_SECOND, GB_PER_HOUR = 25, 1
"""What one LCU of an Application Load Balancer holds (elasticloadbalancing/pricing).

Of its other two dimensions, 3,000 active connections would take more than 120 s a connection, twice
the idle timeout, to count, and 1,000 rule evaluations a second more than the 10 free rules.
"""


def _said(default: float, text: Text) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """How much a month holds, unless told otherwise. Sizes in GB (10⁹ bytes)."""

    requests: float = _said(100_000, t("requests to the load balancer"))
    gb_out: float = _said(5, t("GB sent to the internet"))
    lcu: float = _said(-1, t("LCUs on average; reckoned from requests and GB unless given"))
    image_gb: float = _said(0.1, t("GB of the image, compressed"))
    images: float = _said(10, t("images in a repository that no lifecycle policy limits"))
    starts: float = _said(60, t("task starts, each of which pulls the image"))
    log_gb: float = _said(0.5, t("GB of the app's log"))
    other_log_gb: float = _said(0.1, t("GB of every other log group"))
    flow_log_gb: float = _said(1, t("GB of flow logs"))
    monitoring_gb: float = _said(0.3, t("GB of RDS enhanced monitoring at 60 s"))
    insights_metrics: float = _said(30, t("metrics of Container Insights for a service"))
    bucket_gb: float = _said(1, t("GB in every S3 bucket"))

    @property
    def average_lcu(self) -> float:
        """LCUs on average: AWS bills the largest of its dimensions, by the hour.

        Every request counts as a new connection.
        """
        if self.lcu >= 0:
            return self.lcu
        rate = self.requests / (HOURS * 3600)
        return max(
            rate / CONNECTIONS_PER_SECOND,
            self.gb_out / HOURS / GB_PER_HOUR,
        )

    def told(self) -> list[tuple[str, float, Text]]:
        """Each assumption: its name, its value and what it is."""
        return [
            (each.name, getattr(self, each.name), each.metadata["text"]) for each in fields(self)
        ]
