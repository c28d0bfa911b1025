"""A data plane over moto, with a small stack in it."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from local_cloud.aws import hooks
from local_cloud.building.builder import ImageNotFound, LocalImage
from local_cloud.clock import Clock
from local_cloud.cloud.api import Api
from local_cloud.cloud.plane import DataPlane
from local_cloud.machine import namespaces
from local_cloud.machine.roots import prepare
from local_cloud.providers.aws import KINDS
from tests.dataplane.declarations import REGION, REPOSITORY
from tests.dataplane.stack import Stack

RDS_BUNDLE = Path(__file__).with_name("rds-ca.pem")
"""RDS's root certificate authorities of the region (truststore.pki.rds.amazonaws.com)."""

logging.getLogger("werkzeug").setLevel(logging.ERROR)


def make_image(root: Path, name: str = f"{REPOSITORY}:1", **change: Any) -> LocalImage:
    """Return the test app as an image that has RDS's certificate authorities."""
    folder = root / "app"
    (folder / "webapp").mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("app.py"), folder / "webapp" / "app.py")
    shutil.copy(RDS_BUNDLE, folder / "webapp" / "rds-ca.pem")
    prepare(root)
    for path in (root, folder, folder / "webapp"):
        path.chmod(0o755)
    settings: dict[str, Any] = {
        **{"reference": name, "digest": "sha256:" + "ab" * 32, "platform": "linux/amd64"},
        **{"folder": folder, "root": root, "python": Path(sys.executable).parent},
        **{"command": ("python3", "webapp/app.py"), "environment": {"PYTHONUNBUFFERED": "1"}},
    }
    return LocalImage(**{**settings, **change})


@pytest.fixture
def image(tmp_path: Path) -> LocalImage:
    """Return the test app as an image outside any cloud."""
    return make_image(tmp_path / "image")


@pytest.fixture
def cloud() -> Iterator[Stack]:
    """Yield moto and a data plane at twenty times AWS's speed."""
    yield from at_speed(20.0)


@pytest.fixture(scope="module")
def empty() -> Iterator[Stack]:
    """Yield a stack in which nothing is declared, shared by a file's tests."""
    yield from at_speed(20.0)


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Yield a stack whose service runs with one healthy task, shared by a file's tests."""
    yield from serving(20.0)


def serving(speed: float) -> Iterator[Stack]:
    """Yield a stack whose service runs with one healthy task."""
    for stack in at_speed(speed):
        stack.everything()
        stack.service(stack.task_definition())
        stack.rolled_out()
        yield stack


@cache
def own_networks() -> bool:
    """Return whether this machine allows network namespaces."""
    return namespaces.refusal() is None


@cache
def own_mounts() -> bool:
    """Return whether this machine allows mount namespaces."""
    return own_networks() and namespaces.mount_refusal() is None


def at_speed(speed: float, own: bool | None = None) -> Iterator[Stack]:
    """Yield moto and a data plane at ``speed`` times AWS's speed, with network namespaces if this machine allows
    them."""
    from moto.backends import get_backend

    own = own_networks() if own is None else own
    api = Api(REGION)
    endpoint = api.start().endpoint
    hooks.registry.keys["test"] = Credentials("test", "test")
    os.environ.update(dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test"))
    images: dict[str, LocalImage] = {}

    def find(reference: str) -> LocalImage:
        if reference not in images:
            raise ImageNotFound(reference)
        return images[reference]

    # The database's user cannot enter pytest's folder.
    with tempfile.TemporaryDirectory(prefix="careapp-test-") as name:
        folder, clock = Path(name), Clock(speed)
        folder.chmod(0o755)
        image = make_image(folder / "image")
        images[image.reference] = image
        plane = DataPlane(
            folder=folder / "plane",
            clock=clock,
            images=find,
            port=0,
            aws_endpoint=endpoint,
            namespaces=own,
            mounts=own and own_mounts(),
        )
        plane.start()
        try:
            yield Stack(plane, clock, endpoint, images)
        finally:
            plane.stop()
            api.stop()
            # Of IAM only the roles: its managed policies take seconds to load again.
            for service in {kind.service for kind in KINDS.values()} - {"iam"}:
                get_backend(service.replace("-", "")).clear()
            hooks.backend("iam").roles.clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs tasks as slow."""
    for item in items:
        if {"cloud", "empty", "running"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
