"""The `pulumi` CLI for a rehearsal: the one at hand, or one that is fetched or built once."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from i18n import Refused, Text, joined, said, t
from ops.signals import terminations_raise
from rehearsal.console import Progress
from rehearsal.engine.build import EXPECT, build, recipe_version
from rehearsal.engine.release import RELEASES, download, machine
from rehearsal.engine.version import WANTED, RoadClosed, usable, version_of
from rehearsal.paths import cache, cache_refused

WAY_OUT = t(
    "Install Pulumi (https://www.pulumi.com/docs/install/) so that `pulumi` is on PATH, "
    "or set CAREAPP_PULUMI to the path of a pulumi executable."
)


class EngineError(Refused):
    """No usable `pulumi` could be had; the text lists each road, why it failed, and the way out."""


def find_or_get(
    progress: Progress | None = None,
    environ: Mapping[str, str] | None = None,
    releases: tuple[str, ...] = RELEASES,
) -> Path:
    """The path of a `pulumi` executable that is recent enough for the program.

    In this order: CAREAPP_PULUMI, PATH, the user's cache, Pulumi's release archive, a build from
    the Go module proxy (minutes, once). Raises EngineError.
    """
    return _Search(
        Progress() if progress is None else progress,
        os.environ if environ is None else environ,
        releases,
    ).result()


def cached_cli(environ: Mapping[str, str]) -> Path:
    """Where the engine is kept for this user, version and kind of machine, there or not."""
    return cache(environ) / f"pulumi-v{recipe_version()}-{machine()}" / "pulumi"


@dataclass
class _Search:
    progress: Progress
    environ: Mapping[str, str]
    releases: tuple[str, ...]
    closed: list[Text] = field(default_factory=list)

    def result(self) -> Path:
        if forced := self.environ.get("CAREAPP_PULUMI"):
            return self._forced(Path(forced))
        cli = self._try("PATH", self._on_path) or self._try(t("cache"), self._cached)
        if cli:
            return cli
        try:
            cli = self._fetched()
        except OSError as problem:
            self.closed.append(cache_refused(cache(self.environ), problem))
        if cli:
            return cli
        raise EngineError(
            t(
                "no usable pulumi ({wanted}) could be had:\n  - {roads}\n{way_out}",
                wanted=WANTED,
                roads=joined("\n  - ", self.closed),
                way_out=WAY_OUT,
            )
        )

    def _forced(self, cli: Path) -> Path:
        try:
            version_of(cli, self.environ)
        except RoadClosed as closed:
            raise EngineError(
                t("CAREAPP_PULUMI: {why}; correct it or unset it", why=said(closed))
            ) from closed
        try:
            return usable(cli, self.environ)
        except RoadClosed as closed:
            self.progress.say(
                t("CAREAPP_PULUMI: {why}; it is used since you ask for it", why=said(closed))
            )
            return cli

    def _try(self, road: Text | str, walk: Callable[[], Path], tell: bool = False) -> Path | None:
        try:
            return walk()
        except RoadClosed as closed:
            self.closed.append(t("{road}: {why}", road=road, why=said(closed)))
            if tell:
                self.progress.say(self.closed[-1])
            return None

    def _on_path(self) -> Path:
        found = shutil.which("pulumi", path=self.environ.get("PATH", ""))
        if not found:
            raise RoadClosed(t("there is no pulumi"))
        try:
            return usable(Path(found), self.environ)
        except RoadClosed as closed:
            self.progress.say(t("PATH: {why}; looking on", why=said(closed)))
            raise

    def _cached(self) -> Path:
        cli = cached_cli(self.environ)
        if not cli.exists():
            raise RoadClosed(t("there is no {file} yet", file=str(cli)))
        try:
            return usable(cli, self.environ)
        except RoadClosed as closed:
            self.progress.say(t("cache: {why}; it is replaced", why=said(closed)))
            raise

    def _fetched(self) -> Path | None:
        folder = cache(self.environ)
        folder.mkdir(parents=True, exist_ok=True)
        with terminations_raise(), _alone(folder, self.progress):
            if cached_cli(self.environ).exists() and (cli := self._try(t("cache"), self._cached)):
                return cli
            return self._try(t("release archive"), self._downloaded, tell=True) or self._try(
                t("build"), self._built, tell=True
            )

    def _downloaded(self) -> Path:
        with _scratch(cache(self.environ), self.progress) as folder:
            return self._keep(download(recipe_version(), folder, self.progress, self.releases))

    def _built(self) -> Path:
        self.progress.say(
            t(
                "building Pulumi {version} from its source instead: {expect}",
                version=str(recipe_version()),
                expect=EXPECT,
            )
        )
        with _scratch(cache(self.environ), self.progress) as folder:
            return self._keep(build(folder, self.progress, self.environ))

    def _keep(self, cli: Path) -> Path:
        kept = cached_cli(self.environ)
        usable(cli, self.environ)
        kept.parent.mkdir(exist_ok=True)
        cli.replace(kept)
        return kept


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """One process at a time fetches or builds; the lock goes with the process, however it ends."""
    with (folder / "engine.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.phase(t("waiting for another careapp that is getting the engine")):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(within: Path, progress: Progress) -> Iterator[Path]:
    """A folder that is gone afterwards, and with it what a killed process left behind."""
    for left in within.glob("scratch-*"):
        _remove(left)
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=within))
    try:
        yield folder
    except KeyboardInterrupt:
        progress.say(t("stopped: what was half done is removed; the next start begins anew"))
        raise
    finally:
        with progress.phase(t("removing what the engine is no longer made with")):
            _remove(folder)


def _remove(folder: Path, tries: int = 10) -> None:
    # A compiler that was just killed may still have put a file into a folder being emptied.
    for attempt in range(tries):
        try:
            shutil.rmtree(folder)
            return
        except OSError:
            if attempt == tries - 1:
                raise
            time.sleep(0.2)
