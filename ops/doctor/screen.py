"""Shows a diagnosis: one screen, the cause first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import Text, language, t
from ops.doctor.findings import Diagnosis, Finding, Unseen
from ops.screen import Line

KINDS = {
    "cause": t("cause"),
    "warning": t("warning"),
    "consequence": t("consequence"),
    "note": t("note"),
}


STYLES = {"cause": "bold red", "warning": "yellow", "consequence": "dim", "note": "cyan"}


LINES = 8


LONGEST = 400


def lines(diagnosis: Diagnosis, lang: str) -> Iterator[Line]:
    """The screen, line by line."""
    yield Line(f"{diagnosis.names} · {diagnosis.stage.to(lang)}", "bold")
    yield from _headline(diagnosis, lang)
    yield from findings(diagnosis, lang)
    yield from unseen(diagnosis.unseen, lang)


def findings(diagnosis: Diagnosis, lang: str) -> Iterator[Line]:
    """The findings, each with what was seen, why it breaks, and what to do."""
    number = 0
    for finding in diagnosis.findings:
        number += finding.kind == "cause"
        yield Line("")
        mark = f"{number}." if finding.kind == "cause" else "-"
        kind = KINDS[finding.kind].to(lang)
        yield Line(f"{mark} [{kind}] {finding.title.to(lang)}", STYLES[finding.kind])
        yield from _body(finding, lang, full=finding.kind != "consequence")


def _headline(diagnosis: Diagnosis, lang: str) -> Iterator[Line]:
    count = len(diagnosis.causes)
    if count:
        text = t("{count} causes found; the first explains most.", count=count)
        yield Line((text if count > 1 else t("One cause found.")).to(lang), "bold red")
    elif diagnosis.healthy:
        parts = _joined([each.to(lang) for each in diagnosis.checked], lang)
        yield Line(t("Healthy. Checked: {parts}.", parts=parts).to(lang), "bold green")
        if diagnosis.page:
            yield Line(diagnosis.page.to(lang))
    elif not diagnosis.blind:
        text = t("No cause found, but the roll-out has not ended yet: nobody knows how it ends.")
        yield Line(text.to(lang), "bold yellow")
    else:
        text = t("No cause found, but not all could be looked at: this is not a clean bill.")
        yield Line(text.to(lang), "bold yellow")


def _joined(words: list[str], lang: str) -> str:
    return ("、" if lang == "ja" else ", ").join(words)


def _body(finding: Finding, lang: str, full: bool) -> Iterator[Line]:
    for text in finding.seen:
        yield Line(f"   {text.to(lang)}")
    if not full:
        for words in finding.evidence[:2]:
            yield Line(f"   | {_short(words)}", "dim")
        return
    yield Line(f"   {_label(t('Why'), lang)}{finding.why.to(lang)}")
    for fix in finding.fixes:
        yield Line(f"   {_label(t('Do'), lang)}{fix.text.to(lang)}", "green")
        for command in fix.commands:
            yield Line(f"       {command}", "bold")
    for words in finding.evidence[:LINES]:
        yield Line(f"   | {_short(words)}", "dim")


def _short(words: str) -> str:
    """A line of evidence; --json has it whole."""
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _label(name: Text, lang: str) -> str:
    return f"{name.to(lang)}: "


def unseen(parts: tuple[Unseen, ...], lang: str) -> Iterator[Line]:
    """What could not be looked at, and why."""
    if not parts:
        return
    yield Line("")
    yield Line(t("Not looked at:").to(lang), "yellow")
    told: dict[str, list[str]] = {}
    for each in parts:
        told.setdefault(each.problem.as_text(lang), []).append(each.part.to(lang))
    for problem, names in told.items():
        yield Line(f"  {_joined(names, lang)}: {problem}")


def plain(diagnosis: Diagnosis, lang: str | None = None) -> str:
    """The screen without colours."""
    return "\n".join(each.text for each in lines(diagnosis, language(lang))) + "\n"


def as_dict(diagnosis: Diagnosis, lang: str | None = None) -> dict[str, Any]:
    """The diagnosis for scripts."""
    spoken = language(lang)
    return {
        "stack": diagnosis.names,
        "stage": diagnosis.stage.to(spoken),
        "healthy": diagnosis.healthy,
        "unfinished": diagnosis.unfinished,
        "exitCode": diagnosis.exit_code,
        "page": diagnosis.page.to(spoken) if diagnosis.page else None,
        "findings": [_finding(each, spoken) for each in diagnosis.findings],
        "unseen": [
            {
                "part": each.part.to(spoken),
                "kind": each.problem.kind,
                "problem": each.problem.as_text(spoken),
                "essential": each.essential,
            }
            for each in diagnosis.unseen
        ],
        "checked": [each.to(spoken) for each in diagnosis.checked],
    }


def _finding(finding: Finding, lang: str) -> dict[str, Any]:
    return {
        "id": finding.id,
        "kind": finding.kind,
        "title": finding.title.to(lang),
        "why": finding.why.to(lang),
        "seen": [each.to(lang) for each in finding.seen],
        "fixes": [
            {"text": each.text.to(lang), "commands": list(each.commands), "then": each.then}
            for each in finding.fixes
        ],
        "evidence": list(finding.evidence),
    }
