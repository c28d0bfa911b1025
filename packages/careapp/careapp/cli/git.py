"""Git, where this machine has it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(root: Path, *words: str) -> str | None:
    """Return what Git says of the checkout at ``root``; None where it fails, or is not on this machine."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None  # as in many containers
    return done.stdout.strip() if done.returncode == 0 else None
