"""Waiting for what has to come true by itself."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], within: float, what: str = "") -> float:
    """Seconds until the condition was true; AssertionError if that takes longer than `within`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within} s: {what or condition}")
        time.sleep(0.02)
    return time.monotonic() - began
