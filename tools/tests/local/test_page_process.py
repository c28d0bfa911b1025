"""The page's process with a running data plane: its contents, its clients, and its end."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import pytest

from local_cloud.access import Access
from local_cloud.paths import ROOT, Home
from local_cloud.run.project import local_cloud_environment
from local_cloud.tests.dataplane.declarations import REGION
from local_cloud.tests.dataplane.stack import alive, until
from tools.rehearsal.page.launch import PORT, PortTaken, listening
from tools.tests.local.pages import backend


def start(folder, endpoint, at=None):
    """Start the page of a rehearsal in ``folder``, whose stack files are the project's own."""
    home = Home(folder)
    home.project.mkdir(parents=True)
    for name in ("Pulumi.yaml", "Pulumi.poc.yaml"):
        shutil.copy(ROOT / name, home.project / name)
    if at is not None:
        home.facts.write_text(json.dumps({"time": at.isoformat()}))
    launched = listening(0)
    launched.start(
        folder,
        REGION,
        local_cloud_environment(Access(endpoint, REGION, "test", "test"), home.facts),
    )
    return launched


def ask(launched, path="/state", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(launched.url.rpartition(":")[2]))
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def state(launched):
    return json.loads(ask(launched)[1])


@pytest.fixture(scope="module")
def page(running_poc, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    launched = start(folder, running_poc.endpoint, running_poc.clock.now())
    backend(folder, resources=88)
    yield launched
    launched.stop()


@pytest.fixture(scope="module")
def running_poc(empty):
    """Yield a service behind a load balancer, with careapp's names."""
    stack = empty
    stack.network()
    stack.load_balancer("careapp-poc-alb", "careapp-poc-tg")
    stack.forward()
    stack.roles()
    stack.ecs.create_cluster(clusterName="careapp-poc-cluster")
    stack.logs.create_log_group(logGroupName="/ecs/careapp-poc")
    log = {"awslogs-group": "/ecs/careapp-poc", "awslogs-stream-prefix": "app"}
    log = {"logDriver": "awslogs", "options": {"awslogs-region": REGION, **log}}
    definition = stack.task_definition(whole={"family": "careapp-poc"}, logConfiguration=log)
    stack.service(definition, cluster="careapp-poc-cluster", serviceName="careapp-poc-service")
    return stack


def test_page_shows_starting_tasks_and_their_logs(page):
    def healthy():
        now = state(page)
        tasks = (now.get("tasks") or {}).get("running") or []
        return now if [each["target"]["state"] for each in tasks] == ["open"] else None

    now = until(healthy, what="a healthy target")
    assert (now["stage"], now["balancer"]["name"]) == ("stage2", "careapp-poc-alb")
    lines = until(lambda: [each["text"] for each in state(page)["timeline"]])
    assert "listening" in lines
    assert any(each.startswith("deployment of careapp-poc:1") for each in lines)
    assert now["links"]["forward"]["state"] in ("open", "waiting")
    assert now["links"]["database"]["state"] == "off" or now["database"] is None


def test_security_group_that_is_closed_is_named(page, running_poc):
    until(lambda: state(page)["tasks"]["running"], what="a task")
    with running_poc.closed("task-sg", 3000, group="alb-sg"):
        begun = time.monotonic()
        until(lambda: state(page)["links"]["forward"]["state"] == "blocked", 15, "the broken hop")
        assert time.monotonic() - begun < 10
        found = {each["id"] for each in state(page)["doctor"]["findings"]}
    assert "balancer-cannot-reach-task" in found


def test_page_is_reached_by_this_machine_s_names_only(page):
    assert ask(page, Host="rebound.example")[0] == 400
    port = int(page.url.rpartition(":")[2])
    # Another loopback address is like another interface: the server binds only 127.0.0.1.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.slow
def test_cloud_that_is_empty_is_shown_and_ends_with_its_page(tmp_path):
    folder = tmp_path / "home"
    launched = start(folder, "http://127.0.0.1:9")
    child = launched._child
    try:
        shutil.rmtree(folder / "project")
        assert state(launched)["verdict"]["headline"] == "Nothing is deployed"
        assert child.poll() is None
    finally:
        launched.stop()
    assert child.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        ask(launched)


HOLDER = """
import sys, time
from tools.rehearsal import careapp
careapp.use()
from pathlib import Path
from tools.tests.local.test_page_process import start
launched = start(Path(sys.argv[1]), "http://127.0.0.1:9")
print(launched._child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_page_ends_when_the_cloud_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as cloud:
        pid = int(cloud.stdout.readline())
        assert alive(pid)
        cloud.send_signal(signal.SIGKILL)
    until(lambda: not alive(pid), what="the page's end")


def test_port_that_is_taken_is_an_error_if_it_was_asked_for():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port}.*--watch-port"):
            listening(port)
    with ExitStack() as held:
        with suppress(OSError):  # Another process that listens there is as good.
            held.enter_context(socket.create_server(("127.0.0.1", PORT)))
        other = listening(None)
        assert other.url != f"http://localhost:{PORT}"
        other.stop()
