"""The project folder in which ``pulumi`` runs, and the variables that connect it to the local cloud."""

import contextlib
import json
import os
import re
import secrets
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from local_cloud import starter
from local_cloud.access import Access
from local_cloud.paths import Home, is_locked
from local_cloud.run import session_plugin, stack_files
from local_cloud.run.client import RunningCloud

PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")
STACK_FILES = "Pulumi.*.yaml"
"""Copied, never linked: ``pulumi config set`` must not change the user's files."""
REMOVED = ("AWS_", "PULUMI_")
"""Prefixes of the variables that could connect a program to the user's AWS account or backend."""


GIT = """here=$(pwd -P)
[ "$here" != {project} ] || here={source}
{copy}exec {git} -C "$here" "$@"
"""
GIT_OF_A_COPY = """case $here/ in {source}/*)
  GIT_DIR=$({git} -C {checkout} rev-parse --absolute-git-dir) || exit
  export GIT_DIR GIT_WORK_TREE={source} GIT_INDEX_FILE={index}
  [ -f {index} ] || {git} read-tree HEAD || exit ;;
esac
"""


@dataclass(frozen=True)
class Project:
    """A project folder with its own state, apart from the user's."""

    home: Home
    source: Path = field(default_factory=lambda: starter.current().folder)

    def prepare(self, change: str = "") -> None:
        """Create the folder of links, the folder of the state and the passphrase, and copy stack files that changed.

        ``change`` is the command that gives a setting another value, "" for that of the local cloud's shell.
        """
        change = change or f"{starter.current().inside} pulumi config set --path 'KEY' VALUE"
        self.home.project.mkdir(parents=True, exist_ok=True)
        self.home.state.mkdir(parents=True, exist_ok=True)
        self.link()
        for file in self.source.glob(STACK_FILES):
            stack_files.copy(file, self.home.project / file.name, change)
        self.home.programs.mkdir(exist_ok=True)
        self._write_session_manager_plugin()
        self._write_git()
        if not self.home.passphrase.exists():
            self.home.passphrase.touch(mode=0o600)
            self.home.passphrase.write_text(secrets.token_urlsafe(24))

    def link(self) -> None:
        """Link what the source has and the folder has not, and remove links to what is gone.

        Raises OSError. Two processes may do it at the same time.
        """
        # A changed copy of the program still uses the starter's own commands.
        own = starter.current().commands
        targets = {**{name: self.source / name for name in entries(self.source)}, **own}
        for name, target in targets.items():
            link = self.home.project / name
            if name in PROJECT_FILES and starter.current().in_place:
                self._write_project_file(link, target.read_text())
                continue
            if link.is_symlink() and link.readlink() != target:
                link.unlink(missing_ok=True)
            if target.exists() and not link.exists():
                with contextlib.suppress(FileExistsError):
                    link.symlink_to(target)
        for link in self.home.project.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink(missing_ok=True)

    def _write_project_file(self, copy: Path, text: str) -> None:
        """Write Pulumi.yaml so that the program, and its virtual environment, are those of the source."""
        main = re.search(r"^main:\s*([^#\n]+?)\s*(#.*)?$", text, re.M)
        found = os.path.normpath(self.source / (main[1].strip("\"'") if main else ""))
        text = re.sub(r"^main:.*\n?", "", text, flags=re.M).rstrip()
        text = re.sub(
            r"^(\s+virtualenv:\s*)([^#\n]+?)\s*(#.*)?$",
            lambda each: each[1] + json.dumps(os.path.normpath(self.source / each[2].strip("\"'"))),
            text,
            flags=re.M,
        )
        text = f"{text}\nmain: {json.dumps(found)}\n"
        if not copy.is_file() or copy.read_text() != text:
            copy.write_text(text)

    def _write_session_manager_plugin(self) -> None:
        """Write the stand-in for session-manager-plugin, which AWS's clients find on PATH."""
        words = [sys.executable, "-I", str(Path(session_plugin.__file__))]
        self._write_program("session-manager-plugin", f'exec {shlex.join(words)} "$@"\n')

    def _write_git(self) -> None:
        """Write a git that works in the source when it is called in the folder of links, which Git does not know.

        Below a link, Git is in the checkout already. A changed copy of the program is no checkout: there it uses
        the checkout's repository with an index of its own, so that the user's index stays as it is.
        """
        others = [each for each in self.path().split(os.pathsep) if each != str(self.home.programs)]
        git = shutil.which("git", path=os.pathsep.join(others))
        if git is None:
            return
        words = {
            "git": git,
            "project": self.home.project,
            "source": self.source,
            "index": self._index,
            "checkout": (program := starter.current().folder),
        }
        quoted = {name: shlex.quote(str(word)) for name, word in words.items()}
        copy = GIT_OF_A_COPY.format(**quoted) if self.source != program else ""
        self._write_program("git", GIT.format(**quoted, copy=copy))

    @property
    def _index(self) -> Path:
        """Git's index of a changed copy of the program."""
        return self.home.folder / "git-index"

    def _write_program(self, name: str, script: str) -> None:
        program = self.home.programs / name
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)

    def delete(self) -> None:
        """Delete the folder, its programs, the state and the passphrase."""
        pulumi_home = self.home.folder / "pulumi-home"
        ours = (self.home.project, self.home.programs, self.home.source, self.home.state)
        for folder in (*ours, pulumi_home):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.home.passphrase, self._index):
            file.unlink(missing_ok=True)

    def forget_ended_cloud(self) -> tuple[str, ...]:
        """Delete the state of a local cloud that was killed, and return the names of the stacks in it.

        The stack files and the passphrase of their secrets stay. A local cloud that ends as it should has no
        state left, and a new one starts empty: no resource of an older state exists.
        """
        if is_locked(self.home.lock):
            return ()
        found = sorted(self.home.state.glob(".pulumi/stacks/*/*.json"))
        for folder in (self.home.state / ".pulumi", self.home.source):
            shutil.rmtree(folder, ignore_errors=True)
        return tuple(file.stem for file in found)

    def path(self, *more: Path) -> str:
        """Return PATH for the local cloud's shell, with the folders ``more``."""
        ours = [str(folder) for folder in (self.home.programs, *more)]
        # This Python has boto3; a program in its own folder has its own one first.
        both = [str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]
        return os.pathsep.join(ours + (both[::-1] if starter.current().in_place else both))

    def environment(self, facts: RunningCloud, engine: Path) -> dict[str, str]:
        """Return the variables with which ``pulumi``, ``aws`` and boto3 use the local cloud only."""
        return {
            **local_cloud_environment(facts.access, self.home.facts),
            **facts.environment,
            starter.current().home_variable: str(self.home.folder),
            "PATH": self.path(engine.parent),
            # Otherwise each state file has an .attrs file, which is not written atomically. A killed
            # engine can leave it empty, and then no command can read the state.
            "PULUMI_BACKEND_URL": f"{self.home.state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.home.passphrase),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self.home.folder / "pulumi-home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


def entries(source: Path) -> list[str]:
    """Return the names of the venv and of all visible entries: the program may read any of them."""
    found = [path.name for path in source.iterdir() if not path.name.startswith(".")]
    return [".venv", *(name for name in sorted(found) if not fnmatch(name, STACK_FILES))]


def current_project(home: Home, *, running: bool) -> Project:
    """Return the project of the local cloud in ``home``, with the changed copy of the program if there is one."""
    return Project(home, home.source) if running and home.source.is_dir() else Project(home)


def local_cloud_environment(access: Access, facts: Path) -> dict[str, str]:
    """Return this process's environment with the local cloud as AWS and without the user's credentials.

    ``facts`` is the local cloud's file with the addresses of its load balancers: their DNS names
    cannot be resolved.
    """
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(REMOVED)},
        "AWS_ACCESS_KEY_ID": access.key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": access.endpoint,
        "AWS_REGION": access.region,
        "AWS_DEFAULT_REGION": access.region,
        "AWS_PAGER": "",
        "LOCAL_CLOUD_FACTS": str(facts),
    }
