"""The screen of a diagnosis, and its JSON."""

import re
from collections.abc import Iterator
from typing import Any

from ecs_gate.aws import local_cloud
from ecs_gate.diagnosis.findings import Diagnosis, Finding, Unread
from ecs_gate.screen import Line
from ecs_gate.text import language, t

KINDS = {
    "cause": t("cause"),
    "warning": t("warning"),
    "consequence": t("consequence"),
    "note": t("note"),
}

STYLES = {"cause": "bold red", "warning": "yellow", "consequence": "dim", "note": "cyan"}

LINES = 8

LONGEST = 400


def lines(diagnosis: Diagnosis) -> Iterator[Line]:
    yield Line(f"{diagnosis.names} · {diagnosis.stage!s}", "bold")
    yield from _headline(diagnosis)
    yield from findings(diagnosis)
    yield from unread(diagnosis.unread)


def findings(diagnosis: Diagnosis) -> Iterator[Line]:
    number = 0
    for finding in diagnosis.findings:
        number += finding.kind == "cause"
        yield Line("")
        mark = f"{number}." if finding.kind == "cause" else "-"
        kind = str(KINDS[finding.kind])
        if finding.kind == "cause" and finding.facts.result:
            kind = str(t("what happened"))
        yield Line(f"{mark} [{kind}] {finding.title!s}", STYLES[finding.kind])
        yield from _body(finding, full=finding.kind != "consequence")
    yield from _left_out(diagnosis)


MISSING = re.compile(
    r"not found|no such file|cannot open shared object|cannot load library|no module named|does not exist"
    r"|SyntaxError|ImportError|has no attribute",
    re.I,
)
"""What programs say of a command, file or library that is not there, and of another Python's."""


def _left_out(diagnosis: Diagnosis) -> Iterator[Line]:
    """Yield what a local cloud left out of the image, where evidence says that something is missing."""
    shown = (line for each in diagnosis.findings for line in (*each.evidence, *map(str, each.seen)))
    names = local_cloud.left_out() if any(map(MISSING.search, shown)) else []
    if names:
        text = t("It may be so here only, because a Docker engine is needed for:")
        yield Line("")
        yield Line(text, "yellow")
        yield from (Line(f"  {name}") for name in names)


def _headline(diagnosis: Diagnosis) -> Iterator[Line]:
    count = len(diagnosis.causes)
    if count and all(cause.facts.result for cause in diagnosis.causes):
        yield Line(t("No cause was found; this is what happened."), "bold red")
    elif count:
        text = t("{count} causes found; the first explains most.", count=count)
        yield Line(text if count > 1 else t("One cause found."), "bold red")
    elif diagnosis.healthy:
        parts = _joined([str(part) for part in diagnosis.checked])
        yield Line(t("Healthy. Checked: {parts}.", parts=parts), "bold green")
        if diagnosis.page:
            yield Line(diagnosis.page)
    elif not diagnosis.incomplete:
        text = t("No cause found, but the roll-out has not ended yet: its result is not known.")
        yield Line(text, "bold yellow")
    else:
        text = t(
            "No cause found, but some parts could not be read: the service may still be unhealthy."
        )
        yield Line(text, "bold yellow")


def _joined(lines: list[str]) -> str:
    return ("、" if language() == "ja" else ", ").join(lines)


def _body(finding: Finding, full: bool) -> Iterator[Line]:
    for text in finding.seen:
        yield Line(f"   {text!s}")
    if not full:
        for line in finding.masked_evidence[:2]:
            yield Line(f"   | {_short(line)}", "dim")
        return
    yield Line(f"   {t('Why')!s}: {finding.why!s}")
    for fix in finding.fixes:
        yield Line(f"   {t('Do')!s}: {fix.text!s}", "green")
        for command in fix.commands:
            yield Line(f"       {command}", "bold")
    for line in finding.masked_evidence[:LINES]:
        yield Line(f"   | {_short(line)}", "dim")


def _short(line: str) -> str:
    """Return a line of evidence, shortened; --json has it whole."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def unread(parts: tuple[Unread, ...]) -> Iterator[Line]:
    if not parts:
        return
    yield Line("")
    yield Line(t("Not read:"), "yellow")
    by_problem: dict[str, list[str]] = {}
    for part in parts:
        by_problem.setdefault(part.problem.as_text(), []).append(str(part.part))
    for problem, names in by_problem.items():
        yield Line(f"  {_joined(names)}: {problem}")


def plain(diagnosis: Diagnosis) -> str:
    return "\n".join(line.text for line in lines(diagnosis)) + "\n"


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "stack": diagnosis.names,
        "stage": str(diagnosis.stage),
        "healthy": diagnosis.healthy,
        "unfinished": diagnosis.unfinished,
        "exitCode": diagnosis.exit_code,
        "page": str(diagnosis.page) if diagnosis.page else None,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "unread": [
            {
                "part": str(part.part),
                "kind": part.problem.kind,
                "problem": part.problem.as_text(),
                "essential": part.essential,
            }
            for part in diagnosis.unread
        ],
        "checked": [str(part) for part in diagnosis.checked],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "kind": finding.kind,
        "title": str(finding.title),
        "why": str(finding.why),
        "seen": [str(text) for text in finding.seen],
        "fixes": [
            {"text": str(fix.text), "commands": list(fix.commands), "then": fix.then}
            for fix in finding.fixes
        ],
        "evidence": list(finding.masked_evidence),
    }
