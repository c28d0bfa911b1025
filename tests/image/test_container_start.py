"""The container starts in Fargate's smallest size, without a writable root and without a database."""

from __future__ import annotations

import time

import pytest

from tests.image.building import Image
from tests.image.conftest import Start
from tests.image.containers import Answer, run_once

# Generous: benchmarks/image measures the real time.
START_SECONDS = 30
WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1], 'probe').write_text('x')"


def test_it_is_healthy_without_a_database(start: Start, variables: dict[str, str]) -> None:
    container = start(variables)
    container.wait_until_healthy(START_SECONDS)
    assert container.get("/health").status == 200
    assert container.running()


def test_its_own_health_check_turns_healthy(start: Start, variables: dict[str, str]) -> None:
    container = start(variables, ("--health-interval", "1s"))
    container.wait_until_healthy(START_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while container.health() == "starting" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert container.health() == "healthy"


def test_it_runs_as_user_and_group_10001_and_can_write_to_tmp_alone(
    start: Start, variables: dict[str, str]
) -> None:
    container = start(variables)
    container.wait_until_healthy(START_SECONDS)
    assert container.execute("id", "-u") == (0, "10001\n")
    assert container.execute("id", "-g") == (0, "10001\n")
    assert container.execute("python", "-c", WRITE, "/tmp") == (0, "")  # noqa: S108 (in there)
    for folder in ("/app", "/app/webapp", "/opt/venv", "/var/tmp", "/"):  # noqa: S108 (in there)
        status, said = container.execute("python", "-c", WRITE, folder)
        assert (folder, status, "Read-only file system" in said) == (folder, 1, True)


def test_a_volume_at_tmp_can_be_written_by_the_user_of_the_image(image: Image) -> None:
    done = image.engine.attempt(
        *(
            "run",
            "--rm",
            "--read-only",
            "--network",
            "none",
            image.tag,
            "python",
            "-c",
            WRITE,
            "/tmp",  # noqa: S108
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_app_s_files_are_root_s_so_that_it_cannot_change_them_on_a_writable_root(
    image: Image,
) -> None:
    for folder in ("/app", "/app/webapp", "/opt/venv/bin"):
        done = image.engine.attempt(
            "run", "--rm", image.tag, "python", "-c", WRITE, folder, seconds=60
        )
        assert (folder, done.returncode, "Permission denied" in done.stderr) == (folder, 1, True)


@pytest.mark.parametrize("missing", ["DB_HOST", "DB_NAME", "DB_USER"])
def test_a_missing_variable_ends_it_with_code_2_and_one_line_that_names_it(
    image: Image, variables: dict[str, str], missing: str
) -> None:
    given = {name: value for name, value in variables.items() if name != missing}
    command = image.engine.inspect("image", image.tag)["Config"]["Cmd"]
    status, said = run_once(image.engine, image.tag, tuple(command), given)
    assert status == 2
    assert (len(said.splitlines()), missing in said) == (1, True)


def test_without_a_database_the_page_fails_and_health_does_not(
    start: Start, variables: dict[str, str]
) -> None:
    container = start(variables)
    container.wait_until_healthy(START_SECONDS)
    container.wait_for("/", 503)
    assert container.get("/health") == Answer(200, '{"status":"healthy"}')
