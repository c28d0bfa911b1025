"""The app: the keys of its folder and image, its variables and secrets, its container health check."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from i18n import t
from stack import rules
from stack.file import Reader
from stack.names import CONTAINER
from stack.rules import Key

RESERVED = frozenset(
    {
        *("APP_VERSION", "PORT", "WEB_CONCURRENCY"),
        *(
            "DB_HOST",
            "DB_NAME",
            "DB_PASSWORD",
            "DB_POOL_SIZE",
            "DB_PORT",
            "DB_SECRET_ARN",
            "DB_USER",
        ),
    }
)
"""Variables that the task definition sets; a test compares the two."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ARN = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]+-[A-Za-z0-9]{6}"
    r"(:[^:]*:[^:]*:[^:]*)?"
)
"""A secret's complete ARN, which IAM policies need, with or without json key, stage and version.

ECS accepts the three together or none of them (ECS Developer Guide, "Pass Secrets Manager secrets
through Amazon ECS environment variables").
"""


def entries(key: str, check: Callable[[str, str], str]) -> Callable[[str], dict[str, str]]:
    """Return the rule of a map from variable names to texts; ``check`` gets both and returns the text.

    Pulumi passes a map as JSON.
    """

    def rule(text: str) -> dict[str, str]:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(
                t(
                    "it is not a map of names to values; set one entry at a time: "
                    "`pulumi config set --plaintext --path {key}.NAME VALUE`",
                    key=key,
                )
            )
        for name in found:
            _check_name(name)
        return {name: check(name, _text(name, value)) for name, value in found.items()}

    return rule


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            t(
                "{name!r} is not a variable name; use letters, digits and underscores, and do not "
                "start with a digit",
                name=name,
            )
        )
    if name in RESERVED:
        raise ValueError(
            t(
                "{name} is set by the stack; let the app read it (docs/your-app.md), or choose "
                "another name",
                name=name,
            )
        )


def _text(name: str, value: object) -> str:
    """Return a value as text: Pulumi stores `true` and `3` as boolean and number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise ValueError(
            t("{name} has a list or a map as its value; a variable has one text", name=name)
        )
    return str(value)


def plain_text(_name: str, text: str) -> str:
    """Return the text of a variable, which may be any."""
    return text


def secret_arn(name: str, text: str) -> str:
    """Return the text when it is a valid `valueFrom`. Raises ValueError.

    The error does not repeat the text, which may be the secret itself.
    """
    if not ARN.fullmatch(text):
        raise ValueError(
            t(
                "{name} has a value of {count} characters, which is not the complete ARN of a Secrets Manager secret, "
                "as `aws secretsmanager describe-secret` shows it, with or without a JSON key: "
                "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
                name=name,
                count=len(text),
            )
        )
    return text


APP_FOLDER = Key(
    "appFolder",
    "webapp",
    rules.pattern(
        r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*", t("a folder below the project's folder, like webapp")
    ),
    "folder of the app and its Dockerfile, below the project's folder (docs/your-app.md)",
)
APP_VARIABLES = Key(
    "appVariables",
    "{}",
    entries("appVariables", plain_text),
    "environment variables of the app: `pulumi config set --path appVariables.NAME VALUE`",
)
APP_SECRETS = Key(
    "appSecrets",
    "{}",
    entries("appSecrets", secret_arn),
    "environment variables of the app from Secrets Manager: name and ARN, with or without `:KEY::`",
)
APP_CONNECTIONS = Key(
    "appConnections",
    "4",
    rules.integer(1, 50, t(" connections")),
    "database connections that one worker of the app keeps at most (`DB_POOL_SIZE`)",
)
HEALTH_COMMAND = Key(
    "healthCommand",
    "",
    str,
    "shell command of the container health check, in addition to the load balancer's; empty: none",
)


LONGEST_OVERRIDE = 8192
"""Characters of RunTask's `overrides`, JSON's own included (API reference, RunTask)."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a command, split as a shell does, without variables and patterns."""
    try:
        found = shlex.split(text)
    except ValueError:
        raise ValueError(
            t(
                "{text!r} has a quotation mark without its partner, or ends with a backslash; add the "
                "missing mark, or put a backslash before a mark that is part of a word",
                text=text,
            )
        ) from None
    override = {"containerOverrides": [{"name": CONTAINER, "command": found}]}
    if (length := len(json.dumps(override))) > LONGEST_OVERRIDE:
        raise ValueError(
            t(
                "the command takes {length} characters of RunTask's overrides, and ECS allows {longest}; "
                "put it into a script of the image and set the script's name",
                length=length,
                longest=LONGEST_OVERRIDE,
            )
        )
    return tuple(found)


DEPLOY_COMMAND = Key(
    "deployCommand",
    "",
    words,
    "command in a task of its own before the service gets another task definition, like a migration; "
    "it must hold no secret, as ECS shows it; empty: none",
)


def folder(read: Reader) -> Path:
    """Return the app's folder, relative to the project's: an absolute path would differ by checkout."""
    named = read(APP_FOLDER)

    def checked() -> Path:
        if read.sources and not (read.file.folder / named / "Dockerfile").is_file():
            raise ValueError(
                t(
                    "{folder}/Dockerfile does not exist; set appFolder to a folder that has a "
                    "Dockerfile",
                    folder=named,
                )
            )
        return Path(named)

    return read.together(checked, APP_FOLDER, otherwise=Path(named))


def variables(read: Reader) -> Mapping[str, str]:
    """Return the app's variables. An encrypted one is refused: the task definition shows it in plain text."""
    found = read(APP_VARIABLES)

    def plain() -> Mapping[str, str]:
        if read.is_encrypted(APP_VARIABLES):
            raise ValueError(
                t(
                    "a value is encrypted, but the task definition shows variables in plain text; "
                    "store it in Secrets Manager and set its ARN in appSecrets"
                )
            )
        return found

    return read.together(plain, APP_VARIABLES, otherwise=found)


def deploy_command(read: Reader) -> tuple[str, ...]:
    """Return the words of the command. An encrypted one is refused: the task shows it in plain text."""
    found = read(DEPLOY_COMMAND)

    def plain() -> tuple[str, ...]:
        if read.is_encrypted(DEPLOY_COMMAND):
            raise ValueError(
                t(
                    "it is encrypted, but ECS shows a task's command in plain text; let the command read "
                    "the secret from a variable of appSecrets, and set the command with --plaintext"
                )
            )
        return found

    return read.together(plain, DEPLOY_COMMAND, otherwise=found)


def secrets(read: Reader) -> Mapping[str, str]:
    """Return the app's secrets. ECS refuses a name that is also a variable's (API reference, Secret)."""
    found, others = read(APP_SECRETS), read(APP_VARIABLES)

    def apart() -> Mapping[str, str]:
        if both := sorted(found.keys() & others.keys()):
            raise ValueError(
                t(
                    "{names} is in appVariables, too; remove it from one of the two: "
                    "`pulumi config rm --path appVariables.{name}`",
                    names=", ".join(both),
                    name=both[0],
                )
            )
        return found

    return read.together(apart, APP_SECRETS, APP_VARIABLES, otherwise=found)


PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
"""Docker's platform by Fargate's CPU architecture."""
CPU_ARCHITECTURE = Key(
    "cpuArchitecture",
    "X86_64",
    rules.choice(PLATFORMS),
    "CPU architecture of the image and the task",
)
IMAGES_KEPT = Key(
    "imagesKept",
    "10",
    rules.integer(2, 1000),
    "number of tagged images that ECR keeps for rollbacks",
)
IMAGE_REVISION = Key(
    "imageRevision",
    "1",
    rules.pattern(
        r"[A-Za-z0-9_.-]{1,64}", t("1 to 64 letters, digits, dots, hyphens or underscores")
    ),
    "part of the image's tag; change it to build and push the same sources again",
)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The sources and platform of the app's image, and how many images ECR keeps."""

    folder: Path
    architecture: str
    revision: str
    kept: int

    @classmethod
    def load(cls, read: Reader) -> ImageSettings:
        return cls(
            folder=folder(read),
            architecture=read(CPU_ARCHITECTURE),
            revision=read(IMAGE_REVISION),
            kept=read(IMAGES_KEPT),
        )
