"""An HTTP proxy on loopback in the place of DNS: it connects a load balancer's name with its local listener.

The local cloud's shell sets `http_proxy` and `https_proxy` to it, which curl and Python's HTTP
clients read. A listener's port on this machine differs from the declared one, which would need
root."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

from local_cloud.aws import hooks
from local_cloud.machine.authority import Authority
from local_cloud.machine.sockets import LOOPBACK, Loop, close_server, join

PORTS = {"http": 80, "https": 443}


HOP_HEADERS = (b"connection:", b"proxy-connection:", b"keep-alive:")


Find = Callable[[str, int], "int | None"]
"""Return the port on 127.0.0.1 of the listener with that name and port; None if no load balancer has the name."""


class NameProxy:
    """Connects names of load balancers with their listeners, and any other name with its own host."""

    def __init__(self, loop: Loop, find: Find) -> None:
        self._loop, self._find = loop, find
        self._server: asyncio.Server | None = None

    def start(self) -> dict[str, str]:
        """Listen, and return the environment variables that make clients use the proxy."""
        server = self._server = self._loop.run(asyncio.start_server(self._serve, LOOPBACK, 0))
        url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        without = filter(None, (os.environ.get("no_proxy"), "localhost", LOOPBACK))
        return {"http_proxy": url, "https_proxy": url, "no_proxy": ",".join(without)}

    def stop(self) -> None:
        if self._server is not None:
            self._loop.run(close_server(self._server))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._connect(head, reader, writer)
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.write(_answer("400 Bad Request"))
        except OSError as problem:
            writer.write(_answer("502 Bad Gateway", f"the local cloud: {problem}\n"))
        finally:
            writer.close()

    async def _connect(
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
        listener = self._find(name, port)
        place = (name, port) if listener is None else (LOOPBACK, listener)
        # Only a CONNECT tunnel gets a response, and only after the connection has been made.
        greeting = _answer("200 Connection established", None) if method == "CONNECT" else b""
        await join(reader, writer, *place, first=first, greeting=greeting)


def _head(line: str, head: bytes) -> bytes:
    """Return a request's head in origin form, with "Connection: close"."""
    headers = [
        header for header in head.split(b"\r\n")[1:-2] if not header.lower().startswith(HOP_HEADERS)
    ]
    return b"\r\n".join([line.encode(), *headers, b"Connection: close", b"", b""])


def _answer(status: str, text: str | None = "") -> bytes:
    body = (text or "").encode()
    length = [] if text is None else [f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([f"HTTP/1.1 {status}", *length, "", ""]).encode() + body


def host_names_of(balancer: Any) -> set[str]:
    """Return a load balancer's DNS names: its own, and those of Route 53's alias records for it."""
    own = str(balancer.dns_name).lower()
    # moto's own threads may add records meanwhile.
    zones = list(hooks.backend("route53").zones.values())
    aliases = {
        record.name.rstrip(".").lower()
        for record in (rrset for zone in zones for rrset in list(zone.rrsets))
        if str((record.alias_target or {}).get("DNSName", "")).rstrip(".").lower() == own
    }
    return {own, *aliases}


def trust_variables(folder: Path, authority: Authority) -> dict[str, str]:
    """Return the variables that make clients trust the rehearsal's authority in addition to the usual ones."""
    usual = Path(os.environ.get("SSL_CERT_FILE") or get_cert_path(True)).read_text()
    file = folder / "trusted.pem"
    file.write_text(f"{usual}\n{authority.path.read_text()}")
    file.chmod(0o644)
    return dict.fromkeys(("CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(file))
