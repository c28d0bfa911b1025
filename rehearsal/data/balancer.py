"""The load balancers' listeners on loopback, which obey what is declared at the time of each request."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from dataclasses import dataclass, field

from i18n import t
from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data import listener_tls, listener_view
from rehearsal.data.authority import Authority
from rehearsal.data.forwarding import FRESH_SECONDS, Forwarding
from rehearsal.data.hooking import Hooking
from rehearsal.data.listener_tls import Declared
from rehearsal.data.listener_view import View
from rehearsal.data.loop import Loop
from rehearsal.data.metrics.traffic import Traffic
from rehearsal.data.names import names_of
from rehearsal.data.network import read_map
from rehearsal.data.proxy import Client
from rehearsal.data.targets import Targets
from rehearsal.data.task_network import TaskNetwork

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
USUAL_PORTS = {("HTTP", 80): 8080, ("HTTPS", 443): 8443}
"""Where listeners are looked for first on this machine, by what is declared."""
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
    declared: Declared
    context: ssl.SSLContext | None = None
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
        traffic: Traffic,
    ) -> None:
        self._loop, self._traffic = loop, traffic
        self._authority, self._wanted = authority, port
        self._listening: dict[str, Listening] = {}
        self._changing = asyncio.Lock()
        self.forwarding = Forwarding(clock, targets, network, self._standing)

    def start(self, hooking: Hooking) -> None:
        """Make sure of the port. Raises PortTaken."""
        if self._wanted is not None and not _free(self._wanted):
            raise PortTaken(
                t(
                    "port {port} on {host} is in use: choose another with --port, or --port 0",
                    port=self._wanted,
                    host=HOST,
                )
            )
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
            self.forwarding.pool.close()

    def describe(self) -> list[dict[str, object]]:
        """For ``cloud status``. Who does HTTPS gets the file with the authority to trust."""
        return [self._described(each) for each in self._listening.values()]

    def port_of(self, name: str, port: int) -> int | None:
        """The port here of the listener that a name and a declared port, or its own one, lead to."""
        for each in list(self._listening.values()):
            view = self._view(each) if port in (each.declared.place[1], each.port) else None
            if view is not None and name.lower() in names_of(view.balancer):
                return each.port
        return None

    def _described(self, each: Listening) -> dict[str, object]:
        protocol, port = each.declared.place
        trust = {"authority": str(self._authority.path)} if protocol == "HTTPS" else {}
        return {
            "arn": each.arn,
            "declared": f"{protocol}:{port}",
            "url": f"{protocol.lower()}://localhost:{each.port}",
            **trust,
        }

    def _standing(self) -> list[tuple[tuple[str, int], int, View | None]]:
        return [(each.declared.place, each.port, each.view) for each in self._listening.values()]

    async def _follow(self) -> None:
        async with self._changing:
            declared = listener_tls.read()
            for arn in set(self._listening) - set(declared):
                await self._close(self._listening.pop(arn))
            for arn, what in declared.items():
                old = self._listening.get(arn)
                if old is not None and old.declared == what:
                    continue
                if old is not None and old.declared.place == what.place:
                    self._secure(old, what)
                    continue
                if old is not None:
                    await self._close(self._listening.pop(arn))
                try:
                    await self._open(arn, what)
                except OSError:
                    log.exception("the rehearsal cannot listen for %s", arn)

    async def _open(self, arn: str, declared: Declared) -> None:
        each = Listening(arn, 0, declared)
        if declared.protocol == "HTTPS":
            each.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._secure(each, declared)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(each, reader, writer)

        each.server = await asyncio.start_server(
            accept, HOST, self._port_for(declared), ssl=each.context, backlog=512
        )
        each.port = each.server.sockets[0].getsockname()[1]
        self._listening[arn] = each

    def _port_for(self, declared: Declared) -> int:
        """The port that was asked for stands for HTTP:80; 0 takes any that is free."""
        if self._wanted is not None:
            port = self._wanted if declared.place == ("HTTP", 80) else 0
        else:
            port = USUAL_PORTS.get(declared.place, 0)
        return port if port and _free(port) else 0

    def _secure(self, each: Listening, declared: Declared) -> None:
        """Have new connections meet the declared certificate and security policy."""
        each.declared, view = declared, self._view(each)
        if each.context is None or view is None:
            return
        listener_tls.secure(each.context, declared, view.certificate_names, self._authority)

    async def _close(self, each: Listening) -> None:
        if each.server is not None:
            each.server.close()
        for client in list(each.clients):
            client.cancel()

    async def _serve(
        self, each: Listening, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Client(reader, writer, self.forwarding.decide, self._traffic)
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


def _read(arn: str) -> View | None:
    for balancer in hooks.backend("elbv2").load_balancers.values():
        listener = balancer.listeners.get(arn)
        if listener is not None:
            return listener_view.read(balancer, listener, read_map())
    return None


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
