"""What the stack's parts bear, and a load balancer with a real network, as __main__ puts them together."""

from __future__ import annotations

import pulumi

from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.network import Network, NetworkArgs
from stack.settings import Settings

NAME = "careapp-poc"
TAGS = {"project": "careapp", "stack": "poc", "managed-by": "pulumi"}


def balancer(settings: Settings, opts: pulumi.ResourceOptions | None = None) -> LoadBalancer:
    network = Network(NAME, NetworkArgs(settings=settings))
    return LoadBalancer(NAME, LoadBalancerArgs(settings=settings, network=network), opts)
