"""What holds for every test: with CI=true a skipped one is a failure; which ones share a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ONE_PROCESS = ("image", "browser")
"""Folders whose tests share what is dear, an image, a browser: one process runs all of them."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    for item in items:
        folder, *_ = item.path.relative_to(TESTS).parts
        group = folder if folder in ONE_PROCESS else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longrepr}"
    return report
