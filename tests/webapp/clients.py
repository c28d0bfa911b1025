"""Clients that http.client is too polite for: raw bytes on raw sockets."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.webapp.serving import Server

Head = dict[str, str]


@contextmanager
def sending(server: Server, data: bytes, clients: int = 1) -> Iterator[list[socket.socket]]:
    """So many connections, on each of which this was sent; they end with the block."""
    with ExitStack() as stack:
        made = []
        for _ in range(clients):
            connection = socket.create_connection(("127.0.0.1", server.port), 10)
            made.append(stack.enter_context(connection))
            connection.sendall(data)
        time.sleep(0.1)  # so that the server has seen them
        yield made


def one_answer(connection: socket.socket) -> tuple[int, Head, bytes]:
    """Status, headers in lower case, and body of the next answer. Raises EOFError without one."""
    with connection.makefile("rb") as stream:
        first = stream.readline()
        if not first:
            raise EOFError
        headers: Head = {}
        while (line := stream.readline().decode().strip()) != "":
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers["content-length"]))
    return int(first.split()[1]), headers, body


def is_over(connection: socket.socket) -> bool:
    """Whether the server sends no more on it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
