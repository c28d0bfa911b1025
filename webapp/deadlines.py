"""Sockets that are waited for by the poller, each of a group for the same time."""

import selectors
import time
from collections.abc import Callable
from typing import Protocol

from webapp.peers import Peer


class Owner(Protocol):
    """Has the poller; gunicorn makes it later than its workers."""

    poller: selectors.BaseSelector


class Deadlines:
    """Connections whose next bytes are waited for without a thread, the oldest first."""

    def __init__(self, owner: Owner, seconds: float) -> None:
        self._owner = owner
        self._seconds = seconds
        self._until: dict[Peer, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, peer: Peer) -> bool:
        return peer in self._until

    def add(self, peer: Peer, readable: Callable[[object], None]) -> None:
        """Have `readable` called whenever there is something to read, until it is removed."""
        self._until[peer] = time.monotonic() + self._seconds
        self._owner.poller.register(peer.sock, selectors.EVENT_READ, readable)

    def remove(self, peer: Peer) -> None:
        """Wait for it no more."""
        del self._until[peer]
        self._owner.poller.unregister(peer.sock)

    def oldest(self) -> Peer | None:
        """The one that has been waited for longest."""
        return next(iter(self._until), None)

    def overdue(self) -> list[Peer]:
        """Those whose time is over."""
        late = []
        now = time.monotonic()
        for peer, until in self._until.items():
            if until > now:
                break
            late.append(peer)
        return late

    def cap(self, deadline: float) -> None:
        """Wait for none of them longer than until then."""
        self._until = {peer: min(until, deadline) for peer, until in self._until.items()}
