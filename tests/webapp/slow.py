"""An app for the server that carries it, with answers that take long to make or to send."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECONDS = 1.5
LARGE = 20_000_000  # bytes; far more than the kernel takes for a client that does not read


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer /health at once, /large with many bytes, everything else later."""
    path = environ["PATH_INFO"]
    if path not in ("/health", "/large"):
        time.sleep(SECONDS)
    body = bytes(LARGE) if path == "/large" else b"ok"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
