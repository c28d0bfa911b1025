"""The page's own process: ``python -m rehearsal.page``, started by the local cloud.

A process of its own, so that looking takes nothing from the load balancer and the health checks of the local
cloud but the AWS calls it makes, and so that ``ops`` meets an environment that leads to the local cloud alone.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from ops.aws.local_cloud import ROOT
from rehearsal.paths import Home
from stack.file import names_of


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of the page. ``listener`` is the file descriptor of its listening socket."""

    listener: int
    folder: str
    region: str


def main() -> int:
    """Serve until standard input, which the local cloud holds open, ends: however that cloud ends."""
    options = Options(**json.loads(sys.stdin.readline()))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=serve, args=(options,), daemon=True).start()
    sys.stdin.read()
    return 0


def serve(options: Options) -> None:
    """Answer on the socket that was handed over."""
    from werkzeug.serving import make_server

    from ops.aws.session import Session
    from rehearsal.page.server import create_app
    from rehearsal.page.watching import Watcher

    home = Home(Path(options.folder))
    watcher = Watcher(home, Session(options.region))
    app = create_app(watcher, lambda stack: app_address(home, stack))
    make_server("127.0.0.1", 0, app, threaded=True, fd=options.listener).serve_forever()


def app_address(home: Home, stack: str) -> str:
    """Return where the page of the stack's app answers; "" while its load balancer has no listener."""
    from rehearsal.page.watching import content

    state, balancer = content(home.facts).get("state") or {}, names_of(stack, ROOT).balancer
    own = [each for each in state.get("listeners") or () if each["balancer"] == balancer]
    # Where HTTPS serves, the listener of HTTP only redirects to it.
    listeners = sorted(own, key=lambda each: not each.get("authority"))
    return str(listeners[0]["url"]) if listeners else ""


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # Streams that wait for news would hold the interpreter's end.
    os._exit(status)
