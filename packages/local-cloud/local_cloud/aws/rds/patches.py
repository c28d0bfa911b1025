"""Replaces parts of moto's RDS: an instance's status, endpoint, master password and managed secret."""

import base64
import hashlib
import json
import secrets
import string
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend
from moto.secretsmanager.models import FakeSecret

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.schedule_expressions import next_time

PASSWORD_LENGTH = 28
PASSWORD_LETTERS = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
"""RDS excludes / ' " @ and the space (API reference, CreateDBInstance, MasterUserPassword)."""


def endpoint(identifier: str, account: str, region: str) -> str:
    """Return an instance's DNS name. Its middle part is one per account and region, as on RDS."""
    digest = hashlib.sha256(f"{account}/{region}".encode()).digest()
    part = base64.b32encode(digest).decode().lower()[:12]
    return f"{identifier}.{part}.{region}.rds.amazonaws.com"


def password() -> str:
    """Return a new master password in RDS's format."""
    return "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(PASSWORD_LENGTH))


def secret_string(username: str, word: str) -> str:
    """Return the value of a managed master secret: only these two keys, without host and port."""
    return json.dumps({"username": username, "password": word})


USUAL_ROTATION = {"AutomaticallyAfterDays": 7}
"""RDS rotates a managed secret every seven days by default (RDS user guide, "Password management")."""
make_secret, describe_secret = MasterUserSecret._create_secret, FakeSecret.to_dict
HOSTED_ZONE = "Z24O6O9L7SGTNB"
"""The hosted zone of RDS endpoints in ap-northeast-1."""


def instances() -> list[Any]:
    """Return the DB instances of the account."""
    with hooks.LOCK:
        return list(hooks.backend("rds").databases.values())


def address(instance: Any) -> str:
    return endpoint(instance.db_instance_identifier, hooks.ACCOUNT, instance.region)


def apply(hooking: Hooking, create: Callable[..., Any], created: Callable[[Any], None]) -> None:
    """Replace moto's creation: it makes an instance available at once, with an invalid name and a fixed password."""

    def create_db_instance(backend: Any, db_kwargs: dict[str, Any]) -> Any:
        instance = create(backend, db_kwargs)
        created(instance)
        return instance

    def place(instance: Any) -> dict[str, Any] | None:
        if instance.status == "creating":
            return None
        return {"Address": address(instance), "Port": instance.port, "HostedZoneId": HOSTED_ZONE}

    def secret(managed: Any) -> str:
        return secret_string(str(managed.resource.master_username), password())

    def managed_secret(managed: Any, kms_key_id: str | None) -> Any:
        made = make_secret(managed, kms_key_id)
        made.rotation_requested = made.rotation_enabled = True
        keep_schedule(made, None)
        return made

    hooking.patch(RDSBackend, "create_db_instance", create_db_instance)
    hooking.patch(DBInstance, "address", property(address))
    hooking.patch(DBInstance, "endpoint", property(place))
    hooking.patch(MasterUserSecret, "_generate_secret_string", secret)
    hooking.patch(MasterUserSecret, "_create_secret", managed_secret)
    hooking.patch(FakeSecret, "to_dict", _with_rules)


def current(instance: Any) -> str:
    """Return the current master password, from the managed secret or as declared."""
    managed = getattr(instance, "master_user_secret", None)
    if managed is None:
        return str(instance._master_user_password)  # moto tells nobody else.
    return str(json.loads(_current_version(managed.secret)["secret_string"])["password"])


def begin_rotation(instance: Any, version: str | None = None) -> tuple[str, str]:
    """Put a new password into the secret as AWSPENDING and return its version and the password."""
    secret, word = instance.master_user_secret.secret, password()
    version = version or str(uuid.uuid4())
    with hooks.LOCK:
        for stored in secret.versions.values():
            _drop(stored, "AWSPENDING")
        secret.versions[version] = {
            "createdate": int(time.time()),
            "version_id": version,
            "version_stages": ["AWSPENDING"],
            "secret_string": secret_string(str(instance.master_username), word),
        }
    return version, word


def finish_rotation(instance: Any, version: str) -> None:
    """Make the pending version AWSCURRENT and the current one AWSPREVIOUS."""
    secret = instance.master_user_secret.secret
    with hooks.LOCK:
        for stored in secret.versions.values():
            _drop(stored, "AWSPREVIOUS")
        before = _current_version(secret)
        before["version_stages"] = ["AWSPREVIOUS"]
        # A version without a label is deprecated, and deleted (Secrets Manager user guide, "Secret versions").
        for key in [key for key, stored in secret.versions.items() if not stored["version_stages"]]:
            del secret.versions[key]
        after = secret.versions[version]
        after["version_stages"] = ["AWSCURRENT"]
        secret.secret_string = after["secret_string"]
        secret.set_default_version_id(version)
        secret.last_rotation_date = secret.last_changed_date = int(time.time())


def keep_schedule(secret: Any, rules: Any) -> None:
    """Keep the schedule of a managed secret's rotation, days or an expression, as DescribeSecret returns it."""
    vars(secret)["rules"] = rules = rules or vars(secret).get("rules") or USUAL_ROTATION
    expression = rules.get("ScheduleExpression") or f"rate({rules['AutomaticallyAfterDays']} days)"
    now = datetime.now(UTC)
    moment = next_time(expression, "UTC", now)(now + timedelta(microseconds=1))
    secret.next_rotation_date = int(moment.timestamp()) if moment else None


def _with_rules(secret: Any) -> Any:
    """Describe a secret with all rules of its rotation, of which moto knows the days."""
    found = describe_secret(secret)
    return found | {"RotationRules": rules} if (rules := vars(secret).get("rules")) else found


def _current_version(secret: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(
        version for version in secret.versions.values() if "AWSCURRENT" in version["version_stages"]
    )
    return found


def _drop(version: dict[str, Any], stage: str) -> None:
    version["version_stages"] = [label for label in version["version_stages"] if label != stage]
