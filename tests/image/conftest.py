"""One engine and one image for this folder; every container is removed after its test."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image import building, docker_engine
from tests.image.building import Container, Image, build, checkout, removing
from tests.image.docker_engine import DockerUnavailable, Engine

Start = Callable[..., Container]
START_SECONDS = 30
"""Generous: a start takes about two seconds."""


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
            origin = docker_engine.ensure(found, say)
            yield found
            if origin == "stand-in":
                found.run("image", "rm", "--force", docker_engine.TAG)
    except DockerUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def context() -> Iterator[Path]:
    """Return the build context: a copy of webapp/ with stray files."""
    with tempfile.TemporaryDirectory(prefix="careapp-context-") as folder:
        yield checkout(Path(folder))


@pytest.fixture(scope="session")
def image(engine: Engine, context: Path, say: Callable[[str], None]) -> Iterator[Image]:
    """Return the image."""
    say("Building the image …")
    tag = f"careapp-test:{os.getpid()}"
    with removing(engine, tag):
        yield build(engine, context, tag)


@pytest.fixture
def start(engine: Engine, image: Image) -> Iterator[Start]:
    """Return a function that starts healthy containers of the image; they are removed after the test."""
    made: list[Container] = []

    def begin(variables: dict[str, str], options: tuple[str, ...] = ()) -> Container:
        made.append(building.start(engine, image.tag, variables, options))
        made[-1].wait_for("/health", 200, START_SECONDS)
        return made[-1]

    yield begin
    for container in made:
        engine.attempt("rm", "--force", "--volumes", container.name)
