"""Where a stack is, as the AWS command line must be told, for it does not read the stack file."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

CALL = re.compile(r"aws(?: [a-z][a-z0-9-]*)+(?= |$)")
"""Program, service and operation; `aws rds wait` has one word more."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A region, and the profile that the stack file names, if it names one."""

    region: str
    profile: str | None = None

    def told(self, command: str) -> str:
        """An AWS command that reaches this place whatever the shell's own are; any other as it is."""
        call = CALL.match(command)
        if call is None:
            return command
        options = {"--region": self.region, "--profile": self.profile}
        known = shlex.split(command)
        added = "".join(
            f" {name} {shlex.quote(value)}"
            for name, value in options.items()
            if value and name not in known
        )
        return f"{call[0]}{added}{command[call.end() :]}"
