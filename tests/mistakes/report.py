"""The report of the draws: a line each, a table, and the exit code."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.mistakes import judge
from tests.mistakes.draws import SOURCES

NEVER = (judge.DEAD, judge.OTHER_VERSION, judge.LEFT, judge.HURT)
"""One of these is one too many."""
SELDOM = ((judge.NO_CAUSE, judge.WRONG_CAUSE), (judge.NOT_CURED, judge.NO_END))
"""Each of these together may be 3 of 100."""
SHARE, ENOUGH = 0.03, 30
"""The share, and the number of draws from which it counts."""
GOOD = (judge.HARMLESS, judge.WELL, judge.CURED, judge.NOT_MADE)
VERDICTS = (*GOOD, *(each for pair in SELDOM for each in pair), *NEVER)


def append(file: Path, row: Mapping[str, Any]) -> None:
    """Write a failure down at once: an interrupted run keeps what it has found."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the verdicts by the mistakes' sources."""
    counted = Counter((row["verdict"], row["source"]) for row in rows)
    lines = [f"{'':34}" + "".join(f"{source:>10}" for source in SOURCES) + f"{'all':>10}"]
    for verdict in VERDICTS:
        numbers = [counted[verdict, source] for source in SOURCES]
        if any(numbers):
            cells = "".join(f"{each or '':>10}" for each in (*numbers, sum(numbers)))
            lines.append(f"{verdict:34}{cells}")
    return [*lines, f"{'all':34}{len(rows):>{10 * (len(SOURCES) + 1)}}"]


def failure(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return why the draws are red as a whole; "" if they are not."""
    counted = Counter(row["verdict"] for row in rows)
    reasons = [f"{counted[each]} times {each}" for each in NEVER if counted[each]]
    judged = len(rows) - counted[judge.HARMLESS] - counted[judge.NOT_MADE]
    for group in SELDOM:
        number = sum(counted[each] for each in group)
        if len(rows) >= ENOUGH and number > SHARE * judged:
            reasons.append(f"{' or '.join(group)}: {number} of {judged}")
    return ", ".join(reasons)


def again(row: Mapping[str, Any]) -> str:
    """Return the command that makes the draw again."""
    return f"./careapp test mistakes --seed {row['seed']} --only {row['number']}"
