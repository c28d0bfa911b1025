"""What a load balancer does with a request, by the rules and targets of that moment."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data import answers, listener_view, routing
from rehearsal.data.answers import Answer
from rehearsal.data.firewall import Endpoint, allows
from rehearsal.data.health import SHORTEST_TIMEOUT
from rehearsal.data.listener_view import View
from rehearsal.data.network import endpoint_of, load_balancer_endpoints, read_map
from rehearsal.data.target_state import choose
from rehearsal.data.targets import Target, Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.task_place import TaskAddress
from rehearsal.data.upstream import CONNECT_SECONDS, Pool, Upstream

FRESH_SECONDS = 0.1
"""How old what is known of the declared network may be, in seconds of the wall."""
MANY = 1000

Standing = Callable[[], Iterable[tuple[tuple[str, int], int, View | None]]]
"""Every listener's declared protocol and port, the port that stands for it here, and its view."""


class Forwarding:
    """Decides about requests, and knows where targets really listen."""

    def __init__(
        self, clock: Clock, targets: Targets, network: TaskNetwork, standing: Standing
    ) -> None:
        self._targets, self._network, self._standing = targets, network, standing
        self._turns: dict[str, int] = {}
        self._places: dict[tuple[Target, int], tuple[float, TaskAddress | None]] = {}
        limit = min(CONNECT_SECONDS, max(clock.wall(CONNECT_SECONDS), SHORTEST_TIMEOUT))
        self.pool = Pool(limit)

    async def decide(self, view: View, request: routing.Request) -> Answer | Upstream:
        """An answer of the balancer's own, or a target to ask."""
        rule = routing.choose(view.rules, request)
        action = rule.actions[-1]
        match action["Type"]:
            case "fixed-response":
                return answers.fixed(action["FixedResponseConfig"])
            case "redirect":
                config = action["RedirectConfig"]
                place = routing.location(config, request, view.protocol, view.port)
                return answers.redirect(config, self._on_this_machine(view, place))
            case "forward":
                return self._forward(action)
        return answers.error(500)

    def _forward(self, action: Mapping[str, Any]) -> Answer | Upstream:
        groups = listener_view.forwards(action)
        weights = [weight for _, weight in groups]
        if not any(weights):
            return answers.error(503)
        group = random.choices([arn for arn, _ in groups], weights)[0]  # noqa: S311 - no secret
        registered = [each for each in self._targets.of(group) if each.draining_until is None]
        usable = choose([each.health.state for each in registered])
        if not usable:
            return answers.error(503)
        turn = self._turns[group] = self._turns.get(group, -1) + 1
        target = registered[usable[turn % len(usable)]]
        return Upstream(self.pool, target, self.place(target, target.port), _speaks_tls(group))

    def place(self, target: Target, port: int) -> TaskAddress | None:
        """Where a target really listens on ``port``, if its load balancers may reach it there."""
        now = time.monotonic()
        known = self._places.get((target, port))
        if known is None or now - known[0] > FRESH_SECONDS:
            known = self._places[target, port] = (now, self._find(target, port))
        if len(self._places) > MANY:
            self._places.clear()
        return known[1]

    def _find(self, target: Target, port: int) -> TaskAddress | None:
        task = self._network.find(target.id)
        if task is None:
            return None
        network, destination = read_map(), endpoint_of(task.interface)
        nodes = _nodes(target.group)
        if any(allows(network, node, destination, port) for node in nodes):
            return TaskAddress(task.address, port, task.namespace)
        return None

    def _on_this_machine(self, view: View, location: str) -> str:
        """Another listener's declared port, as the port that stands for it here."""
        scheme, _, rest = location.partition("://")
        place, slash, path = rest.partition("/")
        host, _, port = place.partition(":")
        declared = (scheme.upper(), int(port or {"http": 80, "https": 443}[scheme]))
        for known, real, other in self._standing():
            if known == declared and other and other.balancer is view.balancer:
                return f"{scheme}://{host}:{real}{slash}{path}"
        return location


def _speaks_tls(group: str) -> bool:
    """Whether requests go to the group's targets over TLS: its protocol is HTTPS."""
    found = hooks.backend("elbv2").target_groups.get(group)
    return found is not None and str(found.protocol) == "HTTPS"


def _nodes(group: str) -> list[Endpoint]:
    """The nodes of every load balancer that uses the target group."""
    found: list[Endpoint] = []
    with hooks.LOCK:
        elb = hooks.backend("elbv2")
        for balancer in elb.load_balancers.values():
            actions = [
                action.data
                for listener in balancer.listeners.values()
                for rule in listener.rules.values()
                for action in rule.actions
            ]
            if any(group in elb._get_target_group_arns_from(action_data=each) for each in actions):
                found += load_balancer_endpoints(balancer)
    return found
