"""What the engine is doing in the rehearsal's own file backend, by its locks and its checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.paths import Home
from stack.names import PROJECT

DELETING = "deleting"
"""Type of a pending operation (Pulumi, apitype.OperationType)."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One stack in the engine's eyes. ``removing``: since the lock was taken it has only deleted."""

    stack: str
    busy: bool = False
    removing: bool = False
    resources: int = 0


class EngineWork:
    """Reads the backend; remembers what the engine did since it took its lock."""

    def __init__(self, home: Home) -> None:
        self._backend = home.state / ".pulumi"
        self._done: dict[str, set[str]] = {}
        self._read: dict[Path, tuple[float, int, set[str]]] = {}

    def stacks(self) -> tuple[str, ...]:
        """The stacks that the backend holds, the one that changed last first."""
        files = (self._backend / "stacks" / PROJECT).glob("*.json")
        return tuple(file.stem for file in sorted(files, key=_changed, reverse=True))

    def of(self, stack: str) -> Work:
        """What is known of a stack; nothing, where the backend does not know it."""
        resources, pending = self._checkpoint(stack)
        lock = next(self._locks(stack), None)
        if lock is None:
            return Work(stack=stack, resources=resources)
        done = self._done.setdefault(lock, set())
        done |= pending
        return Work(stack=stack, busy=True, removing=done == {DELETING}, resources=resources)

    def _locks(self, stack: str) -> Iterator[str]:
        """The locks whose engine still lives: one that was killed leaves its lock behind."""
        for file in (self._backend / "locks").glob(f"*/{PROJECT}/{stack}/*.json"):
            if _alive(content(file).get("pid")):
                yield file.stem

    def _checkpoint(self, stack: str) -> tuple[int, set[str]]:
        file = self._backend / "stacks" / PROJECT / f"{stack}.json"
        changed = _changed(file)
        known = self._read.get(file)
        if known is None or known[0] != changed:
            latest = (content(file).get("checkpoint") or {}).get("latest") or {}
            count = len(latest.get("resources") or ())
            pending = {str(each["type"]) for each in latest.get("pending_operations") or ()}
            known = self._read[file] = (changed, count, pending)
        return known[1], known[2]


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def content(file: Path) -> dict[str, Any]:
    """A JSON file's content; {} where there is none, or while it is just being replaced."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
