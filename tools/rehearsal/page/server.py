"""Serves the page on loopback: read only, one language a request, live by Server-Sent Events.

Server-Sent Events rather than polling: the browser reconnects by itself, a lost connection shows at
once, and an open stream is how the server knows that a page is open. Each stream is sent the state as HTML,
made by the very template of the first answer, and only when it has changed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, abort, render_template, request, stream_with_context

from ecs_gate.diagnosis.screen import KINDS
from ecs_gate.text import LANGUAGES, Text, in_language, t
from ecs_gate.text.masking import mask_data
from tools.rehearsal.page.state import state
from tools.rehearsal.page.watching import TICK, Watcher

LABELS: dict[str, Text] = {
    "skip": t("Skip to the state"),
    "rehearsal": t("Rehearsal on this machine"),
    "no_aws": t("no AWS account, nothing is billed"),
    "languages": t("Language"),
    "stacks": t("Stacks"),
    "open_page": t("Open the app"),
    "lost": t(
        "The local cloud does not answer any more: it has ended, or is starting again. This "
        "page continues as soon as it is back."
    ),
    "chain": t("Request path"),
    "supplies": t("What a task needs from AWS before it starts"),
    "browser": t("Browser"),
    "browser_words": t("on this machine"),
    "balancer": t("Load balancer"),
    "tasks": t("Tasks"),
    "database": t("Database"),
    "image": t("Image"),
    "secrets": t("Secrets"),
    "log": t("Log"),
    "none_yet": t("not there yet"),
    "doctor": t("The doctor"),
    "doctor_healthy": t("Nothing is wrong."),
    "doctor_waits": t("The doctor runs as soon as a resource exists."),
    "doctor_building": t("The doctor runs as soon as Pulumi has finished."),
    "doctor_unfinished": t(
        "No cause found, but the roll-out has not ended yet: its result is not known."
    ),
    "doctor_unsure": t(
        "No cause found, but some parts could not be read: the service may still be unhealthy."
    ),
    "checked": t("What was checked"),
    "seen": t("Seen"),
    "evidence": t("Messages of AWS and the app"),
    "more_findings": t("Consequences and other findings"),
    "other_ways": t("Other ways"),
    "copy_it": t("Copy"),
    "copied": t("Copied"),
    "copy_command": t("Copy the commands"),
    "not_looked": t("Not read:"),
    "rollout": t("Roll-out"),
    "rollout_none": t("No deployment yet: ECS is off."),
    "desired": t("desired"),
    "running": t("running"),
    "pending": t("starting"),
    "failed": t("failed"),
    "took": t("took"),
    "timeline": t("Timeline"),
    "timeline_empty": t("Nothing has happened yet."),
    "clock": t("AWS's time, in this machine's time zone; it passes faster here"),
    "show": t("Show"),
    "all": t("everything"),
    "events": t("events"),
    "logs": t("log lines"),
    "parts": t("Resources"),
    "name": t("Name"),
    "status": t("Status"),
    "address": t("Address"),
    "rules": t("Rules"),
    "priority": t("Priority"),
    "when": t("When"),
    "then": t("Then"),
    "group": t("Target group"),
    "check": t("Health check"),
    "targets": t("Targets"),
    "target": t("Target"),
    "reason": t("Reason"),
    "no_targets": t("No target is registered."),
    "task": t("Task"),
    "health": t("Container"),
    "revision": t("Revision"),
    "ended": t("Ended tasks"),
    "time": t("Time"),
    "processes": t("Workers and jobs"),
    "exit": t("Exit code"),
    "version": t("Version"),
    "class": t("Class"),
    "storage": t("Storage"),
    "platform": t("Platform"),
    "stores": t("Image, secrets, log"),
    "alarms": t("Alarms"),
    "alarms_quiet": t("none in ALARM"),
    "no_alarms": t("none"),
    "begin": t("Deploy the stack:"),
    "wordless": t("This page reloads every few seconds; with JavaScript it is live."),
}
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


def spoken(texts: Mapping[str, Text]) -> dict[str, str]:
    """Return texts in the current language."""
    return {name: str(text) for name, text in texts.items()}


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
    """The page of one local cloud; ``address`` returns where a stack's own page is, "" while it is nowhere."""
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
        return render_template("page.html", **_words(looked()))

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
    """What is to be sent: each state that differs from the last one, and only that is rendered."""
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
    text = _words(event)
    return json.dumps({"html": render_template("state.html", **text), "title": text["title"]})


def _words(event: dict[str, Any]) -> dict[str, Any]:
    """What the templates need: the state, and the page's own words in its language."""
    with in_language(event["language"]):
        return {
            "now": event,
            "say": spoken(LABELS),
            "states": spoken(STATES),
            "kinds": spoken(KINDS),
            "glyphs": GLYPHS,
            "tones": TONES,
            "title": f"{event['verdict']['headline']} · {event['stack']}",
        }


def _language(request: Request) -> str:
    """The one that the address names, or that the browser prefers."""
    chosen = request.args.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    # best_match would take a less wanted "ja" before "en-US".
    wanted = (each.partition("-")[0].lower() for each in request.accept_languages.values())
    return next((each for each in wanted if each in LANGUAGES), "en")


def _stack(request: Request, watcher: Watcher) -> str:
    """The one that the address names, if the rehearsal knows it, or the one that changed last."""
    known = watcher.stacks()
    chosen = request.args.get("stack", "")
    if chosen in known:
        return chosen
    return known[0] if known else FIRST_STACK
