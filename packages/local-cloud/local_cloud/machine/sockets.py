"""The data plane's event loop, and listeners that forward connections if security groups allow them."""

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from local_cloud.machine.problems import PROBLEMS
from local_cloud.text import t

T = TypeVar("T")


class Loop:
    """An asyncio loop in a thread of its own; other threads submit coroutines to it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rehearsal-network", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        """Run a coroutine on the loop and return its result. Waits at most ``timeout`` real seconds."""
        return self._submit(work).result(timeout)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine on the loop without waiting for it."""
        self._submit(_caught(work))

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            work.close()
            raise RuntimeError("the data plane is not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self.run(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
        self._loop = self._thread = None


async def _caught(work: Coroutine[Any, Any, None]) -> None:
    with PROBLEMS.caught(getattr(work, "__qualname__", "work on the network")):
        await work


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=3)
    await asyncio.get_running_loop().shutdown_asyncgens()


CHUNK = 65536
TOKEN_SECONDS = 10
LOOPBACK = "127.0.0.1"

Lookup = Callable[[], int | None]
"""Return the port on 127.0.0.1 to forward to; None if AWS would drop the connection."""


def is_free(host: str, port: int) -> bool:
    """Return whether a server can listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


class PortTaken(Exception):
    """The requested port is in use. The text says which and what to do."""


def check_free(port: int, option: str) -> None:
    """Raise PortTaken where nothing can listen on a port of the loopback that an option names."""
    if not is_free(LOOPBACK, port):
        raise PortTaken(
            t(
                "port {port} on {host} is in use: choose another with {option}, or {option} 0",
                port=port,
                host=LOOPBACK,
                option=option,
            )
        )


class Forwarder:
    """Accepts every connection and forwards it, or never answers it, so that the client times out.

    With a ``token`` it closes every connection that does not begin with it and a newline.
    """

    def __init__(self, listener: socket.socket, lookup: Lookup, token: str = "") -> None:
        self._listener, self._lookup, self._token = listener, lookup, token
        self._server: asyncio.Server | None = None
        self._stopped = False
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def stop(self) -> None:
        self._stopped = True
        if self._server is not None:
            await close_server(self._server)
        self._listener.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._stopped or not await self._may(reader):
                return
            target = self._lookup()
            if target is None:
                await discard(reader)
            else:
                await join(reader, writer, LOOPBACK, target)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _may(self, reader: asyncio.StreamReader) -> bool:
        if not self._token:
            return True
        async with asyncio.timeout(TOKEN_SECONDS):
            sent = await reader.readline()
        return secrets.compare_digest(sent.strip(), self._token.encode())


async def close_server(server: asyncio.Server) -> None:
    """Stop listening as soon as all connections that were accepted have their transports.

    A transport that is made after ``Server.close()`` fails, and nothing closes its connection until it is collected
    as garbage (cpython issue 109564).
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0)
    server.close()


async def discard(reader: asyncio.StreamReader) -> None:
    """Read and discard everything without an answer, as if a security group dropped the packets."""
    while await reader.read(CHUNK):
        pass


async def join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    port: int,
    *,
    first: bytes = b"",
    greeting: bytes = b"",
) -> None:
    """Forward data between a connection and a host's port in both directions until both sides close.

    ``first`` is sent to the host before other data. ``greeting`` is sent back after the connection
    is made.
    """
    far_reader, far_writer = await asyncio.open_connection(host, port)
    far_writer.write(first)
    writer.write(greeting)
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
