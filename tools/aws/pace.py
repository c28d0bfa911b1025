"""The pace at which AWS is read, and the speed of its clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from tools.i18n import Refused, t

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
        """Return the pace of CAREAPP_POLL_SECONDS and CAREAPP_CLOCK_SPEED, which a rehearsal sets.

        Raises Refused for a variable that is not a number above 0.
        """
        return cls(
            poll=_positive(environment, "CAREAPP_POLL_SECONDS", POLL_SECONDS),
            speed=_positive(environment, "CAREAPP_CLOCK_SPEED", 1.0),
        )


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Refused(
            t(
                "{name}: {text!r} is not a number above 0; unset it or correct it.",
                name=name,
                text=text,
            )
        )
    return value
