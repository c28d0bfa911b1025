"""The load balancer's health check is answered in 50 ms, whatever the database does."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.webapp.conftest import Serve
from tests.webapp.postgres import Postgres
from tests.webapp.serving import Server, Watch
from tests.webapp.waiting import eventually

LIMIT = 0.05  # seconds
BACK = 5.0
CROWD = 40  # requests at once; many more than the server has threads


@contextmanager
def locked(postgres: Postgres) -> Iterator[None]:
    with postgres.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE greetings IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def silent(postgres: Postgres) -> Iterator[None]:
    postgres.signal(signal.SIGSTOP)
    yield
    postgres.signal(signal.SIGCONT)


@contextmanager
def locked_out(postgres: Postgres) -> Iterator[None]:
    password = postgres.password
    postgres.set_password("another")
    postgres.hang_up()
    yield
    postgres.set_password(password)


@pytest.mark.parametrize("fault", [locked, silent, locked_out])
def test_health_is_quick_while_a_crowd_waits_for_a_database_with_a_fault(
    serve: Serve, postgres: Postgres, fault: Callable[[Postgres], Iterator[None]]
) -> None:
    server = serve()
    server.wait_for("/", 200)
    with ThreadPoolExecutor(CROWD) as crowd, Watch(server, "/health") as health:
        with fault(postgres):  # type: ignore[attr-defined]
            asked = [crowd.submit(server.get, path) for path in ("/", "/health/db") * CROWD]
            answers = [request.result() for request in asked]
        server.wait_for("/", 200, BACK)
    pages, truths = answers[::2], answers[1::2]
    assert {answer.status for answer in pages} <= {200, 503}
    assert max(answer.seconds for answer in pages) < 10
    assert {answer.status for answer in truths} <= {200, 500}
    assert (health.statuses(), health.errors) == ({200}, [])
    assert len(health.answers) > 20
    # The watch and the crowd share this test's interpreter and two cores with the server: the
    # odd late one is theirs. Without lanes of its own /health takes seconds here.
    assert health.quantile(0.9) < LIMIT
    assert health.quantile(1) < 10 * LIMIT


def test_silent_connections_do_not_take_the_threads(serve: Serve, postgres: Postgres) -> None:
    import socket

    assert postgres.address
    server = serve()
    server.wait_for("/", 200)
    silent_ones = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        assert server.get("/").seconds < 1
        assert server.get("/health").seconds < 1
    finally:
        for connection in silent_ones:
            connection.close()


def test_a_request_that_comes_in_pieces_is_answered(serve: Serve) -> None:
    import socket
    import time

    server: Server = serve()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for piece in (
            b"GE",
            b"T /hea",
            b"lth HTTP/1.1\r\n",
            b"Host: x\r\nConnection: close\r\n\r\n",
        ):
            connection.sendall(piece)
            time.sleep(0.05)
        answer = b""
        while more := connection.recv(1000):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"healthy"}')


def test_the_page_comes_back_by_itself_after_a_restart(serve: Serve, postgres: Postgres) -> None:
    server = serve()
    server.wait_for("/", 200)
    with Watch(server, "/health") as health:
        postgres.stop()
        server.wait_for("/health/db", 500, 3)
        assert server.get("/").status == 503
        postgres.start()
        assert server.wait_for("/", 200) < BACK
        assert server.wait_for("/health/db", 200) < BACK
    assert (health.statuses(), health.errors) == ({200}, [])
    eventually(lambda: "database connected" in server.messages(), 2)
