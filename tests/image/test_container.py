"""The container as on Fargate: it starts, serves its page over TLS, keeps the password out of its log, and stops."""

import json
import os
import tempfile
import time
from pathlib import Path

import pytest

from local_cloud.aws.ecs.containers import DockerContainer
from local_cloud.aws.ecs.plans import plan
from local_cloud.building.builder import LocalImage
from local_cloud.machine.authority import Authority
from local_cloud.machine.guardian import Guardian
from tests.image.building import Image
from tests.image.conftest import START_SECONDS, Start
from tests.memory import EATEN, EATER
from tests.webapp.conftest import variables_for
from tests.webapp.dependencies import running
from tests.webapp.serving import eventually

TRY_TO_WRITE = """
import errno, json, pathlib, sys
def tried(folder):
    try:
        pathlib.Path(folder, "probe").write_text("x")
    except OSError as error:
        return errno.errorcode[error.errno]
print(json.dumps({folder: tried(folder) for folder in sys.argv[1:]}))
"""
CA_IN_CONTAINER = "/run/rds-ca.pem"
FOLDERS = ("/app", "/app/webapp", "/opt/venv", "/var/tmp", "/")  # noqa: S108 (in there)


def test_it_runs_as_user_and_group_10001_can_write_to_tmp_alone_and_stops_at_once(
    start: Start,
) -> None:
    """Without a database the page fails, and health does not."""
    names = ("DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD", "APP_VERSION")
    variables = {**dict.fromkeys(names, "none"), "PGHOSTADDR": "127.0.0.9"}
    container = start(variables, ("--health-interval", "1s"))
    container.wait_for("/", 503)
    health = container.get("/health")
    assert (health.status, health.body) == (200, b'{"status":"healthy"}')
    engine, name = container.engine, container.name

    def healthy() -> bool:
        state = engine.inspect("container", name)["State"]
        return bool(state["Health"]["Status"] == "healthy")

    eventually(healthy, START_SECONDS)
    assert engine.run("exec", name, "sh", "-c", "id -u; id -g") == "10001\n10001\n"
    said = engine.run("exec", name, "python", "-c", TRY_TO_WRITE, "/tmp", *FOLDERS)  # noqa: S108
    assert json.loads(said) == {"/tmp": None, **dict.fromkeys(FOLDERS, "EROFS")}  # noqa: S108
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 10


def test_on_a_writable_root_the_app_cannot_change_its_own_files(image: Image) -> None:
    own = ("/app", "/app/webapp", "/opt/venv/bin")
    command = ("run", "--rm", image.tag, "python", "-c", TRY_TO_WRITE, *own)
    assert json.loads(image.engine.run(*command)) == dict.fromkeys(own, "EACCES")


@pytest.mark.parametrize(("who", "code", "reason"), EATEN)
def test_the_kernel_kills_what_uses_most_memory_and_the_container_only_with_its_first_process(
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    who: str,
    code: int,
    reason: str | None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", image.engine.host or os.environ.get("DOCKER_HOST", ""))
    local = LocalImage(
        reference=image.tag, digest="", platform="", folder=tmp_path, command=(), docker=True
    )
    definition = {"name": "app", "environment": [], "command": ["python", "-c", EATER, who]}
    name = f"careapp-test-{os.getpid()}-{who}"
    limits = ("--memory", "100m", "--memory-swap", "100m")
    running = DockerContainer(plan(definition, local, {}, {}, None), Guardian(), name, limits)
    with running.output:
        assert running.wait() == code
        assert running.output.read() == b"child -9\n"
    assert running.reason == reason
    assert image.engine.attempt("container", "inspect", name).returncode == 1


def test_the_page_is_served_from_a_database_that_refuses_plain_connections(start: Start) -> None:
    with tempfile.TemporaryDirectory(prefix="careapp-authority-") as folder:
        authority = Authority(Path(folder))
        with running(authority) as server:
            mount = ("--volume", f"{authority.path}:{CA_IN_CONTAINER}:ro")
            changed = {"DB_SSLROOTCERT": CA_IN_CONTAINER, "LOG_LEVEL": "debug"}
            container = start(variables_for(server, authority) | changed, mount)
            container.wait_for("/", 200)
            assert container.get("/health/db").status == 200
            assert container.stop() == 0
    done = container.engine.attempt("logs", container.name)
    assert done.stdout + done.stderr != ""
    assert server.password not in done.stdout + done.stderr
