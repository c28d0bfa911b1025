"""Request the page as a user's browser does: the URL of the output pageUrl, its redirects, its cookies."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stack.login import CALLBACK_PATH, LoginSettings
from stack.settings import Settings
from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.i18n import said, t
from tools.snapshot.elb import Balancer, Page

CONNECT_SECONDS = 2.5
"""How long all of the load balancer's addresses together may take to accept a connection."""

ANSWER_SECONDS = 10
"""How long the page may take, in seconds of AWS's clock."""

LEAST_ANSWER_SECONDS = 4.0
"""How long it may take at least, in seconds of this machine, however fast AWS's clock runs: an app computes at
the machine's own pace, and the one in webapp/ waits 2 s for a statement."""

DATABASE_SECONDS = 5

TRIES = 3

PAUSE = 0.3
"""Seconds between two tries."""

REDIRECTS = 20
"""How many redirects a browser follows before it gives up (Fetch standard, "HTTP-redirect fetch")."""

MOST_BYTES = 1 << 20
"""How much of a page is read: enough to see an answer that breaks off or stalls."""

DATABASE_PATH = "/health/db"

UNKNOWN_ISSUER = range(18, 22)
"""OpenSSL's codes for a certificate whose issuer is not known here (x509_vfy.h), as behind a
company's proxy that reads HTTPS, or in a Python without certificates."""


class Unreachable(Exception):
    """The load balancer cannot be reached from here; the text says why."""


class NoListener(OSError):
    """The load balancer does not listen on a URL's port, wherever that is opened from."""


def page(
    balancer: Balancer,
    settings: Settings,
    url: str = "",
    headers: Mapping[str, str] | None = None,
    requests: int = 1,
) -> Page | None:
    """Request ``smokePath``, and of the app in webapp/ the database's health.

    ``url`` is the output ``pageUrl``; without one it is what the settings make of it. ``headers`` are sent, too. A
    page that fails is tried again, three times in all, but not once ANSWER_SECONDS have passed; one that works is
    requested ``requests`` times, until it fails. None where ``smokePath`` is empty. Raises AwsProblem where
    the load balancer cannot be reached from here: that is no fault of the page.
    """
    path = settings.health.smoke_path
    if not path:
        return None
    base = url or settings.https.url(balancer.dns)
    browser = _Browser(balancer, settings, headers or {})
    found = Page(url=f"{base}{path}", path=path, matcher=settings.health.smoke_matcher, tries=0)
    try:
        found = _get_page(browser, found)
        while found.tries < requests and not found.fails:
            found = _tried(browser, found)
        if found.status and settings.webapp and not settings.login.protects(DATABASE_PATH):
            answer = browser.get(f"{base}{DATABASE_PATH}", DATABASE_SECONDS)
            found = replace(found, database=answer.status)
        return found
    except Unreachable as problem:
        raise _unreachable(found.url, problem, settings) from None


def status(balancer: Balancer, settings: Settings, path: str) -> int:
    """Return the status of a path, without following a redirect, as a health check asks; 0 for no answer.

    Raises AwsProblem where the load balancer cannot be reached from here.
    """
    url = f"{settings.https.url(balancer.dns)}{path}"
    try:
        return _Browser(balancer, settings, {}).get(url, _answer_seconds(), follow=False).status
    except Unreachable as problem:
        raise _unreachable(url, problem, settings) from None


def _unreachable(url: str, problem: Unreachable, settings: Settings) -> AwsProblem:
    text = t("{url} cannot be reached from here: {why}.", url=url, why=said(problem))
    # A security group drops what it does not allow, so the connection times out.
    if not settings.allowed.everyone and isinstance(problem.__cause__, TimeoutError):
        text = t(
            "{text} allowedCidrs is {allowed}: this machine may be outside.",
            text=text,
            allowed=str(settings.allowed),
        )
    way_out = t("Open it in a browser, or run the command where it can be reached.")
    return AwsProblem("unreachable", text, way_out)


def _get_page(browser: _Browser, found: Page) -> Page:
    begun = time.monotonic()
    for tries in range(1, TRIES + 1):
        found = _tried(browser, found)
        if not found.fails or time.monotonic() - begun >= _answer_seconds():
            break
        if tries < TRIES:
            time.sleep(PAUSE)
    return found


def _tried(browser: _Browser, found: Page) -> Page:
    answer = browser.get(found.url, _answer_seconds())
    asks = browser.login.protects(found.path) and is_login(answer.leads_to, browser.login)
    return replace(found, tries=found.tries + 1, login=asks, **vars(answer))


def is_login(url: str, login: LoginSettings) -> bool:
    """Return whether a redirect of the load balancer leads to the provider, for the stack's client."""
    asked = parse_qs(urlsplit(url).query)
    back = urlsplit(asked.get("redirect_uri", [""])[0])
    return asked.get("client_id") == [login.client_id] and back.path == CALLBACK_PATH


def _answer_seconds() -> float:
    """Return how long to wait for an answer: at a rehearsal's speed, 10 s could outlast a bake time."""
    return min(ANSWER_SECONDS, max(ANSWER_SECONDS / Pace.of().speed, LEAST_ANSWER_SECONDS))


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """The fields of a Page that one try decides."""

    status: int = 0
    problem: str = ""
    ended_at: str = ""
    leads_to: str = ""
    endless: bool = False


class _Browser:
    """Requests URLs of one load balancer, at its own address."""

    def __init__(self, balancer: Balancer, settings: Settings, headers: Mapping[str, str]) -> None:
        self.balancer, self.headers = balancer, headers
        self.domain, self.login = settings.https.domain, settings.login

    def get(self, url: str, seconds: float, *, follow: bool = True) -> _Answer:
        """Return the answer, at the end of the redirects if they are to be followed. Raises Unreachable."""
        redirects, deadline = Redirects(), time.monotonic() + seconds
        # A fresh one: the cookies of an earlier visit must not change the answer.
        opener = urllib.request.OpenerDirector()
        for each in (
            _Handler(self, deadline),
            urllib.request.HTTPCookieProcessor(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            *((redirects,) if follow else ()),
        ):
            opener.add_handler(each)
        usual = {"User-Agent": "careapp-doctor", "Accept": "*/*"}
        opener.addheaders = [*usual.items(), *self.headers.items()]
        try:
            with opener.open(url, timeout=seconds) as answer:
                _read(answer, deadline)
                return _Answer(status=answer.status, ended_at=answer.url)
        except urllib.error.HTTPError as answer:
            with answer:
                return _Answer(
                    status=answer.code,
                    ended_at=answer.url,
                    leads_to=redirects.leads_to,
                    endless=redirects.inf_msg in answer.msg,
                )
        except urllib.error.URLError as problem:
            return _Answer(problem=_words(problem.reason, seconds), ended_at=redirects.followed)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            return _Answer(problem=_words(problem, seconds), ended_at=redirects.followed)

    def connect(self, scheme: str, host: str, seconds: float) -> _Connection:
        """Return the connection for a URL's scheme and host. Raises Unreachable and NoListener."""
        port = urlsplit(f"//{host}").port or (443 if scheme == "https" else 80)
        listener = next((each for each in self.balancer.listeners if each.port == port), None)
        if listener is None:
            raise NoListener(t("the load balancer has no listener on port {port}", port=port))
        address, authority = (self.balancer.dns, port), None
        if local_cloud.facts_file():
            place = local_cloud.listener(listener.arn)
            if place is None:
                raise Unreachable(t("the local cloud does not listen for it"))
            address, authority = place[:2], place[2]
            if not place[3]:
                raise Unreachable("timed out") from TimeoutError()
        elif _proxy(scheme, address[0]):
            raise Unreachable(t("a proxy is set in the environment, and NO_PROXY does not name it"))
        trust = self._trust(authority) if scheme == "https" else None
        return _Connection(host, address, trust, seconds)

    def _trust(self, authority: str | None) -> ssl.SSLContext:
        """Return a context that verifies ``domainName``.

        With a ``certificateArn`` alone the name that users open is not known, so it verifies nothing.
        """
        trust = ssl.create_default_context(cafile=authority)
        if not self.domain:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        return trust


def _words(problem: object, seconds: float) -> str:
    if isinstance(problem, TimeoutError):
        return f"timed out after {seconds:g} s"
    return str(problem) or type(problem).__name__


def _proxy(scheme: str, host: str) -> bool:
    """Return whether a request to a host goes through a proxy, which may answer instead."""
    return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


def _read(answer: http.client.HTTPResponse, deadline: float) -> None:
    """Read the page. Raises TimeoutError and IncompleteRead where it stalls or breaks off."""
    left = MOST_BYTES
    while left > 0 and (received := answer.read1(left)):
        left -= len(received)
        if time.monotonic() > deadline:
            raise TimeoutError
    if left > 0 and answer.length:
        raise http.client.IncompleteRead(b"", answer.length)


class _Handler(urllib.request.HTTPHandler):
    """Opens a browser's connections, so that a name in a URL need not be known to the DNS here."""

    def __init__(self, browser: _Browser, deadline: float) -> None:
        super().__init__()
        self.browser, self.deadline = browser, deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **_: Any) -> _Connection:
            left = max(self.deadline - time.monotonic(), 0.1)
            return self.browser.connect(req.type, host, left)

        return self.do_open(connection, req)

    https_open = http_open
    https_request = urllib.request.HTTPHandler.http_request


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the same host; one to another host is kept as the answer."""

    max_redirections = REDIRECTS

    def __init__(self) -> None:
        self.followed = self.leads_to = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request; None where it goes to another host."""
        there, here = urlsplit(newurl), urlsplit(req.full_url)
        if there.hostname != here.hostname or there.scheme not in ("http", "https"):
            self.leads_to = newurl
            return None
        self.followed = newurl
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Connection(http.client.HTTPConnection):
    """A connection to an address, for the host of a URL. ``trust`` is None for plain HTTP."""

    def __init__(
        self, host: str, address: tuple[str, int], trust: ssl.SSLContext | None, seconds: float
    ) -> None:
        super().__init__(host, timeout=seconds)
        self.address, self.trust = address, trust

    def connect(self) -> None:
        """Connect, with a TLS handshake for HTTPS. Raises Unreachable before there is a connection."""
        try:
            found = socket.getaddrinfo(*self.address, type=socket.SOCK_STREAM)
            self.sock = socket.create_connection(self.address, CONNECT_SECONDS / len(found))
        except OSError as problem:
            raise Unreachable(problem.strerror or str(problem)) from problem
        self.sock.settimeout(self.timeout)
        if self.trust is None:
            return
        try:
            self.sock = self.trust.wrap_socket(self.sock, server_hostname=self.host)
        except ssl.SSLCertVerificationError as problem:
            if problem.verify_code in UNKNOWN_ISSUER:
                raise Unreachable(problem.verify_message) from problem
            raise
