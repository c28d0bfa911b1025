"""The locks of a project: each package that its `.in` files lead to, with version and hashes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import uv

from careapp import IN_CHECKOUT, ROOT
from ecs_gate.text import Refused

LOCKS = (
    Path("requirements.txt"),
    Path("packages", "local-cloud", "requirements-local-cloud.txt"),
    Path("requirements-dev.txt"),
)
"""The locks with which a version of careapp was tested; the wheel carries them."""
PROJECT = ("requirements", "requirements-dev")
"""The lock of `pulumi up`, and that of the rehearsal, which has all of the first."""
OPTIONS = (
    *("--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"),
    # With --require-hashes pip, which `pulumi install` runs, takes extras only from a line that has them.
    *(
        "--no-strip-extras",
        "--annotation-style",
        "line",
        "--custom-compile-command",
        "./careapp lock",
    ),
)


class NotLocked(Refused):
    """The packages cannot be found, or do not fit together; the message has uv's reason."""


def lock(folder: Path, *more: str) -> None:
    """Write requirements.txt and requirements-dev.txt of a project. Raises ``NotLocked``; then both are as before.

    A package keeps the version that it has there, at first that with which this version of careapp was tested.
    ``more`` are options of ``uv pip compile``.
    """
    made = [folder / f".{name}.new" for name in PROJECT]
    try:
        for name, new in zip(PROJECT, made, strict=True):
            old = _read(folder / f"{name}.txt")
            new.write_text(old if "--hash" in old else "".join(map(_read, _tested())))
            others = ["-c", str(made[0])] if new != made[0] else []
            _compile(folder, f"{name}.in", new, *others, *more)
        for name, new in zip(PROJECT, made, strict=True):
            shutil.move(new, folder / f"{name}.txt")
    finally:
        for new in made:
            new.unlink(missing_ok=True)


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _tested() -> list[Path]:
    carried = Path(__file__).parents[1] / "locks"
    return [ROOT / lock if IN_CHECKOUT else carried / lock.name for lock in LOCKS]


def _compile(folder: Path, source: str, target: Path, *more: str) -> None:
    words = [uv.find_uv_bin(), "pip", "compile", source, *OPTIONS, "-o", str(target), *more]
    done = subprocess.run(
        [*words, "--python", sys.executable],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotLocked(
            "the packages of {source} cannot be locked. With a network, and names and versions that exist, run "
            "the same command again. uv says:\n{why}",
            source=source,
            why=done.stderr.strip(),
        )
