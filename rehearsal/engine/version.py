"""What a `pulumi` executable is: its version, and whether the program can be run with it."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from i18n import said, t, verbatim

ANSWER_SECONDS = 30  # a cold disk and a virus scanner included


class RoadClosed(Exception):
    """One way to a usable engine did not lead there; the text says why."""


@dataclass(frozen=True, order=True)
class Version:
    """A released version of Pulumi; what follows the patch number is not looked at."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `v3.274.1` or `3.275.0-alpha.1`; raises ValueError for anything else."""
        found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)([-+].*)?", text.strip())
        if not found:
            raise ValueError(t("{text!r} is not a version such as v3.274.1", text=text.strip()))
        return cls(*(int(found[part]) for part in (1, 2, 3)))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# The minor version of the Python SDK that requirements.txt locks. Pulumi releases the SDK and the
# CLI together and tests each SDK with its own CLI: an older CLI may lack a call that the SDK makes.
MINIMUM = Version(3, 272, 0)
# The plugin protocol may change with the major version; rehearsal/ answers that of 3.
BELOW = Version(4, 0, 0)
WANTED = t("{minimum} or newer, below {below}", minimum=str(MINIMUM), below=str(BELOW))


def version_of(cli: Path, environ: Mapping[str, str] | None = None) -> Version:
    """Asks the executable; raises RoadClosed where it does not run or does not answer a version."""
    # `pulumi version` writes a log below PULUMI_HOME: a question must leave nothing behind.
    with tempfile.TemporaryDirectory(prefix="careapp-pulumi-") as home:
        env = {**(os.environ if environ is None else environ), "PULUMI_HOME": home}
        env["PULUMI_SKIP_UPDATE_CHECK"] = "true"
        try:
            answer = subprocess.run(
                [str(cli), "version"],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            raise RoadClosed(
                t("{program} does not run: {why}", program=str(cli), why=str(problem))
            ) from problem
    if answer.returncode:
        lines = answer.stderr.strip().splitlines()
        raise RoadClosed(
            t(
                "`{program} version` exited {code}: {words}",
                program=str(cli),
                code=answer.returncode,
                words=verbatim(lines[-1]) if lines else t("it printed nothing"),
            )
        )
    try:
        return Version.parse(answer.stdout)
    except ValueError as problem:
        raise RoadClosed(
            t("`{program} version` answered no version: {why}", program=str(cli), why=said(problem))
        ) from problem


def usable(cli: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The executable itself if the program can be run with it; raises RoadClosed otherwise."""
    version = version_of(cli, environ)
    if not MINIMUM <= version < BELOW:
        raise RoadClosed(
            t(
                "{program} is version {version}, wanted is {wanted}",
                program=str(cli),
                version=str(version),
                wanted=WANTED,
            )
        )
    return cli
