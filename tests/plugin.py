"""What holds for every test: a quick one has a second, and with CI=true one that is skipped is a failure."""

import functools
import os

import botocore.session
import hypothesis
import pytest

from careapp.cli.sizes import QUICK, SLOW
from careapp.rehearsal import careapp

careapp.use()
# Each session of botocore would parse its services' models again: a fifth of all the time of tests.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the seconds that a test has which is not marked slow, fixtures aside."""
    parser.addini("quick_seconds", "Seconds of a test that is not marked slow.", default="1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Make careapp the starter of the local cloud; that of the local cloud's own tests comes after it."""
    careapp.use()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in the slow folders."""
    for item in items:
        if item.path.parent.name in SLOW:
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    if report.when == "call" and report.passed and enforced(item):
        seconds = float(item.config.getini("quick_seconds"))
        if report.duration > TOLERANCE * seconds:
            report.outcome = "failed"
            report.longrepr = (
                f"It took {report.duration:.1f} s. A test that takes more than {seconds:g} s is marked with "
                "@pytest.mark.slow, and only `./careapp test --all` or its folder's name runs it."
            )
    return report


TOLERANCE = 4
"""Machines differ, and the first test of a process pays for its imports."""
BUSY = 2
"""The load of each processor from which a test takes longer by itself."""


def enforced(item: pytest.Item) -> bool:
    """Return whether this is the small size, on a machine that has nothing else to do."""
    idle = os.getloadavg()[0] <= BUSY * (os.cpu_count() or 1)
    return idle and bool(item.config.option.markexpr == QUICK[1])


def pytest_configure(config: pytest.Config) -> None:
    """Give each property the same examples in each run, and the small size a quarter of them.

    With --hypothesis-seed they are drawn, by the scheduled workflow.
    """
    small = config.option.markexpr == QUICK[1]
    hypothesis.settings.register_profile(
        "careapp",
        deadline=None,  # Other work on the machine makes a case slower than hypothesis allows by itself.
        derandomize=config.getoption("--hypothesis-seed") is None,
        max_examples=25 if small else 100,
    )
    hypothesis.settings.load_profile("careapp")
