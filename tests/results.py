"""What the tiers came to: read from pytest's JUnit reports, added up, told in a table."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from ops.texts import Text, shown, t

NO_TEST_RAN = 5  # pytest's exit code for it


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one tier went; `note` says what the numbers do not."""

    tier: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: Text | str = ""


def of_pytest(tier: str, code: int, report: Path, seconds: float, selected: bool) -> Outcome:
    """Reads a tier's report; a process that failed without a failed test counts as one failure.

    `selected` says that the caller chose tests himself, so that a tier may well be left without.
    """
    if code == NO_TEST_RAN and selected:
        return Outcome(tier=tier, seconds=seconds, note=t("no test chosen"))
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - our own file
        counts = {key: int(suite.attrib[key]) for key in _COUNTS} if suite is not None else {}
    except (OSError, ElementTree.ParseError):
        counts = {}
    bad = counts.get("failures", 0) + counts.get("errors", 0)
    skipped = counts.get("skipped", 0)
    passed = max(0, counts.get("tests", 0) - bad - skipped)
    note: Text | str = t("no test ran") if code == NO_TEST_RAN else ""
    if code and not bad:
        bad, note = 1, note or t("pytest exited {code}", code=code)
    return Outcome(
        tier=tier, passed=passed, failed=bad, skipped=skipped, seconds=seconds, note=note
    )


_COUNTS = ("tests", "failures", "errors", "skipped")


def table(outcomes: list[Outcome]) -> str:
    """All tiers, a line each."""
    wide = max([4, *(len(outcome.tier) for outcome in outcomes)])
    lines = [f"{'tier':<{wide}}  passed  failed  skipped      time"]
    for one in outcomes:
        numbers = f"{one.passed:>6}  {one.failed:>6}  {one.skipped:>7}  {one.seconds:>6.1f} s"
        lines.append(f"{one.tier:<{wide}}  {numbers}  {shown(one.note)}".rstrip())
    return "\n".join(lines)


def closing_line(outcomes: list[Outcome]) -> str:
    """The sum of all tiers, in the words that every test runner's readers know."""
    passed, failed, skipped = (
        sum(getattr(outcome, name) for outcome in outcomes)
        for name in ("passed", "failed", "skipped")
    )
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def exit_code(outcomes: list[Outcome]) -> int:
    """0 if something passed and nothing failed, else 1."""
    good = any(outcome.passed for outcome in outcomes)
    return 0 if good and not any(outcome.failed for outcome in outcomes) else 1
