"""Writes docs/controls.md: `python -m tests.controls`."""

from __future__ import annotations

from tests.controls.graph import ROOT, graph_of
from tests.controls.left_out import LEFT_OUT
from tests.controls.options import BASE
from tests.controls.table import page

graphs = {stack: graph_of(stack) for stack in LEFT_OUT}
text = page(graphs, lambda option: graph_of(BASE, *option.settings))
(ROOT / "docs" / "controls.md").write_text(text)
