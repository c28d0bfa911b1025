"""The words of click and argparse, which both ask gettext's current domain for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = "libraries"
UNSEEN = {"_winconsole.py", "_termui_impl.py", "termui.py", "utils.py", "testing.py"}
"""Modules of click whose words no command shows: editors, pagers, prompts, Windows."""
SEEN_ANYWAY = {"Error: invalid input"}
"""What termui says when a question is answered with neither yes nor no."""
ARGPARSE = {
    *("usage: ", "positional arguments", "options", "show this help message and exit"),
    *("unrecognized arguments: %s", "argument %(argument_name)s: %(message)s"),
    "ignored explicit argument %r",
}
"""What ``./careapp test`` can show of argparse's words, whichever Python it is."""


def library_messages() -> set[str]:
    """Every message of the libraries that a command can show; a plural behind its singular and a NUL."""
    import click

    folder = Path(str(click.__file__)).parent
    files = [file for file in sorted(folder.glob("*.py")) if file.name not in UNSEEN]
    found = {each for file in files for each in _translated(ast.parse(file.read_text()))}
    return found | SEEN_ANYWAY | ARGPARSE


def _translated(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in ("_", "ngettext"):
            words = node.args[: 1 if name == "_" else 2]  # type: ignore[attr-defined]
            if all(isinstance(word, ast.Constant) for word in words):
                yield "\0".join(str(word.value) for word in words)
