"""What the rehearsal's commands print: headings, plain lines, errors."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
"""Results; colours only on a terminal, and none with NO_COLOR."""
err = Console(stderr=True, highlight=False)
"""What is not a result."""


def say(text: str) -> None:
    """A heading between the steps."""
    out.print(f"\n[bold]{escape(text)}[/bold]", soft_wrap=True)


def tell(text: str) -> None:
    """A plain line."""
    out.print(escape(text), soft_wrap=True)


def note(text: str) -> None:
    """A plain line beside the results, on standard error."""
    err.print(escape(text), soft_wrap=True)


def fail(text: str) -> None:
    """An error, on standard error."""
    err.print(f"[bold red]error:[/bold red] {escape(text)}", soft_wrap=True)
