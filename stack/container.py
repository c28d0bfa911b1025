"""The app's variables and secrets, and the values of the stack that they may name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from stack import rules, uploads
from stack.file import Reader
from stack.rules import Key
from tools.i18n import t

RESERVED = frozenset(
    {
        *("APP_VERSION", "KEEP_ALIVE_SECONDS", "LOAD_BALANCER_ARN", "PORT", "WEB_CONCURRENCY"),
        *(
            "DB_HOST",
            "DB_NAME",
            "DB_PASSWORD",
            "DB_POOL_SIZE",
            "DB_PORT",
            "DB_SECRET_ARN",
            "DB_USER",
        ),
        uploads.VARIABLE,
    }
)
"""Variables that the task definition sets; a test compares the two."""
PLAIN = sorted(RESERVED - {"DB_PASSWORD"})
"""Those that are no secret."""
PASSWORD = "${DB_PASSWORD}"  # noqa: S105 - its name
"""The value of `appSecrets` that stands for the password of the stack's database."""
PLACEHOLDER = re.compile(r"\$(?P<escaped>\$?)\{(?P<name>[^{}]*)\}")
"""`${NAME}` in a value is that variable of the stack; `$${NAME}` is the text `${NAME}`."""
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
                "{name} is set by the stack; make the app read it (docs/your-app.md), or choose "
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


def plain_text(name: str, text: str) -> str:
    """Return the text of a variable. Raises ValueError for a placeholder that is unknown, or the password's."""
    for found in PLACEHOLDER.finditer(text):
        if not found["escaped"]:
            _check_placeholder(name, found["name"])
    return text


def _check_placeholder(name: str, wanted: str) -> None:
    if f"${{{wanted}}}" == PASSWORD:
        raise ValueError(
            t(
                "{name} has {password}, and the task definition shows variables in plain text; set a variable that is "
                "the password alone by `pulumi config set --plaintext --path appSecrets.{name} '{password}'`; leave "
                "the password out of a URL, where the app uses libpq, and set it by `pulumi config set --plaintext "
                "--path appSecrets.PGPASSWORD '{password}'` (docs/your-app.md)",
                name=name,
                password=PASSWORD,
            )
        )
    if wanted not in RESERVED:
        near = get_close_matches(wanted.upper(), PLAIN, 1)
        rule = t(
            "{name} has {placeholder}, which the stack does not know; it knows {known}; {escaped} is the text "
            "{placeholder} itself",
            name=name,
            placeholder=f"${{{wanted}}}",
            escaped=f"$${{{wanted}}}",
            known=", ".join(PLAIN),
        )
        raise ValueError(
            t("{rule}; did you mean {near}?", rule=rule, near=near[0]) if near else rule
        )


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return the text of a variable with the values of its placeholders."""

    def value(found: re.Match[str]) -> str:
        return found[0][1:] if found["escaped"] else known[found["name"]]

    return PLACEHOLDER.sub(value, text)


def secret_arn(name: str, text: str) -> str:
    """Return the text when it is a valid `valueFrom`, or the database's password. Raises ValueError.

    The error does not repeat the text, which may be the secret itself.
    """
    if text == PASSWORD:
        return text
    if PLACEHOLDER.search(text):
        raise ValueError(
            t(
                "{name} has a placeholder, and of the stack's values appSecrets takes {password} alone, as the whole "
                "value; set others in appVariables",
                name=name,
                password=PASSWORD,
            )
        )
    if not ARN.fullmatch(text):
        raise ValueError(
            t(
                "{name} has a value of {count} character, which is not the complete ARN of a Secrets "
                "Manager secret, as `aws secretsmanager describe-secret` shows it, with or without a "
                "JSON key: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
                "{name} has a value of {count} characters, which is not the complete ARN of a "
                "Secrets Manager secret, as `aws secretsmanager describe-secret` shows it, with or "
                "without a JSON key: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
                name=name,
                count=len(text),
            )
        )
    return text


APP_VARIABLES = Key(
    "appVariables",
    "{}",
    entries("appVariables", plain_text),
    "environment variables of the app: `pulumi config set --path appVariables.NAME VALUE`; a value "
    "may name those of the stack, like `${DB_HOST}` (docs/your-app.md)",
    example='{"GREETING": "hello"}',
    change=rules.NEW_TASKS,
)
APP_SECRETS = Key(
    "appSecrets",
    "{}",
    entries("appSecrets", secret_arn),
    "environment variables of the app from Secrets Manager: name and ARN, with or without `:KEY::`, "
    "or `${DB_PASSWORD}`",
    example='{"API_KEY": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:key-AbCdEf"}',
    change=rules.NEW_TASKS,
)


def variables(read: Reader) -> Mapping[str, str]:
    """Return the app's variables. An encrypted one is refused: the task definition shows it in plain text."""
    found = read(APP_VARIABLES)

    def plain() -> None:
        if read.is_encrypted(APP_VARIABLES):
            raise ValueError(
                t(
                    "a value is encrypted, but the task definition shows variables in plain text; "
                    "store it in Secrets Manager and set its ARN in appSecrets"
                )
            )

    read.check(plain, APP_VARIABLES)
    if not read(uploads.UPLOADS_ENABLED):
        read.check(lambda: _without_bucket(found), APP_VARIABLES, uploads.UPLOADS_ENABLED)
    return found


def _without_bucket(named: Mapping[str, str]) -> None:
    """Raise ValueError when a variable has the bucket's placeholder: the stack has no bucket."""
    for name, text in named.items():
        for found in PLACEHOLDER.finditer(text):
            if not found["escaped"] and found["name"] == uploads.VARIABLE:
                raise ValueError(
                    t(
                        "{name} has {placeholder}, and this stack has no bucket; "
                        "`pulumi config set uploadsEnabled true` adds one",
                        name=name,
                        placeholder=found[0],
                    )
                )


def secrets(read: Reader) -> Mapping[str, str]:
    """Return the app's secrets. ECS refuses a name that is also a variable's (API reference, Secret)."""
    found, others = read(APP_SECRETS), read(APP_VARIABLES)

    def apart() -> None:
        if both := sorted(found.keys() & others.keys()):
            raise ValueError(
                t(
                    "{names} is in appVariables, too; remove it from one of the two: "
                    "`pulumi config rm --path appVariables.{name}`",
                    names=", ".join(both),
                    name=both[0],
                )
            )

    read.check(apart, APP_SECRETS, APP_VARIABLES)
    return found
