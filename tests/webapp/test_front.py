"""What the front promises for any Flask app: /health is quick, and too many requests are refused."""

import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.webapp.conftest import Serve
from tests.webapp.serving import Server
from tests.webapp.waiting import eventually
from webapp.front import MAX_WAITING, THREADS

SLOW = ("tests.webapp.slow:create_front()",)
LIMIT = 1.0  # seconds in which /health answers, whatever others do
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
    assert max(answer.seconds for answer in answers) < LIMIT


def test_health_is_quick_while_more_pages_wait_than_there_are_threads(serve: Serve) -> None:
    server = serve(options=SLOW)
    with ThreadPoolExecutor(24) as crowd:
        pages = [crowd.submit(server.get, "/") for _ in range(24)]
        assert_health_is_quick(server)
        assert not any(page.done() for page in pages)
        assert [page.result().status for page in pages] == [200] * 24


def test_health_is_quick_beside_connections_that_send_nothing(serve: Serve) -> None:
    server = serve(options=SLOW)
    with sending(server, b"", 40):
        assert_health_is_quick(server)


def test_health_is_quick_beside_bodies_that_never_come(serve: Serve) -> None:
    server = serve(options=SLOW)
    with sending(server, BODY, 40) as clients:
        assert_health_is_quick(server)
        # One that does come in the end is read.
        clients[0].sendall(b"body")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_too_many_requests_are_told_to_come_back_and_later_ones_are_answered(
    serve: Serve,
) -> None:
    server = serve(options=SLOW)
    with sending(server, BODY, THREADS + MAX_WAITING):  # they stay until their bodies come
        eventually(lambda: server.get("/nothing").status == 503, 20)
        refused = server.get("/")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.seconds < LIMIT
        assert_health_is_quick(server)
    server.wait_for("/nothing", 404, 20)
    [line] = [line for line in server.lines() if line["message"].startswith("too many requests")]
    assert line["level"] == "warning"


def test_a_stop_under_load_loses_no_request_under_way(serve: Serve) -> None:
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
        kept.request("GET", "/health")
        assert kept.getresponse().status == 200
        assert [page.result().status for page in pages] == [200] * 24
    assert server.wait() == 0
    assert time.monotonic() - began < 25
