"""Writes docs/controls.md: `python -m tests.controls`."""

from __future__ import annotations

from tests.controls.graph import ROOT, graph_of
from tests.controls.left_out import LEFT_OUT
from tests.controls.table import page

(ROOT / "docs" / "controls.md").write_text(page({stack: graph_of(stack) for stack in LEFT_OUT}))
