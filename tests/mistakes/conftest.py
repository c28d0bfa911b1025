"""The draws' options, and what is printed of them."""

import json
import os
from pathlib import Path

import pytest

from tests.mistakes import report

DRAWS, SEED, SPEED, LIMIT = 4, 739948, 60, 240
"""The usual ones: no change is red for a case that nobody has tried. CI draws others every day."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mistakes")
    group.addoption("--draws", type=int, default=DRAWS, help="How many mistakes are drawn.")
    group.addoption("--seed", type=int, default=SEED, help="Another seed draws others.")
    group.addoption("--only", default="", help="The numbers of draws to make again: 17,40-49.")
    group.addoption("--limit", type=float, default=LIMIT, help="Seconds that a draw may take.")
    group.addoption("--speed", type=float, default=SPEED, help="The speed of the local cloud.")
    group.addoption("--report", default="", help="The file to which failures are appended.")


def numbers(config: pytest.Config) -> list[int]:
    """Return the numbers of the draws."""
    if not (only := config.getoption("only")):
        return list(range(config.getoption("draws")))
    ends = [each.partition("-")[::2] for each in only.split(",")]
    return [number for low, high in ends for number in range(int(low), int(high or low) + 1)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", numbers(metafunc.config))


class Progress:
    """Prints a line for each draw, keeps the failures, and prints the table."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.rows = config, []
        self.file = Path(config.getoption("report") or config.rootpath / ".rehearsal/mistakes.jsonl")  # fmt: skip

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, text in report.user_properties if report.when == "call" else ():
            if name == "draw":
                self.take(json.loads(text))

    def take(self, row: dict) -> None:
        self.rows.append(row)
        line = f"{row['number']:>4} {row['verdict']:34} {row['seconds']:>4.0f} s  {row['what']}"
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        terminal.ensure_newline()
        terminal.write_line(line[:200])
        if row["verdict"] not in report.GOOD:
            terminal.write_line(f"     {report.again(row)}\n     {row['cause'][:150]} | {row['sight']}")  # fmt: skip
            report.append(self.file, row)

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.rows:
            terminalreporter.section(f"mistakes of seed {self.config.getoption('seed')}")
            for line in report.table(self.rows):
                terminalreporter.write_line(line)
            if red := report.failure(self.rows):
                terminalreporter.write_line(f"red: {red}; the failures are in {self.file}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if report.failure(self.rows) and session.exitstatus == 0:
            session.exitstatus = 1


def pytest_configure(config: pytest.Config) -> None:
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        config.pluginmanager.register(Progress(config), "mistakes-progress")
