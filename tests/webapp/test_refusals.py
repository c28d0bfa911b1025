"""What the server itself refuses is answered and logged as the app would."""

import json

import pytest

from tests.webapp.clients import is_over, one_answer, sending
from tests.webapp.conftest import Serve
from tests.webapp.waiting import eventually
from webapp.front import SECURITY_HEADERS


@pytest.mark.parametrize(
    ("sent", "status", "logged"),
    [
        (
            b"GET /a?token=canary HTTP/1.1\r\nHost: x\r\nX-A: " + 9000 * b"a" + b"\r\n\r\n",
            431,
            {"method": "GET", "path": "/a", "reason": "LimitRequestHeaders"},
        ),
        (
            b'GET /"\x1b[31m\xff HTTP/1.1\r\nHost: x\r\n\r\n',
            400,
            {"method": "GET", "path": '/"\x1b[31m\xff', "reason": "InvalidRequestLine"},
        ),
        (
            b"GET /" + 9000 * b"p" + b" HTTP/1.1\r\n\r\n",
            414,
            {"method": "GET", "path": "/" + 511 * "p", "reason": "LimitRequestLine"},
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: canary\r\n\r\n",
            501,
            {"method": "POST", "path": "/", "reason": "UnsupportedTransferCoding"},
        ),
        (b"nonsense\r\n\r\n", 400, {"method": "", "path": "", "reason": "InvalidRequestLine"}),
    ],
    ids=["long header", "control bytes", "long line", "unknown coding", "nonsense"],
)
def test_a_request_that_cannot_be_read(
    serve: Serve, sent: bytes, status: int, logged: dict[str, str]
) -> None:
    server = serve()
    with sending(server, sent) as (connection,):
        answered, headers, body = one_answer(connection)
        assert is_over(connection)
    assert answered == status
    assert body.startswith(f"{status} ".encode())
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert {(name, headers[name.lower()]) for name, _ in SECURITY_HEADERS} == {*SECURITY_HEADERS}
    assert (headers["cache-control"], headers["connection"]) == ("no-store", "close")
    eventually(lambda: f'"status": {status}' in server.text(), 2)
    (line,) = [line for line in server.lines() if line.get("status") == status]
    assert line["message"] == "request"
    assert line["request_id"] == headers["x-request-id"]
    assert {name: line[name] for name in logged} == logged
    assert "canary" not in server.text()
    assert "\x1b" not in server.text()


def test_who_prefers_json_gets_it(serve: Serve) -> None:
    server = serve()
    sent = b"GET / HTTP/1.1\r\nAccept: application/json\r\nX-A: " + 9000 * b"a" + b"\r\n\r\n"
    with sending(server, sent) as (connection,):
        status, headers, body = one_answer(connection)
    assert (status, headers["content-type"]) == (431, "application/json")
    assert json.loads(body) == {
        "status": 431,
        "error": "request header fields too large",
        "request_id": headers["x-request-id"],
    }


def test_a_head_request_gets_no_body(serve: Serve) -> None:
    server = serve()
    with sending(server, b"HEAD / HTTP/1.1\r\nX-A: " + 9000 * b"a" + b"\r\n\r\n") as (connection,):
        received = b""
        while more := connection.recv(10000):
            received += more
    assert received.startswith(b"HTTP/1.1 431 ")
    assert received.endswith(b"\r\n\r\n")
