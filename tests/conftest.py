"""What holds for every test: a quick one has a second, and with CI=true one that is skipped is a failure."""

from __future__ import annotations

import os

import pytest

from tests.cli import WHOLE_STACKS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the seconds that a test has which is not marked slow, fixtures aside."""
    parser.addini("quick_seconds", "Seconds of a test that is not marked slow.", default="1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in the folders of whole stacks as slow."""
    for item in items:
        if item.path.parent.name in WHOLE_STACKS:
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    quick = report.when == "call" and not item.get_closest_marker("slow")
    seconds = float(item.config.getini("quick_seconds"))
    # Where processes wait for processors a test takes longer by itself.
    seconds *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    if quick and report.passed and report.duration > seconds:
        report.outcome = "failed"
        report.longrepr = (
            f"It took {report.duration:.1f} s. A test that takes more than a second is marked with "
            "@pytest.mark.slow, and only `./careapp test --all` or its folder's name runs it."
        )
    return report
