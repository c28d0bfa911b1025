"""Adds the LICENSE of the repository, which lies above this folder, to what is built of it."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class License(BuildHookInterface):
    """A source distribution has the file itself, so that a wheel can be built of it anywhere."""

    def initialize(self, _: str, build_data: dict[str, Any]) -> None:
        if (Path(self.root) / "LICENSE").exists():
            return
        folder = f"{self.build_config.builder.artifact_project_id}.dist-info/licenses/"
        place = "" if self.target_name == "sdist" else folder
        build_data["force_include"][str(Path(self.root).parents[1] / "LICENSE")] = f"{place}LICENSE"
