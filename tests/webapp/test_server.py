"""The server: its ASGI front, its start and its stop."""

import http.client
import os
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.webapp.conftest import variables_for
from tests.webapp.dependencies import HOST
from tests.webapp.serving import Server, eventually, serving
from webapp.front import MAX_WAITING, THREADS

SLOW = ("tests.webapp.slow:create_front()",)
LIMIT = 1.0  # seconds in which /health answers, whatever others do; the longest of ten may be the machine's
BODY = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


@contextmanager
def sending(server: Server, data: bytes, clients: int) -> Iterator[list[socket.socket]]:
    """So many connections, on each of which this was sent; they end with the block."""
    with ExitStack() as stack:
        made = []
        for _ in range(clients):
            connection = socket.create_connection(("127.0.0.1", server.port), 10)
            made.append(stack.enter_context(connection))
            connection.sendall(data)
        yield made


def assert_health_is_quick(server: Server) -> None:
    answers = [server.get("/health") for _ in range(10)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"status":"healthy"}')}
    assert statistics.median(answer.seconds for answer in answers) < LIMIT


@pytest.fixture(scope="module")
def slow(cluster, authority, tmp_path_factory):
    """A server of slow pages for tests after which it is at rest again."""
    folder = tmp_path_factory.mktemp("slow")
    with serving(variables_for(cluster, authority), folder, options=SLOW) as server:
        yield server


@pytest.mark.parametrize("sent", [b"", BODY], ids=["nothing", "a head whose body never comes"])
def test_health_is_quick_beside_connections_that_send(slow, sent):
    with sending(slow, sent, 40) as clients:
        assert_health_is_quick(slow)
        # A body that does come in the end is read.
        clients[0].sendall(b"body" if sent else BODY + b"body")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_too_many_requests_are_told_to_come_back_and_later_ones_are_answered(serve):
    server = serve(options=SLOW)  # of its own: all its threads are free
    with sending(server, BODY, THREADS + MAX_WAITING):  # they stay until their bodies come
        eventually(lambda: server.get("/nothing").status == 503, 20)
        refused = server.get("/")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert_health_is_quick(server)
    server.wait_for("/nothing", 404, 20)
    [line] = [line for line in server.lines() if line["message"].startswith("too many requests")]
    assert line["level"] == "warning"


@pytest.mark.slow
def test_a_stop_under_load_loses_no_request_under_way(serve):
    """Also those that wait for a thread, and those that come later on a connection that is kept."""
    server = serve(options=SLOW)
    kept = http.client.HTTPConnection("127.0.0.1", server.port)
    with ThreadPoolExecutor(24) as crowd:
        pages = [crowd.submit(server.get, "/") for _ in range(24)]
        assert_health_is_quick(server)
        kept.connect()
        server.terminate()
        began = time.monotonic()
        eventually(lambda: not server.answers("/health", 200), 5, "no new connections")
        assert exchange(kept, "/health") == (200, "close")
        assert [page.result().status for page in pages] == [200] * 24
    assert server.wait() == 0
    assert time.monotonic() - began < 25


def exchange(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers["Connection"]


def test_a_missing_or_malformed_variable_ends_it_with_2_before_it_listens(serve):
    server = serve(wait=False, without=("DB_HOST", "DB_PASSWORD"), WEB_CONCURRENCY="0")
    assert server.wait() == 2
    assert server.text() == (
        "hello-ecs cannot start: "
        "WEB_CONCURRENCY is '0', which is not a number of workers (1 to 64); "
        "DB_HOST is missing; "
        "DB_PASSWORD is missing, and so is DB_SECRET_ARN: set one of them\n"
    )


@pytest.mark.slow
def test_an_idle_connection_is_closed_after_the_seconds_of_its_variable(serve):
    server = serve(KEEP_ALIVE_SECONDS="1")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    assert exchange(connection, "/health")[0] == 200
    assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.slow
def test_every_line_is_json_and_health_checks_have_none(serve, postgres):
    server = serve(WEB_CONCURRENCY="2")
    server.wait_for("/", 200)
    server.get("/health/db")
    server.terminate()
    assert server.wait() == 0
    lines = server.lines()
    [started] = [line for line in lines if line["message"] == "listening"]
    assert (started["port"], started["workers"], started["db_host"]) == (server.port, 2, HOST)
    assert {line["path"] for line in lines if line["message"] == "request"} == {"/"}
    assert server.messages().count("stopped") == 2, "each worker has closed its connections"


@pytest.mark.slow
def test_a_stop_while_the_app_is_loaded_ends_it_as_soon(serve):
    server = serve(wait=False)
    eventually(lambda: "Booting worker" in server.text(), 20, "a worker")
    server.terminate()
    began = time.monotonic()
    assert server.wait() == 0
    assert time.monotonic() - began < 15


def test_a_worker_that_dies_is_replaced(serve):
    server = serve()
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: server.workers() not in ([], [worker]), 5, "a new worker")
    server.wait_for("/health", 200, 5)
    assert any("was sent SIGKILL" in message for message in server.messages())


@pytest.mark.slow
def test_a_worker_that_is_stuck_does_not_stop_it_for_longer_than_its_grace(serve, postgres):
    server = serve()
    server.wait_for("/", 200)
    postgres.signal(signal.SIGSTOP)
    server.terminate()
    began = time.monotonic()
    assert server.wait() == 0
    assert time.monotonic() - began < 10
