"""A Secrets Manager on loopback that holds a login as RDS does."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

REGION = "ap-northeast-1"


class Vault:
    """moto's Secrets Manager, and the variables that lead boto3 to it."""

    def __init__(self, endpoint: str) -> None:
        self.variables = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self._client: Any = boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def store(self, text: str) -> str:
        """Keep a new secret, and return its ARN."""
        name = f"rds!db-{time.monotonic_ns()}"
        return str(self._client.create_secret(Name=name, SecretString=text)["ARN"])

    def store_login(self, password: str) -> str:
        """Keep a new login of the app's user, and return its ARN."""
        return self.store(json.dumps({"username": "postgres", "password": password}))

    def rotate(self, arn: str, password: str) -> None:
        """Give the secret a new version."""
        text = json.dumps({"username": "postgres", "password": password})
        self._client.put_secret_value(SecretId=arn, SecretString=text)


@contextmanager
def open_vault() -> Iterator[Vault]:
    """A vault for as long as the block."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Vault(f"http://{host}:{port}")
    finally:
        server.stop()
