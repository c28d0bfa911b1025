"""The `pulumi` CLI for a rehearsal: the installed one, or one that is downloaded or built once."""

import fcntl
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

from local_cloud import starter
from local_cloud.console import Progress
from local_cloud.engine.build import EXPECT, build, recipe_version
from local_cloud.engine.version import REQUIRED, EngineUnavailable, OtherVersion, usable
from local_cloud.machine.signals import terminations_raise
from local_cloud.paths import cache, cache_refused
from local_cloud.text import Refused, Text, joined, said, t, verbatim

SILENCE_SECONDS = 10.0
"""How long a host may say nothing before the next source is tried."""


class EngineError(Refused):
    """No usable `pulumi` was found. The text lists each source, why it failed, and what to do."""


def find_or_get(progress: Progress | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of a `pulumi` executable that is recent enough for the program.

    In this order: the starter's variable, PATH, the user's cache, Pulumi's installer, a build from the Go
    module proxy (minutes, once). Raises EngineError.
    """
    return _Search(
        Progress() if progress is None else progress, os.environ if environ is None else environ
    ).result()


def cached_cli(environ: Mapping[str, str]) -> Path:
    """Return the cache's path of the engine for this user, version and kind of machine. It may not exist.

    It is in the cache of another starter where that has one and this starter has none.
    """
    name = f"pulumi-v{recipe_version()}-{machine()}/pulumi"
    own = cache(environ) / name
    others = [] if own.exists() else sorted(cache(environ).parent.glob(f"*/{name}"))
    return others[0] if others else own


def machine() -> str:
    """Return this machine's name, as Pulumi's archives have it: `linux-x64`, `darwin-arm64`."""
    names = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
    kind = platform.machine().lower()
    return f"{sys.platform}-{names.get(kind, kind)}"


@dataclass
class _Search:
    progress: Progress
    environ: Mapping[str, str]
    problems: list[Text] = field(default_factory=list)

    def result(self) -> Path:
        variable = starter.current().pulumi_variable
        if forced := self.environ.get(variable):
            return self._forced(variable, Path(forced))
        cli = self._try("PATH", self._on_path) or self._try(t("cache"), self._cached)
        if cli:
            return cli
        try:
            cli = self._fetched()
        except OSError as problem:
            self.problems.append(cache_refused(cache(self.environ), problem))
        if cli:
            return cli
        raise EngineError(
            "no usable pulumi ({wanted}) was found:\n  - {roads}\n"
            "Install Pulumi (https://www.pulumi.com/docs/install/) so that `pulumi` is on PATH, "
            "or set {variable} to the path of a pulumi executable.",
            wanted=REQUIRED,
            roads=joined("\n  - ", self.problems),
            variable=variable,
        )

    def _forced(self, variable: str, cli: Path) -> Path:
        try:
            return usable(cli, self.environ)
        except OtherVersion as problem:
            self.progress.say(
                t(
                    "{variable}: {why}; it is used nevertheless",
                    variable=variable,
                    why=said(problem),
                )
            )
            return cli
        except EngineUnavailable as problem:
            raise EngineError(
                "{variable}: {why}; correct it or unset it", variable=variable, why=said(problem)
            ) from problem

    def _try(self, source: object, get: Callable[[], Path], tell: bool = False) -> Path | None:
        try:
            return get()
        except EngineUnavailable as problem:
            self.problems.append(t("{road}: {why}", road=source, why=said(problem)))
            if tell:
                self.progress.say(self.problems[-1])
            return None

    def _on_path(self) -> Path:
        found = shutil.which("pulumi", path=self.environ.get("PATH", ""))
        if not found:
            raise EngineUnavailable(t("there is no pulumi"))
        try:
            return usable(Path(found), self.environ)
        except EngineUnavailable as problem:
            self.progress.say(t("PATH: {why}; trying the next source", why=said(problem)))
            raise

    def _cached(self) -> Path:
        cli = cached_cli(self.environ)
        if not cli.exists():
            raise EngineUnavailable(t("there is no {file} yet", file=str(cli)))
        try:
            return usable(cli, self.environ)
        except EngineUnavailable as problem:
            self.progress.say(t("cache: {why}; it is replaced", why=said(problem)))
            raise

    def _fetched(self) -> Path | None:
        folder = cache(self.environ)
        folder.mkdir(parents=True, exist_ok=True)
        with terminations_raise(), _locked(folder, self.progress):
            if cached_cli(self.environ).exists() and (cli := self._try(t("cache"), self._cached)):
                return cli
            return self._try(t("Pulumi's installer"), self._installed, tell=True) or self._try(
                t("build"), self._built, tell=True
            )

    def _installed(self) -> Path:
        """Run the installer script of get.pulumi.com, by the library that knows it. It needs curl and tar."""
        from pulumi.automation import PulumiCommand
        from pulumi.automation.errors import InvalidVersionError

        wanted = recipe_version()
        title = t("downloading Pulumi {version}", version=str(wanted))
        with _temporary_folder(cache(self.environ), self.progress) as folder:
            try:
                with self.progress.phase(title), _gives_up():
                    installed = PulumiCommand.install(str(folder), wanted)
            except subprocess.CalledProcessError as problem:
                words = problem.output.decode("utf-8", "replace").strip() or str(problem)
                raise EngineUnavailable(verbatim(words.splitlines()[-1])) from problem
            except URLError as problem:
                why = t("get.pulumi.com is not reachable: {why}", why=str(problem.reason))
                raise EngineUnavailable(why) from problem
            except (OSError, InvalidVersionError) as problem:
                raise EngineUnavailable(verbatim(str(problem))) from problem
            return self._keep(Path(installed.command))

    def _built(self) -> Path:
        self.progress.say(
            t(
                "building Pulumi {version} from its source instead: {expect}",
                version=str(recipe_version()),
                expect=EXPECT,
            )
        )
        with _temporary_folder(cache(self.environ), self.progress) as folder:
            return self._keep(build(folder, self.progress, self.environ))

    def _keep(self, cli: Path) -> Path:
        kept = cached_cli(self.environ)
        usable(cli, self.environ)
        kept.parent.mkdir(exist_ok=True)
        cli.replace(kept)
        return kept


@contextmanager
def _gives_up() -> Iterator[None]:
    """Let the library give up where a firewall drops its packets; it sets no timeout itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Let only one process download or build. The lock ends with the process."""
    with (folder / "engine.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.phase(t("waiting for another process that installs the engine")):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _temporary_folder(within: Path, progress: Progress) -> Iterator[Path]:
    """Yield a temporary folder. Removes it afterwards, and those that killed processes left."""
    for left in within.glob("scratch-*"):
        _remove(left)
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=within))
    try:
        yield folder
    except KeyboardInterrupt:
        progress.say(t("stopped: unfinished files are removed; the next start begins again"))
        raise
    finally:
        with progress.phase(t("removing temporary files")):
            _remove(folder)


def _remove(folder: Path, tries: int = 10) -> None:
    # A compiler that was just killed may have written a file into a folder that is being emptied.
    for attempt in range(tries):
        try:
            shutil.rmtree(folder)
            return
        except OSError:
            if attempt == tries - 1:
                raise
            time.sleep(0.2)
