"""One client's connection, before, while and after a thread has it."""

import contextlib
import re
import select
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

READING = 5.0  # seconds that a thread waits in all for what is missing of one request
SENDING = struct.pack("ll", 10, 0)  # struct timeval: 10 s without progress of an answer
PEEKED = 2048  # bytes; a balancer's health check has some 150
END_OF_HEAD = b"\r\n\r\n"
BARE_LF = re.compile(rb"(?<!\r)\n")  # gunicorn refuses a head with one; its end may never come
MOST_DRAINED = 64 * 1024  # bytes; as gunicorn's util.close_graceful


class Head(Enum):
    """How much of the next request's head is there."""

    MISSING = auto()
    """Nothing yet."""
    PART = auto()
    READABLE = auto()
    """All of it, or as much as a thread should see."""
    GONE = auto()
    """Nothing, and the client has closed."""


class PatientUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads for a thread, which a slow sender does not keep for longer than until `deadline`."""

    deadline = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Some bytes. Raises NoMoreData if none come in time, as if the client had left."""
        size = max(self.mxchunk, min(size_hint or 0, self.max_body_chunk))
        try:
            # Mostly it is there: no timeout on the socket, which costs two calls for each read.
            return self.sock.recv(size, socket.MSG_DONTWAIT)  # type: ignore[no-any-return]
        except BlockingIOError:
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            if not poll.poll(max(self.deadline - time.monotonic(), 0) * 1000):
                raise NoMoreData(b"") from None
            return self.sock.recv(size)  # type: ignore[no-any-return]


class Peer(gthread.TConn):  # type: ignore[misc]
    """gunicorn's connection, whose head can be looked at and which never blocks when it closes."""

    def __init__(
        self,
        cfg: Any,
        sock: socket.socket,
        client: Any,
        server: Any,
        linger: Callable[["Peer"], None],
    ) -> None:
        super().__init__(cfg, sock, client, server)
        self.head = b""  # the first bytes of the request, for who chooses a lane or refuses it
        self.taken_until = 0.0  # when a request that waits for a thread has waited too long
        self._linger = linger
        self._seen = 0
        self._drained = 0

    def init(self) -> None:
        """Make the parser, once, and begin the time for reading this request."""
        fresh = not self.initialized
        super().init()
        if fresh:
            self.parser.unreader = PatientUnreader(self.sock)
        self.parser.unreader.deadline = time.monotonic() + READING

    def buffered(self) -> int:
        """Bytes that were read already, behind the last request."""
        return self.parser.unreader.buf.getbuffer().nbytes if self.parser else 0

    def look(self) -> Head:
        """Look at the next request without taking it.

        While a part is missing the kernel reports the socket as readable only when there is more.
        """
        try:
            head = self.sock.recv(PEEKED, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return Head.MISSING
        except OSError:
            return Head.GONE
        if not head:
            return Head.GONE
        self.head = head
        # Woken without more bytes: the client sends no more.
        whole = END_OF_HEAD in head or len(head) in (PEEKED, self._seen)
        if whole or BARE_LF.search(head):
            self._wait_beyond(0)
            return Head.READABLE
        self._wait_beyond(len(head))
        return Head.PART

    def _wait_beyond(self, seen: int) -> None:
        if seen != self._seen:
            self._seen = seen
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)

    def close(self, graceful: bool = False) -> None:
        """Close it, at once or after what the client still sends. Never raises OSError."""
        if graceful:
            self._linger(self)
        else:
            super().close()

    def end_sending(self) -> None:
        """The answer is complete; what the client sends from now on is not read as a request."""
        with contextlib.suppress(OSError):
            self.sock.setblocking(False)
            self.sock.shutdown(socket.SHUT_WR)

    def drained(self) -> bool:
        """Throw away what has come; say whether the client has closed, or sent too much."""
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._drained += len(data)
        return not data or self._drained >= MOST_DRAINED
