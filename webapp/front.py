"""The ASGI app that gunicorn serves: /health in the event loop, other paths by Flask in threads.

/health needs no thread, so requests that wait for the database cannot delay it.
"""

import logging
import signal
from collections.abc import Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask

from webapp import create_app, db

THREADS = 16  # requests that one worker handles at the same time
MAX_WAITING = 64  # requests that wait for a thread; more are refused
HEALTHY = b'{"status":"healthy"}'
BUSY = b'{"status":503,"error":"too many requests"}'
HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]

log = logging.getLogger(__name__)


class Front:
    """An ASGI app around the Flask app."""

    def __init__(self, app: Flask, close: Callable[[], None]) -> None:
        self._close = close
        self._pages = WSGIMiddleware(app, workers=THREADS)  # type: ignore[arg-type]
        self._room = THREADS + MAX_WAITING
        self._refusing = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request; in the scope lifespan, call `close` at the end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope.get("path") == "/health" and scope.get("method") in ("GET", "HEAD"):
            await answer(send, 200, HEALTHY)
        elif self._room <= 0:
            self._refuse()
            await answer(send, 503, BUSY, (b"retry-after", b"1"))
        else:
            self._room -= 1
            try:
                await self._pages(scope, receive, send)
            finally:
                self._room += 1
                self._refusing = self._refusing and self._room <= 1

    def _refuse(self) -> None:
        if not self._refusing:
            self._refusing = True
            log.warning("too many requests: new ones are refused until a thread is free")

    async def _live(self, receive: Any, send: Any) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # see gunicorn.conf.py
        message = {"type": ""}
        while message["type"] != "lifespan.shutdown":
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._close()
            await send({"type": f"{message['type']}.complete"})


async def answer(send: Any, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    """Send a complete response. For HEAD the server leaves out the body."""
    headers = [*HEADERS, (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_front() -> Front:
    """Return the app for gunicorn."""
    app = create_app()
    return Front(app, db.of(app).close)
