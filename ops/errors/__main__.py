"""``python -m ops.errors`` writes the pages."""

from __future__ import annotations

from ops.errors.page import pages
from ops.locale_sources import ROOT

for name, page in pages().items():
    (ROOT / name).write_text(page)
