"""The app's variables and secrets, and the values of the stack that they may name."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from careapp.settings import maps, rules
from careapp.settings.app_resources import APP_RESOURCES
from careapp.settings.file import Reader
from careapp.settings.rules import Invalid, Key
from ecs_gate.text import t

RESERVED = frozenset(
    {
        *("APP_VERSION", "KEEP_ALIVE_SECONDS", "LOAD_BALANCER_ARN", "PORT", "WEB_CONCURRENCY"),
        *("DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_POOL_SIZE", "DB_PORT", "DB_SECRET_ARN"),
        *("DB_USER", *(key.variable for key in APP_RESOURCES)),
    }
)
"""Variables that the task definition sets; a test compares the two."""
PLAIN = sorted(RESERVED - {"DB_PASSWORD"})
"""The variables of RESERVED that are no secret."""
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
        otherwise = t(
            "it is not a map of names to values; set one entry at a time: "
            "`pulumi config set --plaintext --path {key}.NAME VALUE`",
            key=key,
        )
        decoded = maps.decoded(text, otherwise)
        for name in decoded:
            _check_name(name)
        return {name: check(name, _text(name, value)) for name, value in decoded.items()}

    return rule


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Invalid(
            "{name!r} is not a variable name; use letters, digits and underscores, and do not "
            "start with a digit",
            name=name,
        )
    if name in RESERVED:
        raise Invalid(
            "{name} is set by the stack; make the app read it (docs/your-app.md), or choose "
            "another name",
            name=name,
        )


def _text(name: str, value: object) -> str:
    return maps.one_text(
        value, t("{name} has a list or a map as its value; a variable has one text", name=name)
    )


def plain_text(name: str, text: str) -> str:
    """Return the text of a variable. Raises ValueError for a placeholder that is unknown, or the password's."""
    for wanted in _placeholders(text):
        _check_placeholder(name, wanted)
    return text


def _placeholders(text: str) -> list[str]:
    """Return the names of the variables of the stack that a value has."""
    return [match["name"] for match in PLACEHOLDER.finditer(text) if not match["escaped"]]


def _check_placeholder(name: str, wanted: str) -> None:
    if f"${{{wanted}}}" == PASSWORD:
        raise Invalid(
            "{name} has {password}, and the task definition shows variables in plain text; set a variable that is "
            "the password alone by `pulumi config set --plaintext --path appSecrets.{name} '{password}'`; leave "
            "the password out of a URL, where the app uses libpq, and set it by `pulumi config set --plaintext "
            "--path appSecrets.PGPASSWORD '{password}'` (docs/your-app.md)",
            name=name,
            password=PASSWORD,
        )
    if wanted not in RESERVED:
        rule = t(
            "{name} has {placeholder}, which the stack does not know; it knows {known}; {escaped} is the text "
            "{placeholder} itself",
            name=name,
            placeholder=f"${{{wanted}}}",
            escaped=f"$${{{wanted}}}",
            known=", ".join(PLAIN),
        )
        raise ValueError(rules.with_nearest(rule, wanted.upper(), PLAIN))


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return the text of a variable with the values of its placeholders."""

    def value(match: re.Match[str]) -> str:
        return match[0][1:] if match["escaped"] else known[match["name"]]

    return PLACEHOLDER.sub(value, text)


def secret_arn(name: str, text: str) -> str:
    """Return the text when it is a valid `valueFrom`, or the database's password. Raises ValueError.

    The error does not repeat the text, which may be the secret itself.
    """
    if text == PASSWORD:
        return text
    if PLACEHOLDER.search(text):
        raise Invalid(
            "{name} has a placeholder, and of the stack's values appSecrets takes {password} alone, as the whole "
            "value; set others in appVariables",
            name=name,
            password=PASSWORD,
        )
    if not ARN.fullmatch(text):
        raise Invalid(
            "{name} has a value of {count} character, which is not the complete ARN of a Secrets "
            "Manager secret, as `aws secretsmanager describe-secret` shows it, with or without a "
            "JSON key: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
            "{name} has a value of {count} characters, which is not the complete ARN of a "
            "Secrets Manager secret, as `aws secretsmanager describe-secret` shows it, with or "
            "without a JSON key: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX:KEY::",
            name=name,
            count=len(text),
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
    shown=t(
        "a value is encrypted, but the task definition shows variables in plain text; "
        "store it in Secrets Manager and set its ARN in appSecrets"
    ),
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
    """Return the app's variables."""
    own = read(APP_VARIABLES)
    for key in APP_RESOURCES:
        if not read(key):
            read.check(partial(_check_without, own, key), APP_VARIABLES, key)
    return own


def _check_without(named: Mapping[str, str], off: Key[bool]) -> None:
    """Raise ValueError when a variable has the placeholder of a resource that the stack does not have."""
    for name, text in named.items():
        if off.variable in _placeholders(text):
            raise Invalid(
                "{name} has {placeholder}, which this stack does not have; "
                "`pulumi config set {key} true` adds it",
                name=name,
                placeholder=f"${{{off.variable}}}",
                key=off.name,
            )


def secrets(read: Reader) -> Mapping[str, str]:
    """Return the app's secrets. ECS refuses a name that is also a variable's (API reference, Secret)."""
    own, others = read(APP_SECRETS), read(APP_VARIABLES)

    def apart() -> None:
        if both := sorted(own.keys() & others.keys()):
            raise Invalid(
                "{names} is in appVariables, too; remove it from one of the two: "
                "`pulumi config rm --path appVariables.{name}`",
                names=", ".join(both),
                name=both[0],
            )

    read.check(apart, APP_SECRETS, APP_VARIABLES)
    return own
