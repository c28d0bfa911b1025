"""The data plane: it starts or reports why not, and leaves no process, port and file."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from local_cloud.aws import hooks
from local_cloud.building.builder import ImageNotFound
from local_cloud.clock import Clock
from local_cloud.cloud.plane import DataPlane
from local_cloud.machine.sockets import Forwarder, PortTaken
from tests.dataplane.conftest import own_mounts, own_networks
from tests.dataplane.stack import alive, until

ROOT = Path(__file__).parents[2]


def nothing(reference: str):
    raise ImageNotFound(reference)


def plane(folder: Path, port: int | None) -> DataPlane:
    return DataPlane(
        folder=folder,
        clock=Clock(20),
        images=nothing,
        port=port,
        aws_endpoint="http://127.0.0.1:9",
        namespaces=own_networks(),
        mounts=own_mounts(),
    )


def hooked() -> int:
    tables = (hooks.registry.before, hooks.registry.after)
    return len(hooks.registry.instead) + sum(
        len(handlers) for table in tables for handlers in table.values()
    )


def test_port_that_is_taken_is_named_and_nothing_is_left(tmp_path):
    before = hooked()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is in use: choose another"):
            plane(tmp_path, port).start()
    assert hooked() == before
    assert list(tmp_path.iterdir()) == []


def test_clean_up_that_fails_is_logged_and_ends_no_other(tmp_path, caplog):
    stopped, ended = plane(tmp_path, None), []
    stopped._undo += [lambda: ended.append("first"), lambda: 1 / 0]
    stopped.stop()
    assert (ended, [record.exc_info[0] for record in caplog.records]) == (
        ["first"],
        [ZeroDivisionError],
    )


@pytest.mark.parametrize("turns", [2, 3, 4])
def test_connection_that_comes_as_its_server_closes_is_closed_at_once(turns):
    """At the first turn of the loop it is accepted, at the second it gets its transport (cpython issue 109564)."""

    async def answer() -> bytes:
        forwarder = Forwarder(listener, lambda: None)
        await forwarder.start()
        with socket.create_connection(listener.getsockname()) as client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await forwarder.stop()
            async with asyncio.timeout(2):
                return await asyncio.get_running_loop().sock_recv(client, 1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert asyncio.run(answer()) == b""


def test_plane_starts_again_after_it_was_stopped_twice(tmp_path):
    before = hooked()
    for _ in range(2):
        made = plane(tmp_path, 0)
        made.start()
        assert hooked() > before
        made.stop()
        made.stop()
        assert hooked() == before
        assert made.describe() == {"listeners": [], "databases": [], "tasks": []}
    assert list(tmp_path.iterdir()) == []


def test_plane_that_stops_ends_every_process_listener_and_file(cloud):
    cloud.everything()
    cloud.database()
    cloud.service(cloud.task_definition(), desired=2)
    cloud.rolled_out()
    seen = cloud.plane.describe()
    pids = [pid for task in seen["tasks"] for pid in task["pid"]]
    pids += [row["pid"] for row in seen["databases"]]
    port = int(seen["listeners"][0]["url"].rsplit(":", 1)[1])
    assert len(pids) == 3
    assert all(alive(pid) for pid in pids)

    began = time.monotonic()
    cloud.plane.stop()

    assert time.monotonic() - began < 10
    assert not any(alive(pid) for pid in pids)
    assert list(cloud.plane._given.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


CLOUD = """
    import sys
    sys.path[:0] = [{root!r}, {tests!r}]
    import conftest
    for stack in conftest.at_speed(20.0):
        stack.everything()
        stack.database()
        stack.service(stack.task_definition())
        stack.rolled_out()
        seen = stack.plane.describe()
        pids = [p for t in seen["tasks"] for p in t["pid"]] + [d["pid"] for d in seen["databases"]]
        pids += [p.namespace._holder.pid for p in stack.placements() if p.namespace]
        print(*pids, *stack.plane._given.iterdir(), flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
def test_cloud_that_is_killed_takes_tasks_database_and_files_along():
    text = textwrap.dedent(CLOUD).format(root=str(ROOT), tests=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
    ) as process:
        assert process.stdout is not None
        *pids, folder = process.stdout.readline().split()
        assert len(pids) == 2 + own_networks()
        assert all(alive(int(pid)) for pid in pids)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        until(lambda: not any(alive(int(pid)) for pid in pids) and not Path(folder).exists(), 10)
