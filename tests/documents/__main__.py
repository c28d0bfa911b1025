"""Writes the generated documents from the program: `python -m tests.documents`."""

from tests.documents import controls, cost, local_cloud, settings
from tests.documents.markdown import ROOT

settings.write()
(ROOT / "docs" / "controls.md").write_text(controls.page())
local_cloud.FILE.write_text(local_cloud.page())
for name in cost.PAGES:
    (ROOT / "docs" / name).write_text(cost.page(name))
