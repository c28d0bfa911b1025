"""Makes the AWS clients and calls.

It uses botocore without boto3, whose S3 transfer manager would slow the start of every command.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecs_gate.aws.errors import translate
from ecs_gate.aws.local_cloud import is_used

if TYPE_CHECKING:
    import botocore.session


CONNECT_SECONDS = 3

READ_SECONDS = 10

ATTEMPTS = 3

CONNECTIONS = 16
"""As many as ask at once; more would only wait for a connection of the pool."""


class Session:
    """AWS with one profile in one region. Safe to share between threads."""

    def __init__(self, region: str | None, profile: str | None = None) -> None:
        self.profile = profile
        self.region = (
            region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        )
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._boto: botocore.session.Session | None = None

    @property
    def place(self) -> Place:
        """Return region and profile, for AWS CLI commands that are printed."""
        return Place(region=self.region, profile=self._profile())

    def client(self, service: str) -> Any:
        """Return the client of a service, made once. Raises AwsProblem."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import NoRegionError

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
        )
        with self._translated_errors(service):
            if self._boto is None:
                self._boto = botocore.session.Session(profile=self._profile())
            region = self.region or self._boto.get_config_variable("region")
            if region == "":  # that of an empty AWS_DEFAULT_REGION
                raise NoRegionError
            client = self._boto.create_client(service, region, config=config)
        self.region = self.region or client.meta.region_name
        return client

    def _profile(self) -> str | None:
        """Return the profile; None for a local cloud, whose shell sets access keys instead."""
        return None if is_used() else self.profile

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call an operation, e.g. ``call("ecs", "describe_services", …)``. Raises AwsProblem."""
        client = self.client(service)
        with self._translated_errors(service, operation):
            answer: dict[str, Any] = getattr(client, operation)(**params)
        return answer

    def pages(self, service: str, operation: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of an operation. Raises AwsProblem."""
        client = self.client(service)
        with self._translated_errors(service, operation):
            yield from client.get_paginator(operation).paginate(**params)

    def all(self, service: str, operation: str, key: str, **params: Any) -> list[Any]:
        """Return the items under ``key`` of all pages. Raises AwsProblem."""
        return [each for page in self.pages(service, operation, **params) for each in page[key]]

    @contextmanager
    def _translated_errors(self, service: str, operation: str = "") -> Iterator[None]:
        """Raise AwsProblem for an error of botocore."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            known = self._clients[service].meta.method_to_api_mapping if operation else {}
            name = str(known.get(operation, operation))
            problem = translate(error, service, name, self.region, self.profile)
            raise problem or error from error


CALL = re.compile(r"aws(?: [a-z][a-z0-9-]*)+(?= |$)")
"""Program, service and operation; `aws rds wait` has one word more."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A region, and a profile if one is named."""

    region: str
    profile: str | None = None

    def complete(self, command: str) -> str:
        """Return an AWS CLI command with --region and --profile added; other commands unchanged."""
        call = CALL.match(command)
        if call is None:
            return command
        options = {"--region": self.region, "--profile": self.profile}
        known = shlex.split(command)
        added = "".join(
            f" {name} {shlex.quote(value)}"
            for name, value in options.items()
            if value and name not in known
        )
        return f"{call[0]}{added}{command[call.end() :]}"
