"""The database login: from the environment at first, from Secrets Manager when it is refused."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from webapp import redaction
from webapp.settings import Settings

log = logging.getLogger(__name__)

# RDS's managed rotation takes less than a minute, and within it the secret may still be the old
# one: so a look-up is repeated, but not more often than this many seconds.
COOLDOWN = 1.0
CONNECT_TIMEOUT = READ_TIMEOUT = 1.0  # seconds, of one attempt at Secrets Manager


class SecretUnavailable(Exception):
    """The secret could not be read, or does not hold a login."""


@dataclass(frozen=True)
class Login:
    """Who the app is to the database."""

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
        redaction.hide(login.password)
        return login

    def _client(self) -> Any:
        # Imported here: it takes longer than all the rest of the start together.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        region = self.arn.split(":")[3]
        # A new client each time, so that the task role's keys are always current ones.
        return boto3.Session().client("secretsmanager", region_name=region, config=config)


class Credentials:
    """The login in use, replaced at most once in a burst of refusals."""

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
        self.on_replaced: Callable[[], None] = _nothing
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    @classmethod
    def of(cls, settings: Settings) -> "Credentials":
        """Those which the settings name; without DB_PASSWORD the secret is the only source."""
        login = None
        if settings.db_password is not None:
            redaction.hide(settings.db_password)
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
        """A login other than the refused one, or None if there is none to be had now.

        Callers that were refused together cause one look-up: the others get its result.
        """
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
            if refused is not None:
                self.on_replaced()
            return found


def _nothing() -> None:
    """What is done about a new login as long as nobody holds connections."""
