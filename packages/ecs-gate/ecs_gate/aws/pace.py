"""The pace at which AWS is read, and the speed of its clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

POLL_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to read, in seconds of this machine, and how much faster AWS's clock runs.

    On AWS itself the speed is 1. A rehearsal compresses AWS's waits; limits and the times that are
    shown are always AWS's.
    """

    poll: float = POLL_SECONDS
    speed: float = 1.0

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Pace:
        """Return the pace of LOCAL_CLOUD_POLL_SECONDS and LOCAL_CLOUD_SPEED, which a local cloud's user sets."""
        return cls(
            poll=float(environment.get("LOCAL_CLOUD_POLL_SECONDS") or POLL_SECONDS),
            speed=float(environment.get("LOCAL_CLOUD_SPEED") or 1.0),
        )
