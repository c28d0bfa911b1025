"""The page's own process: ``python -m careapp.rehearsal.page``, started by the local cloud.

It has a process of its own: the load balancer and the health checks of the local cloud lose no time to it but that of
its AWS calls, and its environment leads to the local cloud alone.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from careapp import ROOT
from careapp.settings.file import names_of
from local_cloud.paths import Home


def main() -> int:
    """Serve until standard input, which the local cloud holds open, ends: however that cloud ends.

    The arguments are the file descriptor of the listening socket, the home's folder and the region.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=serve, args=sys.argv[1:], daemon=True).start()
    sys.stdin.read()
    return 0


def serve(listener: str, folder: str, region: str) -> None:
    """Answer requests on the listening socket of this file descriptor, until the process ends."""
    from werkzeug.serving import make_server

    from careapp.rehearsal.page.server import create_app
    from careapp.rehearsal.page.watching import Watcher
    from ecs_gate.aws.session import Session

    home = Home(Path(folder))
    watcher = Watcher(home, Session(region))
    app = create_app(watcher, lambda stack: app_address(home, stack))
    make_server("127.0.0.1", 0, app, threaded=True, fd=int(listener)).serve_forever()


def app_address(home: Home, stack: str) -> str:
    """Return where the page of the stack's app answers; "" while its load balancer has no listener."""
    from careapp.rehearsal.page.watching import content

    state, balancer = content(home.facts).get("state") or {}, names_of(stack, ROOT).balancer
    own = [each for each in state.get("listeners") or () if each["balancer"] == balancer]
    # Where HTTPS serves, the listener of HTTP only redirects to it.
    listeners = sorted(own, key=lambda listener: not listener.get("authority"))
    return str(listeners[0]["url"]) if listeners else ""


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # Streams that wait for news would hold the interpreter's end.
    os._exit(status)
