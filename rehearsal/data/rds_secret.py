"""The managed master secret of a database, in moto's Secrets Manager."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from rehearsal.control import hooks
from rehearsal.data.rds_names import password, secret_string


def current(instance: Any) -> str:
    """The master password now: from the managed secret, else as it was declared."""
    managed = getattr(instance, "master_user_secret", None)
    if managed is None:
        return str(instance.master_user_password)
    return str(json.loads(_current_version(managed.secret)["secret_string"])["password"])


def begin_rotation(instance: Any, version: str | None = None) -> tuple[str, str]:
    """Put a new password into the secret as AWSPENDING; returns its version and the password."""
    secret, word = instance.master_user_secret.secret, password()
    version = version or str(uuid.uuid4())
    with hooks.LOCK:
        for each in secret.versions.values():
            _drop(each, "AWSPENDING")
        secret.versions[version] = {
            "createdate": int(time.time()),
            "version_id": version,
            "version_stages": ["AWSPENDING"],
            "secret_string": secret_string(str(instance.master_username), word),
        }
    return version, word


def finish_rotation(instance: Any, version: str) -> None:
    """Make the pending version the current one, and the current one the previous."""
    secret = instance.master_user_secret.secret
    with hooks.LOCK:
        for each in secret.versions.values():
            _drop(each, "AWSPREVIOUS")
        before = _current_version(secret)
        before["version_stages"] = ["AWSPREVIOUS"]
        after = secret.versions[version]
        after["version_stages"] = ["AWSCURRENT"]
        secret.secret_string = after["secret_string"]
        secret.set_default_version_id(version)
        secret.last_rotation_date = secret.last_changed_date = int(time.time())


def undo_moto(secret: Any) -> None:
    """Moto has made an empty version the current one; RDS does so only when the database has it."""
    empty = [key for key, each in secret.versions.items() if "secret_string" not in each]
    for key in empty:
        del secret.versions[key]
    newest = list(secret.versions.values())[-1]
    newest["version_stages"] = ["AWSCURRENT"]
    secret.set_default_version_id(newest["version_id"])


def _current_version(secret: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in secret.versions.values() if "AWSCURRENT" in each["version_stages"]
    )
    return found


def _drop(version: dict[str, Any], stage: str) -> None:
    version["version_stages"] = [each for each in version["version_stages"] if each != stage]
