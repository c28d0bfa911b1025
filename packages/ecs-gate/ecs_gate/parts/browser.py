"""An HTTP client that requests URLs of one load balancer as a browser does, at the load balancer's own address."""

import contextlib
import ssl
import time
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import httpx

from ecs_gate.aws import local_cloud
from ecs_gate.parts.elb import HEADERS, Balancer, HttpAnswer, Unreachable
from ecs_gate.text import t

CONNECT_SECONDS = 2.5
"""How long an address of the load balancer may take to accept a connection, and then to answer the TLS handshake."""

REDIRECTS = 20
"""How many redirects a browser follows before it gives up (Fetch standard, "HTTP-redirect fetch")."""

MOST_BYTES = 1 << 20
"""How much of a page is read: enough to see an answer that breaks off or stalls."""

WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""zlib's window sizes by encoding: of deflate, browsers take that without zlib's header, too (RFC 9110, 8.4.1.2)."""
UNASKED = frozenset({"br", "zstd"})
"""Encodings that a browser asks for over HTTPS alone. An app that sends one unasked is read by none that lacks it (RFC
9110, 12.5.3). Any other name a browser takes for no encoding."""

UNKNOWN_ISSUER = range(18, 22)
"""OpenSSL's codes for a certificate whose issuer is not known here (x509_vfy.h), as behind a
company's proxy that reads HTTPS, or in a Python without certificates."""


class NoListener(Exception):
    """The load balancer does not listen on a URL's port, wherever that is opened from."""


@dataclass(frozen=True, kw_only=True)
class Response(HttpAnswer):
    """An answer with its body, if that is HTML."""

    html: str = ""

    def assets(self) -> Iterator[str]:
        """Yield the URLs of an HTML page's stylesheets and scripts that are on its own host, each once."""
        links, own = _Links(self.html), httpx.URL(self.ended_at)
        base = _joined(own, links.base)
        urls = dict.fromkeys(_joined(base, link) for link in links.urls if link)
        for url in urls:
            if url.host == own.host and url.scheme in ("http", "https"):
                yield str(url)


class Browser:
    """Requests URLs of one load balancer. It has no cookies at first, and keeps those that it gets.

    ``domain`` is the name that its certificate must have. Where it is "" the name that users open
    is not known, so nothing is verified.
    """

    def __init__(self, balancer: Balancer, domain: str, headers: Mapping[str, str]) -> None:
        # Without the environment: a proxy would answer in the page's place, and .netrc would log in.
        self._client = httpx.Client(
            transport=_Transport(balancer, domain), headers={**HEADERS, **headers}, trust_env=False
        )

    def get(self, url: str, seconds: float, *, follow: bool = True) -> Response:
        """Return the answer, at the end of the redirects to the same host if they are to be followed.

        Raises Unreachable.
        """
        deadline = time.monotonic() + seconds
        ended_at = ""
        try:
            request = self._client.build_request("GET", url)
            for _ in range(REDIRECTS + 1):
                answer, body, broken = self._send(request, deadline, seconds)
                following = request_to_same_host(answer) if follow else None
                if following is None:
                    break
                request, ended_at = following, str(following.url)
        except httpx.TimeoutException:
            return Response(problem=f"timed out after {seconds:g} s", ended_at=ended_at)
        except (httpx.HTTPError, httpx.InvalidURL, NoListener) as problem:
            return Response(problem=str(problem) or type(problem).__name__, ended_at=ended_at)
        there = answer.next_request
        is_html = "html" in answer.headers.get("Content-Type", "")
        return Response(
            status=answer.status_code,
            # An error is named by its status.
            problem=broken if answer.status_code < 400 else "",
            ended_at=str(answer.url),
            leads_to=str(there.url) if there and follow and not following else "",
            endless=following is not None,
            # So begins the header of what a load balancer answers itself; it passes on that of a task.
            by_balancer=answer.headers.get("Server", "").startswith("awselb/"),
            html=body.decode(errors="replace") if is_html else "",
            empty=not body,
        )

    def _send(
        self, request: httpx.Request, deadline: float, seconds: float
    ) -> tuple[httpx.Response, bytes, str]:
        """Return the answer, its body, and why that cannot be read to its end. Raises HTTPError."""
        left = max(deadline - time.monotonic(), 0.1)
        request.extensions["timeout"] = httpx.Timeout(left, connect=CONNECT_SECONDS).as_dict()
        answer, text = self._client.send(request, stream=True), b""
        try:
            # Of a redirect a browser reads no body.
            text = b"" if answer.next_request else _read(answer, deadline)
            problem = ""
        except httpx.TimeoutException:
            problem = str(t("its body does not end within {seconds} s", seconds=f"{seconds:g}"))
        except httpx.HTTPError as broken:
            problem = str(broken) or type(broken).__name__
        finally:
            answer.close()
        return answer, text, problem


def _read(answer: httpx.Response, deadline: float) -> bytes:
    """Return the body decoded, or its first MOST_BYTES. Raises DecodingError, and HTTPError where it breaks off."""
    body, whole = bytearray(), True
    for part in answer.iter_raw():
        body += part
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("")
        if len(body) >= MOST_BYTES:
            whole = False
            break
    text, encoding = bytes(body), answer.headers.get("Content-Encoding", "")
    for name in reversed(encoding.lower().replace(" ", "").split(",")):
        if text and name in UNASKED:
            unasked = t(
                "its Content-Encoding is {encoding}, which the request does not accept",
                encoding=name,
            )
            raise httpx.DecodingError(str(unasked))
        if text and name in WINDOWS:
            text = _inflated(text, name, whole)
    return text


def _inflated(body: bytes, encoding: str, whole: bool) -> bytes:
    """Return a body decoded. Raises DecodingError, also where one that is ``whole`` ends before its encoding does."""
    why = ""
    for window in WINDOWS[encoding]:
        decoder = zlib.decompressobj(window)
        try:
            text = decoder.decompress(body, MOST_BYTES)
        except zlib.error as problem:
            why = str(problem)
            continue
        if decoder.eof or decoder.unconsumed_tail or not whole:
            return text
        why = str(t("it ends early"))
        break
    wrong = t("its Content-Encoding is {encoding}, and its body is not", encoding=encoding)
    raise httpx.DecodingError(f"{wrong} ({why})")


def request_to_same_host(answer: httpx.Response) -> httpx.Request | None:
    """Return the request to which an answer redirects; None where that is another host's, or no redirect."""
    there = answer.next_request
    if there and there.url.host == answer.url.host and there.url.scheme in ("http", "https"):
        return there
    return None


class _Transport(httpx.BaseTransport):
    """Connects to the load balancer for any name, so that a name in a URL need not be known to the DNS here."""

    def __init__(self, balancer: Balancer, domain: str) -> None:
        self.balancer, self.domain = balancer, domain

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer. Raises Unreachable and NoListener, and TransportError once there is a connection."""
        url, events = request.url, list[str]()
        host, port, authority = self._address(url)
        extensions = {"sni_hostname": url.host, "trace": lambda event, _: events.append(event)}
        sent = httpx.Request(
            request.method,
            url.copy_with(host=host, port=port),
            headers=request.headers,
            extensions={**request.extensions, **extensions},
        )
        trust: ssl.SSLContext | bool = False
        if url.scheme == "https":
            trust = ssl.create_default_context(cafile=authority)
            if not self.domain:
                trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        # One connection a request: a load balancer's idle ones would stay open.
        only = httpx.Limits(max_keepalive_connections=0)
        try:
            return httpx.HTTPTransport(trust, trust_env=False, limits=only).handle_request(sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
            if why := _unreachable(problem, events):
                raise Unreachable(why) from _root(problem)
            raise

    def _address(self, url: httpx.URL) -> tuple[str, int, str | None]:
        """Return the host and port that answer for a URL, and their CA file in the local cloud."""
        port = url.port or (443 if url.scheme == "https" else 80)
        listener = next((each for each in self.balancer.listeners if each.port == port), None)
        if listener is None:
            raise NoListener(t("the load balancer has no listener on port {port}", port=port))
        if local_cloud.facts_file():
            place = local_cloud.listener(listener.arn)
            if place is None:
                raise Unreachable(t("the local cloud does not listen for it"))
            if not place[3]:
                raise Unreachable("timed out") from TimeoutError()
            return place[:3]
        # A proxy may answer instead.
        proxied = url.scheme in urllib.request.getproxies()
        if proxied and not urllib.request.proxy_bypass(self.balancer.dns):
            raise Unreachable(t("a proxy is set in the environment, and NO_PROXY does not name it"))
        return self.balancer.dns, port, None


def _root(problem: BaseException) -> BaseException:
    """Return the error of the socket, which httpcore keeps as the context of its own."""
    return _root(problem.__context__) if problem.__context__ else problem


def _unreachable(problem: Exception, events: list[str]) -> str:
    """Return why the load balancer cannot be reached from here; "" where it answered, and wrongly."""
    root = _root(problem)
    if isinstance(root, ssl.SSLCertVerificationError) and root.verify_code in UNKNOWN_ISSUER:
        return str(root.verify_message)
    if "connection.connect_tcp.complete" in events:
        return ""
    return getattr(root, "strerror", None) or str(root)


class _Links(HTMLParser):
    """Collects the URLs of a page's stylesheets and scripts, and of its base."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.base = ""
        # It raises AssertionError on a declaration that it does not know, such as `<![ x`; browsers skip that.
        with contextlib.suppress(AssertionError):
            self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the browser loads for this element."""
        given = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or given.get("href", "")
        if tag == "link" and "stylesheet" in given.get("rel", "").lower().split():
            self.urls.append(given.get("href", ""))
        if tag == "script":
            self.urls.append(given.get("src", ""))


def _joined(base: httpx.URL, link: str) -> httpx.URL:
    """Return the URL of a link on a page; an empty one where it is none, or a picture's worth of data."""
    try:
        return base.join(link.strip()).copy_with(fragment=None)
    except httpx.InvalidURL:
        return httpx.URL()
