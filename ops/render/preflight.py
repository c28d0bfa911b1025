"""Shows a preflight: the list, then what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import t
from ops.preflight import BAD, GOOD, LATER, UNKNOWN, WARNED, Preflight
from ops.render import diagnosis as body
from ops.render.lines import Line

MARKS = {
    GOOD: ("✓", "green"),
    WARNED: ("!", "yellow"),
    BAD: ("✗", "bold red"),
    UNKNOWN: ("?", "yellow"),
    LATER: ("·", "dim"),
}
VERDICTS = {
    0: (t("Ready: `pulumi config set ecsEnabled true`, then `pulumi up`."), "bold green"),
    1: (t("Not ready: mend the first cause below, then look again."), "bold red"),
    2: (t("Not all could be looked at, so nobody can say that it is ready."), "bold yellow"),
}


def lines(found: Preflight, lang: str) -> Iterator[Line]:
    """The screen, line by line."""
    yield Line(f"{found.diagnosis.names} · {found.diagnosis.stage.to(lang)}", "bold")
    for item in found.items:
        mark, style = MARKS[item.state]
        later = f" ({t('made by stage 2').to(lang)})" if item.state == LATER else ""
        yield Line(f"  {mark} {item.text.to(lang)}{later}", style)
    text, style = VERDICTS[found.exit_code]
    if found.stage == 1 and found.exit_code == 0:
        text = t("Ready for stage 1: `pulumi up -s {stack}`.", stack=found.stack)
    running = (
        found.stage == 2
        and found.exit_code == 0
        and any(each.state == GOOD for each in found.items[-4:])
    )
    if running:
        text = t("All is in order, and ECS is on already.")
    yield Line(text.to(lang), style)
    yield from body.findings(found.diagnosis, lang)
    yield from body.unseen(found.diagnosis.unseen, lang)


def as_dict(found: Preflight, lang: str) -> dict[str, Any]:
    """The preflight for scripts."""
    items = [{"text": each.text.to(lang), "state": each.state} for each in found.items]
    return {"ready": found.exit_code == 0, "items": items, **body.as_dict(found.diagnosis, lang)}
