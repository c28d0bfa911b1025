"""The app: the keys of its folder, its image and its command."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from careapp.settings import rules
from careapp.settings.file import Reader
from careapp.settings.names import CONTAINER
from careapp.settings.rules import Invalid, Key, value_of
from ecs_gate.facts.fargate import PLATFORMS
from ecs_gate.text import t

APP_FOLDER = Key(
    "appFolder",
    "webapp",
    rules.pattern(
        r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*", t("a folder below the project's folder, like webapp")
    ),
    "folder of the app and its Dockerfile, below the project's folder (docs/your-app.md)",
    example="docs/examples/flaskr",
    change=rules.NEW_IMAGE,
)
APP_DOCKERFILE = Key(
    "appDockerfile",
    "Dockerfile",
    rules.pattern(
        r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*",
        t("a file below the app's folder, like docker/Dockerfile"),
    ),
    "the Dockerfile, in `appFolder`",
    example="docker/Dockerfile",
    change=rules.NEW_IMAGE,
)
APP_TARGET = Key(
    "appTarget",
    "",
    rules.pattern(r"|[A-Za-z0-9][\w.-]*", t("the name of a stage, like production")),
    "stage of the Dockerfile that is built, as `docker build --target` names it; empty: the last one",
    example="production",
    change=rules.NEW_IMAGE,
)
APP_CONNECTIONS = Key(
    "appConnections",
    "4",
    rules.Integer(1, 50, t(" connections")),
    "database connections that one worker of the app keeps at most (`DB_POOL_SIZE`)",
    change=rules.NEW_TASKS,
)


STAGE = re.compile(r"(?im)^[ \t]*FROM[ \t].*[ \t]AS[ \t]+(\S+)")
"""A stage's name in a Dockerfile."""
LOCK_TIMEOUT = "-c lock_timeout=10s"
"""PGOPTIONS of deployCommand's task, which libpq gives to each session: a statement that waits for a lock makes all
later ones on the table wait behind it, those of the pages, too (PostgreSQL documentation, "Explicit Locking")."""
LONGEST_OVERRIDE = 8192
"""Characters of RunTask's `overrides`, JSON's own included (API reference, RunTask)."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a command, split as a shell does, without variables and patterns."""
    try:
        parts = shlex.split(text)
    except ValueError:
        raise Invalid(
            "{text!r} has a quotation mark without its partner, or ends with a backslash; add the "
            "missing mark, or put a backslash before a mark that is part of a word",
            text=text,
        ) from None
    return tuple(parts)


def one_off(text: str) -> tuple[str, ...]:
    """Return the words of a command that RunTask gets in place of the task definition's. Raises ValueError."""
    parts = words(text)
    variables = [{"name": "PGOPTIONS", "value": LOCK_TIMEOUT}]
    container = {"name": CONTAINER, "command": parts, "environment": variables}
    if (length := len(json.dumps({"containerOverrides": [container]}))) > LONGEST_OVERRIDE:
        raise Invalid(
            "the command takes {length} characters of RunTask's overrides, and ECS allows {longest}; "
            "put it into a script of the image and set the script's name",
            length=length,
            longest=LONGEST_OVERRIDE,
        )
    return parts


def command(text: str) -> tuple[str, ...]:
    """Return the words of a command that must have some. Raises ValueError."""
    parts = words(text)
    if not parts:
        raise Invalid("it is empty; give the program and its arguments")
    return parts


APP_COMMAND = Key(
    "appCommand",
    "",
    words,
    "command of the app in place of its image's `CMD`, as compose's `command`; empty: the image's (docs/your-app.md)",
    example="gunicorn --config webapp/gunicorn.conf.py",
    change=rules.NEW_TASKS,
    shown=rules.SHOWN,
)
DEPLOY_COMMAND = Key(
    "deployCommand",
    "",
    one_off,
    "command in a task of its own before the service gets another task definition, like a migration; "
    "it must hold no secret, as ECS shows it; empty: none",
    example="true",
    shown=rules.SHOWN,
)


def folder(read: Reader) -> Path:
    """Return the app's folder, relative to the project's: an absolute path would differ by checkout."""
    named, dockerfile, target = read(APP_FOLDER), read(APP_DOCKERFILE), read(APP_TARGET)
    file = read.file.folder / named / dockerfile

    def known() -> None:
        names = STAGE.findall(file.read_text()) if read.sources and target else [target]
        if target.lower() not in map(str.lower, names):
            raise Invalid(
                "{folder}/{file} has no stage {target}; it has {names}",
                folder=named,
                file=dockerfile,
                target=target,
                names=", ".join(names) or t("no stage with a name"),
            )

    missing = t(
        "{folder}/{file} does not exist; set appFolder to a folder that has it, or appDockerfile to "
        "its name there; docs/your-app.md has the smallest one that works",
        folder=named,
        file=dockerfile,
    )
    read.refuse(read.sources and not file.is_file(), missing, APP_FOLDER, APP_DOCKERFILE)
    read.check(known, APP_TARGET, APP_FOLDER, APP_DOCKERFILE)
    return Path(named)


CPU_ARCHITECTURE = Key(
    "cpuArchitecture",
    "X86_64",
    rules.Choice(PLATFORMS),
    "CPU architecture of the image and the task",
    example="ARM64",
    change=rules.NEW_IMAGE,
)
IMAGE_REVISION = Key(
    "imageRevision",
    "1",
    rules.pattern(
        r"[A-Za-z0-9_.-]{1,64}", t("1 to 64 letters, digits, dots, hyphens or underscores")
    ),
    "change it to build and push unchanged sources again, for a newer base image",
    example="2",
    change=rules.NEW_IMAGE,
)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The sources and platform of the app's image."""

    folder: Path
    file: str = value_of(APP_DOCKERFILE)
    """The Dockerfile in the folder."""
    target: str = value_of(APP_TARGET)
    """The stage that is built; empty: the last one."""
    architecture: str = value_of(CPU_ARCHITECTURE)
    revision: str = value_of(IMAGE_REVISION)

    @property
    def next_revision(self) -> str:
        """Return an `imageRevision` with which the same sources are built again."""
        now = self.revision
        return str(int(now) + 1) if now.isdigit() else f"{now}-again"

    @classmethod
    def load(cls, read: Reader) -> Self:
        return read.record(cls, folder=folder(read))
