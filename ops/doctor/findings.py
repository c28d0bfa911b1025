"""What a diagnosis consists of: findings, ranked, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from i18n import Text
from ops.aws.errors import AwsProblem
from ops.aws.session import Place
from ops.doctor import catalogue

KINDS = ("cause", "warning", "consequence", "note")


@dataclass(frozen=True)
class Fix:
    """What to do, in words, and the commands that do it.

    The first of a finding's fixes mends it, others stand for it; one with ``then`` set comes after.
    """

    text: Text
    commands: tuple[str, ...] = ()
    then: bool = False

    def at(self, place: Place) -> Fix:
        """The same with AWS commands that reach the place."""
        return replace(self, commands=tuple(map(place.told, self.commands)))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or that explains. Raises LookupError for an id that has no row.

    It is a cause unless ``kind`` says otherwise. ``evidence`` are AWS's and the app's own words.
    """

    id: str
    kind: str = "cause"
    title: Text
    why: Text
    seen: tuple[Text, ...] = ()
    fixes: tuple[Fix, ...] = ()
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        catalogue.row(self.id)

    @property
    def row(self) -> catalogue.Row:
        """What the catalogue knows of it."""
        return catalogue.row(self.id)

    def at(self, place: Place) -> Finding:
        """The same with fixes that reach the place."""
        return replace(self, fixes=tuple(each.at(place) for each in self.fixes))


@dataclass(frozen=True)
class Unread:
    """A part that could not be looked at. Without an essential one nobody may say "healthy"."""

    part: Text
    problem: AwsProblem
    essential: bool = True


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All that was found out about a stack."""

    names: str
    stage: Text
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    checked: tuple[Text, ...] = ()
    unfinished: bool = False
    """Whether a roll-out goes on of which nobody can say yet how it ends."""
    page: Text | None = None
    """What the page answers; None where it was not asked, or does not answer."""

    @property
    def causes(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.kind == "cause")

    @property
    def first(self) -> Finding | None:
        """The root cause, or what comes nearest to one; None when nothing is wrong."""
        return next((each for each in self.findings if each.kind != "note"), None)

    @property
    def incomplete(self) -> bool:
        """Whether something that matters could not be looked at."""
        return any(each.essential for each in self.unread)

    @property
    def healthy(self) -> bool:
        """No cause, all that matters was looked at, and what was rolled out serves."""
        return not (self.causes or self.incomplete or self.unfinished)

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 a cause was found, 2 could not look, or too early to say."""
        if self.causes:
            return 1
        return 0 if self.healthy else 2


def ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """Causes first, the deepest of them first; a finding that two checks made counts once."""
    once = {each.id: each for each in reversed(findings)}
    return tuple(sorted(once.values(), key=lambda each: (KINDS.index(each.kind), each.row.depth)))
