"""Hooks and patches that a data plane puts into moto when it starts and takes out when it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rehearsal.control import hooks

Handler = Callable[[hooks.Params], Any]


class Hooking:
    """What one data plane has put into the shared registry and into moto's classes."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def before(self, service: str, action: str, handler: Handler) -> None:
        """Look at a call before moto does."""
        self._add(hooks.registry.before, (service, action), handler)

    def after(self, service: str, action: str, handler: Handler) -> None:
        """Act on a call that moto has carried out."""
        self._add(hooks.registry.after, (service, action), handler)

    def instead(self, service: str, action: str, handler: Handler) -> None:
        """Answer a call in moto's place."""
        hooks.instead(service, action)(handler)
        self._undo.append(lambda: hooks.registry.instead.pop((service, action), None) and None)

    def patch(self, owner: type, name: str, value: object) -> None:
        """Replace an attribute of one of moto's classes."""
        original = owner.__dict__[name]
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))

    def remove(self) -> None:
        """Take everything out again; a second call does nothing."""
        with hooks.LOCK:
            while self._undo:
                self._undo.pop()()

    def _add(
        self, table: dict[hooks.Call, list[hooks.Before]], call: hooks.Call, handler: Handler
    ) -> None:
        table.setdefault(call, []).append(handler)
        self._undo.append(lambda: table[call].remove(handler))
