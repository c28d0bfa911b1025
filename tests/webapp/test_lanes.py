"""Only whole health checks enter the health checks' lanes, and who sends slowly takes no thread."""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.webapp.clients import is_over, one_answer, sending
from tests.webapp.conftest import Serve
from webapp.lanes import Lanes
from webapp.settings import THREADS

IMPATIENT = ("--config", "python:tests.webapp.impatient")
SOON = 1.0  # seconds, on a busy machine
NO_BODY = b"HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
WHOLE = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "health"),
    [
        (WHOLE, True),
        (WHOLE.replace(b"GET", b"HEAD"), True),
        (WHOLE.replace(b" HTTP", b"?a HTTP"), True),
        (WHOLE[:-1], False),
        (WHOLE.replace(b"/health", b"/healthy"), False),
        (b"GET /health " + NO_BODY, False),
        (b"GET /health " + CHUNKS, False),
    ],
)
def test_only_a_whole_health_check_is_given_to_their_threads(head: bytes, health: bool) -> None:
    with ThreadPoolExecutor(1) as pages:
        lanes = Lanes(pages, 1)
        probe = head.replace(b"/health", b"/health/db", 1)
        assert (lanes.of(head) is not lanes.pages) == health
        assert (lanes.of(probe) is not lanes.pages) == health
        assert (lanes.of(probe) is not lanes.of(head)) == health


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /health " + NO_BODY, id="body never sent"),
        pytest.param(b"GET /health " + CHUNKS, id="chunks never sent"),
        pytest.param(b"GET /health/db " + NO_BODY, id="probe with a body never sent"),
        pytest.param(b"GET /health HT", id="half a request line"),
        pytest.param(b"GET /health/db HTTP/1.1\r\nHost: x\r\n", id="half a head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", id="half a page's head"),
    ],
)
def test_who_does_not_send_a_whole_request_holds_up_nobody(serve: Serve, sent: bytes) -> None:
    server = serve()
    server.wait_for("/", 200)
    with sending(server, sent, 2 * THREADS):
        assert server.get("/health", 3).seconds < SOON / 2
        assert server.get("/health/db", 3).seconds < SOON
        assert server.get("/", 3).seconds < SOON


def test_a_body_that_is_not_there_yet_costs_the_connection_not_a_thread(serve: Serve) -> None:
    server = serve()
    with sending(server, b"GET /health " + NO_BODY) as (connection,):
        connection.settimeout(SOON)
        status, headers, _ = one_answer(connection)
        assert (status, headers["connection"]) == (200, "close")
        assert is_over(connection)


def test_after_a_body_that_came_with_its_head_the_connection_is_kept(serve: Serve) -> None:
    server = serve()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    with sending(server, head + b"hello") as (connection,):
        for status in (405, 404):
            answered, headers, _ = one_answer(connection)
            assert (answered, headers["connection"]) == (status, "keep-alive")
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")


def test_after_a_long_head_in_pieces_a_short_one_is_answered(serve: Serve) -> None:
    server = serve()
    with sending(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + 500 * b"a") as (connection,):
        connection.settimeout(SOON)
        for rest in (b"\r\n\r\n", WHOLE):
            connection.sendall(rest)
            assert one_answer(connection)[0] == 200


def test_requests_that_come_together_are_all_answered(serve: Serve) -> None:
    server = serve()
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    together = b"".join(request % path for path in (b"/health", b"/nothing", b"/health"))
    with sending(server, together) as (connection,):
        received = b""
        while len(statuses := re.findall(rb"HTTP/1.1 (\d+)", received)) < 3:
            more = connection.recv(10000)
            assert more
            received += more
    assert statuses == [b"200", b"404", b"200"]


def test_a_client_that_leaves_in_the_middle_of_a_head_is_forgotten(serve: Serve) -> None:
    server = serve()
    with sending(server, b"GET /health HT") as (connection,):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(SOON)
        assert is_over(connection)


def test_a_head_whose_lines_end_wrongly_is_refused_at_once(serve: Serve) -> None:
    server = serve()
    with sending(server, b"GET /health HTTP/1.1\n\n") as (connection,):
        connection.settimeout(SOON)
        assert one_answer(connection)[0] == 400


def test_silent_connections_up_to_the_limit_do_not_shut_out_health(serve: Serve) -> None:
    server = serve()
    with sending(server, b"", 600), sending(server, b"GET / HT", 600):
        began = time.monotonic()
        assert server.get("/health", 3).status == 200
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET / HT", id="before a thread has it"),
        pytest.param(b"GET / HTTP/1.1\r\nX-A: " + 3000 * b"a", id="while a thread reads it"),
    ],
)
def test_a_head_that_comes_too_slowly_ends_the_connection(serve: Serve, begun: bytes) -> None:
    server = serve(options=IMPATIENT)
    with sending(server, begun) as (connection,):
        connection.settimeout(0.1)
        began = time.monotonic()
        while time.monotonic() - began < 5:
            try:
                connection.sendall(b"a")  # each byte comes in time; all of them do not
                assert is_over(connection)
                break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        assert 0.3 < time.monotonic() - began < 3


def test_who_does_not_read_an_answer_keeps_no_thread_for_ever(serve: Serve) -> None:
    server = serve(options=IMPATIENT)
    with sending(server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", THREADS):
        server.wait_for("/large", 200, 5)
    assert "error" not in {line["level"] for line in server.lines()}
