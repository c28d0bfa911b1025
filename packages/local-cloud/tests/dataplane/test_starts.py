"""The clock's speed during the start of a task."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from local_cloud.aws.ecs import starts
from local_cloud.clock import Clock
from local_cloud.machine.processes import Process, processes
from tests.dataplane.stack import until

LISTENING = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read()
kept = server.accept()
time.sleep(60)
"""
LINUX = pytest.mark.skipif(not starts.PROC.exists(), reason="there is no /proc")
SLEEPING = "import time; time.sleep(60)"


def test_clock_at_aws_s_pace_is_no_faster_than_the_wall():
    clock = Clock(1000)
    with clock.at_aws_pace(), clock.at_aws_pace():
        before, began = clock.monotonic(), time.monotonic()
        clock.sleep(0.2, threading.Event())
        passed, wall = clock.monotonic() - before, time.monotonic() - began
    assert 0.2 <= passed <= wall
    before = clock.monotonic()
    clock.sleep(100, threading.Event())
    assert clock.monotonic() - before >= 100


def test_clock_slower_than_the_wall_is_not_faster_at_aws_s_pace():
    clock = Clock(0.1)
    with clock.at_aws_pace():
        time.sleep(0.1)
        assert clock.monotonic() < 0.1


def test_a_moment_of_the_clock_is_found_on_this_machine_s():
    clock, seen = Clock(1000), []

    def look() -> None:
        time.sleep(0.02)
        seen.append((datetime.now(UTC), clock.now(), datetime.now(UTC)))

    for _ in range(3):
        with clock.at_aws_pace():
            look()
        look()
    assert clock.now() - datetime.now(UTC) > timedelta(seconds=50)
    a_little = timedelta(seconds=0.01)
    for before, moment, after in seen:
        assert before - a_little < clock.wall_time(moment) < after + a_little


@pytest.fixture
def run():
    begun = []

    def start(*argv: str):
        begun.append(subprocess.Popen(argv, start_new_session=True, stdin=subprocess.PIPE))
        return begun[-1]

    yield start
    for process in begun:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


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
def test_container_has_started_when_it_takes_connections(container):
    found, shell = container(LISTENING)
    until(lambda: found._probe is not None or found.started(processes()), what="a connection")
    seen = [found.started(processes()) for _ in range(3)]
    assert seen == [False] * 3, "it listens and takes nothing"
    shell.stdin.close()
    until(lambda: found.started(processes()), what="the connection to be taken")


@LINUX
def test_container_has_started_when_it_listens_on_another_port(container):
    found, _ = container(LISTENING, declared=1)
    until(lambda: found.started(processes()), what="the container to listen")
    sleeping, _ = container(SLEEPING)
    assert [sleeping.started(processes()) for _ in range(3)] == [False] * 3, "it listens nowhere"
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    over = starts.Container(lambda: ended.pid, "127.0.0.1", [1])
    assert over.started(processes()) is None, "it has ended and starts no more"


def test_a_server_of_ipv6_alone_is_seen_to_listen(tmp_path, monkeypatch):
    monkeypatch.setattr(starts, "PROC", tmp_path)
    for folder in ("net", "fd"):
        (tmp_path / "7" / folder).mkdir(parents=True)
    (tmp_path / "7" / "fd" / "3").symlink_to("socket:[42]")
    row = f"0: {'0' * 32}:0BB8 {'0' * 32}:0000 0A 00000000:00000002 00:00000000 00000000 0 0 42 1\n"
    for table, rows in (("tcp", ""), ("tcp6", row)):
        (tmp_path / "7" / "net" / table).write_text(f"the columns\n{rows}")
    server = Process(pid=7, parent=1, group=7, cpu=0.0, began=0.0, state="S")
    assert starts._waiting({7: server}, 7, [3000]) == {3000: 2}


@LINUX
def test_container_works_while_one_of_its_processes_runs(container):
    sleeping, _ = container(SLEEPING)
    until(lambda: not sleeping.works(processes()), what="the sleep")
    working, _ = container("while True: pass")
    until(lambda: working.works(processes()), what="the loop")
    assert working.works(processes())


def test_clock_waits_a_while_only_for_a_container_that_never_listens(monkeypatch):
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
    cloud.rolled_out()
    (task,) = cloud.tasks()
    streams = cloud.logs.describe_log_streams(logGroupName="/ecs/app")["logStreams"]
    first = min(stream["firstEventTimestamp"] for stream in streams) / 1000
    return float((datetime.fromtimestamp(first, UTC) - task["startedAt"]).total_seconds())


@LINUX
@pytest.mark.parametrize(
    ("program", "least", "most"),
    [
        ("import time; end = time.monotonic() + 4\nwhile time.monotonic() < end: pass", 4, 40),
        ("import time; time.sleep(4)", 60, 200),
    ],
    ids=["work", "waiting"],
)
def test_start_s_four_seconds_are_eighty_on_aws_s_clock_if_it_waits(cloud, program, least, most):
    assert least < started_after(cloud, program) < most
