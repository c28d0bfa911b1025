"""How long the start of a task takes on AWS's clock."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.clock import Clock
from rehearsal.data import starts
from tests.dataplane.stack import until

LISTENING = "import socket, time; each = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
SLEEPING = "import time; time.sleep(60)"


def test_at_aws_s_pace_no_more_seconds_pass_than_on_the_wall() -> None:
    clock = Clock(1000)
    with clock.at_aws_pace(), clock.at_aws_pace():
        before, began = clock.monotonic(), time.monotonic()
        clock.sleep(0.2, threading.Event())
        passed, wall = clock.monotonic() - before, time.monotonic() - began
    assert 0.2 <= passed <= wall
    before = clock.monotonic()
    clock.sleep(100, threading.Event())
    assert clock.monotonic() - before >= 100


def test_a_clock_that_is_slower_than_the_wall_does_not_run_faster_at_aws_s_pace() -> None:
    clock = Clock(0.1)
    with clock.at_aws_pace():
        time.sleep(0.1)
        assert clock.monotonic() < 0.1


@pytest.fixture
def run() -> Any:
    begun = []

    def start(*argv: str) -> int:
        begun.append(subprocess.Popen(argv, start_new_session=True))
        return begun[-1].pid

    yield start
    for each in begun:
        each.kill()
        each.wait()


@pytest.mark.skipif(not starts.PROC.exists(), reason="there is no /proc")
def test_a_container_listens_when_any_of_its_processes_does(run: Any) -> None:
    sleeping, child = run(sys.executable, "-c", SLEEPING), f'{sys.executable} -c "{LISTENING}"; :'
    assert starts.listens(sleeping, "127.0.0.1", [1]) is False
    shell = run("/bin/sh", "-c", child)
    until(lambda: starts.listens(shell, "127.0.0.1", [1]), what="the shell's child to listen")


@pytest.mark.skipif(not starts.PROC.exists(), reason="there is no /proc")
def test_a_container_that_has_ended_starts_no_more() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert starts.listens(ended.pid, "127.0.0.1", [1]) is None


def test_a_container_that_never_listens_holds_the_clock_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starts, "LONGEST", 0.3)
    clock = Clock(1000)
    starts.follow(clock, threading.Event(), [lambda: False])
    until(lambda: clock.monotonic() > 500, what="the clock to run at its own speed again")


def test_a_start_of_four_seconds_is_one_of_four_seconds_on_aws_s_clock(cloud: Any) -> None:
    cloud.everything()
    slow = {"command": ["/bin/sh", "-c", "sleep 4; exec python3 webapp/app.py"]}
    cloud.service(cloud.task_definition(**slow))
    cloud.rolled_out(seconds=60)

    (task,) = cloud.tasks()
    streams = cloud.logs.describe_log_streams(logGroupName="/ecs/app")["logStreams"]
    first = min(each["firstEventTimestamp"] for each in streams) / 1000
    took = datetime.fromtimestamp(first, UTC) - task["startedAt"]
    # At 20 times AWS's pace it would be 80 s.
    assert 3 < took.total_seconds() < 40
    assert not any("unhealthy" in each for each in cloud.messages())
