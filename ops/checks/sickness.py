"""A failed health check of the load balancer, as AWS words it."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODES = re.compile(r"codes: \[(?P<codes>[\d, ]+)\]")


@dataclass(frozen=True)
class Sick:
    """A failed health check of the load balancer, in AWS's words. ``codes`` are HTTP statuses."""

    kind: str
    codes: tuple[int, ...]
    words: str


def sick_of(words: str, where: str) -> Sick:
    """The check that these words tell of; `where` says whose it was."""
    codes = CODES.search(words)
    if codes:
        numbers = tuple(int(each) for each in re.findall(r"\d+", codes["codes"]))
        return Sick("codes", numbers, where + words)
    return Sick("timeout" if "timed out" in words.lower() else "failed", (), where + words)
