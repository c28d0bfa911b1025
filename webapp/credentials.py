"""The database login: from the environment at first, from Secrets Manager when it is refused."""

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

# Seconds between two look-ups. During a rotation the secret may still hold the old password for
# some seconds, so a look-up has to be repeated.
COOLDOWN = 1.0
TIMEOUT = 1.0  # seconds, to connect to Secrets Manager and then for its answer


class SecretUnavailable(Exception):
    """The secret could not be read, or does not hold a login."""


@dataclass(frozen=True)
class Login:
    """The database user and its password."""

    user: str
    password: str = field(repr=False)


class SecretsManager:
    """Reads a login that RDS manages: its JSON has `username` and `password` only."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    def __call__(self) -> Login:
        """Ask Secrets Manager. Raises SecretUnavailable; its text never holds the answer."""
        try:
            answer = self._client().get_secret_value(SecretId=self.arn)["SecretString"]
        except Exception as error:
            raise SecretUnavailable(f"cannot read {self.arn}: {error}") from error
        try:
            secret = json.loads(answer)
            login = Login(str(secret["username"]), str(secret["password"]))
        except (ValueError, TypeError, KeyError):
            # From None: the original exception would carry the secret's text along.
            raise SecretUnavailable(f"{self.arn} does not hold username and password") from None
        logs.hide(login.password)
        return login

    def _client(self) -> Any:
        # Imported here: it takes longer than all the rest of the start together.
        import boto3
        from botocore.config import Config

        retries = {"total_max_attempts": 2, "mode": "standard"}
        config = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries=retries)
        region = self.arn.split(":")[3]
        # A new client each time, so that the task role's keys are always current ones.
        return boto3.Session().client("secretsmanager", region_name=region, config=config)


class Credentials:
    """The login in use; many connections that are refused together cause one look-up."""

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
        """Those which the settings name; without DB_PASSWORD the secret is the only source."""
        login = None
        if settings.db_password is not None:
            logs.hide(settings.db_password)
            login = Login(settings.db_user, settings.db_password)
        arn = settings.db_secret_arn
        return cls(login, SecretsManager(arn) if arn else None)

    def current(self) -> Login:
        """The login to connect with. Raises SecretUnavailable where none can be had yet."""
        login = self._login or self.replace(None)
        if login is None:
            raise SecretUnavailable("no login yet: the secret was asked for a moment ago")
        return login

    def replace(self, refused: Login | None) -> Login | None:
        """Return a login other than the refused one; None if there is none to be had now."""
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
