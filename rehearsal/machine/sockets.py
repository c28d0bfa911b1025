"""The one event loop of the data plane, and listeners that forward where the rules allow."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """An asyncio loop that other threads give work to."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run the loop in its thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rehearsal-network", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        """Do ``work`` on the loop and wait for its result, at most ``timeout`` seconds of the wall."""
        return self.begin(work).result(timeout)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Do ``work`` on the loop without waiting."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the data plane is not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Cancel what is left and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self.run(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
        self._loop = self._thread = None


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=3)
    await asyncio.get_running_loop().shutdown_asyncgens()


CHUNK = 65536
LOOPBACK = "127.0.0.1"

Lookup = Callable[[], int | None]
"""Which port on 127.0.0.1 the connection may go to now; None when it would get no answer on AWS."""


class Forwarder:
    """Accepts always; without a way through it then never answers, so that the client times out."""

    def __init__(self, listener: socket.socket, lookup: Lookup) -> None:
        self._listener, self._lookup = listener, lookup
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            goal = self._lookup()
            if goal is None:
                await swallow(reader)
            else:
                await join(reader, writer, LOOPBACK, goal)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


async def swallow(reader: asyncio.StreamReader) -> None:
    """Take all and answer nothing, as a packet that a security group drops."""
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
    """Lead a connection to a host's port, both ways, until both sides are done.

    ``first`` is sent there before all else, and ``greeting`` back, once the connection is there.
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
