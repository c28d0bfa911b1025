"""The settings from the environment variables, checked before the server starts."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

RDS_BUNDLE = Path(__file__).with_name("certs") / "rds-ca.pem"
MAX_WORKERS = 64
MAX_POOL_SIZE = 50
MAX_KEEP_ALIVE = 7200
MAX_IDENTIFIER = 63  # bytes; PostgreSQL truncates longer names (NAMEDATALEN)
SHOWN = 60  # characters of an invalid value in an error
# Of the database's variables an error shows only DB_PORT, and only up to 7 characters: any other value
# may contain the password, as JSON, in a URL, or set in the wrong variable. Passwords of RDS for
# PostgreSQL have at least 8 characters (API reference, CreateDBInstance).
PORT_SLIP = re.compile(r"[0-9A-Za-z]{1,7}")

HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


class SettingsError(Exception):
    """Environment variables are missing or invalid; the text names every problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("hello-ecs cannot start: " + "; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One task's settings. `load` returns only checked ones."""

    bind_host: str
    port: int
    workers: int
    keep_alive: int
    """Seconds that an idle connection stays open. Behind a load balancer longer than its idle timeout."""
    log_level: str
    version: str
    db_host: str
    db_port: int
    db_name: str
    db_pool_size: int
    """Connections of one worker for its pages."""
    db_user: str
    db_password: str | None = field(repr=False)
    db_secret_arn: str | None
    db_sslmode: str
    db_sslrootcert: Path
    metadata_uri: str | None
    load_balancer: str | None
    """The ARN of the load balancer whose signed claims are believed."""

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as missing. Raises SettingsError."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for field_name, (name, parse, default) in VARIABLES.items():
            text = environ.get(name) or default
            try:
                values[field_name] = parse(text) if text else None
            except ValueError as error:
                problems.append(_refusal(name, text or "", error))
            if name in REQUIRED and not text:
                problems.append(f"{name} is missing")
        if not environ.get("DB_PASSWORD") and not environ.get("DB_SECRET_ARN"):
            problems.append("DB_PASSWORD is missing, and so is DB_SECRET_ARN: set one of them")
        if problems:
            raise SettingsError(problems)
        return cls(**values)


def _refusal(name: str, value: str, rule: ValueError) -> str:
    """Return the problem of a variable, with its value only when that cannot be a secret."""
    if name.startswith("DB_") and not (name == "DB_PORT" and PORT_SLIP.fullmatch(value)):
        return f"{name} is not {rule}: its {len(value)} characters are not shown"
    shown = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
    return f"{name} is {shown!a}, which is not {rule}"


def _up_to(high: int, what: str) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= high:
            raise ValueError(f"{what} (1 to {high})")
        return int(value)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return parse


def _like(pattern: str, what: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(what)
        return value

    return parse


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("an IP address") from None


def _host(value: str) -> str:
    if len(value) > 253 or not HOST_NAME.fullmatch(value):
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError("a host name or an IP address") from None
    return value


def _identifier(value: str) -> str:
    # JSON would be the text of a secret, which PostgreSQL would repeat in its error.
    too_long = len(value.encode(errors="replace")) > MAX_IDENTIFIER
    if too_long or not value.isprintable() or value.startswith("{"):
        raise ValueError(f"a name of at most {MAX_IDENTIFIER} printable bytes, and no JSON")
    return value


def _printable(value: str) -> str:
    if len(value) > 128 or not value.isprintable():
        raise ValueError("at most 128 printable characters")
    return value


_secret_arn = _like(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@!-]+",
    "the ARN of a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME)",
)
_load_balancer = _like(
    r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/app/[\w./-]+",
    "the ARN of an Application Load Balancer",
)
_url = _like(r"https?://[!-~]+", "an http address")


def _readable_file(value: str) -> Path:
    try:
        with Path(value).open("rb"):
            return Path(value)
    except OSError as error:
        raise ValueError(f"a file that can be read ({error.strerror})") from None


VARIABLES: Mapping[str, tuple[str, Callable[[str], Any], str | None]] = {
    "bind_host": ("BIND_HOST", _address, "0.0.0.0"),  # noqa: S104
    "port": ("PORT", _up_to(65535, "a port"), "3000"),
    "workers": ("WEB_CONCURRENCY", _up_to(MAX_WORKERS, "a number of workers"), "1"),
    # The default is gunicorn's own.
    "keep_alive": ("KEEP_ALIVE_SECONDS", _up_to(MAX_KEEP_ALIVE, "a number of seconds"), "2"),
    "log_level": ("LOG_LEVEL", _one_of("debug", "info", "warning", "error", "critical"), "info"),
    "version": ("APP_VERSION", _printable, "unversioned"),
    "db_host": ("DB_HOST", _host, None),
    "db_port": ("DB_PORT", _up_to(65535, "a port"), "5432"),
    "db_name": ("DB_NAME", _identifier, None),
    "db_pool_size": ("DB_POOL_SIZE", _up_to(MAX_POOL_SIZE, "a number of connections"), "4"),
    "db_user": ("DB_USER", _identifier, None),
    "db_password": ("DB_PASSWORD", str, None),
    "db_secret_arn": ("DB_SECRET_ARN", _secret_arn, None),
    "db_sslmode": (
        "DB_SSLMODE",
        _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "verify-full",
    ),
    "db_sslrootcert": ("DB_SSLROOTCERT", _readable_file, str(RDS_BUNDLE)),
    "metadata_uri": ("ECS_CONTAINER_METADATA_URI_V4", lambda text: _url(text).rstrip("/"), None),
    "load_balancer": ("LOAD_BALANCER_ARN", _load_balancer, None),
}
"""By field of Settings: the variable, its parser and its default."""
REQUIRED = ("DB_HOST", "DB_NAME", "DB_USER")
