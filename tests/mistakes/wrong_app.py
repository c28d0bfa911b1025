"""A mistake in a Flask app: stands in its package as ``mistake.py``, and wraps the app that ``create_app`` returns.

The values of ``HOW`` are put in when it is copied.
"""

import gzip
import os
import threading
import time

import psycopg

HOW = {}
SEEN = {"requests": 0}
KEPT = []


def act() -> None:
    """Do what is wrong."""
    match HOW["what"]:
        case "exit":
            os._exit(HOW["number"])
        case "end":
            raise SystemExit(0)
        case "raise":
            raise RuntimeError("half done")
        case "sleep":
            time.sleep(HOW["seconds"])
        case "hang":
            threading.Event().wait()
        case "memory":
            KEPT.append(bytearray(HOW["number"] * 1_000_000))
        case "threads":
            threads = [
                threading.Thread(target=threading.Event().wait, daemon=True)
                for _ in range(HOW["number"])
            ]
            [thread.start() for thread in threads]
        case "connections":
            KEPT.extend(connect() for _ in range(HOW["number"]))


def connect():
    """Return a session of the app's user in its database."""
    names = {name: os.environ[f"DB_{name.upper()}"] for name in ("host", "port", "user")}
    names |= {"dbname": os.environ["DB_NAME"], "password": os.environ["DB_PASSWORD"]}
    return psycopg.connect(**names, connect_timeout=5)


ANSWERS = {
    "status": ("text/plain", "", b"no"),
    "close": ("text/html", "", b"<h1>half"),
    "half gzip": ("text/html", "gzip", gzip.compress(os.urandom(2000))[:900]),
    "wrong encoding": ("text/html", "br", b"<h1>Hello</h1>"),
    "empty": ("text/html", "", b""),
}


def wrapped(create):
    """Return a ``create_app`` whose app makes the mistake at the requests that ``HOW`` names."""

    def created(*args):
        app = create(*args)
        inner = app.wsgi_app
        if HOW["when"] == "after":
            threading.Timer(HOW["seconds"], act).start()

        def answer(environ, start):
            meant = HOW["path"] in ("", environ["PATH_INFO"])
            SEEN["requests"] += meant
            at_first = HOW["when"] == "first" and SEEN["requests"] == 1
            at_every = HOW["when"] == "every" and SEEN["requests"] % HOW["every"] == 0
            if not (meant and (at_first or at_every)):
                return inner(environ, start)
            if HOW["what"] not in ANSWERS:
                act()
                return inner(environ, start)
            kind, encoding, body = ANSWERS[HOW["what"]]
            length = len(body) + 1000 * (HOW["what"] == "close")
            headers = [("Content-Type", kind), ("Content-Length", str(length))]
            status = f"{HOW['number']} No" if HOW["what"] == "status" else "200 OK"
            start(status, headers + [("Content-Encoding", encoding)] * bool(encoding))
            return [body]

        app.wsgi_app = answer
        return app

    return created


if HOW.get("when") == "import":
    act()
