"""What a job writes for people, as GitHub's Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

from ops.findings import Diagnosis
from ops.render.diagnosis import findings
from ops.texts import Text, t

ROOM = 60_000
"""Bytes of output that a comment carries: GitHub takes 65,536 characters, Linux 128 KB in a variable."""


def mark(stack: str) -> str:
    """What the comment on a stack's preview begins with; nobody sees it."""
    return f"<!-- careapp preview of {stack} -->"


def preview(stack: str, said: str, failed: bool, lang: str) -> str:
    """The comment and summary of a preview."""
    title = t("Preview of {stack}: failed", stack=stack) if failed else _changes(stack, said)
    return f"### {title.to(lang)}\n\n{folded(said, lang)}"


def not_there(stack: str, lang: str) -> str:
    """Of a stack that nobody has deployed yet."""
    text = t("{stack} is not deployed yet: the first deploy creates all of it.", stack=stack)
    return f"### {text.to(lang)}"


def drift(stack: str, said: str, drifted: bool, failed: bool, lang: str) -> str:
    """The summary of a drift check."""
    if not failed:
        return f"### {t('{stack}: no drift', stack=stack).to(lang)}"
    title = t("{stack} has drifted", stack=stack) if drifted else t(
        "{stack}: the drift check failed", stack=stack
    )  # fmt: skip
    return f"### {title.to(lang)}\n\n{folded(said, lang)}"


def destroyed(stack: str, lang: str) -> str:
    """The summary of a drift check of nothing."""
    return f"### {t('{stack} is not up: nothing can drift', stack=stack).to(lang)}"


def finding(diagnosis: Diagnosis, lang: str) -> str:
    """The doctor's first finding, as the doctor says it."""
    first = diagnosis.first
    if first is None:
        title = t("{stack}: the doctor finds no cause; the log above says what failed",
                  stack=diagnosis.names)  # fmt: skip
        return f"### {title.to(lang)}"
    lines = findings(replace(diagnosis, findings=(first,)), lang)
    body = "\n".join(line.text for line in lines).strip()
    return f"### {first.title.to(lang)}\n\n{fenced(body)}"


def folded(said: str, lang: str) -> str:
    """Output behind a line to click on; of what is too long the beginning is left out."""
    kept = said.encode()[-ROOM:].decode(errors="ignore")
    note = ""
    if len(kept) < len(said):
        note = t("The beginning is left out; the job's log has all of it.").to(lang) + "\n\n"
    title = t("What pulumi says").to(lang)
    return f"<details><summary>{title}</summary>\n\n{note}{fenced(kept)}\n\n</details>"


def fenced(text: str) -> str:
    """Text shown as it is: the fence is longer than any within."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _changes(stack: str, said: str) -> Text:
    """The engine's own counts, e.g. `+ 3 to create`."""
    counts = re.findall(r"^ +([+~-]|\+-) (\d+ to [a-z]+)", said, re.MULTILINE)
    if not counts:
        return t("Preview of {stack}: no changes", stack=stack)
    shown = ", ".join(f"{sign} {count}" for sign, count in counts)
    return t("Preview of {stack}: {counts}", stack=stack, counts=shown)
