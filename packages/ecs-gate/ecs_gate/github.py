"""Shows on GitHub how a roll-out ended: the cause as an annotation, all of it in the job's summary, in Markdown.

The data is that of `--json`, with its secrets masked.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ecs_gate.diagnosis.screen import KINDS
from ecs_gate.text import t

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable with the file of the job's summary (GitHub's documentation, "Workflow commands")."""

Data = dict[str, Any]


def show(data: Data, out: TextIO) -> None:
    """Print the annotation of what failed, and append to the job's summary where there is one."""
    if data["exitCode"]:
        print(annotation(data), file=out, flush=True)
    if file := os.environ.get(SUMMARY):
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown(data))


def annotation(data: Data) -> str:
    """Return the workflow command that annotates the run with the first cause; without one with what is known."""
    finding = next((each for each in _findings(data) if each["kind"] == "cause"), None)
    if finding is None:
        return f"::error title={_property(_subject(data))}::{_message(data['text'])}"
    words = [str(finding["why"])]
    for fix in finding["fixes"]:
        words += [f"{t('Do')!s}: {fix['text']}", *fix["commands"]]
    return f"::error title={_property(finding['title'])}::{_message(chr(10).join(words))}"


def _message(text: str) -> str:
    """Return a text as GitHub's runner reads the message of a command (its ActionCommand.cs)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def markdown(data: Data) -> str:
    """Return how it ended, in Markdown: each finding with its cures and evidence, then all that was printed."""
    head, _, rest = str(data["text"]).partition("\n")
    findings = _findings(data)
    blocks = [f"### {inline(_subject(data))}", inline(head)]
    for finding in findings:
        blocks += _finding(finding)
    if rest.strip() and findings:
        shown = inline(str(t("All that was printed")))
        blocks.append(
            f"<details><summary>{shown}</summary>\n\n{fenced(data['text'])}\n\n</details>"
        )
    elif rest.strip():
        blocks.append(fenced(rest.strip("\n")))
    return "\n\n".join(blocks) + "\n\n"


def _finding(finding: Data) -> Iterator[str]:
    yield f"#### {inline(str(KINDS[finding['kind']]))}: {inline(finding['title'])}"
    if finding["seen"]:
        yield "\n".join(f"- {inline(text)}" for text in finding["seen"])
    if finding["kind"] != "consequence":
        yield f"**{t('Why')!s}**: {inline(finding['why'])}"
        for fix in finding["fixes"]:
            yield f"**{t('Do')!s}**: {inline(fix['text'])}"
            if fix["commands"]:
                yield fenced("\n".join(fix["commands"]))
    if finding["evidence"]:
        yield fenced("\n".join(finding["evidence"]))


def _subject(data: Data) -> str:
    """Return what it is about: the service, where AWS was asked for one."""
    return f"ecs-gate: {data['service']} ({data['cluster']})" if "service" in data else "ecs-gate"


def _findings(data: Data) -> list[Data]:
    return list((data.get("diagnosis") or {}).get("findings", ()))


SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~#&$!]")
FIRST = re.compile(r"^(\d*)([-+=.)])")
"""What makes a list or a heading where a line begins with it."""


def inline(text: str) -> str:
    """Return a text in one line in which nothing is Markdown or HTML (CommonMark, "Backslash escapes")."""
    line = " ".join(text.split())
    return FIRST.sub(r"\1\\\2", SPECIAL.sub(r"\\\g<0>", line))


def fenced(text: str) -> str:
    """Return the text as a code block, with a fence longer than any in the text."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
