"""One engine, one image and one database for this folder; every container is removed after its test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image import containers
from tests.image.building import Image, build, checkout, removing
from tests.image.containers import Container
from tests.image.surroundings import HOST, Database, Secrets, database_with_tls, secrets_manager
from tests.support import base_image, docker_engine
from tests.support.docker_engine import DockerUnavailable, Engine

Start = Callable[..., Container]


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Return a function that prints a line of progress despite pytest's capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def aloud(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)

    return aloud


@pytest.fixture(scope="session")
def engine(say: Callable[[str], None]) -> Iterator[Engine]:
    """Return a Docker engine that has the base image; images of this folder are removed again."""
    try:
        with docker_engine.running() as found:
            origin = base_image.ensure(found, say)
            yield found
            if origin == "stand-in":
                found.run("image", "rm", "--force", base_image.TAG)
    except DockerUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def context() -> Iterator[Path]:
    """Return the build context: a copy of webapp/ with stray files."""
    with tempfile.TemporaryDirectory(prefix="careapp-context-") as folder:
        yield checkout(Path(folder))


@pytest.fixture(scope="session")
def image(engine: Engine, context: Path, say: Callable[[str], None]) -> Iterator[Image]:
    """Return the image, built by the classic builder."""
    say("Building the image …")
    tag = f"careapp-test:{os.getpid()}"
    with removing(engine, tag):
        yield build(engine.builders()["classic"], "classic", context, tag)


@pytest.fixture(scope="session")
def base_bytes(engine: Engine) -> int:
    """Return the uncompressed size of the image's base."""
    return int(engine.inspect("image", base_image.TAG)["Size"])


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """Return a PostgreSQL server that accepts only TLS."""
    with database_with_tls() as server:
        yield server


@pytest.fixture(scope="session")
def secrets() -> Iterator[Secrets]:
    """Return Secrets Manager and the endpoint for a task role's credentials."""
    with secrets_manager() as running:
        yield running


@pytest.fixture
def start(engine: Engine, image: Image) -> Iterator[Start]:
    """Return a function that starts containers of the image; they are removed after the test."""
    made: list[Container] = []

    def begin(variables: dict[str, str], options: tuple[str, ...] = ()) -> Container:
        made.append(containers.start(engine, image.tag, variables, options))
        return made[-1]

    yield begin
    for container in made:
        containers.remove(container)


@pytest.fixture(scope="session")
def variables() -> dict[str, str]:
    """Return all variables of the app, with a database that does not exist."""
    return {
        "DB_HOST": HOST,
        "DB_PORT": "5432",
        "DB_NAME": "careapp",
        "DB_USER": "postgres",
        "DB_PASSWORD": "not-the-password",
        "APP_VERSION": "1.2.3",
        "PGHOSTADDR": "127.0.0.9",
    }
