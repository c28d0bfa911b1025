"""gunicorn's parts that careapp replaces: a worker with lanes, and a logger that writes JSON."""

import logging
import re
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn import glogging  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

from webapp import logs
from webapp.listening import allow_new_handshakes, stop_new_handshakes

# Seconds after SIGTERM in which new connections are still answered: a balancer that drains at the
# same moment may have chosen this task already.
LAME_DUCK = 0.5
HANDSHAKE = 0.1  # seconds in which one that has begun is completed
PEEKED = 64  # bytes, enough for the request line of a health check
HEALTH_LINE = re.compile(rb"(?:GET|HEAD) /health(/db)?[ ?]")


class LanedWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, in which health checks have threads of their own.

    With one pool of threads a few requests that wait for a slow database are enough to keep
    /health waiting, and then the load balancer ends a task that works. The lane is chosen by the
    request line, before any thread takes the connection. A connection that has not sent anything
    waits in the poller and takes no thread.
    """

    def init_process(self) -> None:
        # As many as for pages: with fewer, each request means waking a thread (measured: half the
        # rate with two).
        self.health_lane = ThreadPoolExecutor(self.cfg.threads, "health")
        self.probe_lane = ThreadPoolExecutor(1, "health-db")
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Give the connection to a thread of its lane."""
        done = self._lane(conn.sock).submit(self.handle, conn)
        done.add_done_callback(
            lambda future: self.method_queue.defer(self.finish_request, conn, future)
        )

    def _lane(self, sock: socket.socket) -> ThreadPoolExecutor:
        try:
            match = HEALTH_LINE.match(sock.recv(PEEKED, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            match = None
        if not match:
            return self.tpool  # type: ignore[no-any-return]
        return self.probe_lane if match[1] else self.health_lane

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; its request is waited for without a thread."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = gthread.TConn(self.cfg, sock, client, listener.getsockname())
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(
            sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting, when the worker stops, only after LAME_DUCK and with an empty queue.

        gunicorn would leave the socket open until the last request is finished, so that clients
        that come in between wait in the kernel's queue, only to be reset then.
        """
        if enabled or self.alive:
            super().set_accept_enabled(enabled)
            return
        self._go_on_for(LAME_DUCK)
        held = [listener for listener in self.sockets if stop_new_handshakes(listener)]
        self._go_on_for(HANDSHAKE)
        super().set_accept_enabled(False)
        for listener in self.sockets:
            self._accept_all(listener)
            if listener in held:
                allow_new_handshakes(listener)
            listener.close()

    def _go_on_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.notify()
            self.wait_for_and_dispatch_events(left)

    def _accept_all(self, listener: socket.socket) -> None:
        before = -1
        while before != self.nr_conns:
            before = self.nr_conns
            self.accept(listener)

    def _cap_keepalive(self, deadline: float) -> None:
        """Let a stopping worker wait for silent new connections no longer than for kept ones."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


class JsonLogger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's log in the app's format; the app itself logs the requests."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        logs.configure(cfg.loglevel)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.NOTSET)

    def access(self, *_: Any) -> None:
        """Nothing: see webapp.front."""

    def reopen_files(self) -> None:
        """Nothing: there are no files."""
