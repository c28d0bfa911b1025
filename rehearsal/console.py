"""What the rehearsal's commands print: headings, plain lines, errors."""

from __future__ import annotations

from rich.markup import escape

from i18n import Text, shown
from ops.render.lines import console
from ops.speaking import tell as fail

__all__ = ["fail", "note", "say", "tell"]

out = console()
"""Results; colours only on a terminal, and none with NO_COLOR."""
err = console(stderr=True)
"""What is not a result."""


def say(text: Text | str) -> None:
    """A heading between the steps."""
    out.print(f"\n[bold]{escape(shown(text))}[/bold]", soft_wrap=True)


def tell(text: Text | str) -> None:
    """A plain line."""
    out.print(escape(shown(text)), soft_wrap=True)


def note(text: Text | str) -> None:
    """A plain line beside the results, on standard error."""
    err.print(escape(shown(text)), soft_wrap=True)
