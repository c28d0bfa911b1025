"""What the load balancer answers by itself."""

from __future__ import annotations

import http
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

REASONS = {
    460: "Client Closed Request",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def reason(status: int) -> str:
    """The words behind a status, as an ALB has them."""
    if status in REASONS:
        return REASONS[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def error(status: int) -> Answer:
    """An ALB's own error page."""
    title = f"{status} {reason(status)}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return _answer(status, "text/html", body.encode())


def fixed(config: Mapping[str, Any]) -> Answer:
    """A fixed-response action."""
    body = str(config.get("MessageBody") or "").encode()
    content_type = str(config.get("ContentType") or "text/plain")
    return _answer(int(config["StatusCode"]), f"{content_type}; charset=utf-8", body)


def redirect(config: Mapping[str, Any], location: str) -> Answer:
    """A redirect action."""
    status = int(str(config["StatusCode"]).removeprefix("HTTP_"))
    page = error(status)
    return Answer(status, (*page.headers, ("Location", location)), page.body)


def _answer(status: int, content_type: str, body: bytes) -> Answer:
    headers = (
        ("Server", "awselb/2.0"),
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
    )
    return Answer(status, headers, body)
