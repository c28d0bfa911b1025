"""Publishes the services' measurements to CloudWatch every minute of AWS time."""

from collections.abc import Callable, Sequence

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.alarms import evaluate
from local_cloud.aws.cloudwatch.store import MINUTE, STORE, Source, minute_of
from local_cloud.aws.ecs.metrics import Rules, Tasks
from local_cloud.aws.ecs.runner import Runner
from local_cloud.aws.ecs.scheduler import Scheduler
from local_cloud.aws.elb.metrics import HostCounts, Traffic
from local_cloud.aws.elb.targets import Targets
from local_cloud.aws.rds.database import Databases
from local_cloud.aws.rds.metrics import Instances
from local_cloud.aws.scaling.rules import ACTIVITIES
from local_cloud.aws.scheduler.invocations import Invocations
from local_cloud.clock import Background, Clock
from local_cloud.machine.problems import PROBLEMS
from local_cloud.machine.processes import ProcessTable

SHORTEST = 0.5
"""Real seconds between two measurements, however fast the clock runs."""


class Publisher(Background):
    """One thread that publishes. A source's error hides no other source."""

    def __init__(
        self, clock: Clock, sources: Sequence[Source], after: Callable[[int], None] = lambda _: None
    ) -> None:
        """Set the sources, and a function that is called with each minute after it was published."""
        super().__init__("metrics")
        self._clock, self._sources, self._after = clock, sources, after
        self._minutes = 0

    def describe(self) -> dict[str, object]:
        return {"minutes": self._minutes}

    def publish(self, minute: int) -> None:
        for source in (*self._sources, self._after):
            name = getattr(source, "__qualname__", repr(source))
            with PROBLEMS.caught(name):
                found = list(source(minute) or ())
                with hooks.LOCK:
                    for datum in found:
                        STORE.put(*datum)
        self._minutes += 1

    def _run(self) -> None:
        while True:
            if self._over.wait(SHORTEST):
                return
            now = self._clock.now().timestamp()
            if self._clock.sleep(minute_of(now) + MINUTE - now, self._over):
                return
            self.publish(minute_of(self._clock.now().timestamp()) - MINUTE)


def publisher(
    clock: Clock,
    traffic: Traffic,
    targets: Targets,
    databases: Databases,
    scheduler: Scheduler,
    runner: Runner,
    schedules: Invocations,
) -> Publisher:
    """Return the publisher of load balancers, targets, tasks, databases, rules and schedules. It is not started."""
    STORE.clear()
    STORE.now = clock.now
    hosts = HostCounts(clock, targets)
    targets.on_health = lambda target: hosts.look(target.group)
    traffic.registered, traffic.sharing = hosts.registered, hosts.sharing
    services, census = scheduler.services, ProcessTable()
    sources = (
        traffic.take,
        hosts.take,
        Tasks(services, runner.roots, census).take,
        Instances(databases, census).take,
        Rules(scheduler.all).take,
        schedules.take,
    )
    ACTIVITIES.clear()
    return Publisher(clock, sources, evaluate)
