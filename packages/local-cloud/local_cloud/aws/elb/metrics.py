"""The metrics of load balancers (ELB user guide, CloudWatch metrics): requests and healthy targets.

A count is published only if it is not zero, RequestCount and RequestCountPerTarget also while there are targets.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import Datum, Metric, Values, minute_of
from local_cloud.aws.elb.targets import Targets
from local_cloud.clock import Clock


class Counts:
    """Counts by minute of AWS time and by metric. Any thread may add."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: dict[tuple[int, Metric], Values] = {}

    def add(self, metric: Metric, value: float) -> None:
        minute = minute_of(self._clock.now().timestamp())
        with self._lock:
            self._counted.setdefault((minute, metric), Values()).add(value)

    def take(self, minute: int) -> dict[tuple[int, Metric], Values]:
        """Return and delete the counts up to the end of this minute."""
        with self._lock:
            over = {key: values for key, values in self._counted.items() if key[0] <= minute}
            for key in over:
                del self._counted[key]
        return over


NAMESPACE = "AWS/ApplicationELB"


class Traffic:
    """Counts by minute, balancer and target group. It is called on the data plane's loop."""

    def __init__(self, clock: Clock) -> None:
        self._counted = Counts(clock)
        self.registered: Callable[[], Iterable[tuple[Any, str]]] = tuple
        """Return every load balancer with each of its target groups that has targets."""
        self.sharing: Callable[[str], int] = lambda _: 1
        """Return how many targets share the requests of a target group."""

    def own(self, balancer: Any, status: int) -> None:
        """Count a response of the balancer itself: a fixed response or an error."""
        if status >= 500:
            self._add("HTTPCode_ELB_5XX_Count", 1, balancer)

    def chosen(self, balancer: Any, group: str) -> None:
        """Count a request for which a target was chosen. CloudWatch counts only those."""
        self._both("RequestCount", 1, balancer, group)

    def answered(self, balancer: Any, group: str, status: int, seconds: float) -> None:
        """Count a target's response and its time in real seconds."""
        self._both("TargetResponseTime", seconds, balancer, group)
        if status >= 500:
            self._both("HTTPCode_Target_5XX_Count", 1, balancer, group)

    def unreached(self, balancer: Any, group: str) -> None:
        self._both("TargetConnectionErrorCount", 1, balancer, group)

    def no_tls(self, balancer: Any, group: str) -> None:
        self._both("TargetTLSNegotiationErrorCount", 1, balancer, group)

    def take(self, minute: int) -> Iterator[Datum]:
        """Return the data points up to the end of this minute."""
        over = self._counted.take(minute)
        for balancer, group in self.registered():
            over.setdefault((minute, about("RequestCount", balancer)), Values.of(0))
            count = over.setdefault((minute, about("RequestCount", balancer, group)), Values.of(0))
            share = count.sum / self.sharing(group)
            over[minute, about("RequestCountPerTarget", balancer, group)] = Values.of(share)
        for (at, metric), values in over.items():
            yield Datum(metric, at, values)

    def _both(self, name: str, value: float, balancer: Any, group: str) -> None:
        self._add(name, value, balancer)
        self._add(name, value, balancer, group)

    def _add(self, name: str, value: float, balancer: Any, group: str = "") -> None:
        self._counted.add(about(name, balancer, group), value)


def about(name: str, balancer: Any, group: str = "") -> Metric:
    """Return a metric of a load balancer or of one of its target groups, by the ends of their ARNs."""
    named = {"LoadBalancer": str(balancer.arn).partition(":loadbalancer/")[2]}
    if group:
        named["TargetGroup"] = group.rpartition(":")[2]
    return Metric.of(NAMESPACE, name, **named)


def balanced() -> list[tuple[Any, str]]:
    """Return every load balancer with each target group that its rules forward to."""
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


COUNTED = {"HealthyHostCount": "healthy", "UnHealthyHostCount": "unhealthy"}


class HostCounts:
    """Reads the targets' health at the end of each minute and after every change."""

    def __init__(self, clock: Clock, targets: Targets) -> None:
        self._targets = targets
        self._seen = Counts(clock)

    def look(self, group: str) -> None:
        states = self._states(group)
        users = [balancer for balancer, arn in balanced() if arn == group and states]
        for balancer, (name, state) in product(users, COUNTED.items()):
            self._seen.add(about(name, balancer, group), states.count(state))

    def _states(self, group: str) -> list[str]:
        return [
            each.health.state for each in self._targets.of(group) if each.draining_until is None
        ]

    def take(self, minute: int) -> Iterator[Datum]:
        """Return the data points up to the end of this minute."""
        for group in {group for _, group in self.registered()}:
            self.look(group)
        for (at, metric), values in self._seen.take(minute).items():
            yield Datum(metric, at, values)

    def sharing(self, group: str) -> int:
        """Return the number of healthy targets, or without one of all, by which RequestCountPerTarget divides."""
        states = self._states(group)
        return states.count("healthy") or len(states) or 1

    def registered(self) -> list[tuple[Any, str]]:
        """Return every load balancer with each of its target groups that has targets."""
        return [(balancer, group) for balancer, group in balanced() if self._targets.of(group)]
