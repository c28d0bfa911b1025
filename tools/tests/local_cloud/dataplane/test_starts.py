"""The clock's speed during the start of a task."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from tools.local_cloud.aws.ecs import starts
from tools.local_cloud.clock import Clock
from tools.local_cloud.machine.processes import processes
from tools.tests.local_cloud.dataplane.stack import until

LISTENING = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read()
kept = server.accept()
time.sleep(60)
"""
LINUX = pytest.mark.skipif(not starts.PROC.exists(), reason="there is no /proc")
SLEEPING = "import time; time.sleep(60)"


def test_at_aws_s_pace_no_more_seconds_pass_than_on_the_wall():
    clock = Clock(1000)
    with clock.at_aws_pace(), clock.at_aws_pace():
        before, began = clock.monotonic(), time.monotonic()
        clock.sleep(0.2, threading.Event())
        passed, wall = clock.monotonic() - before, time.monotonic() - began
    assert 0.2 <= passed <= wall
    before = clock.monotonic()
    clock.sleep(100, threading.Event())
    assert clock.monotonic() - before >= 100


def test_a_clock_that_is_slower_than_the_wall_does_not_run_faster_at_aws_s_pace():
    clock = Clock(0.1)
    with clock.at_aws_pace():
        time.sleep(0.1)
        assert clock.monotonic() < 0.1


@pytest.fixture
def run():
    begun = []

    def start(*argv: str):
        begun.append(subprocess.Popen(argv, start_new_session=True, stdin=subprocess.PIPE))
        return begun[-1]

    yield start
    for each in begun:
        os.killpg(each.pid, signal.SIGKILL)
        each.communicate()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def container(run, port: int):
    """Return a function that makes a container of a shell program; the declared port may be another."""
    made = []

    def make(program: str, declared: int = port):
        shell = run("/bin/sh", "-c", f"'{sys.executable}' -c '{program}' {port}; :")
        made.append(starts.Container(lambda: shell.pid, "127.0.0.1", [declared]))
        return made[-1], shell

    yield make
    for each in made:
        each.close()


@LINUX
def test_a_container_has_started_when_it_takes_connections(container):
    found, shell = container(LISTENING)
    until(lambda: found._probe is not None or found.started(processes()), what="a connection")
    assert [found.started(processes()) for _ in range(3)] == [False] * 3, (
        "it listens and takes nothing"
    )
    shell.stdin.close()
    until(lambda: found.started(processes()), what="the connection to be taken")


@LINUX
def test_a_container_that_listens_on_another_port_has_started(container):
    found, _ = container(LISTENING, declared=1)
    until(lambda: found.started(processes()), what="the container to listen")


@LINUX
def test_a_container_that_listens_nowhere_has_not_started(container):
    found, _ = container(SLEEPING)
    assert [found.started(processes()) for _ in range(3)] == [False] * 3


@LINUX
def test_a_container_works_while_one_of_its_processes_runs(container):
    sleeping, _ = container(SLEEPING)
    until(lambda: not sleeping.works(processes()), what="the sleep")
    working, _ = container("while True: pass")
    time.sleep(0.1)
    assert working.works(processes())


@LINUX
def test_a_container_that_has_ended_starts_no_more():
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert starts.Container(lambda: ended.pid, "127.0.0.1", [1]).started(processes()) is None


def test_a_container_that_never_listens_holds_the_clock_for_a_while_only(monkeypatch):
    monkeypatch.setattr(starts, "LONGEST", 0.3)
    clock = Clock(1000)
    silent = starts.Container(os.getpid, "127.0.0.1", [1])
    monkeypatch.setattr(silent, "started", lambda _every: False)
    starts.follow(clock, threading.Event(), [silent])
    until(lambda: clock.monotonic() > 500, what="the clock to run at its own speed again")


def started_after(cloud, program: str) -> float:
    """Return the AWS seconds until a task's first line, with ``program`` run before its app."""
    cloud.everything()
    argv = ["/bin/sh", "-c", f"python3 -c '{program}'; exec python3 webapp/app.py"]
    cloud.service(cloud.task_definition(command=argv), healthCheckGracePeriodSeconds=300)
    cloud.rolled_out(seconds=60)
    (task,) = cloud.tasks()
    streams = cloud.logs.describe_log_streams(logGroupName="/ecs/app")["logStreams"]
    first = min(each["firstEventTimestamp"] for each in streams) / 1000
    return float((datetime.fromtimestamp(first, UTC) - task["startedAt"]).total_seconds())


@LINUX
def test_four_seconds_of_work_at_a_start_are_not_eighty_on_aws_s_clock(cloud):
    work = "import time; end = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
    assert 4 < started_after(cloud, work) < 40


@LINUX
def test_a_start_that_waits_for_four_seconds_is_one_of_eighty_on_aws_s_clock(cloud):
    assert 60 < started_after(cloud, "import time; time.sleep(4)") < 200
