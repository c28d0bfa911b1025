"""Metrics in CloudWatch, measured on real requests, targets and processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import Datum, Values
from local_cloud.aws.ecs.metrics import Rules, Tasks
from local_cloud.aws.elb.listener import View, error_answer
from local_cloud.aws.elb.metrics import HostCounts, Traffic
from local_cloud.aws.elb.proxy import Client
from local_cloud.aws.elb.targets import Health, Target, Targets
from local_cloud.aws.elb.upstream import Pool, Upstream, Wire
from local_cloud.aws.rds.metrics import processors
from local_cloud.clock import Clock
from local_cloud.cloud.publisher import Publisher
from local_cloud.machine import processes
from local_cloud.machine.namespaces import TaskAddress
from local_cloud.machine.problems import PROBLEMS
from tests.dataplane.conftest import serving
from tests.dataplane.stack import Stack, until
from tests.dataplane.test_listener import ask

BALANCER = SimpleNamespace(arn="arn:aws:elasticloadbalancing:r:1:loadbalancer/app/alb/1")
GROUP = "arn:aws:elasticloadbalancing:r:1:targetgroup/tg/2"
ALB = frozenset({("LoadBalancer", "app/alb/1")})
TARGETS = ALB | {("TargetGroup", "targetgroup/tg/2")}
LATER = 1 << 40
SERVICE = {"ClusterName": "main", "ServiceName": "web"}


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Yield a stack whose service runs; a minute of AWS takes a second."""
    yield from serving(60.0)


def told(found: Iterable[Datum], statistic: str = "Sum") -> dict[tuple[str, Any], float | None]:
    return {
        (datum.metric.name, datum.metric.dimensions): datum.values.statistic(statistic)
        for datum in found
    }


def test_requests_are_counted_in_cloudwatch(running):
    balancer = {"LoadBalancer": running.ids["alb"].partition(":loadbalancer/")[2]}
    group = {"TargetGroup": running.ids["tg"].rpartition(":")[2]}

    def counted(metric: str, stat: str = "Sum", **more: str) -> list[float]:
        return running.series("AWS/ApplicationELB", metric, stat, **balancer, **more)

    for path in (*["/"] * 5, *["/error"] * 3, "/drop", "/drop", "/slow"):
        ask(running, "GET", path)
    until(lambda: sum(counted("TargetResponseTime", "SampleCount")) == 9, what="nine answers")
    assert sum(counted("RequestCount", **group)) == sum(counted("RequestCount")) == 11
    assert sum(counted("HTTPCode_Target_5XX_Count", **group)) == 3
    assert sum(counted("HTTPCode_ELB_5XX_Count")) == 2
    assert 1.4 < max(counted("TargetResponseTime", "p99")) < 2.5, "the app's time at every speed"
    assert counted("TargetConnectionErrorCount") == []
    for name, count in (("HealthyHostCount", 1), ("UnHealthyHostCount", 0)):
        assert counted(name, "Maximum", **group)[-1] == count
    until(lambda: counted("RequestCount")[-1:] == [0], what="no requests, while there are targets")


def test_task_is_one_sample_of_cpu_and_memory(running):
    def measured(name: str, stat: str) -> list[float]:
        return running.series("AWS/ECS", name, stat, **SERVICE)

    # There are two in a minute in which one task replaced another, as happens on a busy machine.
    until(lambda: measured("CPUUtilization", "SampleCount")[-1:] == [1], what="a sample of a task")
    memory = until(lambda: measured("MemoryUtilization", "Maximum"), what="its memory")
    assert 1 < memory[-1] < 25, "a small Python process in 512 MiB"
    assert PROBLEMS.texts() == []
    assert running.plane.describe()["metrics"]["minutes"] > 0


VIEW = View(
    **{"protocol": "HTTP", "port": 80, "rules": (), "balancer": BALANCER},
    **{"open_to_clients": True, "idle_seconds": 5, "drop_invalid_headers": False},
)


def answered(decided) -> dict[tuple[str, Any], float | None]:
    """Return the counts for one request."""
    traffic = Traffic(Clock(1))

    async def one() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
            async def decide(*_):
                return await decided() if callable(decided) else decided

            client = Client(reader, writer, decide, traffic)
            await client.serve(lambda: VIEW)
            client.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        server.close()
        return answer

    assert asyncio.run(one()).startswith(b"HTTP/1.1 ")
    return told(traffic.take(LATER))


@pytest.fixture
def nowhere() -> Iterator[TaskAddress]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield TaskAddress(*closed.getsockname(), None)


async def without_connection(place: TaskAddress, *kept: Wire) -> Upstream:
    pool = Pool(1)
    pool._free[place, False] = list(kept)
    return Upstream(pool, Target(GROUP, "10.0.0.1", 3000), place)


async def with_dead_connection(place: TaskAddress) -> Upstream:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    kept = await asyncio.open_connection(*server.sockets[0].getsockname())
    return await without_connection(place, Wire(*kept, False))


@pytest.mark.parametrize("target", [without_connection, with_dead_connection])
def test_target_that_is_not_reached_is_counted_as_such(target, nowhere):
    counts = {("HTTPCode_ELB_5XX_Count", ALB): 1}
    for name in ("RequestCount", "TargetConnectionErrorCount"):
        counts |= {(name, ALB): 1, (name, TARGETS): 1}
    assert answered(lambda: target(nowhere)) == counts


def test_response_of_the_balancer_s_own_is_no_request():
    assert answered(error_answer(503)) == {("HTTPCode_ELB_5XX_Count", ALB): 1}
    assert answered(error_answer(400)) == {}


def this_minute(clock: Clock) -> int:
    return int(clock.now().timestamp()) // 60 * 60


def test_minute_is_published_once_and_after_its_end():
    clock = Clock(1)
    traffic = Traffic(clock)
    traffic.chosen(BALANCER, GROUP)
    minute = this_minute(clock)
    assert told(traffic.take(minute - 60)) == {}
    assert told(traffic.take(minute))[("RequestCount", ALB)] == 1
    assert told(traffic.take(minute)) == {}


def test_request_count_of_zero_is_published_only_with_targets():
    traffic = Traffic(Clock(1))
    assert told(traffic.take(LATER)) == {}
    traffic.registered = lambda: [(BALANCER, GROUP)]
    assert told(traffic.take(LATER)) == dict.fromkeys(
        [("RequestCount", ALB), ("RequestCount", TARGETS), ("RequestCountPerTarget", TARGETS)], 0
    )


def test_target_that_is_unhealthy_for_a_moment_is_not_missed(monkeypatch):
    targets, clock = Targets(Clock(1)), Clock(1)
    hosts, balanced = HostCounts(clock, targets), [(BALANCER, GROUP), (BALANCER, "empty")]
    monkeypatch.setattr("local_cloud.aws.elb.metrics.balanced", lambda: balanced)
    targets.on_health = lambda target: hosts.look(target.group)
    with hooks.LOCK:
        one = targets.register(GROUP, "10.0.0.1", 3000)
    for state in ("healthy", "unhealthy", "healthy"):
        targets.check(one, Health(state))
    found = list(hosts.take(this_minute(clock)))
    assert told(found, "Maximum")[("UnHealthyHostCount", TARGETS)] == 1
    assert told(found, "Minimum")[("HealthyHostCount", TARGETS)] == 0
    assert {datum.metric.dimensions for datum in found} == {TARGETS}, "and none of the empty group"


BUSY = "import time; end = time.time() + 20\nwhile time.time() < end: pass"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


@pytest.fixture
def busy() -> Iterator[int]:
    """Yield a process that waits for a child that uses a whole CPU."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True)
    yield process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_usage_is_of_the_process_and_all_that_it_started(busy):
    until(lambda: len(processes.family(processes.processes(), busy)) == 2, what="the child")
    meter = processes.Meter()

    def measured(seconds: float) -> float:
        meter.cores(processes.processes(), busy)
        time.sleep(seconds)
        return meter.cores(processes.processes(), busy) or 0.0

    assert 0.1 < measured(0.6) < 1.3, "a whole CPU, where no others want it"
    os.killpg(busy, signal.SIGSTOP)
    assert measured(0.3) < 0.05, "only what it has used since"
    family = [process.pid for process in processes.family(processes.processes(), busy)]
    assert processes.memory_bytes(family) > processes.memory_bytes([busy]) > 2**20
    assert meter.cores(processes.processes(), 1 << 30) is None


def service(desired: int = 2, **more):
    """Return a service with a running task and a pending one, as the metrics read it."""
    tasks = [SimpleNamespace(id=name, status=name) for name in ("RUNNING", "PENDING")]
    settings = SimpleNamespace(desired=desired)
    more = {"deployments": [], "history": [], **more}
    service = SimpleNamespace(name="web", status="ACTIVE", settings=settings, tasks=tasks, **more)
    definition = SimpleNamespace(cpu="512", memory="1024")
    placements = {task.id: SimpleNamespace(definition=definition) for task in tasks}
    record = SimpleNamespace(cluster_name="main", arn="arn:service/web")
    return SimpleNamespace(service=service, placements=placements, record=record, shown={})


def test_usage_is_relative_to_the_task_s_size(busy, monkeypatch):
    monkeypatch.setattr(processes.Meter, "cores", lambda *_: 0.25)
    monkeypatch.setattr(processes, "memory_bytes", lambda _: 256 * 1024**2)
    tasks = Tasks({"web": service()}, lambda _: [busy], processes.ProcessTable())
    web = frozenset(SERVICE.items())
    expected = {("CPUUtilization", web): 50, ("MemoryUtilization", web): 25}
    assert told(tasks.take(0)) == expected


@pytest.mark.parametrize("value", ["enabled", "enhanced", "disabled"])
def test_container_insights_count_tasks_where_they_are_on(value, running):
    setting = {"name": "containerInsights", "value": value}
    running.ecs.create_cluster(clusterName=value, settings=[setting])
    watched = service()
    watched.record.cluster_name = value
    tasks = Tasks({"web": watched}, lambda _: [], processes.ProcessTable())
    counts = {name: value for (name, _), value in told(tasks.take(0)).items()}
    expected = {"DesiredTaskCount": 2, "RunningTaskCount": 1, "PendingTaskCount": 1}
    assert counts == ({} if value == "disabled" else expected)
    watched.service.tasks = [task for task in watched.service.tasks if task.status != "RUNNING"]
    assert told(tasks.take(1)) == {}, "no word where no task runs"


@pytest.fixture
def put_rule(running) -> Iterator[Any]:
    """Yield a function that puts a rule for ECS's events."""
    events, names = running.client("events"), []

    def put(name: str, **pattern: Any) -> None:
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.ecs"], **pattern}))
        names.append(name)

    yield put
    for name in names:
        events.delete_rule(Name=name)


def triggered(rule: str) -> dict[tuple[str, Any], float]:
    return {("TriggeredRules", frozenset({("RuleName", rule)})): 1}


def test_rule_is_triggered_once_by_a_failed_roll_out_of_its_service(put_rule):
    failed = {"eventName": ["SERVICE_DEPLOYMENT_FAILED"]}
    for name, arn in (("mine", "arn:service/web"), ("other", "arn:service/other")):
        put_rule(name, resources=[arn], detail=failed)
    states = ("FAILED", "COMPLETED", "IN_PROGRESS")
    rolls = [SimpleNamespace(id=state, rollout=state, reason="") for state in states]
    rules = Rules({"web": service(deployments=rolls, history=rolls)})
    assert [told(rules.take(0)), told(rules.take(60))] == [triggered("mine"), {}]


def test_instance_class_has_the_cpus_of_ec2_s_type():
    assert (processors("db.t4g.micro"), processors("db.m6g.xlarge")) == (2, 4)


def test_source_that_fails_is_shown_until_it_works(caplog):
    broken, minutes = [True], []

    def first(minute: int) -> list[Datum]:
        if broken:
            raise OSError("no such process")
        return []

    def second(minute: int) -> list[Datum]:
        minutes.append(minute)
        return []

    publisher = Publisher(Clock(1), [first, second])
    publisher.publish(60)
    assert PROBLEMS.texts() == [f"{first.__qualname__}: OSError: no such process"]
    assert f"{first.__qualname__} failed" in caplog.text
    broken.clear()
    publisher.publish(120)
    assert (publisher.describe(), PROBLEMS.texts()) == ({"minutes": 2}, [])
    assert minutes == [60, 120]


def test_values_keep_what_percentiles_need():
    values = Values.of(*(number / 1000 for number in range(1, 1001)))
    assert values.statistic("p95") == pytest.approx(0.95, rel=0.01)
    assert values.statistic("p100") == 1
    assert Values().statistic("p50") is None
