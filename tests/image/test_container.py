"""The container as on Fargate: it starts, serves its page over TLS, keeps the password out of its log, and stops."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.image.building import Image
from tests.image.conftest import START_SECONDS, Database, Start, TaskRole
from tests.image.containers import Answer, run_once
from tests.support.memory import EATEN, EATER
from tests.webapp.dependencies import Postgres, Vault
from tools.local_cloud.aws.ecs.containers import DockerContainer
from tools.local_cloud.aws.ecs.plans import plan
from tools.local_cloud.building.builder import LocalImage
from tools.local_cloud.machine.guardian import Guardian

HOLD_SECONDS = 1.0
TRY_TO_WRITE = """
import errno, json, pathlib, sys
def tried(folder):
    try:
        pathlib.Path(folder, "probe").write_text("x")
    except OSError as error:
        return errno.errorcode[error.errno]
print(json.dumps({folder: tried(folder) for folder in sys.argv[1:]}))
"""
FOLDERS = ("/app", "/app/webapp", "/opt/venv", "/var/tmp", "/")  # noqa: S108 (in there)
LOCK_ALL = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
              WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
  LOOP EXECUTE 'LOCK TABLE ' || name || ' IN ACCESS EXCLUSIVE MODE'; END LOOP;
END $$
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND usename = 'postgres' AND ltrim(query, E' \n') ILIKE 'select%'
"""


def test_without_a_database_the_page_fails_and_health_does_not(
    start: Start, variables: dict[str, str]
) -> None:
    container = start(variables, ("--health-interval", "1s"))
    container.wait_for("/", 503)
    assert container.get("/health") == Answer(200, '{"status":"healthy"}')
    deadline = time.monotonic() + START_SECONDS
    while container.health() == "starting" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert container.health() == "healthy"


def test_it_runs_as_user_and_group_10001_can_write_to_tmp_alone_and_stops_at_once(
    start: Start, variables: dict[str, str]
) -> None:
    container = start(variables)
    assert container.execute("sh", "-c", "id -u; id -g") == (0, "10001\n10001\n")
    status, said = container.execute("python", "-c", TRY_TO_WRITE, "/tmp", *FOLDERS)  # noqa: S108
    assert (status, json.loads(said)) == (0, {"/tmp": None, **dict.fromkeys(FOLDERS, "EROFS")})  # noqa: S108
    began = time.monotonic()
    assert container.stop() == 0
    assert time.monotonic() - began < 10


def test_on_a_writable_root_the_app_cannot_change_its_own_files(image: Image) -> None:
    own = ("/app", "/app/webapp", "/opt/venv/bin")
    command = ("run", "--rm", image.tag, "python", "-c", TRY_TO_WRITE, *own)
    assert json.loads(image.engine.run(*command)) == dict.fromkeys(own, "EACCES")


def test_a_volume_at_tmp_can_be_written_by_the_user_of_the_image(image: Image) -> None:
    command = ("run", "--rm", "--read-only", "--network", "none", image.tag)
    found = image.engine.run(*command, "python", "-c", TRY_TO_WRITE, "/tmp")  # noqa: S108
    assert json.loads(found) == {"/tmp": None}  # noqa: S108


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


def test_a_missing_variable_ends_it_with_code_2_and_one_line_that_names_it(
    image: Image, variables: dict[str, str]
) -> None:
    given = {name: value for name, value in variables.items() if name != "DB_NAME"}
    command = image.engine.inspect("image", image.tag)["Config"]["Cmd"]
    status, said = run_once(image.engine, image.tag, tuple(command), given)
    assert status == 2
    assert (len(said.splitlines()), "DB_NAME" in said) == (1, True)


def test_the_page_is_served_from_a_database_that_refuses_plain_connections(
    start: Start, database: Database
) -> None:
    container = start({**database.variables, "LOG_LEVEL": "debug"}, database.options)
    container.wait_for("/", 200)
    assert container.get("/health/db").status == 200
    assert container.stop() == 0
    assert container.logs() != ""
    assert database.server.password not in container.logs()


def test_the_bundle_in_the_image_does_not_vouch_for_another_authority_s_server(
    start: Start, database: Database
) -> None:
    given = dict(database.variables)
    del given["DB_SSLROOTCERT"]
    container = start(given)
    container.wait_for("/", 503)
    assert container.get("/health/db").status == 500
    assert "certificate verify failed" in container.logs()


def test_without_a_password_it_asks_secrets_manager_with_its_task_role(
    start: Start, database: Database, vault: Vault, task_role: TaskRole
) -> None:
    arn = vault.store_login(database.server.password)
    given = {**database.variables, **task_role, "DB_SECRET_ARN": arn}
    del given["DB_PASSWORD"]
    container = start(given, database.options)
    container.wait_for("/", 200)


def wait_until_blocked(server: Postgres, requests: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if server.execute(WAITING)[0][0] >= requests:
            return
        time.sleep(0.05)
    raise AssertionError(f"{requests} requests were to wait for the lock, and did not")


def test_requests_in_flight_are_answered_and_it_exits_0(start: Start, database: Database) -> None:
    container = start(database.variables, database.options)
    container.wait_for("/", 200)
    with ThreadPoolExecutor(3) as pool, database.server.connect() as holder:
        with holder.transaction():
            holder.execute(LOCK_ALL)
            # One query for each: requests in one language may share a query.
            in_flight = [pool.submit(container.get, "/", language=lang) for lang in ("en", "ja")]
            wait_until_blocked(database.server, 2)
            stopped = pool.submit(container.stop)
            time.sleep(HOLD_SECONDS)
            assert not stopped.done()
        assert [answer.result().status for answer in in_flight] == [200, 200]
        assert stopped.result() == 0


def test_a_stop_while_it_starts_ends_it_too(start: Start, variables: dict[str, str]) -> None:
    container = start(variables, wait=False)
    time.sleep(0.3)
    began = time.monotonic()
    assert container.stop() in {0, 128 + signal.SIGTERM}
    assert time.monotonic() - began < 15
