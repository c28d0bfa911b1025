"""One running task: its environment, its output, its end and its replacement."""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from tests.dataplane.conftest import own_networks

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"

ADDRESSES = """
import re
text = open("/proc/self/net/fib_trie").read()
print(*sorted(set(re.findall(r"-- (\\S+)\\n *\\S*/32 host LOCAL", text))))
"""
REACH = """
import socket, sys
for host, port in (each.rsplit(":", 1) for each in sys.argv[1:]):
    with socket.socket() as probe:
        print(host, probe.connect_ex((host, int(port))))
"""
REFUSED, UNREACHABLE = 111, 101


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def needs_own_networks() -> None:
    if not own_networks():
        pytest.skip("this machine refuses network namespaces")


def lines(cloud: Any, task: str) -> list[str]:
    events = cloud.logs.get_log_events(
        logGroupName="/ecs/app", logStreamName=f"ecs/app/{task}", startFromHead=True
    )["events"]
    return [event["message"] for event in events]


def whole(cloud: Any) -> None:
    """Wait until the service has its desired count and no other task is left."""

    def ask() -> bool:
        healthy = [each["TargetHealth"]["State"] for each in cloud.targets()] == ["healthy"]
        steady = cloud.messages()[-1].endswith("has reached a steady state.")
        return healthy and steady and len(cloud.places()) == 1

    cloud.until(ask, what="a whole service")


def leaving(cloud: Any, address: str) -> Any:
    """Return the state of a deregistered target, after the scheduler has processed the call."""
    deadline = time.monotonic() + 5
    while True:
        (state,) = [t["TargetHealth"] for t in cloud.targets() if t["Target"]["Id"] == address]
        if state["State"] != "healthy" or time.monotonic() > deadline:
            return state
        time.sleep(0.02)


def test_the_metadata_endpoint_says_who_the_task_is(running: Any) -> None:
    got = json.loads(fetch(f"{running.url()}/env"))["env"]
    said = json.loads(running.inside(FETCH, got["ECS_CONTAINER_METADATA_URI_V4"] + "/task"))
    role = json.loads(running.inside(FETCH, got["AWS_CONTAINER_CREDENTIALS_FULL_URI"]))
    whole(running)
    (task,) = running.tasks()
    assert (said["TaskARN"], said["Family"], said["KnownStatus"]) == (
        task["taskArn"],
        "app",
        "RUNNING",
    )
    assert [each["Name"] for each in said["Containers"]] == ["app"]
    assert role["RoleArn"] == running.ids["task-role"]


def test_output_goes_line_by_line_into_the_declared_stream(running: Any) -> None:
    whole(running)
    (task,) = running.tasks()
    fetch(f"{running.url()}/?mark=1")
    stream = task["taskArn"].rsplit("/", 1)[1]
    running.until(lambda: "request /?mark=1" in lines(running, stream), what="the line")
    assert lines(running, stream)[0] == "listening"
    fetch(f"{running.url()}/source")
    told = 'File "/app/webapp/app.py", line 1'
    running.until(lambda: told in lines(running, stream), what="the file as the image has it")


def test_two_tasks_run_at_once_on_addresses_of_their_own(running: Any) -> None:
    running.ecs.update_service(cluster="main", service="web", desiredCount=2)
    running.until(lambda: running.describe()["runningCount"] == 2)
    running.until(
        lambda: [t["TargetHealth"]["State"] for t in running.targets()] == ["healthy"] * 2
    )

    pages = {fetch(running.url()) for _ in range(8)}

    rows = running.plane.describe()["tasks"]
    assert pages == {f"v1 {row['address']}" for row in rows}
    assert len({row["private_address"] for row in rows}) == 2
    subnets = {
        detail["value"]
        for task in running.tasks()
        for detail in task["attachments"][0]["details"]
        if detail["name"] == "subnetId"
    }
    assert subnets == set(running.ids["private"])
    running.ecs.update_service(cluster="main", service="web", desiredCount=1)
    running.until(lambda: running.describe()["runningCount"] == 1)


def test_a_task_has_loopback_its_private_address_and_that_of_the_metadata_alone(
    running: Any,
) -> None:
    needs_own_networks()
    whole(running)
    (place,) = running.places()
    assert running.inside(ADDRESSES) == f"{place.private_address} 127.0.0.1 169.254.170.2"


def test_a_task_reaches_neither_this_machine_s_servers_nor_another_task_s_address(
    running: Any,
) -> None:
    needs_own_networks()
    whole(running)
    port = running.url().rsplit(":", 1)[1]
    elsewhere = running.inside(REACH, f"127.0.0.1:{port}", "10.0.16.200:3000", "192.0.2.1:80")
    assert elsewhere.splitlines() == [
        f"127.0.0.1 {REFUSED}",
        f"10.0.16.200 {UNREACHABLE}",
        f"192.0.2.1 {UNREACHABLE}",
    ]


def test_a_stopped_task_has_its_reason_and_exit_code(running: Any) -> None:
    whole(running)
    (task,) = running.tasks()
    answer = running.ecs.stop_task(cluster="main", task=task["taskArn"], reason="because")["task"]
    assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")

    def ask() -> Any:
        (now,) = running.ecs.describe_tasks(cluster="main", tasks=[task["taskArn"]])["tasks"]
        return now if now["lastStatus"] == "STOPPED" else None

    over = running.until(ask)
    assert (over["stopCode"], over["stoppedReason"], over["containers"][0]["exitCode"]) == (
        "UserInitiated",
        "because",
        0,
    )
    assert "stopping" in lines(running, task["taskArn"].rsplit("/", 1)[1])
    whole(running)
    assert running.describe()["runningCount"] == 1


def test_a_crash_is_replaced_and_keeps_its_exit_code(running: Any) -> None:
    whole(running)
    (task,) = running.tasks()
    with suppress(OSError):
        fetch(f"{running.url()}/crash")

    def ask() -> Any:
        (now,) = running.ecs.describe_tasks(cluster="main", tasks=[task["taskArn"]])["tasks"]
        return now if now["lastStatus"] == "STOPPED" else None

    over = running.until(ask)
    assert (over["stopCode"], over["stoppedReason"], over["containers"][0]["exitCode"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
        3,
    )
    whole(running)


def test_more_memory_than_declared_ends_in_137_with_the_reason(running: Any) -> None:
    whole(running)
    (task,) = running.tasks()
    with suppress(OSError):
        fetch(f"{running.url()}/eat")
        fetch(f"{running.url()}/eat?again")

    def ask() -> Any:
        (now,) = running.ecs.describe_tasks(cluster="main", tasks=[task["taskArn"]])["tasks"]
        return now if now["lastStatus"] == "STOPPED" else None

    container = running.until(ask, 20)["containers"][0]
    assert (container["exitCode"], container["reason"]) == (
        137,
        "OutOfMemoryError: Container killed due to memory usage",
    )


def test_a_request_in_flight_is_finished_while_its_target_drains(running: Any) -> None:
    whole(running)
    got: list[str] = []
    asking = Thread(target=lambda: got.append(fetch(f"{running.url()}/slow")))
    asking.start()
    time.sleep(0.3)
    whole(running)
    (task,) = running.tasks()
    running.ecs.stop_task(cluster="main", task=task["taskArn"])
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    state = leaving(running, address)
    asking.join(10)
    assert got == ["slow"]
    assert state == {
        "State": "draining",
        "Reason": "Target.DeregistrationInProgress",
        "Description": "Target deregistration is in progress",
    }
    whole(running)
