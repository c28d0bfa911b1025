"""A terminal to run commands on: what a person would see there, colours and all."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def shown_on_a_terminal(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    folder: Path | None = None,
    check: bool = True,
) -> str:
    """What a command writes to a terminal, errors included; its standard input is empty."""
    ours, theirs = pty.openpty()
    subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        check=check,
    )
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:  # Linux says EIO where a terminal has no other end any more
        pass
    os.close(ours)
    return text.decode()
