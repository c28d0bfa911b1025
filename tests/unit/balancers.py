"""A load balancer with a real network, as __main__ puts them together."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.network import Network, NetworkArgs
from infra.settings import Settings


def declare(
    settings: Settings, opts: pulumi.ResourceOptions | None = None, **more: Any
) -> LoadBalancer:
    """Declare both; ``more`` are further arguments of the load balancer, or others of them."""
    args = {
        "settings": settings.health,
        "https": settings.https,
        "network": Network("careapp-poc", NetworkArgs(settings=settings.network)),
        "protect": settings.protect,
    }
    return LoadBalancer("careapp-poc", LoadBalancerArgs(**(args | more)), opts)
