"""The draws' options, and the report of them: a line each, a table, and the exit code."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.mistakes import judge
from tests.mistakes.draws import SOURCES

DRAWS, SEED, SPEED, LIMIT = 4, 739948, 60, 240
"""The usual ones: no change is red for a case that nobody has tried. CI draws others every day."""
NEVER = (judge.DEAD, judge.OTHER_VERSION, judge.LEFT, judge.HURT)
"""One of these is one too many."""
SELDOM = ((judge.NO_CAUSE, judge.WRONG_CAUSE), (judge.NOT_CURED, judge.NO_END))
"""Each of these together may be 3 of 100."""
SHARE, ENOUGH = 0.03, 30
"""The share, and the number of draws from which it counts."""
VERDICTS = (*judge.GOOD, *(kind for pair in SELDOM for kind in pair), *NEVER)


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
    ends = [span.partition("-")[::2] for span in only.split(",")]
    return [number for low, high in ends for number in range(int(low), int(high or low) + 1)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", numbers(metafunc.config))


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the verdicts by the mistakes' sources."""
    counted = Counter((row["verdict"], row["source"]) for row in rows)
    lines = [f"{'':34}" + "".join(f"{source:>10}" for source in SOURCES) + f"{'all':>10}"]
    for verdict in VERDICTS:
        numbers = [counted[verdict, source] for source in SOURCES]
        if any(numbers):
            cells = "".join(f"{number or '':>10}" for number in (*numbers, sum(numbers)))
            lines.append(f"{verdict:34}{cells}")
    return [*lines, f"{'all':34}{len(rows):>{10 * (len(SOURCES) + 1)}}"]


def failure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return why the draws are red as a whole; "" if they are not."""
    counted = Counter(row["verdict"] for row in rows)
    reasons = [f"{counted[outcome]} times {outcome}" for outcome in NEVER if counted[outcome]]
    judged = len(rows) - counted[judge.HARMLESS] - counted[judge.NOT_MADE]
    for group in SELDOM:
        number = sum(counted[outcome] for outcome in group)
        if len(rows) >= ENOUGH and number > SHARE * judged:
            reasons.append(f"{' or '.join(group)}: {number} of {judged}")
    return ", ".join(reasons)


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
        if row["verdict"] not in judge.GOOD:
            again = f"./careapp test mistakes --seed {row['seed']} --only {row['number']}"
            terminal.write_line(f"     {again}\n     {row['cause'][:150]} | {row['sight']}")
            # At once: an interrupted run keeps what it has found.
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a") as lines:
                lines.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.rows:
            terminalreporter.section(f"mistakes of seed {self.config.getoption('seed')}")
            for line in table(self.rows):
                terminalreporter.write_line(line)
            if red := failure(self.rows):
                terminalreporter.write_line(f"red: {red}; the failures are in {self.file}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if failure(self.rows) and session.exitstatus == 0:
            session.exitstatus = 1


def pytest_configure(config: pytest.Config) -> None:
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        config.pluginmanager.register(Progress(config), "mistakes-progress")
