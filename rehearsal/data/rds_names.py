"""The names and passwords that RDS gives."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import string

PASSWORD_LENGTH = 28
PASSWORD_LETTERS = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
"""RDS leaves out / ' " @ and the space (API reference, CreateDBInstance, MasterUserPassword)."""


def endpoint(identifier: str, account: str, region: str) -> str:
    """The instance's DNS name; the middle part is one per account and region, as on RDS."""
    digest = hashlib.sha256(f"{account}/{region}".encode()).digest()
    part = base64.b32encode(digest).decode().lower()[:12]
    return f"{identifier}.{part}.{region}.rds.amazonaws.com"


def password() -> str:
    """A master password as RDS makes them."""
    return "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(PASSWORD_LENGTH))


def secret_string(username: str, word: str) -> str:
    """What a managed master secret holds: only these two keys, no host, no port."""
    return json.dumps({"username": username, "password": word})
