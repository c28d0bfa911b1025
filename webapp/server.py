"""gunicorn's worker as careapp runs it: with lanes, and a main thread that never blocks."""

import selectors
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from webapp import refusals
from webapp.deadlines import Deadlines
from webapp.lanes import LINGERING, MAX_WAIT, PROBES, QUEUE, SPARE, Lane, Lanes
from webapp.peers import SENDING, Head, Peer
from webapp.stopping import StoppingWorker

HEAD = 10.0  # seconds for the head of a request, from its first byte
LINGER = 2.0  # seconds for a client to close, once it has its answer; as gunicorn


class LanedWorker(StoppingWorker):
    """gunicorn's threaded worker, in which health checks have threads of their own.

    The lane is chosen by the head of the request, before any thread takes the connection. A
    connection that has not sent all of it waits in the poller and takes no thread, and so does one
    that the client must only close. What the main thread does never blocks.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        taken = QUEUE + PROBES + LINGERING + SPARE + self.cfg.threads
        self.max_keepalived = max(self.worker_connections - taken, self.cfg.threads)
        self.heads = Deadlines(self, HEAD)
        self.lingering = Deadlines(self, LINGER)
        self.refused = refusals.Count()
        self.serving = threading.local()
        self._next_look = 0.0

    def init_process(self) -> None:
        """Run until the end."""
        for listener in self.sockets:  # what is accepted inherits it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SENDING)
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """The pool for pages; gunicorn asks for it before anything is accepted."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        self.lanes = Lanes(pool, self.cfg.threads)
        return pool

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; its request is waited for without a thread."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if self.nr_conns > self.worker_connections - SPARE // 2:
            self._make_room()
        self.nr_conns += 1
        conn = Peer(self.cfg, sock, client, listener.getsockname(), self.linger)
        head = conn.look()
        if head is not Head.MISSING:
            self._route(conn, head)  # past the poller, which costs more than to look
            return
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(
            sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def _make_room(self) -> None:
        """Close who has kept us waiting longest for a request.

        With all connections taken nobody would be accepted, the balancer's health check included.
        """
        if (conn := self.heads.oldest()) is not None:
            self.heads.remove(conn)
        elif self.pending_conns:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
        else:
            return
        self._drop(conn)

    def enqueue_req(self, conn: Peer) -> None:
        """Give the connection to a thread of its lane, once the head of its request is there."""
        if conn.buffered():
            conn.head = b""
            self._take(conn, self.lanes.pages)
        else:
            self._look(conn)

    def _look(self, conn: Peer, _sock: object = None) -> None:
        self._route(conn, conn.look())

    def _route(self, conn: Peer, head: Head) -> None:
        if head in (Head.MISSING, Head.PART):
            if conn not in self.heads:
                self.heads.add(conn, partial(self._look, conn))
            return
        if conn in self.heads:
            self.heads.remove(conn)
        if head is Head.GONE:
            self._drop(conn)
        else:
            self._take(conn, self.lanes.of(conn.head))

    def _take(self, conn: Peer, lane: Lane) -> None:
        """Give it to the lane, or refuse it here: a thread is what there is none for."""
        if lane.full():
            self.refused.one_more()
            refusals.send(conn.sock, refusals.answer(conn.head, 503))
            self.nr_conns -= 1
            conn.close(graceful=True)
            return
        conn.data_ready = True
        conn.taken_until = time.monotonic() + MAX_WAIT
        done = partial(self.method_queue.defer, self._finish, conn, lane)
        lane.submit(partial(self.handle, conn), done)

    def _finish(self, conn: Peer, lane: Lane, future: Future[Any]) -> None:
        lane.leave()
        self.finish_request(conn, future)

    def handle(self, conn: Peer) -> Any:
        """Answer a request, in a thread; say whether the connection is kept."""
        if time.monotonic() > conn.taken_until:
            refusals.refuse(conn.sock, conn.head, 503, "waited too long for a thread")
            return False
        self.serving.head = conn.head
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Peer) -> bool:
        """Have the app answer. A body that is not here yet is not waited for afterwards."""
        missing = getattr(req.body.reader, "length", None)
        if missing != 0 and (missing is None or missing > conn.buffered()):
            req.force_close()
        try:
            return super().handle_request(req, conn)  # type: ignore[no-any-return]
        except BlockingIOError:
            raise StopIteration from None  # the client does not read its answer

    def handle_error(self, _req: Any, client: socket.socket, _addr: Any, exc: Exception) -> None:
        """Answer a request that could not be read, or at which the app failed altogether."""
        status = refusals.status_for(exc)
        if status == 500:
            self.log.error("request failed", exc_info=exc)
        refusals.refuse(client, self.serving.head, status, type(exc).__name__)

    def linger(self, conn: Peer) -> None:
        """Close a connection once the client does, so that no reset overtakes the answer."""
        conn.end_sending()
        if conn.drained():
            conn.close()
            return
        self.nr_conns += 1
        self.lingering.add(conn, partial(self._drain, conn))
        if len(self.lingering) > LINGERING and (oldest := self.lingering.oldest()):
            self.lingering.remove(oldest)
            self._drop(oldest)

    def _drain(self, conn: Peer, _sock: object = None) -> None:
        if conn.drained():
            self.lingering.remove(conn)
            self._drop(conn)

    def _drop(self, conn: Peer) -> None:
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close all whose time is over; gunicorn's main loop asks for it at each turn."""
        if (now := time.monotonic()) < self._next_look:
            return
        self._next_look = now + 0.25
        super().murder_pending()
        for waiting in (self.heads, self.lingering):
            for conn in waiting.overdue():
                waiting.remove(conn)
                self._drop(conn)
        self.refused.report()

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        self.heads.cap(deadline)
