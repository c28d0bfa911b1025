"""The headers that a load balancer adds, replaces and leaves out."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection", b"content-length"),
    }
)
VALID_NAME = re.compile(rb"[-A-Za-z0-9]+")
TRACE = b"x-amzn-trace-id"


def to_target(
    headers: Sequence[tuple[bytes, bytes]],
    client: str,
    protocol: str,
    port: int,
    drop_invalid: bool,
) -> Headers:
    """The request's headers as the target gets them (ELB user guide, X-Forwarded headers)."""
    named = _connection_names(headers)
    ours = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", TRACE}
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in HOP_BY_HOP | named | ours
        and (not drop_invalid or VALID_NAME.fullmatch(name))
    ]
    before = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
    chain = b", ".join([*before, client.encode()])
    kept.append((b"X-Forwarded-For", chain))
    kept.append((b"X-Forwarded-Proto", protocol.lower().encode()))
    kept.append((b"X-Forwarded-Port", str(port).encode()))
    kept.append((b"X-Amzn-Trace-Id", _trace(headers)))
    return kept


def to_client(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The response's headers as the client gets them; the framing is added by whoever sends them."""
    named = _connection_names(headers)
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named]


def framing(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """How the body's end is told: the length when it is known, else chunks."""
    for name, value in headers:
        if name.lower() == b"content-length":
            return [(b"Content-Length", value)]
    for name, _ in headers:
        if name.lower() == b"transfer-encoding":
            return [(b"Transfer-Encoding", b"chunked")]
    return []


def _connection_names(headers: Sequence[tuple[bytes, bytes]]) -> set[bytes]:
    return {
        part.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for part in value.split(b",")
    }


def _trace(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    mine = b"1-%08x-%s" % (int(time.time()), secrets.token_hex(12).encode())
    given = next((value for name, value in headers if name.lower() == TRACE), None)
    if given is None:
        return b"Root=" + mine
    return b"Self=" + mine + b";" + given if b"Root=" in given else b"Root=" + mine + b";" + given
