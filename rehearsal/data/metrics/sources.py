"""All that tells CloudWatch of itself, put together."""

from __future__ import annotations

from rehearsal.clock import Clock
from rehearsal.control.metrics.alarms import evaluate
from rehearsal.control.metrics.store import STORE
from rehearsal.data.database import Databases
from rehearsal.data.metrics.hosts import Hosts
from rehearsal.data.metrics.instances import Instances
from rehearsal.data.metrics.publisher import Publisher
from rehearsal.data.metrics.rules import Rules
from rehearsal.data.metrics.tasks import Tasks
from rehearsal.data.metrics.traffic import Traffic
from rehearsal.data.metrics.usage import Census
from rehearsal.data.runner import Runner
from rehearsal.data.scheduler import Scheduler
from rehearsal.data.targets import Targets

NOT_MEASURED = {
    ("AWS/RDS", "FreeableMemory"): "the server shares this machine's memory, and its buffers are a "
    "fraction of what RDS gives them",
}
"""Metrics that the dashboard reads and that nothing here could tell truthfully, with the reason."""

WHEN_IT_HAPPENS = frozenset(
    {
        ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"),
        ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"),
        ("AWS/ApplicationELB", "TargetConnectionErrorCount"),
        ("AWS/Events", "TriggeredRules"),
    }
)
"""Metrics that nobody tells while all is well, as on AWS."""


def publisher(
    clock: Clock,
    traffic: Traffic,
    targets: Targets,
    databases: Databases,
    scheduler: Scheduler,
    runner: Runner,
) -> Publisher:
    """What tells CloudWatch of load balancers, targets, tasks, databases and rules; not yet started."""
    STORE.clear()
    STORE.now = clock.now
    hosts = Hosts(clock, targets)
    targets.on_health = lambda target: hosts.look(target.group)
    traffic.registered = hosts.registered
    services, census = scheduler.services, Census()
    sources = (
        traffic.take,
        hosts.take,
        Tasks(services, runner.roots, census).take,
        Instances(databases, census).take,
        Rules(services).take,
    )
    return Publisher(clock, sources, evaluate)
