"""Adds what lies above this folder to what is built of it: the LICENSE, and the files of `outside`."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Outside(BuildHookInterface):
    """A source distribution has the files themselves, so that a wheel can be built of it anywhere."""

    def initialize(self, _: str, build_data: dict[str, Any]) -> None:
        root, added = Path(self.root), build_data["force_include"]
        if (root / "LICENSE").exists():
            return
        folder = f"{self.build_config.builder.artifact_project_id}.dist-info/licenses/"
        place = "" if self.target_name == "sdist" else folder
        added[str(root.parents[1] / "LICENSE")] = f"{place}LICENSE"
        for file, target in self.config.get("outside", {}).items():
            added[str(root / file)] = target
