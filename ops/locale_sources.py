"""Where careapp's messages stand: in calls of ``t``, in the help of commands, in the entry script."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("tests/__main__.py", "tests/tiers.py", "tests/results.py")
SOURCES = tuple(ROOT / name for name in ("ops", "infra", "rehearsal", "careapp", *TESTS))
IN_SHELL = re.compile(r"""\bt '([^']*)'""")
LIST = re.compile(r"<<'LIST'\n(.*?)^LIST$", re.DOTALL | re.MULTILINE)


def messages(places: Sequence[Path] = SOURCES) -> set[str]:
    """Every message of the files and folders. Raises ValueError for a ``t`` of what is no literal."""
    found: set[str] = set()
    for place in places:
        if place.name == "careapp":
            found |= set(in_shell(place.read_text()))
            continue
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            tree = ast.parse(file.read_text())
            found |= set(marked(tree, file.name)) | set(helps(tree))
    return found


def in_shell(script: str) -> Iterator[str]:
    """Those of the entry script: its calls of ``t``, and what its list says of the commands."""
    yield from IN_SHELL.findall(script)
    for listed in LIST.findall(script):
        yield from (line.split(" ", 2)[2] for line in listed.splitlines())


def marked(tree: ast.AST, name: str) -> Iterator[str]:
    """The templates that are given to ``t``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "t":
            template = node.args[0] if node.args else None
            if not isinstance(template, ast.Constant):
                where = f"{name}:{node.lineno}"
                raise ValueError(f"{where}: t() takes a literal, or no catalogue can know it")
            yield str(template.value)


def helps(tree: ast.AST) -> Iterator[str]:
    """What click shows of a command: its docstring and its options' ``help``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_makes_command, node.decorator_list)):
            yield inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
        elif isinstance(node, ast.Call) and _name(node.func) in ("option", "Option"):
            for keyword in node.keywords:
                if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def _makes_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _name(called) in ("command", "group")


def _name(called: ast.expr) -> str:
    return str(getattr(called, "attr", getattr(called, "id", "")))
