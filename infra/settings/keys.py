"""Every key a stack file may hold, in the order in which users read of them."""

from __future__ import annotations

from typing import Any

from infra.settings import (
    app,
    bastion,
    database,
    general,
    health,
    https,
    image,
    logs,
    monitoring,
    network,
    scaling,
    service,
)
from infra.settings.key import Key

PARTS = (
    *(general, network, database, app, image, service, scaling, health, https),
    *(logs, monitoring, bastion),
)

KEYS: tuple[Key[Any], ...] = tuple(
    value for part in PARTS for value in vars(part).values() if isinstance(value, Key)
)
