"""The project folder in which the rehearsal runs ``pulumi``, and the environment that leads it to the local cloud."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ops.aws.local_cloud import FACTS
from rehearsal.paths import ROOT, Home
from rehearsal.providers.calls import CREDENTIALS
from rehearsal.run import session_plugin
from rehearsal.run.client import Facts

CHANGED = ("infra", "ops", "stack", "webapp")
"""What a named mistake may change: a copy in the copy of a program."""
STACK_FILES = "Pulumi.*.yaml"
"""Copied, never linked: ``pulumi config set`` must not write the user's own."""
OURS = ("AWS_", "PULUMI_")
"""Variables of the user's that must not lead a rehearsal to a real account or backend."""


@dataclass(frozen=True)
class Project:
    """A project folder with its own state; nothing in it is the user's."""

    home: Home
    source: Path = ROOT

    def prepare(self) -> None:
        """Make the folder of links, the state's folder and the passphrase; stack files that exist stay."""
        self.home.project.mkdir(parents=True, exist_ok=True)
        self.home.state.mkdir(parents=True, exist_ok=True)
        # The commands are those of the project itself, also where the program is a changed copy.
        targets = {name: self.source / name for name in _parts(self.source)} | {
            "careapp": ROOT / "careapp"
        }
        for name, target in targets.items():
            link = self.home.project / name
            if link.is_symlink() and link.readlink() != target:
                link.unlink()
            if target.exists() and not link.exists():
                link.symlink_to(target)
        for file in self.source.glob(STACK_FILES):
            copy = self.home.project / file.name
            if not copy.exists():
                shutil.copy(file, copy)
        self._stand_in()
        if not self.home.passphrase.exists():
            self.home.passphrase.touch(mode=0o600)
            self.home.passphrase.write_text(secrets.token_urlsafe(24))

    def _stand_in(self) -> None:
        """Put the program on PATH that AWS's own clients call to reach into a VPC."""
        self.home.programs.mkdir(exist_ok=True)
        program = self.home.programs / "session-manager-plugin"
        words = [sys.executable, "-I", str(Path(session_plugin.__file__))]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)

    def forget(self) -> None:
        """Remove the folder, the programs beside it, the state and the passphrase."""
        pulumi_home = self.home.folder / "pulumi-home"
        ours = (self.home.project, self.home.programs, self.home.source, self.home.state)
        for folder in (*ours, pulumi_home):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.home.passphrase.unlink()

    def path(self, *more: Path) -> str:
        """What PATH is in the local cloud's shell; ``more`` are further folders of ours."""
        # The venv's Python has boto3.
        ours = (self.home.programs, *more, Path(sys.prefix) / "bin")
        return os.pathsep.join([*map(str, ours), os.environ.get("PATH", os.defpath)])

    def environment(self, facts: Facts, engine: Path) -> dict[str, str]:
        """The variables with which ``pulumi``, ``aws`` and boto3 talk to the local cloud, and only to it."""
        return {
            **led_to_local_cloud(facts.endpoint, facts.options.region, self.home.facts),
            **facts.environment,
            "CAREAPP_HOME": str(self.home.folder),
            "PATH": self.path(engine.parent),
            # Each file of the state would have an .attrs file beside it, which is not written in one
            # step: an engine that is killed can leave it empty, and no command reads the state then.
            "PULUMI_BACKEND_URL": f"{self.home.state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.home.passphrase),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self.home.folder / "pulumi-home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


def _parts(source: Path) -> list[str]:
    """The names of what a program run may need: the venv, and what is visible; `appFolder` may be any of it."""
    found = [each.name for each in source.iterdir() if not each.name.startswith(".")]
    return [".venv", *(name for name in sorted(found) if not fnmatch(name, STACK_FILES))]


def standing(home: Home, facts: Facts | None) -> Project:
    """The project of what runs in ``home``: while a fault stands it leads to the changed program."""
    return Project(home, home.source) if facts and home.source.is_dir() else Project(home)


def copy_program(target: Path) -> None:
    """A copy of the program, and of the app that comes with it, that may be changed; the rest are links."""
    target.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__")
    for name in _parts(ROOT):
        origin = ROOT / name
        if name in CHANGED:
            shutil.copytree(origin, target / name, ignore=skip)
        elif origin.is_dir():
            (target / name).symlink_to(origin)
        elif origin.exists():
            shutil.copy(origin, target / name)
    for file in ROOT.glob(STACK_FILES):
        shutil.copy(file, target / file.name)


def led_to_local_cloud(endpoint: str, region: str, facts: Path) -> dict[str, str]:
    """This process's environment, in which AWS is the local cloud and nothing is the user's account.

    ``facts`` is the file in which that cloud says where its load balancers listen: their names
    cannot be resolved.
    """
    return {
        **_harmless(os.environ),
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_PAGER": "",
        FACTS: str(facts),
    }


def _harmless(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(OURS)}
