"""The database login: from the environment, and from Secrets Manager after it was refused."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from webapp import logs
from webapp.settings import Settings

log = logging.getLogger(__name__)

# Seconds between two reads of the secret. During a rotation it may have the old password for some
# seconds, so it must be read again.
COOLDOWN = 1.0
TIMEOUT = 1.0  # seconds to connect to Secrets Manager, and again for its response


class SecretUnavailable(Exception):
    """The secret could not be read, or does not contain a login."""


@dataclass(frozen=True)
class Login:
    """The database user and its password."""

    user: str
    password: str = field(repr=False)


class SecretsManager:
    """Reads a secret that RDS manages, whose JSON has only `username` and `password`."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    def __call__(self) -> Login:
        """Read the secret. Raises SecretUnavailable, whose text never contains the secret."""
        try:
            answer = self._client().get_secret_value(SecretId=self.arn)["SecretString"]
        except Exception as error:
            raise SecretUnavailable(f"cannot read {self.arn}: {error}") from error
        try:
            secret = json.loads(answer)
            login = Login(str(secret["username"]), str(secret["password"]))
        except (ValueError, TypeError, KeyError):
            # From None: the original exception contains the secret's text.
            raise SecretUnavailable(f"{self.arn} does not hold username and password") from None
        logs.hide(login.password)
        return login

    def _client(self) -> Any:
        # Imported here: the import takes longer than the rest of the start.
        import boto3
        from botocore.config import Config

        retries = {"total_max_attempts": 2, "mode": "standard"}
        config = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries=retries)
        region = self.arn.split(":")[3]
        # A new client each time, so that it has the current credentials of the task role.
        return boto3.Session().client("secretsmanager", region_name=region, config=config)


class Credentials:
    """The current login. Connections that are refused at the same time cause one read of the secret."""

    def __init__(
        self,
        login: Login | None,
        look_up: Callable[[], Login] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._login = login
        self._look_up = look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the credentials of the settings. Without DB_PASSWORD the secret is the only source."""
        login = None
        if settings.db_password is not None:
            logs.hide(settings.db_password)
            login = Login(settings.db_user, settings.db_password)
        arn = settings.db_secret_arn
        return cls(login, SecretsManager(arn) if arn else None)

    def current(self) -> Login:
        """Return the login to connect with. Raises SecretUnavailable."""
        login = self._login or self.replace(None)
        if login is None:
            raise SecretUnavailable("no login yet: the secret was asked for a moment ago")
        return login

    def replace(self, refused: Login | None) -> Login | None:
        """Return a login other than the refused one, or None when the secret has no other."""
        with self._lock:
            if self._login != refused:
                return self._login
            if self._look_up is None or self._clock() < self._not_before:
                return None
            try:
                found = self._look_up()
            finally:
                self._not_before = self._clock() + COOLDOWN
            if found == refused:
                log.warning("the secret still holds the login that the database refuses")
                return None
            self._login = found
            log.info("took the database login from Secrets Manager")
            return found
