"""A local cloud without its parts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from local_cloud.paths import Home
from local_cloud.run import cloud
from local_cloud.run.client import Options


class Hollow:
    """A cloud of which each part is what the test says."""

    def __init__(self, *_: object) -> None:
        self.reads = 0

    def start(self) -> dict[str, Any]:
        return {"pid": 1}

    def stop(self) -> None:
        pass

    def now(self) -> datetime:
        return datetime.now(UTC)

    def describe(self) -> dict[str, object]:
        return {}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a context in which such a cloud serves a home."""
    monkeypatch.setattr(cloud.gc, "freeze", lambda: None)

    @contextmanager
    def serve(home: Home, kind: type[Hollow] = Hollow) -> Iterator[threading.Thread]:
        monkeypatch.setattr(cloud, "Cloud", kind)
        stop, without = threading.Event(), {"docker": False, "namespaces": False, "mounts": False}
        options = Options(region="eu-west-1", speed=20, port=0, **without)
        thread = threading.Thread(target=cloud.serve, args=(home, options, stop), daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()

    return serve
