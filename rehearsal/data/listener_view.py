"""One listener as it is declared in moto at this moment, ready to route by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rehearsal.control import hooks
from rehearsal.data.firewall import INTERNET, Map, allows
from rehearsal.data.network import load_balancer_endpoints
from rehearsal.data.routing import Rule

LAST = 1 << 30
DEFAULT_IDLE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class View:
    """A listener: its rules, and what the load balancer's attributes say."""

    arn: str
    protocol: str
    port: int
    rules: Sequence[Rule]
    balancer: Any = field(repr=False)
    open_to_clients: bool
    idle_seconds: float
    drop_invalid_headers: bool
    certificate_names: tuple[str, ...] = ()


def read(balancer: Any, listener: Any, network: Map) -> View:
    """The view of one listener."""
    attributes: Mapping[str, str] = balancer.attrs
    port = int(listener.port)
    nodes = load_balancer_endpoints(balancer)
    return View(
        arn=str(listener.arn),
        protocol=str(listener.protocol),
        port=port,
        rules=tuple(_rule(rule) for rule in listener.rules.values()),
        balancer=balancer,
        open_to_clients=any(allows(network, INTERNET, node, port) for node in nodes),
        idle_seconds=float(attributes.get("idle_timeout.timeout_seconds", DEFAULT_IDLE_SECONDS)),
        drop_invalid_headers=attributes.get("routing.http.drop_invalid_header_fields.enabled")
        == "true",
        certificate_names=_names(listener),
    )


def _rule(rule: Any) -> Rule:
    priority = LAST if rule.priority == "default" else int(rule.priority)
    actions = sorted(
        (action.data for action in rule.actions), key=lambda each: each.get("Order", 0)
    )
    return Rule(priority, tuple(rule.conditions), tuple(actions))


def _names(listener: Any) -> tuple[str, ...]:
    if str(listener.protocol) != "HTTPS":
        return ()
    known = hooks.backend("acm")._certificates.get(listener.certificate)
    return tuple(known.sans) if known is not None else ()


def forwards(action: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The target groups of a forward action, with their weights."""
    groups = action.get("ForwardConfig", {}).get("TargetGroups")
    if groups:
        return [(str(each["TargetGroupArn"]), int(each.get("Weight", 1))) for each in groups]
    return [(str(action["TargetGroupArn"]), 1)]
