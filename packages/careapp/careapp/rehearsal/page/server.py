"""Serves the page on loopback: read only, one language a request, live by Server-Sent Events.

Server-Sent Events rather than polling: the browser reconnects by itself, a lost connection shows at
once, and an open stream is how the server knows that a page is open. Each stream is sent the state as HTML,
made by the very template of the first answer, and only when it has changed.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, abort, render_template, request, stream_with_context

from careapp.rehearsal.page.state import state
from careapp.rehearsal.page.watching import TICK, Watcher
from ecs_gate.diagnosis.screen import KINDS
from ecs_gate.text import LANGUAGES, Text, in_language, t
from ecs_gate.text.masking import mask_data

STATES: dict[str, Text] = {
    "open": t("works"),
    "blocked": t("broken"),
    "warned": t("careful"),
    "waiting": t("waiting"),
    "off": t("off"),
    "unread": t("unknown"),
}
GLYPHS = {"open": "✓", "blocked": "✕", "warned": "!", "waiting": "…", "off": "-", "unread": "?"}
TONES = {"good": "✓", "bad": "✕", "busy": "…", "calm": "-"}


HOSTS = ["localhost", "127.0.0.1"]
"""Another name in the Host header is another site's that leads here (DNS rebinding)."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
STATIC = Path(__file__).with_name("static")
FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
STREAMS = 16
"""Open streams at once; each is a thread."""
QUIET_TICKS = 5
"""After so many ticks without news a stream says that it lives: only so a closed browser is noticed."""
FIRST_STACK = "poc"
"""Which stack an empty rehearsal speaks of."""


def create_app(watcher: Watcher, address: Callable[[str], str]) -> Flask:
    """Return the app that serves the page of one local cloud. ``address`` returns the URL of a stack's app, or ""."""
    app = Flask(__name__, static_folder=None)
    app.config.update(TRUSTED_HOSTS=HOSTS, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    free = threading.BoundedSemaphore(STREAMS)

    def looked() -> dict[str, Any]:
        lang = _language(request)
        seen = watcher.look(_stack(request, watcher))
        with in_language(lang):
            shown = mask_data(state(seen))
            return {**shown, "language": lang, "app": address(seen.work.stack)}

    @app.get("/")
    def page() -> str:
        return _rendered("page.html", looked())

    @app.get("/static/<name>")
    def static(name: str) -> Response:
        if name not in FILES:
            abort(404)
        return Response((STATIC / name).read_bytes(), mimetype=FILES[name])

    @app.get("/state")
    def facts() -> Response:
        answer = Response(json.dumps(looked(), ensure_ascii=False), mimetype="application/json")
        answer.add_etag()
        answer.make_conditional(request.environ)
        return answer

    @app.get("/live")
    def live() -> Response:
        if not free.acquire(blocking=False):
            abort(503, "too many pages are open")
        stream = _changes(looked)
        answer = Response(stream_with_context(stream), mimetype="text/event-stream")
        answer.call_on_close(free.release)
        return answer

    @app.after_request
    def guarded(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        answer.headers["Vary"] = "Accept-Language"
        return answer

    return app


def _changes(look: Callable[[], dict[str, Any]]) -> Iterator[str]:
    """Yield the events of a stream: each state that differs from the last one, rendered, and signs of life."""
    last, quiet = dict[str, Any](), 0
    while True:
        state = look()
        if state != last:
            last, quiet = state, 0
            yield f"data: {_event(state)}\n\n"
        elif (quiet := quiet + 1) % QUIET_TICKS == 0:
            yield ": still here\n\n"
        time.sleep(TICK)


def _event(event: dict[str, Any]) -> str:
    return json.dumps({"html": _rendered("state.html", event), "title": _title(event)})


def _rendered(template: str, event: dict[str, Any]) -> str:
    """Return a template with a state, in the state's language: ``t`` translates the template's own words."""
    with in_language(event["language"]):
        return render_template(
            template,
            now=event,
            t=lambda words: str(Text(words)),
            states=STATES,
            kinds=KINDS,
            glyphs=GLYPHS,
            tones=TONES,
            title=_title(event),
        )


def _title(event: dict[str, Any]) -> str:
    return f"{event['verdict']['headline']} · {event['stack']}"


def _language(request: Request) -> str:
    """Return the language that the URL names, or that the browser prefers."""
    chosen = request.args.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    # best_match would take a less wanted "ja" before "en-US".
    wanted = (language.partition("-")[0].lower() for language in request.accept_languages.values())
    return next((language for language in wanted if language in LANGUAGES), "en")


def _stack(request: Request, watcher: Watcher) -> str:
    """Return the stack that the URL names, if the rehearsal knows it, or the one that changed last."""
    known = watcher.stacks()
    chosen = request.args.get("stack", "")
    if chosen in known:
        return chosen
    return known[0] if known else FIRST_STACK
