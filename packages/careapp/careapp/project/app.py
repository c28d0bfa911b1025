"""What an app that exists says of itself: its port, its health check, its variables and its Flask object."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from careapp.settings.container import RESERVED

HEALTH = ("/health", "/healthz", "/up", "/ping", "/livez", "/readyz", "/_health", "/status")
"""Paths that apps give their health checks, the commonest first."""
ROUTES = ("route", "get", "add_url_rule", "path")
DATABASE_URLS = ("DATABASE_URL", "SQLALCHEMY_DATABASE_URI")
LEFT_OUT = {"tests", "test", "node_modules", "venv", ".venv", "env", "__pycache__", ".git"}
"""Folders that are not the app's own code."""
PORT = re.compile(r"(?m)^\s*EXPOSE\s+(\d+)|(?:--bind|-b|--port|-p)[=\s\",]+(?:[\d.]*:)?(\d{2,5})\b")


@dataclass
class App:
    """What was found; None and empty where nothing was."""

    dockerfile: bool
    packages: str
    """`requirements.txt`, `pyproject.toml` or nothing: where the app's packages are written."""
    port: int | None = None
    health: str | None = None
    variables: set[str] = field(default_factory=set)
    """Those that the app reads and has no other value for; the stack's own are left out."""
    callable: str | None = None
    """The Flask object as gunicorn takes it: `shop:app`, `shop:create_app()`."""


def health_route(folder: Path, asked: str) -> str:
    """Return the path that an app's routes have for health checks: ``asked`` if it is one, "" without any."""
    routes = {route for _, tree in _modules(folder) for route in _routes(tree)}
    return next((path for path in (asked, *HEALTH) if path in routes), "")


def look(folder: Path) -> App:
    """Read an app's Dockerfile and Python files. Nothing is run."""
    named = next((n for n in ("requirements.txt", "pyproject.toml") if (folder / n).exists()), "")
    dockerfile = folder / "Dockerfile"
    found = App(dockerfile=dockerfile.exists(), packages=named)
    if found.dockerfile and (port := PORT.search(dockerfile.read_text(errors="replace"))):
        found.port = int(port[1] or port[2])
    routes: set[str] = set()
    for file, tree in _modules(folder):
        found.variables |= {*_variables(tree)} - RESERVED
        routes |= {*_routes(tree)}
        found.callable = found.callable or _callable(file.relative_to(folder), tree)
    found.health = next((path for path in HEALTH if path in routes), None)
    return found


def _modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the files, those on top first, with their trees; a file that is no Python 3 is left out."""
    files = (
        file
        for file in folder.rglob("*.py")
        if LEFT_OUT.isdisjoint(file.relative_to(folder).parts[:-1])
    )
    for file in sorted(files, key=lambda each: (len(each.parts), each)):
        try:
            yield file, ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _variables(tree: ast.AST) -> Iterator[str]:
    """Yield the variables that are read without a default."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            yield from filter(None, [_text(node.slice)])
    for call in _calls(tree):
        # environs and django-environ: env("NAME"), env.str("NAME"), without a default
        reader = ast.unparse(call.func).partition(".")[0]
        if reader == "env" and len(call.args) == 1 and not call.keywords:
            yield from filter(None, [_text(call.args[0])])


def _routes(tree: ast.AST) -> Iterator[str]:
    for call in _calls(tree):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in ROUTES and call.args and (text := _text(call.args[0])):
            yield f"/{text.strip('/')}"


def _callable(file: Path, tree: ast.Module) -> str | None:
    """Return the Flask object, or the function that makes one, as `module:object`."""
    parts = file.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if not module:
        return None  # The folder is itself a package, which is imported from the one above.
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = ast.unparse(node.value.func).rpartition(".")[2]
            if made in ("Flask", "create_app") and isinstance(node.targets[0], ast.Name):
                return f"{module}:{node.targets[0].id}"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "create_app":
            return f"{module}:create_app()"
    return None
