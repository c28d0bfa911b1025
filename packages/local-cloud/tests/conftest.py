"""What all tests of the local cloud have: a starter of their own, and a clock in UTC."""

import os
import time
from pathlib import Path

import hypothesis
import pytest

from local_cloud import starter

# Other work on the machine makes a case slower than hypothesis allows by itself; each run has the same cases.
hypothesis.settings.register_profile("local-cloud", deadline=None, derandomize=True)
hypothesis.settings.load_profile("local-cloud")

OWN = starter.own(Path(__file__).parent)


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of tests that take more than a second."""
    config.addinivalue_line("markers", "slow: takes more than a second")


def pytest_runtest_setup() -> None:
    """Make this the starter for each of these tests, whatever other tests the process has."""
    starter.use(OWN)


@pytest.fixture(autouse=True)
def _clock_in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Return a function that makes a program the Docker engine's command."""

    def make(program):
        (tmp_path / "docker").write_text(program)
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make
