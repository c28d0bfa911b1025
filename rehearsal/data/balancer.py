"""The load balancers' listeners on loopback, which obey what is declared at the time of each request."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data import answers, listener_view, routing
from rehearsal.data.answers import Answer
from rehearsal.data.authority import Authority
from rehearsal.data.firewall import Endpoint, allows
from rehearsal.data.health import SHORTEST_TIMEOUT
from rehearsal.data.hooking import Hooking
from rehearsal.data.listener_view import View
from rehearsal.data.loop import Loop
from rehearsal.data.network import endpoint_of, load_balancer_endpoints, read_map
from rehearsal.data.proxy import Client
from rehearsal.data.target_state import choose
from rehearsal.data.targets import Target, Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.upstream import CONNECT_SECONDS, Pool, Upstream

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
USUAL_PORT = 8080
FRESH_SECONDS = 0.1
"""How old what is known of a listener may be, in seconds of the wall."""
CHANGES = (
    *("CreateListener", "ModifyListener", "DeleteListener", "DeleteLoadBalancer"),
    *("CreateRule", "ModifyRule", "DeleteRule", "SetRulePriorities"),
)


class PortTaken(Exception):
    """The port that was asked for is in use; says which and the way out."""


@dataclass(eq=False)
class Listening:
    """A listener that really listens."""

    arn: str
    port: int
    declared: tuple[str, int]
    server: asyncio.Server | None = None
    view: View | None = None
    read_at: float = 0.0
    clients: set[asyncio.Task[None]] = field(default_factory=set)


class Balancer:
    """All listeners of all load balancers."""

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        targets: Targets,
        network: TaskNetwork,
        authority: Authority,
        port: int | None,
    ) -> None:
        self._loop, self._targets, self._network = loop, targets, network
        self._authority, self._wanted = authority, port
        self._first_port: int | None = None
        self._listening: dict[str, Listening] = {}
        self._turns: dict[str, int] = {}
        self._changing = asyncio.Lock()
        limit = min(CONNECT_SECONDS, max(clock.wall(CONNECT_SECONDS), SHORTEST_TIMEOUT))
        self._pool = Pool(limit)

    def start(self, hooking: Hooking) -> None:
        """Make sure of the port. Raises PortTaken."""
        if self._wanted is not None and not _free(self._wanted):
            raise PortTaken(
                f"port {self._wanted} on {HOST} is in use: choose another with --port, or --port 0"
            )
        self._first_port = self._wanted
        if self._first_port is None:
            self._first_port = USUAL_PORT if _free(USUAL_PORT) else 0
        for action in CHANGES:
            hooking.after("elbv2", action, lambda _: self.changed())

    def changed(self) -> None:
        """Something was declared anew: listen accordingly."""
        for each in list(self._listening.values()):
            each.read_at = 0.0
        self._loop.begin(self._follow())

    async def stop(self) -> None:
        """Close every listener and connection."""
        async with self._changing:
            for each in list(self._listening.values()):
                await self._close(each)
            self._pool.close()

    def describe(self) -> list[dict[str, object]]:
        """For ``cloud status``."""
        return [
            {
                "arn": each.arn,
                "declared": f"{each.declared[0]}:{each.declared[1]}",
                "url": f"{each.declared[0].lower()}://localhost:{each.port}",
            }
            for each in self._listening.values()
        ]

    async def _follow(self) -> None:
        async with self._changing:
            declared = _declared()
            for arn in set(self._listening) - set(declared):
                await self._close(self._listening.pop(arn))
            for arn, what in declared.items():
                old = self._listening.get(arn)
                if old is not None and old.declared == what:
                    continue
                if old is not None:
                    await self._close(self._listening.pop(arn))
                try:
                    await self._open(arn, what)
                except OSError:
                    log.exception("the rehearsal cannot listen for %s", arn)

    async def _open(self, arn: str, declared: tuple[str, int]) -> None:
        port = 0
        first = self._first_port or 0
        if declared == ("HTTP", 80) and all(
            each.port != first for each in self._listening.values()
        ):
            port = first
        each = Listening(arn, port, declared)
        view = self._view(each)
        context = self._context(view) if declared[0] == "HTTPS" and view else None

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(each, reader, writer)

        each.server = await asyncio.start_server(accept, HOST, port, ssl=context, backlog=512)
        each.port = each.server.sockets[0].getsockname()[1]
        self._listening[arn] = each

    def _context(self, view: View) -> ssl.SSLContext:
        certificate, key = self._authority.issue([*view.certificate_names, "localhost", HOST])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "listener.pem"
            path.touch(mode=0o600)
            path.write_bytes(certificate + key)
            context.load_cert_chain(path)
        return context

    async def _close(self, each: Listening) -> None:
        if each.server is not None:
            each.server.close()
        for client in list(each.clients):
            client.cancel()

    async def _serve(
        self, each: Listening, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Client(reader, writer, self._decide)
        task = asyncio.current_task()
        if task is not None:
            each.clients.add(task)
        try:
            await client.serve(lambda: self._view(each))
        except (OSError, asyncio.CancelledError):
            pass
        except Exception:
            log.exception("a request to the rehearsal's load balancer failed")
        finally:
            if task is not None:
                each.clients.discard(task)
            client.close()

    def _view(self, each: Listening) -> View | None:
        now = time.monotonic()
        if now - each.read_at > FRESH_SECONDS and hooks.LOCK.acquire(timeout=FRESH_SECONDS):
            try:
                each.view, each.read_at = _read(each.arn), now
            finally:
                hooks.LOCK.release()
        return each.view

    async def _decide(self, view: View, request: routing.Request) -> Answer | Upstream:
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
        return Upstream(self._pool, target, self.place(target, target.port))

    def place(self, target: Target, port: int) -> tuple[str, int] | None:
        """Where a target really listens on ``port``, if its load balancers may reach it there."""
        task = self._network.find(target.id)
        if task is None:
            return None
        network, destination = read_map(), endpoint_of(task.interface)
        nodes = _nodes(target.group)
        if any(allows(network, node, destination, port) for node in nodes):
            return task.address, port
        return None

    def _on_this_machine(self, view: View, location: str) -> str:
        """Another listener's declared port, as the port that stands for it here."""
        scheme, _, rest = location.partition("://")
        place, slash, path = rest.partition("/")
        host, _, port = place.partition(":")
        declared = (scheme.upper(), int(port or {"http": 80, "https": 443}[scheme]))
        for each in self._listening.values():
            if each.declared == declared and each.view and each.view.balancer is view.balancer:
                return f"{scheme}://{host}:{each.port}{slash}{path}"
        return location


def _declared() -> dict[str, tuple[str, int]]:
    with hooks.LOCK:
        return {
            str(listener.arn): (str(listener.protocol), int(listener.port))
            for balancer in hooks.backend("elbv2").load_balancers.values()
            for listener in balancer.listeners.values()
            if listener.protocol in ("HTTP", "HTTPS")
        }


def _read(arn: str) -> View | None:
    for balancer in hooks.backend("elbv2").load_balancers.values():
        listener = balancer.listeners.get(arn)
        if listener is not None:
            return listener_view.read(balancer, listener, read_map())
    return None


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


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
