"""One client connection of a listener: forwards requests and responses as streams with changed headers."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any

import h11

from local_cloud.aws.elb.listener import Answer, Request, View, error_answer, reason
from local_cloud.aws.elb.metrics import Traffic
from local_cloud.aws.elb.upstream import NoAnswer, NoTls, TooSlow, Upstream

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection", b"content-length"),
    }
)
VALID_NAME = re.compile(rb"[-A-Za-z0-9]+")
TRACE = b"x-amzn-trace-id"


def to_target(
    headers: Sequence[tuple[bytes, bytes]],
    client: str,
    protocol: str,
    port: int,
    drop_invalid: bool,
) -> Headers:
    """Return the request's headers for the target (ELB user guide, X-Forwarded headers)."""
    named = _connection_names(headers)
    ours = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", TRACE}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in HOP_BY_HOP | named | ours
        and (not drop_invalid or VALID_NAME.fullmatch(name))
    ]
    before = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
    chain = b", ".join([*before, client.encode()])
    kept.append((b"X-Forwarded-For", chain))
    kept.append((b"X-Forwarded-Proto", protocol.lower().encode()))
    kept.append((b"X-Forwarded-Port", str(port).encode()))
    kept.append((b"X-Amzn-Trace-Id", _trace(headers)))
    return kept


def to_client(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Return the response's headers for the client, without those of the framing."""
    named = _connection_names(headers)
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named]


def framing(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Return the header that frames the body: its length if it is known, else chunks."""
    for name, value in headers:
        if name.lower() == b"content-length":
            return [(b"Content-Length", value)]
    for name, _ in headers:
        if name.lower() == b"transfer-encoding":
            return [(b"Transfer-Encoding", b"chunked")]
    return []


def _connection_names(headers: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
    return {
        part.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for part in value.split(b",")
    }


def _trace(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    mine = b"1-%08x-%s" % (int(time.time()), secrets.token_hex(12).encode())
    given = next((value for name, value in headers if name.lower() == TRACE), None)
    if given is None:
        return b"Root=" + mine
    return b"Self=" + mine + b";" + given if b"Root=" in given else b"Root=" + mine + b";" + given


CHUNK = 65536
KEEP_ALIVE_SECONDS = 3600.0

Decide = Callable[[View, Request], Awaitable[Answer | Upstream]]
"""Returns the balancer's own response to a request, or a target to forward to."""


class Client:
    """Serves one connection until either side closes it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decide: Decide,
        traffic: Traffic,
        address: str = "",
    ) -> None:
        self._reader, self._writer, self._decide = reader, writer, decide
        self._traffic = traffic
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=CHUNK)
        self._address = address or str(writer.get_extra_info("peername")[0])

    async def serve(self, view: Callable[[], View | None]) -> None:
        """Answer requests with the listener's view at the time of each, however long its connection is open."""
        while (now := view()) is not None:
            try:
                event = await self._next(now.idle_seconds)
                if not isinstance(event, h11.Request):
                    return
                await self._answer(view() or now, event)
                if self._wire.our_state is h11.MUST_CLOSE:
                    return
                self._wire.start_next_cycle()
            except h11.LocalProtocolError:
                return
            except h11.RemoteProtocolError as problem:
                await self._send(error_answer(problem.error_status_hint))
                return

    async def _answer(self, view: View, event: h11.Request) -> None:
        request = self._read(event)
        if not view.open_to_clients:
            while await self._reader.read(CHUNK):
                pass
            raise h11.LocalProtocolError("the client has given up")
        decided = await self._decide(view, request)
        if isinstance(decided, Answer):
            self._traffic.own(view.balancer, decided.status)
            await self._send(decided, event.method == b"HEAD")
            await self._discard(view)
            return
        headers = to_target(
            event.headers.raw_items(),
            self._address,
            view.protocol,
            view.port,
            view.drop_invalid_headers,
        )
        ours = {name for name, _ in decided.headers}
        headers = [header for header in headers if header[0].lower() not in ours] + decided.headers
        headers += framing(event.headers.raw_items())
        self._traffic.chosen(view.balancer, decided.group)
        await self._relay(view, event, decided, headers)

    async def _relay(
        self, view: View, event: h11.Request, target: Upstream, headers: Headers
    ) -> None:
        started = False
        try:
            sent = h11.Request(method=event.method, target=event.target, headers=headers)
            async with aclosing(
                target.exchange(sent, self._body(view), view.idle_seconds)
            ) as parts:
                async for part in parts:
                    if isinstance(part, h11.Response):
                        seconds = time.monotonic() - (target.asked_at or 0.0)
                        self._traffic.answered(
                            view.balancer, target.group, part.status_code, seconds
                        )
                    started = True
                    await self._pass_on(part, event.http_version)
        except NoTls:
            self._traffic.no_tls(view.balancer, target.group)
            await self._fail(view, 502)
        except NoAnswer:
            await self._unreached(view, target, 502, started)
        except TooSlow:
            await self._unreached(view, target, 504, started)
        except h11.RemoteProtocolError:
            if started or self._wire.their_state is h11.ERROR:
                raise
            await self._unreached(view, target, 502, started)

    async def _pass_on(self, part: h11.Event, version: bytes) -> None:
        if isinstance(part, h11.Response):
            raw = part.headers.raw_items()
            headers = to_client(raw)
            frame = framing(raw)
            if not frame and version >= b"1.1":
                frame = [(b"Transfer-Encoding", b"chunked")]
            part = h11.Response(
                status_code=part.status_code, headers=headers + frame, reason=part.reason
            )
        await self._write(part)

    async def _unreached(self, view: View, target: Upstream, status: int, started: bool) -> None:
        if started:
            raise h11.LocalProtocolError("the target broke off in the middle of its answer")
        if target.asked_at is None:
            self._traffic.unreached(view.balancer, target.group)
        await self._fail(view, status)

    async def _fail(self, view: View, status: int) -> None:
        self._traffic.own(view.balancer, status)
        await self._send(error_answer(status))

    async def _body(self, view: View) -> AsyncGenerator[bytes, None]:
        while self._wire.their_state is h11.SEND_BODY:
            event = await self._next(view.idle_seconds)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise NoAnswer

    async def _discard(self, view: View) -> None:
        """Read the rest of a request that was answered before its body."""
        if (
            self._wire.their_state is h11.SEND_BODY
            and not self._wire.they_are_waiting_for_100_continue
        ):
            async for _ in self._body(view):
                pass

    async def _next(self, idle: float) -> Any:
        while True:
            if self._wire.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            event = self._wire.next_event()
            if event is not h11.NEED_DATA:
                return event
            limit = idle if self._wire.their_state is h11.SEND_BODY else KEEP_ALIVE_SECONDS
            try:
                async with asyncio.timeout(limit):
                    data = await self._reader.read(CHUNK)
            except TimeoutError:
                return h11.ConnectionClosed()
            self._wire.receive_data(data)

    async def _send(self, answer: Answer, head: bool = False) -> None:
        if self._wire.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        await self._write(
            h11.Response(
                status_code=answer.status,
                headers=[(name.encode(), value.encode()) for name, value in answer.headers],
                reason=reason(answer.status).encode(),
            )
        )
        if answer.body and not head:
            await self._write(h11.Data(data=answer.body))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        data = self._wire.send(event)
        if data:
            self._writer.write(data)
            await self._writer.drain()

    def _read(self, event: h11.Request) -> Request:
        path, _, query = event.target.decode("latin-1").partition("?")
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers]
        host = next((value for name, value in headers if name == "host"), "")
        return Request(
            method=event.method.decode(),
            path=path,
            query=query,
            host=host,
            headers=headers,
            client=self._address,
        )

    def close(self) -> None:
        with suppress(OSError):
            self._writer.close()
