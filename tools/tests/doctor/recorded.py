"""What the doctor says of each situation: ``python -m tools.tests.doctor.recorded`` writes it anew.

The diff is what a change does to what people read, and is reviewed as such. findings.txt has each finding in both
languages; variants.txt has its variants in English, without what is the same as in its first situation: all that was
seen, the reason, all fixes, all evidence, and the last line, of all findings and the exit code. That is left out there
where it says nothing but the one finding.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import zip_longest
from pathlib import Path

from ecs_gate.diagnosis.catalogue import Facts
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import Snapshot
from ecs_gate.text import in_language
from tools.tests.doctor.situations import SITUATIONS
from tools.tests.doctor.variants import VARIANTS

FOLDER = Path(__file__).parent
FILES = {"findings.txt": SITUATIONS, "variants.txt": VARIANTS}
ALL: dict[str, Snapshot] = {**SITUATIONS, **VARIANTS}
HEAD = "=== "
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
HEALTHY = "no findings; exit 0"
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


NONE: dict[str, list[str]] = {}


def paragraphs(finding: Finding) -> dict[str, list[str]]:
    """Return what stands below a finding's title by its subjects, a line each."""
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
        "seen": [f"  {seen!s}" for seen in finding.seen],
        "reason": [f"  Why: {finding.why!s}"] if str(finding.why) else [],
        "fixes": fixes,
        "evidence": shown,
    }


@cache
def first(id_: str) -> str:
    """Return the first situation of a finding, by its name."""
    return next(name for name in ALL if id_ in ids(name)[-1:] and finding_of(name))


@cache
def usual(id_: str) -> dict[str, list[str]]:
    """Return what stands below a finding's title in its first situation, in English."""
    finding = finding_of(first(id_))
    return paragraphs(finding) if finding else NONE


def sentences(finding: Finding, but: Mapping[str, list[str]] = NONE) -> Iterator[str]:
    """Yield the finding's title and what stands below it, a line each, without the paragraphs in ``but``."""
    process = f"{finding.process}: " if finding.process else ""
    facts = "".join(f", {name}" for name, said in FACTS.items() if said(finding.facts))
    yield f"[{process}{finding.kind}{facts}] {finding.title!s}"
    for subject, lines in paragraphs(finding).items():
        if lines != but.get(subject, []):
            yield from lines or [f"  no {subject}"]


def in_both_languages(finding: Finding) -> Iterator[str]:
    """Yield each line, and below it in Japanese where that differs."""
    with in_language("ja"):
        japanese = list(sentences(finding))
    for line, other in zip_longest(sentences(finding), japanese, fillvalue=""):
        yield line
        if other != line:
            yield other


def all_of(diagnosis: Diagnosis) -> str:
    """Return the ids of all findings, what could not be read, and the exit code."""
    unread = ", ".join(str(part.part) for part in diagnosis.unread)
    every = ", ".join(f"{each.kind} {each.id}" for each in diagnosis.findings) or "no findings"
    return f"{every}{f'; not read: {unread}' if unread else ''}; exit {diagnosis.exit_code}"


def section(name: str) -> str:
    diagnosis, finding = diagnosis_of(name), finding_of(name)
    lines: list[str] = []
    with in_language("en"):
        last, left_out = all_of(diagnosis), ""
        if finding:
            left_out = f"{finding.kind} {finding.id}; exit {int(finding.kind == 'cause')}"
        if finding and name in SITUATIONS:
            lines += in_both_languages(finding)
        elif finding and name == first(finding.id):
            lines += sentences(finding)
        elif finding:
            lines += sentences(finding, usual(finding.id))
            left_out = all_of(diagnosis_of(first(finding.id)))
    return "\n".join([*lines, *([last] if last != left_out else [])])


def read(file: Path) -> dict[str, str]:
    """Return the sections of a file by their names; names that stand below each other share one."""
    _, *parts = f"\n{file.read_text().rstrip()}".split(f"\n{HEAD}")
    sections: dict[str, str] = {}
    for name, _, text in reversed([part.partition("\n") for part in parts]):
        sections[name] = text or next(reversed(sections.values()))
    return sections


def write(file: Path, sections: Mapping[str, str]) -> None:
    """Write sections, those that are alike once, below their names."""
    names: dict[str, list[str]] = {}
    for name, text in sections.items():
        names.setdefault(text, []).append(f"{HEAD}{name}\n")
    file.write_text("".join(f"{''.join(heads)}{text}\n" for text, heads in names.items()))


@contextmanager
def clock(zone: str) -> Iterator[None]:
    """Set this machine's clock to a time zone, by POSIX's spelling."""
    before = os.environ.get("TZ", "UTC")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ["TZ"] = before
        time.tzset()


@cache
def recorded() -> dict[str, str]:
    """Return what was recorded of every situation, by its name."""
    return {name: said for file in FILES for name, said in read(FOLDER / file).items()}


def main() -> None:
    for file, names in FILES.items():
        with clock("UTC"):
            said = {name: section(name) for name in names}
        write(FOLDER / file, {name: text for name, text in said.items() if text != HEALTHY})


if __name__ == "__main__":
    main()
