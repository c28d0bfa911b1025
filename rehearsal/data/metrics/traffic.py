"""What the load balancers count of requests (ELB user guide, CloudWatch metrics).

A count is only told where there is something to count; RequestCount also while there are targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.control.metrics.store import Metric, Values
from rehearsal.data.metrics.counts import Counts
from rehearsal.data.metrics.datum import Datum

NAMESPACE = "AWS/ApplicationELB"
UNITS = {"TargetResponseTime": "Seconds"}


class Traffic:
    """Counts by minute, balancer and target group. Told of requests on the data plane's loop."""

    def __init__(self, clock: Clock) -> None:
        self._counted = Counts[Metric](clock)
        self.registered: Callable[[], Iterable[tuple[Any, str]]] = tuple
        """Every load balancer with each of its target groups that has targets."""

    def own(self, balancer: Any, status: int) -> None:
        """The balancer has answered by itself: a fixed response, or an error of its own."""
        if status >= 500:
            self._add("HTTPCode_ELB_5XX_Count", 1, balancer)

    def chosen(self, balancer: Any, group: str) -> None:
        """A target has been chosen for a request: only then it is a request to CloudWatch."""
        self._both("RequestCount", 1, balancer, group)

    def answered(self, balancer: Any, group: str, status: int, seconds: float) -> None:
        """A target has begun to answer, so long after it was asked; its seconds are not compressed."""
        self._both("TargetResponseTime", seconds, balancer, group)
        if status >= 500:
            self._both("HTTPCode_Target_5XX_Count", 1, balancer, group)

    def unreached(self, balancer: Any, group: str) -> None:
        """No connection to the target could be made."""
        self._both("TargetConnectionErrorCount", 1, balancer, group)

    def no_tls(self, balancer: Any, group: str) -> None:
        """A target was connected to, but no TLS session came about."""
        self._both("TargetTLSNegotiationErrorCount", 1, balancer, group)

    def take(self, minute: int) -> Iterator[Datum]:
        """All that was counted up to the end of this minute."""
        over = self._counted.take(minute)
        for metric in self._expected():
            over.setdefault((minute, metric), Values.of(0))
        for (at, metric), values in over.items():
            yield Datum(metric, at, values, UNITS.get(metric.name, "Count"))

    def _expected(self) -> Iterator[Metric]:
        for balancer, group in self.registered():
            yield about("RequestCount", balancer)
            yield about("RequestCount", balancer, group)

    def _both(self, name: str, value: float, balancer: Any, group: str) -> None:
        self._add(name, value, balancer)
        self._add(name, value, balancer, group)

    def _add(self, name: str, value: float, balancer: Any, group: str = "") -> None:
        self._counted.add(about(name, balancer, group), value)


def about(name: str, balancer: Any, group: str = "") -> Metric:
    """A metric of a load balancer, or of one of its target groups, by the ends of their ARNs."""
    named = {"LoadBalancer": str(balancer.arn).partition(":loadbalancer/")[2]}
    if group:
        named["TargetGroup"] = group.rpartition(":")[2]
    return Metric.of(NAMESPACE, name, **named)


def balanced() -> list[tuple[Any, str]]:
    """Every load balancer with each target group that its rules forward to."""
    found = []
    with hooks.LOCK:
        elb = hooks.backend("elbv2")
        for balancer in elb.load_balancers.values():
            groups = {
                arn
                for listener in balancer.listeners.values()
                for rule in listener.rules.values()
                for action in rule.actions
                for arn in elb._get_target_group_arns_from(action_data=action.data)
            }
            found += [(balancer, group) for group in sorted(groups)]
    return found
