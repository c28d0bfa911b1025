"""What the rehearsal changes in moto's RDS: status, endpoint and master password of an instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend

from rehearsal.control import hooks
from rehearsal.data.hooking import Hooking
from rehearsal.data.rds_names import endpoint, password, secret_string

HOSTED_ZONE = "Z24O6O9L7SGTNB"
"""Of RDS endpoints in ap-northeast-1."""


def address(instance: Any) -> str:
    """The endpoint's name."""
    return endpoint(instance.db_instance_identifier, hooks.ACCOUNT, instance.region)


def apply(hooking: Hooking, created: Callable[[Any], None]) -> None:
    """Moto has an instance available at once, under a made-up name and with a fixed password."""
    create = RDSBackend.create_db_instance

    def create_db_instance(backend: Any, db_kwargs: dict[str, Any]) -> Any:
        instance = create(backend, db_kwargs)
        created(instance)
        return instance

    def place(instance: Any) -> dict[str, Any] | None:
        if instance.status == "creating":
            return None
        return {
            "Address": address(instance),
            "Port": instance.port,
            "HostedZoneId": HOSTED_ZONE,
        }

    def secret(managed: Any) -> str:
        return secret_string(str(managed.resource.master_username), password())

    hooking.patch(RDSBackend, "create_db_instance", create_db_instance)
    hooking.patch(DBInstance, "address", property(address))
    hooking.patch(DBInstance, "endpoint", property(place))
    hooking.patch(MasterUserSecret, "_generate_secret_string", secret)
