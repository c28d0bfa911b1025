"""Writes what documents take from the program: `python -m tests.documents`.

The diagrams of docs/architecture.md and the commands of docs/commands.md.
"""

from __future__ import annotations

import re

from tests.documents import commands
from tests.documents.architecture import diagrams
from tests.documents.markdown import ROOT

drawn = diagrams()
for name in ("architecture.md", "architecture.ja.md"):
    page = ROOT / "docs" / name
    blocks = iter(drawn.values())
    text = re.sub(
        r"^```mermaid\n.*?^```$",
        lambda _: f"```mermaid\n{next(blocks)}```",
        page.read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )
    page.write_text(text)
(ROOT / "docs" / "commands.md").write_text(commands.page())
