"""A task's way to a database: a listener on the task's address that forwards where the rules allow."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

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
