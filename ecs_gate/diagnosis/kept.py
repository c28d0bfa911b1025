"""A finding as a line of a log, so that the doctor of another day and machine has what the gate found."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from ecs_gate.diagnosis.catalogue import Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.text import Text
from ecs_gate.text.masking import mask_data


def line(finding: Finding) -> str:
    """Return a finding as JSON, with secrets masked: its texts can be shown in both languages.

    It is without the name of its worker in the title, which the doctor sets before it.
    """
    names = [each for name, each in finding.title.values if finding.process and name == "what"]
    title = next((each for each in names if isinstance(each, Text)), finding.title)
    masked = asdict(replace(finding, title=title, evidence=finding.masked_evidence))
    del masked["facts"]
    return json.dumps(mask_data(masked), ensure_ascii=False)


def finding(text: str, facts: Facts) -> Finding | None:
    """Return the finding of a line as one of these facts; None for a line of another kind."""
    try:
        raw = json.loads(text)
        return Finding(
            facts,
            title=_text(raw["title"]),
            why=_text(raw["why"]),
            seen=tuple(map(_text, raw["seen"])),
            fixes=tuple(
                Fix(_text(each["text"]), tuple(each["commands"]), each["then"])
                for each in raw["fixes"]
            ),
            evidence=tuple(raw["evidence"]),
            process=raw["process"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _text(raw: dict[str, Any]) -> Text:
    values = tuple((name, _text(e) if isinstance(e, dict) else e) for name, e in raw["values"])
    return Text(raw["template"], values, raw["plural"])
