"""Writes what documents take from the program: `python -m tests.documents`.

The diagrams of docs/architecture.md and the commands of docs/commands.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.documents import commands
from tests.documents.architecture import diagrams
from tests.documents.markdown import ROOT


def redraw(text: str, drawn: Iterable[str]) -> str:
    """The page with its diagrams, in order, in place of those that it has."""
    blocks = iter(drawn)
    old = re.compile(r"^```mermaid\n.*?^```$", re.DOTALL | re.MULTILINE)
    return old.sub(lambda _: f"```mermaid\n{next(blocks)}```", text)


pictures = diagrams().values()
for name in ("architecture.md", "architecture.ja.md"):
    page = ROOT / "docs" / name
    page.write_text(redraw(page.read_text(), pictures))
(ROOT / "docs" / "commands.md").write_text(commands.page())
