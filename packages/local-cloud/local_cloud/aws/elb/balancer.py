"""The load balancers' listeners on loopback, and the routing of each request by the current declarations."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_cloud.aws import hooks
from local_cloud.aws.ec2.firewall import Endpoint, allows
from local_cloud.aws.ec2.network import endpoint_of, load_balancer_endpoints, read_map
from local_cloud.aws.elb.listener import (
    Answer,
    Declared,
    Request,
    View,
    choose_rule,
    error_answer,
    fixed_answer,
    forwards,
    read_declared,
    read_view,
    redirect_answer,
    redirect_location,
    secure,
)
from local_cloud.aws.elb.login import Login, config_of
from local_cloud.aws.elb.metrics import Traffic, balanced
from local_cloud.aws.elb.proxy import Client
from local_cloud.aws.elb.targets import Target, Targets, choose
from local_cloud.aws.elb.upstream import CONNECT_SECONDS, SHORTEST_TIMEOUT, Pool, Upstream
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.names import host_names_of
from local_cloud.clock import Clock
from local_cloud.machine.authority import Authority
from local_cloud.machine.namespaces import TaskAddress
from local_cloud.machine.problems import PROBLEMS
from local_cloud.machine.sockets import LOOPBACK, Loop, check_free, close_server, is_free

if TYPE_CHECKING:
    from local_cloud.aws.ecs.placement import Placement

FRESH_SECONDS = 0.1
"""Maximum age of the network's data, in real seconds."""
MANY = 1000

Standing = Callable[[], Iterable[tuple[tuple[str, int], int, View | None]]]
"""Every listener's declared protocol and port, its local port, and its view."""


Find = Callable[[str], "Placement | None"]
"""Returns the task that has a private address of the VPC."""


class Forwarding:
    """Routes requests, and returns where targets listen on this machine."""

    def __init__(
        self, clock: Clock, targets: Targets, find: Find, standing: Standing, login: Login
    ) -> None:
        self._login = login
        self._targets, self._find_task, self._standing = targets, find, standing
        self._turns: dict[str, int] = {}
        self._credits: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
        self._addresses: dict[tuple[Target, int], tuple[float, TaskAddress | None]] = {}
        limit = min(CONNECT_SECONDS, max(clock.wall(CONNECT_SECONDS), SHORTEST_TIMEOUT))
        self.pool = Pool(limit)

    async def decide(self, view: View, request: Request) -> Answer | Upstream:
        """Return the balancer's own response, or a target to forward to."""
        rule = choose_rule(view.rules, request)
        action, user = rule.actions[-1], []
        if config := config_of(rule):
            found = await self._login.decide(config, view, request)
            if isinstance(found, Answer):
                return found
            user = found
        match action["Type"]:
            case "fixed-response":
                return fixed_answer(action["FixedResponseConfig"])
            case "redirect":
                config = action["RedirectConfig"]
                location = redirect_location(config, request, view.protocol, view.port)
                return redirect_answer(config, self._on_this_machine(view, location))
            case "forward":
                target = self._forward(action)
                if isinstance(target, Upstream):
                    target.headers = user
                return target
        return error_answer(500)

    def _forward(self, action: Mapping[str, Any]) -> Answer | Upstream:
        weights = dict(forwards(action))
        if not any(weights.values()):
            return error_answer(503)
        group = self._next_group(weights)
        registered = [each for each in self._targets.of(group) if each.draining_until is None]
        usable = choose([each.health.state for each in registered])
        if not usable:
            return error_answer(503)
        turn = self._turns[group] = self._turns.get(group, -1) + 1
        target = registered[usable[turn % len(usable)]]
        return Upstream(self.pool, target, self.address(target, target.port), _speaks_tls(group))

    def _next_group(self, weights: Mapping[str, int]) -> str:
        """Return the next target group, in exact shares of the weights (smooth weighted round robin)."""
        credits = self._credits.setdefault(tuple(weights.items()), dict.fromkeys(weights, 0))
        for group, weight in weights.items():
            credits[group] += weight
        chosen = max(credits, key=lambda group: credits[group])
        credits[chosen] -= sum(weights.values())
        return chosen

    def address(self, target: Target, port: int) -> TaskAddress | None:
        """Return where a target listens on ``port``, if its load balancers may reach it."""
        now = time.monotonic()
        known = self._addresses.get((target, port))
        if known is None or now - known[0] > FRESH_SECONDS:
            known = self._addresses[target, port] = (now, self._find(target, port))
        if len(self._addresses) > MANY:
            self._addresses.clear()
        return known[1]

    def _find(self, target: Target, port: int) -> TaskAddress | None:
        task = self._find_task(target.id)
        if task is None:
            return None
        network, destination = read_map(), endpoint_of(task.interface)
        nodes = _nodes(target.group)
        if any(allows(network, node, destination, port) for node in nodes):
            return task.at(port)
        return None

    def _on_this_machine(self, view: View, location: str) -> str:
        """Replace another listener's declared port in a redirect by its local port."""
        scheme, _, rest = location.partition("://")
        authority, slash, path = rest.partition("/")
        host, _, port = authority.partition(":")
        declared = (scheme.upper(), int(port or {"http": 80, "https": 443}[scheme]))
        for known, real, other in self._standing():
            if known == declared and other and other.balancer is view.balancer:
                return f"{scheme}://{host}:{real}{slash}{path}"
        return location


def _speaks_tls(group: str) -> bool:
    """Return whether requests are sent to the group's targets over TLS: its protocol is HTTPS."""
    found = hooks.backend("elbv2").target_groups.get(group)
    return found is not None and str(found.protocol) == "HTTPS"


def _nodes(group: str) -> list[Endpoint]:
    users = [balancer for balancer, arn in balanced() if arn == group]
    return [node for balancer in users for node in load_balancer_endpoints(balancer)]


log = logging.getLogger(__name__)

USUAL_PORTS = {("HTTP", 80): 8080, ("HTTPS", 443): 8443}
"""The local ports that are tried first, by declared protocol and port."""
CHANGES = (
    *("CreateListener", "ModifyListener", "DeleteListener", "DeleteLoadBalancer"),
    *("CreateRule", "ModifyRule", "DeleteRule", "SetRulePriorities"),
)


@dataclass(eq=False)
class Listening:
    arn: str
    port: int
    declared: Declared
    context: ssl.SSLContext | None = None
    server: asyncio.Server | None = None
    view: View | None = None
    read_at: float = 0.0
    clients: set[asyncio.Task[None]] = field(default_factory=set)


class Balancer:
    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        targets: Targets,
        find: Find,
        authority: Authority,
        port: int | None,
        traffic: Traffic,
        client: str,
    ) -> None:
        self._loop, self._traffic, self._client = loop, traffic, client
        self._authority, self._wanted = authority, port
        self._listening: dict[str, Listening] = {}
        self._changing = asyncio.Lock()
        login = Login(clock, authority.trust())
        self.forwarding = Forwarding(clock, targets, find, self._standing, login)

    def start(self, hooking: Hooking) -> None:
        """Check the port and register the hooks. Raises PortTaken."""
        if self._wanted is not None:
            check_free(self._wanted, "--port")
        for action in CHANGES:
            hooking.after("elbv2", action, lambda _: self.changed())

    def changed(self) -> None:
        """Update the listeners after a change of declarations."""
        for listening in list(self._listening.values()):
            listening.read_at = 0.0
        self._loop.begin(self._follow())

    async def stop(self) -> None:
        async with self._changing:
            for listening in list(self._listening.values()):
                await self._close(listening)
            self.forwarding.pool.close()

    def describe(self) -> list[dict[str, object]]:
        """Return the listeners for ``cloud status``; those with HTTPS have the authority's file."""
        return [self._described(listening) for listening in list(self._listening.values())]

    def port_of(self, name: str, port: int) -> int | None:
        """Return the local port of the listener with that DNS name and declared, or local, port."""
        for each in list(self._listening.values()):
            view = self._view(each) if port in (each.declared.endpoint[1], each.port) else None
            if view is not None and name.lower() in host_names_of(view.balancer):
                return each.port
        return None

    def _described(self, listening: Listening) -> dict[str, object]:
        (protocol, port), view = listening.declared.endpoint, self._view(listening)
        trust = {"authority": str(self._authority.path)} if protocol == "HTTPS" else {}
        return {
            "arn": listening.arn,
            # …:listener/app/NAME/ID/ID
            "balancer": listening.arn.split("/")[2],
            "declared": f"{protocol}:{port}",
            "url": f"{protocol.lower()}://localhost:{listening.port}",
            "open": view is None or view.open_to_clients,
            **trust,
        }

    def _standing(self) -> list[tuple[tuple[str, int], int, View | None]]:
        listening = list(self._listening.values())
        return [(each.declared.endpoint, each.port, each.view) for each in listening]

    async def _follow(self) -> None:
        async with self._changing:
            declared = read_declared()
            for arn in set(self._listening) - set(declared):
                await self._close(self._listening.pop(arn))
            for arn, what in declared.items():
                old = self._listening.get(arn)
                if old is not None and old.declared == what:
                    continue
                if old is not None and old.declared.endpoint == what.endpoint:
                    self._secure(old, what)
                    continue
                if old is not None:
                    await self._close(self._listening.pop(arn))
                with PROBLEMS.caught(f"the listener {arn}"):
                    await self._open(arn, what)

    async def _open(self, arn: str, declared: Declared) -> None:
        listening = Listening(arn, 0, declared)
        if declared.protocol == "HTTPS":
            listening.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._secure(listening, declared)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(listening, reader, writer)

        listening.server = await asyncio.start_server(
            accept, LOOPBACK, self._port_for(declared), ssl=listening.context, backlog=512
        )
        listening.port = listening.server.sockets[0].getsockname()[1]
        self._listening[arn] = listening

    def _port_for(self, declared: Declared) -> int:
        """Return the requested port for HTTP:80, and any free port for 0."""
        if self._wanted is not None:
            port = self._wanted if declared.endpoint == ("HTTP", 80) else 0
        else:
            port = USUAL_PORTS.get(declared.endpoint, 0)
        return port if port and is_free(LOOPBACK, port) else 0

    def _secure(self, listening: Listening, declared: Declared) -> None:
        """Use the declared certificate and security policy for new connections."""
        listening.declared, view = declared, self._view(listening)
        if listening.context is None or view is None:
            return
        secure(listening.context, declared, view.certificate_names, self._authority)

    async def _close(self, listening: Listening) -> None:
        if listening.server is not None:
            await close_server(listening.server)
        for client in list(listening.clients):
            client.cancel()

    async def _serve(
        self, listening: Listening, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Client(reader, writer, self.forwarding.decide, self._traffic, self._client)
        task = asyncio.current_task()
        if task is not None:
            listening.clients.add(task)
        try:
            await client.serve(lambda: self._view(listening))
        except (OSError, asyncio.CancelledError):
            pass
        except Exception:
            log.exception("a request to the load balancer failed")
        finally:
            if task is not None:
                listening.clients.discard(task)
            client.close()

    def _view(self, listening: Listening) -> View | None:
        now = time.monotonic()
        if now - listening.read_at > FRESH_SECONDS and hooks.LOCK.acquire(timeout=FRESH_SECONDS):
            try:
                listening.view, listening.read_at = _read(listening.arn, self._client), now
            finally:
                hooks.LOCK.release()
        return listening.view


def _read(arn: str, client: str) -> View | None:
    for balancer in hooks.backend("elbv2").load_balancers.values():
        listener = balancer.listeners.get(arn)
        if listener is not None:
            return read_view(balancer, listener, read_map(), client)
    return None
