"""A task's network namespace, and its address on a machine that refuses namespaces."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from local_cloud.aws.ecs import runner, starts
from local_cloud.machine import namespaces
from local_cloud.machine.roots import Bind
from tests.dataplane.conftest import at_speed, own_networks

own = pytest.mark.skipif(not own_networks(), reason="this machine refuses network namespaces")

CHECK = "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/health')"


FAILED = {"Reason": "Target.FailedHealthChecks", "Description": "Health checks failed"}
LOOPBACK = {"BIND_HOST": "127.0.0.1"}


@own
def test_app_on_loopback_passes_its_own_check_and_not_the_balancer_s(cloud):
    cloud.everything()
    check = {"command": ["CMD", "python3", "-c", CHECK], "interval": 5, "retries": 2}
    definition = cloud.task_definition(environment=LOOPBACK, healthCheck=check)
    cloud.service(definition, healthCheckGracePeriodSeconds=600)
    cloud.until(lambda: [t["healthStatus"] for t in cloud.tasks()] == ["HEALTHY"])
    assert cloud.until_unhealthy() == FAILED


@pytest.fixture(scope="module")
def shared():
    """Yield a stack on a machine that refuses network namespaces."""
    for stack in at_speed(20.0, own=False):
        stack.everything()
        yield stack


@pytest.mark.slow
def test_tasks_without_namespaces_listen_on_the_addresses_in_bind_host(shared):
    shared.service(shared.task_definition(), desired=2)
    shared.rolled_out()
    addresses = {row["address"] for row in shared.plane.describe()["tasks"]}
    told = shared.environment()
    assert len(addresses) == 2
    assert all(address.startswith("127.0.") for address in addresses)
    assert told["BIND_HOST"] in addresses
    assert told["PGHOSTADDR"] == told["BIND_HOST"]
    # A BIND_HOST of the task definition is not overridden.
    definition = shared.task_definition(environment=LOOPBACK)
    shared.service(definition, serviceName="bound", healthCheckGracePeriodSeconds=600)
    assert shared.until_unhealthy() == FAILED


@pytest.mark.slow
def test_task_that_is_stopped_while_its_image_is_pulled_starts_nothing(shared, monkeypatch):
    pulling, pulled, prepare = Event(), Event(), runner.prepare

    def slowly(*arguments):
        pulling.set()
        pulled.wait(60)
        return prepare(*arguments)

    monkeypatch.setattr(runner, "prepare", slowly)
    shared.service(shared.task_definition(), serviceName="pulled")
    assert pulling.wait(60)
    [task] = shared.tasks(service="pulled")
    shared.stop_task(task["taskArn"])
    monkeypatch.setattr(runner, "prepare", prepare)
    shared.until(lambda: shared.task(task["taskArn"])["lastStatus"] != "PENDING")
    pulled.set()
    shared.until_task(task["taskArn"], "STOPPED")
    time.sleep(2)  # A container that starts after all would say so by then.
    assert shared.lines(task["taskArn"]) == []


def test_machine_that_refuses_namespaces_gives_the_reason(monkeypatch, tmp_path):
    refusing = tmp_path / "holder.py"
    refusing.write_text("import os; os.write(0, b'[Errno 1] Operation not permitted')")
    monkeypatch.setattr(namespaces, "HOLDER", refusing)
    assert str(namespaces.refusal()) == "[Errno 1] Operation not permitted"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(namespaces.refusal()) == "nsenter of Linux's util-linux is not on PATH"


@own
def test_namespace_that_has_ended_is_an_error_of_the_connection():
    namespace = namespaces.Namespace(["10.0.0.4"])
    namespace._holder.kill()
    namespace._holder.wait()
    with pytest.raises(OSError, match=r"ended|Broken pipe|reset"):
        namespace.new_socket()
    namespace.close()
    waiting = starts.Container(lambda: None, "10.0.0.4", [3000], namespace)
    assert waiting.started({}) is False, "not an error of the thread that looks at the task"


@own
def test_an_answer_that_comes_too_late_is_that_of_no_other_request(monkeypatch):
    monkeypatch.setattr(namespaces, "ANSWER_SECONDS", 0.2)
    with closing(namespaces.Namespace(["10.0.16.4"])) as namespace:
        os.kill(namespace._holder.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            namespace.new_socket()
        os.kill(namespace._holder.pid, signal.SIGCONT)
        namespace._line.settimeout(5)
        with pytest.raises(namespaces.NoNamespace, match="No such file"):
            namespace.mount([Bind(Path("/none"), Path("/"), writable=False)])
        with namespace.new_socket() as made:
            made.bind(("10.0.16.4", 0))
