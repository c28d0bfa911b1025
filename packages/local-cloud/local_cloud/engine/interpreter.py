"""The Python of a Pulumi program: that of the virtual environment which its Pulumi.yaml names.

The rules are those of Pulumi's own language host (pulumi/pulumi, sdk/python/toolchain, pip.go, uv.go and poetry.go).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from local_cloud.text import Refused

LOCKS = ("uv.lock", "pyproject.toml")
"""The virtual environment that a toolchain but pip has without a name is `.venv` beside the nearest of these."""
INSTALLS = {"uv": "uv sync", "poetry": "poetry install"}
"""What makes the virtual environment of a toolchain, in the program's folder."""


class NoInterpreter(Refused):
    """The program's Python does not exist, or is chosen in a way that is not supported here."""


def find(info: Any, environment: Mapping[str, str]) -> Path:
    """Return the Python of the program of a ``ProgramInfo``. Raises ``NoInterpreter``."""
    options = MessageToDict(info.options)
    root = Path(info.root_directory)
    toolchain = str(options.get("toolchain") or "pip").lower()
    if toolchain not in ("pip", *INSTALLS):
        raise NoInterpreter(
            "toolchain: {toolchain} is not supported in the local cloud. Create the virtual "
            "environment with it, and name that in Pulumi.yaml: toolchain: pip, virtualenv: "
            "FOLDER",
            toolchain=toolchain,
        )
    named = str(options.get("virtualenv") or "")
    if not named and toolchain == "pip":
        return _on_path(environment)
    project = Path(info.program_directory)
    if toolchain == "poetry":
        folder = _of_poetry(project, environment)
    else:
        folder = root / named if named else _locked(project) / ".venv"
    python = folder / "bin" / "python"
    if python.is_file():
        return python
    make = f"python3 -m venv {folder} && {python} -m pip install -r requirements.txt"
    raise NoInterpreter(
        "virtualenv: {folder} is no virtual environment. Make it in the program's folder: {make}",
        folder=str(folder),
        make=INSTALLS.get(toolchain, make),
    )


def _on_path(environment: Mapping[str, str]) -> Path:
    """Return the Python that Pulumi takes where Pulumi.yaml names no virtual environment."""
    for name in ("python3", "python"):
        if found := shutil.which(name, path=environment.get("PATH", "")):
            return Path(found)
    raise NoInterpreter(
        "Pulumi.yaml names no virtualenv, and neither python3 nor python is on PATH."
    )


def _of_poetry(project: Path, environment: Mapping[str, str]) -> Path:
    """Return the virtual environment that Poetry names, without Poetry the one that it takes first: ``.venv``."""
    if poetry := shutil.which("poetry", path=environment.get("PATH", "")):
        named = subprocess.run(
            [poetry, "env", "info", "--path"],
            cwd=project,
            env={**environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if found := named.stdout.strip():
            return Path(found)
    return _locked(project) / ".venv"


def _locked(root: Path) -> Path:
    """Return the folder of the nearest lock file, or project file, from a program's folder up."""
    for name in LOCKS:
        for folder in (root, *root.parents):
            if (folder / name).exists():
                return folder
    return root


def is_own(python: Path) -> bool:
    """Return whether it is the Python of the local cloud, by its virtual environment."""
    return python.parent.parent.resolve() == Path(sys.prefix).resolve()


def activated(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program with another Python, without the paths of the local cloud's own."""
    folder = python.parent
    changed = {**environment, "PATH": f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"}
    if (folder.parent / "pyvenv.cfg").exists():
        changed["VIRTUAL_ENV"] = str(folder.parent)
    return {name: value for name, value in changed.items() if name not in LEFT_OUT}


LEFT_OUT = ("PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
