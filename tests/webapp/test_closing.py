"""Clients that keep their side of a connection open do not keep the server from anything."""

import time

import pytest

from tests.webapp.clients import is_over, one_answer, sending
from tests.webapp.conftest import Serve
from webapp.lanes import LINGERING

LAST_REQUEST = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_clients_that_do_not_close_do_not_hold_up_health(serve: Serve) -> None:
    server = serve()
    with sending(server, LAST_REQUEST, 30) as lingering:
        assert server.get("/health").seconds < 0.5
        assert {one_answer(connection)[0] for connection in lingering} == {404}
        assert all(is_over(connection) for connection in lingering)
        assert server.get("/health").seconds < 0.5


def test_a_client_that_does_not_close_is_let_go_after_two_seconds(serve: Serve) -> None:
    server = serve()
    with sending(server, LAST_REQUEST) as (connection,):
        one_answer(connection)
        connection.sendall(b"more")  # is still taken: a reset could destroy the answer
        time.sleep(0.2)
        connection.sendall(b"more")
        time.sleep(3.2)
        connection.sendall(b"more")  # whereupon the kernel says that nobody is there
        time.sleep(0.2)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(b"more")


def test_a_server_that_stops_waits_for_such_a_client_as_long_and_no_longer(serve: Serve) -> None:
    server = serve()
    with sending(server, LAST_REQUEST, 8), sending(server, b"GET / HT", 8):
        began = time.monotonic()
        server.terminate()
        assert server.wait() == 0
        assert time.monotonic() - began < 5


def test_an_answer_reaches_a_client_that_sends_on_after_it_was_refused(serve: Serve) -> None:
    """Closed at once, with bytes unread, the kernel would reset it, answer and all."""
    server = serve()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    with sending(server, head + 30000 * b"x") as (connection,):
        connection.sendall(30000 * b"x")
        assert one_answer(connection)[0] == 413
        assert is_over(connection)


def test_more_of_them_than_the_server_waits_for_are_let_go_at_once(serve: Serve) -> None:
    server = serve()
    gone = 0
    with sending(server, LAST_REQUEST, LINGERING + 20) as connections:
        for connection in connections:
            one_answer(connection)
        for _ in range(2):  # the first bytes only make the kernel say that nobody is there
            for connection in connections:
                try:
                    connection.sendall(b"more")
                except OSError:
                    gone += 1
            time.sleep(0.1)
    assert gone >= 20
