"""A worker that ends without losing a request."""

import socket
import time

from gunicorn.workers import gthread  # type: ignore[import-untyped]

from webapp.listening import allow_new_handshakes, stop_new_handshakes

# Seconds after SIGTERM in which new connections are still answered: a balancer that drains at the
# same moment may have chosen this task already.
LAME_DUCK = 0.5
HANDSHAKE = 0.1  # seconds in which one that has begun is completed


class StoppingWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, which goes on accepting for a moment once it is to stop."""

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
