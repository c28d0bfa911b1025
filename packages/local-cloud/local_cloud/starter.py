"""The program that starts the local cloud: what its commands, variables and folders are called.

Its words for users are anything whose ``str()`` is to be shown.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_cloud import text


class Beside(Protocol):
    """A process beside the local cloud that a starter brings, with a page that users can open."""

    url: str

    def start(self, folder: Path, region: str, environment: Mapping[str, str]) -> None:
        """Start it for the local cloud in ``folder``, with the variables that lead to that alone."""

    def stop(self) -> None:
        """End it."""


@dataclass(frozen=True, kw_only=True)
class Starter:
    """What the local cloud knows of the program that starts it. One process has one starter."""

    folder: Path
    """The folder with the Pulumi.yaml of the program that runs in the local cloud."""
    imports: tuple[Path, ...] = ()
    """The folders from which ``process`` imports what is not installed, besides the local cloud itself."""
    in_place: bool = False
    """Whether the program runs in its own folder, not in the folder of links that `pulumi` is called in."""
    name: str
    """The folder in the user's cache; also the beginning of containers' names."""
    home: Path | None = None
    """The local cloud's folder, unless ``home_variable`` names another; None: one in the user's cache."""
    home_variable: str
    pulumi_variable: str
    """The variable with the path of the `pulumi` to use."""
    cloud: str
    """The command that has `start`, `stop` and `status`, as users type it."""
    inside: str
    """The command that runs another one in the local cloud's environment."""
    process: tuple[str, ...]
    """The command line of the local cloud's process, in ``folder``: a program that calls `run.cloud.run`.

    With -m it is a package's: multiprocessing would import another main module again in each fork of the program.
    """
    python: object
    """How the user chooses the Python of the local cloud."""
    base_image: str | None = None
    """The base of the program's images, if it is known."""
    commands: Mapping[str, Path] = field(default_factory=dict)
    """Programs that the project's folder has, whatever is changed in a copy of the program."""
    readers: object = None
    """Which of its own commands read the local cloud, for the shell's first line."""
    names: object = None
    """How the program's page is reached, for the shell's second line."""
    beside: Callable[[int | None], Beside] | None = None
    """Return what runs beside the local cloud, from the port that the user chose. Raises OSError."""
    translate: Callable[[str], str] = str
    """Return a template of the local cloud's texts in the user's language."""
    mask: Callable[[str], str] = str
    """Return words without the secrets of the program, which a text may quote."""


def own(folder: Path) -> Starter:
    """Return the starter of a program that has no commands of its own for the local cloud."""
    script = Path(sys.executable).with_name("local-cloud")
    command = str(script) if script.exists() else f"{sys.executable} -P -m {__package__}"
    return Starter(
        folder=folder,
        name="local-cloud",
        home_variable="LOCAL_CLOUD_HOME",
        pulumi_variable="LOCAL_CLOUD_PULUMI",
        in_place=True,
        cloud=command,
        inside=f"{command} shell",
        process=(sys.executable, "-P", "-m", f"{__package__}.run"),
        python="Start the local cloud with that Python",
    )


_used: list[Starter] = []


def use(starter: Starter) -> None:
    """Make this the starter of the process, and show texts as it does."""
    _used[:] = [starter]
    text.use(starter.translate, starter.mask)


def current() -> Starter:
    """Return the starter of this process. Raises RuntimeError where none was set: its caches would be others'."""
    if not _used:
        raise RuntimeError(f"no starter of the local cloud: call {__name__}.use first")
    return _used[0]
