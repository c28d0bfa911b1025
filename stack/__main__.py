"""The settings as the Markdown table of docs/settings.md: `python -m stack`."""

from __future__ import annotations

import sys

from stack.settings import KEYS


def table() -> str:
    """Return one row for each key, in the order of the stack's parts."""
    rows = [f"| `{key.name}` | {key.meaning} | {_default(key.default)} |" for key in KEYS]
    return "\n".join(["| key | meaning | default |", "|---|---|---|", *rows, ""])


def _default(text: str) -> str:
    return f"`{text}`" if text not in ("", "{}") else "empty"


if __name__ == "__main__":
    sys.stdout.write(table())
