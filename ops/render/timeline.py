"""Shows a timeline, one happening a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import t
from ops.moments import dated
from ops.render.lines import Line
from ops.timeline import Timeline

STYLES = {"deployment": "cyan", "task": "", "service": "", "target": "magenta", "log": "dim"}
LABELS = {
    "deployment": t("deploy"),
    "task": t("task"),
    "service": t("service"),
    "target": t("target"),
    "database": t("database"),
    "log": t("log"),
}
WIDTH = 8


def lines(found: Timeline, lang: str) -> Iterator[Line]:
    """The timeline, oldest first."""
    if not found.happenings:
        yield Line(t("Nothing has happened that AWS still tells of.").to(lang))
    for each in found.happenings:
        label = LABELS[each.kind].to(lang)
        # A Japanese character is two columns wide.
        wide = sum(ord(letter) > 0x2E80 for letter in label)
        style = "bold red" if each.bad else STYLES.get(each.kind, "")
        yield Line(
            f"{dated(each.at)} {label:<{WIDTH - wide}} {each.who:<8} {each.text.to(lang)}",
            style,
        )
    for problem in dict.fromkeys(each.as_text(lang) for each in found.problems):
        yield Line(f"{t('Not looked at:').to(lang)} {problem}", "yellow")


def as_dicts(found: Timeline, lang: str) -> dict[str, Any]:
    """The timeline for scripts."""
    return {
        "happenings": [
            {
                "at": each.at.isoformat(),
                "kind": each.kind,
                "who": each.who,
                "text": each.text.to(lang),
                "bad": each.bad,
            }
            for each in found.happenings
        ],
        "problems": [each.as_text(lang) for each in found.problems],
    }
