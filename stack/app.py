"""The app that the stack runs: its folder and image, its variables and secrets, its own health check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from i18n import t
from stack import rules
from stack.reader import Reader
from stack.rules import Key

RESERVED = frozenset(
    {
        *("APP_VERSION", "PORT", "WEB_CONCURRENCY"),
        *("DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_PORT", "DB_SECRET_ARN", "DB_USER"),
    }
)
"""Variables that the stack sets itself; a test compares them with the task definition."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ARN = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]+-[A-Za-z0-9]{6}"
    r"(:[^:]*:[^:]*:[^:]*)?"
)
"""A secret's whole ARN, which a policy needs, alone or with json key, stage and version.

ECS takes the three together or none of them (ECS Developer Guide, "Pass Secrets Manager secrets
through Amazon ECS environment variables").
"""


def entries(key: str, check: Callable[[str], str]) -> Callable[[str], dict[str, str]]:
    """A map from variable names to texts that ``check`` accepts; Pulumi hands a map over as JSON."""

    def rule(text: str) -> dict[str, str]:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(
                t(
                    "it is no map from names to values; set one entry at a time: "
                    "`pulumi config set --plaintext --path {key}.NAME VALUE`",
                    key=key,
                )
            )
        for name in found:
            _check_name(name)
        return {name: check(_text(name, value)) for name, value in found.items()}

    return rule


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            t(
                "{name!r} is no name of a variable: letters, digits and underscores, and no digit "
                "in front; choose another name",
                name=name,
            )
        )
    if name in RESERVED:
        raise ValueError(
            t(
                "{name} is set by the stack itself; let the app read it as it is "
                "(docs/your-app.md), or choose another name",
                name=name,
            )
        )


def _text(name: str, value: object) -> str:
    """A value as the container gets it: Pulumi makes numbers and booleans of `true` and `3`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise ValueError(
            t("{name} has a value that is no text; a variable has one text each", name=name)
        )
    return str(value)


def secret_arn(text: str) -> str:
    """What ECS takes as `valueFrom`. A wrong one may be the secret itself, so it is not repeated."""
    if not ARN.fullmatch(text):
        raise ValueError(
            t(
                "a value of {count} characters is not the whole ARN of a Secrets Manager secret, as "
                "`aws secretsmanager describe-secret` shows it, alone or with a key of its JSON: "
                "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
                count=len(text),
            )
        )
    return text


APP_FOLDER = Key(
    "appFolder",
    "webapp",
    rules.pattern(
        r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*", t("a folder below the project's, like webapp")
    ),
    "folder below the project's with the app and its Dockerfile (docs/your-app.md)",
)
APP_VARIABLES = Key(
    "appVariables",
    "{}",
    entries("appVariables", str),
    "variables of the app: `pulumi config set --path appVariables.NAME VALUE`",
)
APP_SECRETS = Key(
    "appSecrets",
    "{}",
    entries("appSecrets", secret_arn),
    "variables of the app that ECS reads from Secrets Manager: name and ARN, with or without `:KEY::`",
)
HEALTH_COMMAND = Key(
    "healthCommand",
    "",
    str,
    "shell command inside the container that ECS asks as well, besides the load balancer; empty: none",
)


def folder(read: Reader) -> Path:
    """The app's folder, relative to the project: an absolute path would make every checkout a change."""
    named = read(APP_FOLDER)

    def checked() -> Path:
        if read.sources and not (read.file.folder / named / "Dockerfile").is_file():
            raise ValueError(
                t(
                    "{folder}/Dockerfile is missing; the app's image is built from it: name a folder "
                    "that has one",
                    folder=named,
                )
            )
        return Path(named)

    return read.together(checked, APP_FOLDER, otherwise=Path(named))


def variables(read: Reader) -> Mapping[str, str]:
    """The app's variables, none of them encrypted: the task definition would show it to its readers."""
    found = read(APP_VARIABLES)

    def plain() -> Mapping[str, str]:
        if read.is_encrypted(APP_VARIABLES):
            raise ValueError(
                t(
                    "a value is encrypted, but the task definition shows variables as they are; keep "
                    "it in Secrets Manager and name its ARN in appSecrets"
                )
            )
        return found

    return read.together(plain, APP_VARIABLES, otherwise=found)


def secrets(read: Reader) -> Mapping[str, str]:
    """The app's secrets. ECS refuses a name that is a variable's as well (API reference, Secret)."""
    found, others = read(APP_SECRETS), read(APP_VARIABLES)

    def apart() -> Mapping[str, str]:
        if both := sorted(found.keys() & others.keys()):
            raise ValueError(
                t(
                    "{names} stands in appVariables as well; take it out of one of the two: "
                    "`pulumi config rm --path appVariables.{name}`",
                    names=", ".join(both),
                    name=both[0],
                )
            )
        return found

    return read.together(apart, APP_SECRETS, APP_VARIABLES, otherwise=found)


CPU_ARCHITECTURE = Key(
    "cpuArchitecture",
    "X86_64",
    rules.choice(("X86_64", "ARM64")),
    "what the image is built for and the task runs on",
)
IMAGES_KEPT = Key(
    "imagesKept", "10", rules.integer(2, 1000), "tagged images kept in ECR, for rolling back"
)
IMAGE_REVISION = Key(
    "imageRevision",
    "1",
    rules.pattern(
        r"[A-Za-z0-9_.-]{1,64}", t("1 to 64 letters, digits, dots, hyphens or underscores")
    ),
    "part of the image's tag; change it to build and push unchanged sources again",
)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What the app's image is built from and for, and how many images are kept."""

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
