"""The page's process: its clients, and its end; what it shows of a running cloud: packages/careapp/tests/browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress

import pytest

from careapp import PYTHONPATH, ROOT
from careapp.rehearsal.page.launch import PORT, PortTaken, listening
from local_cloud.access import Access
from local_cloud.paths import Home
from local_cloud.run.project import local_cloud_environment
from tests.dataplane.declarations import REGION
from tests.dataplane.stack import alive, until


def start(folder):
    """Start the page of a rehearsal in ``folder`` whose local cloud does not answer."""
    home = Home(folder)
    home.project.mkdir(parents=True)
    for name in ("Pulumi.yaml", "Pulumi.poc.yaml"):
        shutil.copy(ROOT / name, home.project / name)
    launched = listening(0)
    away = Access("http://127.0.0.1:9", REGION, "test", "test")
    launched.start(folder, REGION, local_cloud_environment(away, home.facts))
    return launched


@pytest.mark.slow
def test_cloud_that_is_empty_is_shown_and_ends_with_its_page(tmp_path):
    folder = tmp_path / "home"
    launched = start(folder)
    child = launched._child
    try:
        shutil.rmtree(folder / "project")
        with urllib.request.urlopen(f"{launched.url}/state", timeout=10) as answer:
            assert json.load(answer)["verdict"]["headline"] == "Nothing is deployed"
        # Another loopback address is like another interface: the server binds only 127.0.0.1.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", int(launched.url.rpartition(":")[2])), timeout=5)
        assert child.poll() is None
    finally:
        launched.stop()
    assert child.returncode == 0
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        urllib.request.urlopen(launched.url, timeout=5)


HOLDER = """
import sys, time
from careapp.rehearsal import careapp
careapp.use()
from pathlib import Path
from tests.local.test_page_process import start
launched = start(Path(sys.argv[1]))
print(launched._child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_page_ends_when_the_cloud_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
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
