"""The balancer's connections to targets, with one exchange at a time on each, and the health checks."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from ipaddress import IPv4Address

import h11

from local_cloud.aws import hooks
from local_cloud.aws.elb.metrics import balanced
from local_cloud.aws.elb.targets import (
    FAILED,
    NOT_IN_ZONE,
    TIMED_OUT,
    Check,
    Reason,
    Target,
    Targets,
    answered,
    check_of,
)
from local_cloud.clock import Clock
from local_cloud.machine.namespaces import TaskAddress
from local_cloud.machine.problems import PROBLEMS

CHUNK = 65536
CONNECT_SECONDS = 10.0
"""Seconds after which an ALB that cannot connect answers 504 (ELB user guide, troubleshooting)."""
KEPT = 32


class NoAnswer(Exception):
    """The target refused the connection, or closed it before its response: 502."""


class NoTls(NoAnswer):
    """The target accepted the connection, but no TLS session was established in time.

    The response is 502 (ELB user guide, troubleshooting: "an SSL handshake error or SSL handshake
    timeout").
    """


class TooSlow(Exception):
    """The target did not connect or respond in time: 504."""


def unverified_tls() -> ssl.SSLContext:
    """Return a load balancer's TLS context for targets: it verifies no certificate (ELB user guide)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Wire:
    """A connection to a target."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: bool
    ) -> None:
        self.reader, self.writer, self.tls = reader, writer, tls
        self.http = h11.Connection(h11.CLIENT)

    @property
    def usable(self) -> bool:
        """Return whether the target has kept it open."""
        return not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        """Close it. A TLS session is aborted: closing it would wait for the target, which may not answer."""
        with suppress(OSError):
            if self.tls:
                self.writer.transport.abort()
            else:
                self.writer.close()


class Pool:
    """Idle connections to targets."""

    def __init__(self, connect_seconds: float) -> None:
        self.connect_seconds = connect_seconds
        self._context = unverified_tls()
        self._free: dict[tuple[TaskAddress, bool], list[Wire]] = {}

    def take(self, address: TaskAddress, tls: bool) -> Wire | None:
        """Return an idle connection that is still open, or None."""
        kept = self._free.get((address, tls), [])
        while kept:
            wire = kept.pop()
            if wire.usable:
                return wire
            wire.close()
        return None

    async def connect(self, address: TaskAddress, tls: bool) -> Wire:
        """Open a connection, with ``tls`` a TLS session on it. Raises NoAnswer, NoTls or TooSlow."""
        try:
            async with asyncio.timeout(self.connect_seconds):
                reader, writer = await address.connect()
        except TimeoutError:
            raise TooSlow from None
        except OSError:
            raise NoAnswer from None
        if tls:
            await self._secure(writer)
        return Wire(reader, writer, tls)

    async def _secure(self, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self.connect_seconds):
                await writer.start_tls(self._context)
        except OSError:  # TimeoutError and ssl.SSLError are OSErrors.
            writer.close()
            raise NoTls from None

    def give_back(self, address: TaskAddress, wire: Wire) -> None:
        """Keep a connection after its exchange, if both sides allow it."""
        kept = self._free.setdefault((address, wire.tls), [])
        if wire.http.our_state is h11.DONE and wire.http.their_state is h11.DONE and wire.usable:
            wire.http.start_next_cycle()
            if len(kept) < KEPT:
                kept.append(wire)
                return
        wire.close()

    def close(self, address: TaskAddress | None = None) -> None:
        """Close the idle connections to an address, by default all."""
        for key in [key for key in self._free if address in (None, key[0])]:
            for wire in self._free.pop(key):
                wire.close()


class Upstream:
    """One target to forward to. ``address`` is where it listens; None if security groups do not allow it.

    ``tls`` is whether its target group's protocol is HTTPS.
    """

    def __init__(
        self, pool: Pool, target: Target, address: TaskAddress | None, tls: bool = False
    ) -> None:
        self._pool, self._target, self._address, self._tls = pool, target, address, tls
        self.group = target.group
        self.headers: list[tuple[bytes, bytes]] = []
        """Headers about the user, in the place of those with the same names that the client sent."""
        self.asked_at: float | None = None
        """The time when the request was sent, by the monotonic clock; None if no connection could be made."""

    async def exchange(
        self, request: h11.Request, body: AsyncIterator[bytes], idle: float
    ) -> AsyncGenerator[h11.Event, None]:
        """Send ``request`` and yield the response's events. Raises NoAnswer or TooSlow."""
        if (address := self._address) is None:
            await asyncio.sleep(self._pool.connect_seconds)
            raise TooSlow
        # The target may be closing an idle connection, so only an idempotent request is sent on
        # one.
        kept = None
        if request.method in (b"GET", b"HEAD"):
            kept = self._pool.take(address, self._tls)
        if kept is not None:
            begun = False
            try:
                async with aclosing(self._once(address, kept, request, body, idle)) as events:
                    async for event in events:
                        begun = True
                        yield event
                return
            except NoAnswer:
                if begun:
                    raise
        self.asked_at = None
        wire = await self._pool.connect(address, self._tls)
        async with aclosing(self._once(address, wire, request, body, idle)) as events:
            async for event in events:
                yield event

    async def _once(
        self,
        address: TaskAddress,
        wire: Wire,
        request: h11.Request,
        body: AsyncIterator[bytes],
        idle: float,
    ) -> AsyncGenerator[h11.Event, None]:
        self.asked_at = time.monotonic()
        sending = asyncio.ensure_future(_send(wire, request, body))
        try:
            while True:
                event = await _receive(wire, idle)
                if isinstance(event, h11.InformationalResponse):
                    continue
                yield event
                if isinstance(event, h11.EndOfMessage):
                    break
            if sending.done():
                sending.result()
            if sending.done() and self._target.draining_until is None:
                self._pool.give_back(address, wire)
            else:
                wire.close()
        except (OSError, h11.RemoteProtocolError, h11.LocalProtocolError):
            raise NoAnswer from None
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if wire.http.our_state is not h11.IDLE:
                wire.close()


async def _send(wire: Wire, request: h11.Request, body: AsyncIterator[bytes]) -> None:
    wire.writer.write(wire.http.send(request) or b"")
    async for data in body:
        wire.writer.write(wire.http.send(h11.Data(data=data)) or b"")
        await wire.writer.drain()
    wire.writer.write(wire.http.send(h11.EndOfMessage()) or b"")
    await wire.writer.drain()


async def _receive(wire: Wire, idle: float) -> h11.Event:
    while True:
        event = wire.http.next_event()
        if isinstance(event, h11.ConnectionClosed):
            raise NoAnswer
        if event is not h11.NEED_DATA and event is not h11.PAUSED:
            return event  # type: ignore[return-value]
        try:
            async with asyncio.timeout(idle):
                data = await wire.reader.read(CHUNK)
        except TimeoutError:
            raise TooSlow from None
        wire.http.receive_data(data)


log = logging.getLogger(__name__)

SHORTEST_TIMEOUT = 2.0
"""Minimum of real seconds for a command or connection, whose own time is not faster on the clock."""

Address = TaskAddress | None
"""Where a target listens; None if the network does not allow it."""


UNKNOWN_INTERVAL = 5.0
"""Seconds of AWS's time between two looks for a target's group that is not there."""


def _is_outside(target: Target) -> bool:
    """Return whether no load balancer of the target's group has a subnet in the target's zone.

    ELB does not check such a target and sends it nothing (API reference, TargetHealth, Target.NotInUse; ELB user
    guide, "Update the Availability Zones").
    """
    with hooks.LOCK:
        vpc = hooks.backend("elbv2").target_groups[target.group].vpc_id
        mine = {
            subnet.availability_zone
            for subnet in hooks.backend("ec2").describe_subnets()
            if subnet.vpc_id == vpc and IPv4Address(target.id) in subnet.cidr
        }
        users = [balancer for balancer, group in balanced() if group == target.group]
        enabled = {subnet.availability_zone for user in users for subnet in user.subnets}
    return bool(mine and enabled) and mine.isdisjoint(enabled)


class HealthChecker:
    """Checks every target as its group declares it, on the data plane's loop."""

    def __init__(
        self, clock: Clock, targets: Targets, address: Callable[[Target, int], Address]
    ) -> None:
        self._clock, self._targets, self._address = clock, targets, address

    async def watch(self, target: Target) -> None:
        """Check ``target`` until it is deregistered."""
        work = f"the health check of {target.id}:{target.port}"
        while not target.gone and target.draining_until is None:
            pause = UNKNOWN_INTERVAL
            with PROBLEMS.caught(work):
                if (check := self._check(target)) is not None:
                    pause = check.interval
                    await self._watch(target, check)
            await self._clock.pause(pause)
        with PROBLEMS.caught(work):
            pass  # It has ended, and its problem with it.

    async def _watch(self, target: Target, check: Check) -> None:
        if check.enabled:
            self._targets.check(target, target.health.begin())
            failed = NOT_IN_ZONE if _is_outside(target) else await self._probe(target, check)
            self._targets.check(target, target.health.after(failed, check))

    def _check(self, target: Target) -> Check | None:
        group = hooks.backend("elbv2").target_groups.get(target.group)
        return check_of(group) if group is not None else None

    async def _probe(self, target: Target, check: Check) -> Reason | None:
        port = target.port if check.port == "traffic-port" else int(check.port)
        address = self._address(target, port)
        if address is None:
            await self._clock.pause(check.timeout)
            return TIMED_OUT
        try:
            # Not scaled by the clock: the app's own time is not, and a response after 4 s passes
            # on AWS.
            async with asyncio.timeout(check.timeout):
                return await _ask(address, target, check)
        except TimeoutError:
            return TIMED_OUT
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return FAILED


async def _ask(address: TaskAddress, target: Target, check: Check) -> Reason | None:
    context = unverified_tls() if check.protocol == "HTTPS" else None
    reader, writer = await address.connect(context)
    try:
        if check.protocol not in ("HTTP", "HTTPS"):
            return None
        writer.write(
            f"GET {check.path} HTTP/1.1\r\nHost: {target.id}:{target.port}\r\n"
            "Connection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
            "Accept-Encoding: gzip, compressed\r\n\r\n".encode("latin-1")
        )
        line = await reader.readuntil(b"\r\n")
        version, status, *_ = line.split()
        if not version.startswith(b"HTTP/1."):
            raise ValueError(line)
        return answered(int(status), check.matcher)
    finally:
        # Not close(): it would wait for the target to end the TLS session, which may not happen.
        writer.transport.abort()
