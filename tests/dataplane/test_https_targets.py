"""Requests to the targets of a group whose protocol is HTTPS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import h11
import pytest

from rehearsal.aws.elb.targets import Target
from rehearsal.aws.elb.upstream import NoTls, Pool, Upstream
from rehearsal.machine.authority import Authority
from rehearsal.machine.namespaces import TaskAddress
from tests.dataplane.test_listener import ask

REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "x")])
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


def asked(context: ssl.SSLContext | None, answer: bytes = ANSWER) -> list[str]:
    """Send a request to a target of a group with protocol HTTPS; return the types of the events."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            writer.write(answer)
        await reader.read(1 << 16)
        writer.close()

    async def body() -> Any:
        return
        yield

    async def one() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        place = TaskAddress(*server.sockets[0].getsockname(), None)
        pool = Pool(2)
        upstream = Upstream(pool, Target("group", "10.0.0.1", 3000, 0), place, tls=True)
        try:
            return [type(event).__name__ async for event in upstream.exchange(REQUEST, body(), 5)]
        finally:
            pool.close()
            server.close()

    return asyncio.run(one())


def test_a_target_s_certificate_is_not_verified(
    tmp_path: Path,
) -> None:
    certificate, key = Authority(tmp_path).issue(["localhost"])
    both = tmp_path / "both.pem"
    both.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)

    assert asked(context) == ["Response", "EndOfMessage"]


def test_no_tls_session_comes_about_with_a_target_that_answers_in_plain_http() -> None:
    with pytest.raises(NoTls):
        asked(None)


def test_a_silent_target_gets_no_tls_session() -> None:
    with pytest.raises(NoTls):
        asked(None, answer=b"")


def test_requests_are_answered_with_502_while_the_health_check_in_http_passes(cloud: Any) -> None:
    cloud.everything(Protocol="HTTPS", HealthCheckProtocol="HTTP")
    cloud.service(cloud.task_definition())
    cloud.rolled_out()

    assert [each["TargetHealth"]["State"] for each in cloud.targets()] == ["healthy"]
    assert ask(cloud, "GET", "/")[0] == 502
