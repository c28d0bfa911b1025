"""What the doctor says of each situation: ``python -m tests.doctor.recorded`` writes it anew.

The diff is what a change does to what people read, and is reviewed as such. findings.txt has each finding in both
languages; variants.txt has its variants in English, by what differs from an earlier one (tests.said): the
title, all that was seen, the reason, all fixes, all evidence, and the last line, of all findings and the exit code.
That is left out in the first one where it says nothing but the one finding.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from ecs_gate.diagnosis.catalogue import Facts
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import Snapshot
from ecs_gate.text import in_language
from tests.doctor.situations import SITUATIONS
from tests.doctor.variants import VARIANTS
from tests.said import Paragraphs, but, clock, read, section, text, with_japanese

FOLDER = Path(__file__).parent
FILES = {"findings.txt": SITUATIONS, "variants.txt": VARIANTS}
ALL: dict[str, Snapshot] = {**SITUATIONS, **VARIANTS}
FACTS: dict[str, Callable[[Facts], bool]] = {
    "what happened": lambda facts: facts.result,
    "certain": lambda facts: facts.certain,
    "leaves up green": lambda facts: not facts.blocks,
    "may pass while it warms up": lambda facts: facts.warms_up,
    "of the version before, too": lambda facts: facts.outside,
}
"""What a finding's declaration says of it."""
MOST = 3
"""Lines of evidence that are written."""
WELL = "no findings; exit 0"
"""What is not written."""
SHORT = 120
"""So many letters of commands stand in the line of their fix."""


def ids(name: str) -> list[str]:
    """Return the ids of the first findings of a situation, by its name; the last one is what it is about."""
    found = name.partition(":")[0].split(", ")
    return [] if found == ["nothing"] else found


@cache
def diagnosis_of(name: str) -> Diagnosis:
    return judge(ALL[name])


def finding_of(name: str) -> Finding | None:
    found = diagnosis_of(name).findings
    return next((finding for finding in found if finding.id in ids(name)[-1:]), None)


def paragraphs_of(finding: Finding) -> dict[str, list[str]]:
    """Return a finding's title and what stands below it by its subjects, a line each."""
    process = f"{finding.process}: " if finding.process else ""
    facts = "".join(f", {name}" for name, said in FACTS.items() if said(finding.facts))
    fixes = []
    for fix in finding.fixes:
        commands = "".join(f" $ {command}" for command in fix.commands)
        beside = commands if len(commands) <= SHORT else ""
        fixes.append(f"  {'Then' if fix.then else 'Do'}: {fix.text!s}{beside}")
        fixes += [f"    $ {command}" for command in fix.commands if not beside]
    evidence = finding.masked_evidence
    shown = [f"  | {line}" for line in evidence[:MOST]]
    if len(evidence) > MOST:
        shown.append(f"  | … {len(evidence) - MOST} more, and at last: {evidence[-1]}")
    return {
        "title": [f"[{process}{finding.kind}{facts}] {finding.title!s}"],
        "seen": [f"  {seen!s}" for seen in finding.seen],
        "reason": [f"  Why: {finding.why!s}"] if str(finding.why) else [],
        "fixes": fixes,
        "evidence": shown,
    }


def all_of(diagnosis: Diagnosis) -> str:
    """Return the ids of all findings, what could not be read, and the exit code."""
    unread = ", ".join(str(part.part) for part in diagnosis.unread)
    every = ", ".join(f"{each.kind} {each.id}" for each in diagnosis.findings) or "no findings"
    return f"{every}{f'; not read: {unread}' if unread else ''}; exit {diagnosis.exit_code}"


def paragraphs(name: str) -> Paragraphs:
    """Return what is said in a situation by its subjects: its finding, and all there are."""
    finding = finding_of(name)
    return {**(paragraphs_of(finding) if finding else {}), "all": [all_of(diagnosis_of(name))]}


@cache
def in_english(name: str) -> Paragraphs:
    with in_language("en"):
        return paragraphs(name)


def lines(name: str) -> Iterator[str]:
    """Yield what is said in a situation, without its last line if there is nothing but its finding."""
    said, finding = paragraphs(name), finding_of(name)
    alone = f"{finding.kind} {finding.id}; exit {int(finding.kind == 'cause')}" if finding else WELL
    nothing: dict[str, list[str]] = {subject: [] for subject in said}
    return but(nothing | {"all": [alone]}, said)


def section_of(name: str) -> str:
    if name in SITUATIONS:
        with in_language("ja"):
            japanese = list(lines(name))
        with in_language("en"):
            return "\n".join([name, *with_japanese(lines(name), japanese)])
    names = list(ALL)
    earlier = [each for each in names[: names.index(name)] if ids(each)[-1:] == ids(name)[-1:]]
    if ids(name) and earlier:
        return section(name, earlier, in_english)
    with in_language("en"):
        return "\n".join([name, *lines(name)])


@cache
def recorded() -> dict[str, str]:
    """Return what was recorded of every situation, by its name."""
    return {name: said for file in FILES for name, said in read(FOLDER / file).items()}


def main() -> None:
    for file, names in FILES.items():
        with clock("UTC"):
            said = {name: section_of(name) for name in names}
        (FOLDER / file).write_text(text(each for name, each in said.items() if each != name))


if __name__ == "__main__":
    main()
