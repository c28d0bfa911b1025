"""Writes docs/commands.md and docs/controls.md from the program: `python -m tests.documents`."""

from __future__ import annotations

from tests.documents import commands, controls
from tests.documents.markdown import ROOT

(ROOT / "docs" / "commands.md").write_text(commands.page())
(ROOT / "docs" / "controls.md").write_text(controls.page())
