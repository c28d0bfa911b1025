"""The records of a diagnosis: ranked findings, also as lines of a log, and the parts that could not be read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Place
from ecs_gate.diagnosis.catalogue import Facts
from ecs_gate.text import Text, t
from ecs_gate.text.masking import mask_data, mask_lines

KINDS = ("cause", "warning", "consequence", "note")
PAGE_PART = t("the page")
"""What a diagnosis calls the page where it could not be read."""


@dataclass(frozen=True)
class Fix:
    """A fix in words, and its commands.

    A finding's first fix is sufficient, the others are alternatives; one with ``then`` set follows it.
    """

    text: Text
    commands: tuple[str, ...] = ()
    then: bool = False

    def at(self, place: Place) -> Fix:
        """Return this fix with AWS commands for the region and account of ``place``."""
        return replace(self, commands=tuple(map(place.complete, self.commands)))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cause, a warning, a consequence or a note.

    It is a cause unless ``kind`` says otherwise. ``evidence`` are AWS's and the app's own words.
    """

    facts: Facts = field(kw_only=False)
    kind: str = "cause"
    title: Text
    why: Text
    seen: tuple[Text, ...] = ()
    fixes: tuple[Fix, ...] = ()
    evidence: tuple[str, ...] = ()
    process: str = ""
    """The worker that it is about; "" for the service with the page and the whole."""

    @property
    def masked_evidence(self) -> tuple[str, ...]:
        """Return the evidence with secrets masked, as it is shown."""
        return tuple(mask_lines(self.evidence))

    @property
    def id(self) -> str:
        return self.facts.id

    def at(self, place: Place) -> Finding:
        """Return this finding with fixes for the region and account of ``place``."""
        return replace(self, fixes=tuple(fix.at(place) for fix in self.fixes))


@dataclass(frozen=True)
class Unread:
    """A part that could not be read. Without an essential one a service is not reported healthy."""

    part: Text
    problem: AwsProblem
    essential: bool = True


def unlooked(what: Text, *, essential: bool = True) -> Unread:
    """Return that something is not looked at: the service is then not called healthy, unless it may be without it."""
    text = t("ecs-gate does not look at it.")
    return Unread(what, AwsProblem("unseen", text, t("Look at it yourself.")), essential)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    names: str
    stage: Text
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    checked: tuple[Text, ...] = ()
    unfinished: bool = False
    """Whether a roll-out is under way whose end is not known yet."""
    page: Text | None = None
    """What the page answers; None where it was not asked, or does not answer."""

    @property
    def causes(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == "cause")

    @property
    def first(self) -> Finding | None:
        """Return the root cause, or the finding nearest to one; None without a finding."""
        return next((finding for finding in self.findings if finding.kind != "note"), None)

    @property
    def incomplete(self) -> bool:
        return any(part.essential for part in self.unread)

    @property
    def healthy(self) -> bool:
        """Return whether there is no cause, all essential parts were read, and the roll-out has finished."""
        return not (self.causes or self.incomplete or self.unfinished)

    @property
    def exit_code(self) -> int:
        """Return 0 for healthy, 1 with a cause, 2 if parts could not be read or a roll-out is in progress."""
        if self.causes:
            return 1
        return 0 if self.healthy else 2


def ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return causes first, by depth, then in their order; of a finding that two checks made the first one."""
    once: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        once.setdefault((finding.id, finding.process), finding)
    return tuple(sorted(once.values(), key=lambda each: (KINDS.index(each.kind), each.facts.depth)))


def as_line(finding: Finding) -> str:
    """Return a finding as a line of JSON for a log, with secrets masked: its texts can be shown in both languages.

    It is without the name of its worker in the title, which the doctor sets before it.
    """
    names = [value for name, value in finding.title.values if finding.process and name == "what"]
    title = next((value for value in names if isinstance(value, Text)), finding.title)
    masked = asdict(replace(finding, title=title, evidence=finding.masked_evidence))
    del masked["facts"]
    return json.dumps(mask_data(masked), ensure_ascii=False)


def from_line(text: str, facts: Facts) -> Finding | None:
    """Return the finding of a line as one of these facts; None for a line of another kind."""
    try:
        raw = json.loads(text)
        return Finding(
            facts,
            title=_text(raw["title"]),
            why=_text(raw["why"]),
            seen=tuple(map(_text, raw["seen"])),
            fixes=tuple(
                Fix(_text(fix["text"]), tuple(fix["commands"]), fix["then"]) for fix in raw["fixes"]
            ),
            evidence=tuple(raw["evidence"]),
            process=raw["process"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _text(raw: dict[str, Any]) -> Text:
    values = tuple((name, _text(e) if isinstance(e, dict) else e) for name, e in raw["values"])
    return Text(raw["template"], values, raw["plural"])
