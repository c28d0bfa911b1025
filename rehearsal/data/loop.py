"""The one event loop, in a thread of its own, on which the data plane does its network work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """An asyncio loop that other threads give work to."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run the loop in its thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rehearsal-network", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        """Do ``work`` on the loop and wait for its result, at most ``timeout`` seconds of the wall."""
        return self.begin(work).result(timeout)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Do ``work`` on the loop without waiting."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the data plane is not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Cancel what is left and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self.run(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
        self._loop = self._thread = None


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=3)
    await asyncio.get_running_loop().shutdown_asyncgens()
