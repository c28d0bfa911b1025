"""One running task: its environment, its role, its output, its end and its replacement."""

import json
import time
from threading import Thread

import pytest

from tests.dataplane.conftest import own_networks
from tests.dataplane.stack import until

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


def test_metadata_endpoint_says_who_the_task_is(running):
    got = running.environment()
    said = json.loads(running.inside(FETCH, got["ECS_CONTAINER_METADATA_URI_V4"] + "/task"))
    role = json.loads(running.inside(FETCH, got["AWS_CONTAINER_CREDENTIALS_FULL_URI"]))
    arn = running.only_task()["taskArn"]
    assert (said["TaskARN"], said["Family"], said["KnownStatus"]) == (arn, "app", "RUNNING")
    assert [container["Name"] for container in said["Containers"]] == ["app"]
    assert role["RoleArn"] == running.ids["task-role"]


def test_output_goes_line_by_line_into_the_declared_stream(running):
    arn = running.only_task()["taskArn"]
    running.page("/?mark=1")
    running.until_line(arn, "request /?mark=1")
    assert running.lines(arn)[0] == "listening"
    running.page("/source")
    # The file as the image has it.
    running.until_line(arn, 'File "/app/webapp/app.py", line 1')


def test_tasks_that_run_at_once_have_addresses_of_their_own(running):
    running.update(desiredCount=2)
    tasks = running.whole(2)
    pages = {running.page() for _ in range(8)}
    rows = running.plane.describe()["tasks"]
    assert pages == {f"v1 {row['address']}" for row in rows}
    assert len({row["private_address"] for row in rows}) == 2
    details = [detail for task in tasks for detail in task["attachments"][0]["details"]]
    subnets = {detail["value"] for detail in details if detail["name"] == "subnetId"}
    assert subnets == set(running.ids["private"])
    running.update(desiredCount=1)
    running.until(lambda: running.describe()["runningCount"] == 1)


def test_update_changes_what_it_names_and_starts_no_task(running):
    arn = running.only_task()["taskArn"]
    change = {"propagateTags": "TASK_DEFINITION", "enableECSManagedTags": True}
    change |= {"availabilityZoneRebalancing": "DISABLED", "healthCheckGracePeriodSeconds": 7}
    for named in (change, {}):
        running.update(**named)
        service = running.describe()
        assert {name: service[name] for name in change} == change
    assert running.only_task()["taskArn"] == arn


@pytest.mark.skipif(not own_networks(), reason="this machine refuses network namespaces")
def test_network_of_a_task_has_its_addresses_and_reaches_no_server_here(running):
    running.whole()
    (place,) = running.placements()
    assert running.inside(ADDRESSES) == f"{place.private_address} 127.0.0.1 169.254.170.2"
    here = f"127.0.0.1:{running.url().rsplit(':', 1)[1]}"
    assert running.inside(REACH, here, "10.0.16.200:3000", "192.0.2.1:80").splitlines() == [
        *(f"127.0.0.1 {REFUSED}", f"10.0.16.200 {UNREACHABLE}", f"192.0.2.1 {UNREACHABLE}")
    ]


def end(running, arn: str) -> tuple[str, str, int]:
    """Wait until a task has stopped; return its stop code, reason and exit code."""
    task = running.until_task(arn, "STOPPED")
    return task["stopCode"], task["stoppedReason"], task["containers"][0]["exitCode"]


def test_stopped_task_has_its_reason_and_exit_code_and_is_replaced(running):
    arn = running.only_task()["taskArn"]
    running.page()
    idle = running.plane._balancer.forwarding.pool._free
    [address] = until(lambda: [key for key, wires in idle.items() if wires], 5)
    answer = running.stop_task(arn, reason="because")
    assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")
    assert end(running, arn) == ("UserInitiated", "because", 0)
    assert "stopping" in running.lines(arn)
    assert address not in idle, "a server may wait for an open connection"
    running.whole()
    assert running.describe()["runningCount"] == 1


def test_request_in_flight_is_finished_while_its_target_drains(running):
    running.whole()
    got: list[str] = []
    asking = Thread(target=lambda: got.append(running.page("/slow")))
    asking.start()
    time.sleep(0.3)
    task = running.only_task()
    running.stop_task(task["taskArn"])
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]

    def leaving():
        (state,) = [t["TargetHealth"] for t in running.targets() if t["Target"]["Id"] == address]
        return state if state["State"] != "healthy" else None

    state = running.until(leaving, 5, "the scheduler to process the call")
    asking.join(10)
    assert got == ["slow"]
    assert state == {
        "State": "draining",
        "Reason": "Target.DeregistrationInProgress",
        "Description": "Target deregistration is in progress",
    }
    running.whole()
