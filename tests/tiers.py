"""The tiers of the tests: a folder each, what it needs of the machine, and why it cannot run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops.texts import Text, t

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSER = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
# Debian keeps dockerd where only root's PATH looks.
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def nothing_missing() -> None:
    """For a tier that every machine can run which has run ./careapp once."""


def docker_missing() -> Text | None:
    """Why no Docker engine is to be had: none answers, and none can be started for the tier."""
    client = shutil.which("docker")
    if client and _answers([client, "info"]):
        return None
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    if client and daemon and os.geteuid() == 0:
        return None
    return (
        t("no Docker engine: `docker info` fails")
        if client
        else t("no Docker engine: there is no docker on PATH")
    )


def _answers(command: list[str]) -> bool:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def browser() -> str | None:
    """The machine's own Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (str(MAC_BROWSER) if MAC_BROWSER.exists() else None)


def browser_missing() -> Text | None:
    """Why no browser is to be had."""
    if browser():
        return None
    return t("no Chromium: none of {names} is on PATH", names=", ".join(BROWSERS))


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A part of the tests that is run by itself: a folder below tests/, or a list of checks."""

    name: str
    what: Text
    missing: Callable[[], Text | None] = nothing_missing
    engine: bool = False  # the runner gets the pulumi CLI first, where its progress can be seen
    checks: tuple[tuple[str, ...], ...] = ()
    waits: bool = False  # mostly, so that in CI two processes share its files


# The quick ones first: what is wrong shows early.
TIERS = (
    Tier(
        name="lint",
        what=t("ruff, mypy, actionlint and zizmor"),
        checks=(
            ("ruff", "check", "."),
            ("ruff", "format", "--check", "."),
            ("mypy",),
            ("tests.workflows",),
        ),
    ),
    Tier(name="unit", what=t("the Pulumi program against mocks")),
    Tier(name="tooling", what=t("careapp, the engine's roads, this runner")),
    Tier(name="ops", what=t("the operator's commands against moto")),
    Tier(name="webapp", what=t("the app with a real PostgreSQL"), waits=True),
    Tier(
        name="dataplane",
        what=t("the local cloud's database, balancer, scheduler, firewall"),
        waits=True,
    ),
    Tier(name="providers", what=t("the stand-ins for the AWS, awsx and Docker providers")),
    Tier(
        name="engine",
        what=t("the program by the real engine against stand-ins"),
        engine=True,
        waits=True,
    ),
    Tier(name="rehearsal", what=t("the whole roll-out, with its faults"), engine=True, waits=True),
    Tier(name="image", what=t("the image and its container"), missing=docker_missing),
    Tier(
        name="browser",
        what=t("the page in a real browser"),
        missing=browser_missing,
        engine=True,
    ),
)


def existing(tests: Path) -> tuple[Tier, ...]:
    """The tiers whose folder has a test file, and those that have none by nature."""
    return tuple(
        tier for tier in TIERS if tier.checks or any((tests / tier.name).rglob("test_*.py"))
    )


def commands(tier: Tier, tests: Path, report: Path, extra: list[str]) -> list[list[str]]:
    """The processes that make up the tier; pytest leaves its JUnit report at `report`."""
    if tier.checks:
        return [[sys.executable, "-m", *check] for check in tier.checks]
    # Not where somebody may press Ctrl-C, or chooses tests: a worker that is stopped puts nothing away.
    in_two = tier.waits and not extra and os.environ.get("CI") == "true"
    shared = ["-n", "2", "--dist", "loadfile"] if in_two else []
    return [
        [
            *(sys.executable, "-m", "pytest", str(tests / tier.name)),
            *(f"--junitxml={report}", *shared, *extra),
        ]
    ]
