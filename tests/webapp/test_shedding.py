"""More requests than the server can answer in time are refused at once."""

from collections import Counter

from tests.webapp.clients import one_answer, sending
from tests.webapp.conftest import Serve
from tests.webapp.waiting import eventually
from webapp.front import SECURITY_HEADERS
from webapp.lanes import QUEUE
from webapp.settings import THREADS

SLOW = ("tests.webapp.slow:app",)
PAGE = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nX-Forwarded-Proto: https\r\n\r\n"
IMPATIENT = ("--config", "python:tests.webapp.impatient")
CROWD = 1100  # more than the worker takes connections


def test_health_is_answered_while_more_wait_than_the_server_takes(serve: Serve) -> None:
    server = serve(options=SLOW)
    with sending(server, PAGE, CROWD):
        for _ in range(5):
            assert server.get("/health", 4).seconds < 0.5
    eventually(lambda: "requests refused" in server.text(), 2)


def test_who_is_refused_is_told_when_to_come_back(serve: Serve) -> None:
    server = serve(options=SLOW)
    with sending(server, PAGE, THREADS + QUEUE), sending(server, PAGE, 3) as late:
        for connection in late:
            connection.settimeout(1)
            status, headers, body = one_answer(connection)
            assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "5")
            assert (headers["content-type"], headers["cache-control"]) == (
                "application/json",
                "no-store",
            )
            assert body == b'{"status": 503, "error": "service unavailable"}'
            assert {(name, headers[name.lower()]) for name, _ in SECURITY_HEADERS} == {
                *SECURITY_HEADERS
            }
            assert headers["strict-transport-security"] == "max-age=31536000"
    eventually(lambda: sum(line.get("refused", 0) for line in server.lines()) == 3, 4)
    (first, *_) = [line for line in server.lines() if "refused" in line]
    assert (first["level"], first["status"]) == ("warning", 503)
    assert first["message"] == "requests refused: too many wait for a thread"


def test_requests_that_were_answered_do_not_count(serve: Serve) -> None:
    server = serve()
    with sending(server, b"") as (connection,):
        for _ in range(THREADS + QUEUE + 1):
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one_answer(connection)[0] == 404


def test_who_has_waited_too_long_is_refused_rather_than_answered_late(serve: Serve) -> None:
    server = serve(options=IMPATIENT)
    with sending(server, PAGE, 2 * THREADS) as crowd:
        statuses = Counter(one_answer(connection)[0] for connection in crowd)
    assert statuses == {200: THREADS, 503: THREADS}
    eventually(lambda: '"status": 503' in server.text(), 2)
    (line, *_) = [line for line in server.lines() if line.get("status") == 503]
    assert (line["message"], line["path"]) == ("request", "/")
    assert line["reason"] == "waited too long for a thread"


def test_a_crowd_within_the_bound_is_answered(serve: Serve) -> None:
    server = serve()
    server.wait_for("/", 200)
    with sending(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 8 * THREADS) as crowd:
        statuses = Counter(one_answer(connection)[0] for connection in crowd)
    assert statuses == {200: 8 * THREADS}
