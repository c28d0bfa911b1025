"""An HTTP proxy on loopback that stands in for DNS: a load balancer's name leads to its listener here.

The local cloud's shell names it in `http_proxy` and `https_proxy`, which curl and Python's HTTP clients
follow. A listener's port on this machine differs from the declared one, which needs root.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

from rehearsal.aws import hooks
from rehearsal.machine.authority import Authority
from rehearsal.machine.sockets import LOOPBACK, Loop, join

PORTS = {"http": 80, "https": 443}
NOT_PASSED_ON = (b"connection:", b"proxy-connection:", b"keep-alive:")

Find = Callable[[str, int], "int | None"]
"""The port on 127.0.0.1 of the listener that a name and a port lead to; None where it is none of ours."""


class NameProxy:
    """Leads names of load balancers to their listeners, and every other name where it leads anyway."""

    def __init__(self, loop: Loop, find: Find) -> None:
        self._loop, self._find = loop, find
        self._server: asyncio.Server | None = None

    def start(self) -> dict[str, str]:
        """Listen; return the variables that lead a client here."""
        server = self._server = self._loop.run(asyncio.start_server(self._serve, LOOPBACK, 0))
        url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        without = filter(None, (os.environ.get("no_proxy"), "localhost", LOOPBACK))
        return {"http_proxy": url, "https_proxy": url, "no_proxy": ",".join(without)}

    def stop(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._lead(head, reader, writer)
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.write(_answer("400 Bad Request"))
        except OSError as problem:
            writer.write(_answer("502 Bad Gateway", f"careapp's local cloud: {problem}\n"))
        finally:
            writer.close()

    async def _lead(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        if method == "CONNECT":
            url, first = urlsplit(f"//{target}"), b""
        else:
            url = urlsplit(target)
            path = target.partition("://")[2].partition("/")[2]
            first = _head(f"{method} /{path} {version}", head)
        name, port = url.hostname or "", url.port or PORTS.get(url.scheme, 0)
        ours = self._find(name, port)
        place = (name, port) if ours is None else (LOOPBACK, ours)
        # Only a tunnel is announced; it is there once the connection is.
        greeting = _answer("200 Connection established", None) if method == "CONNECT" else b""
        await join(reader, writer, *place, first=first, greeting=greeting)


def _head(line: str, head: bytes) -> bytes:
    """A request's head in origin form, for one request of this connection alone."""
    headers = [
        each for each in head.split(b"\r\n")[1:-2] if not each.lower().startswith(NOT_PASSED_ON)
    ]
    return b"\r\n".join([line.encode(), *headers, b"Connection: close", b"", b""])


def _answer(status: str, text: str | None = "") -> bytes:
    body = (text or "").encode()
    length = [] if text is None else [f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([f"HTTP/1.1 {status}", *length, "", ""]).encode() + body


def names_of(balancer: Any) -> set[str]:
    """The names that lead to a load balancer: its own, and Route 53's aliases of it."""
    own = str(balancer.dns_name).lower()
    # moto's own threads may add to these meanwhile.
    zones = list(hooks.backend("route53").zones.values())
    aliases = {
        record.name.rstrip(".").lower()
        for record in (each for zone in zones for each in list(zone.rrsets))
        if str((record.alias_target or {}).get("DNSName", "")).rstrip(".").lower() == own
    }
    return {own, *aliases}


def trusting(folder: Path, authority: Authority) -> dict[str, str]:
    """Return the variables by which clients trust the rehearsal's authority beside the usual ones."""
    usual = Path(os.environ.get("SSL_CERT_FILE") or get_cert_path(True)).read_text()
    file = folder / "trusted.pem"
    file.write_text(f"{usual}\n{authority.path.read_text()}")
    file.chmod(0o644)
    return dict.fromkeys(("CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(file))
