"""The test files that use what was changed since the branch left main, for ``./careapp test --changed``."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import click

from careapp.cli.git import git
from ecs_gate.text import t

BASE = "main"
NEAR = 2
"""Files of the product on the way from a test to a changed one; over three nearly every test uses every file."""


def touched(root: Path) -> set[str]:
    """Return the files that differ from the merge base with main, and those that Git does not know yet.

    Raises UsageError where Git cannot say it.
    """
    base = git(root, "merge-base", BASE, "HEAD") or "HEAD"
    changed = git(root, "diff", "--name-only", "--relative", base)
    others = git(root, "ls-files", "--others", "--exclude-standard")
    if changed is None or others is None:
        raise click.UsageError(
            str(
                t(
                    "--changed asks Git what was changed: it needs Git, and a checkout with a commit."
                )
            )
        )
    return {*changed.splitlines(), *others.splitlines()}


def using(root: Path, changed: Iterable[str]) -> dict[str, list[str]]:
    """Return the test files that use a changed file, each with the way to it: what it imports, …, what was changed.

    A Python file is used by imports. Any other one is used by the files that have its name, or ``*`` and its ending;
    a page only by tests.
    """
    files = [
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    used_by: dict[str, list[str]] = {}
    for file in files:
        for used in uses(file, (root / file).read_text(), files, changed):
            used_by.setdefault(used, []).append(file)
    ways = {file: [file] for file in sorted(changed)}
    waiting = deque(ways)
    while waiting:
        used = waiting.popleft()
        for file in used_by.get(used, ()):
            way = [file, *ways[used]]
            if file not in ways and sum(not is_test(module) for module in way) <= NEAR:
                ways[file] = way
                waiting.append(file)
    return {
        file: way[1:] or ["changed itself"]
        for file, way in sorted(ways.items())
        if PurePosixPath(file).name.startswith("test_") and (root / file).exists()
    }


def uses(file: str, text: str, files: Iterable[str], changed: Iterable[str]) -> Iterator[str]:
    """Yield what a Python file uses: modules, the conftest.py of its folders, and changed files by their names."""
    known = {*files, *changed}
    by_import = {below_packages(other): other for other in known}
    for module in imported(ast.parse(text), below_packages(file)):
        path = module.replace(".", "/")
        either = (f"{path}.py", f"{path}/__init__.py")
        yield from (by_import[name] for name in either if name in by_import)
    if PurePosixPath(file).name.startswith("test_"):
        folders = PurePosixPath(file).parents
        yield from known.intersection(f"{folder}/conftest.py" for folder in folders)
    for other in changed:
        name = PurePosixPath(other)
        named = name.name in text or f'"*{name.suffix}"' in text
        if named and name.suffix != ".py" and (is_test(file) or name.suffix != ".md"):
            yield other


def is_test(file: str) -> bool:
    """Say whether a file is below a folder of tests."""
    return "tests" in PurePosixPath(file).parts


def below_packages(file: str) -> str:
    """Return a file's path as Python imports it: below the folder of its package."""
    return re.sub("^packages/[^/]+/", "", file)


def imported(tree: ast.AST, file: str) -> Iterator[str]:
    """Yield the names of the modules that a file may import, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = PurePosixPath(file).parts[: -node.level] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def shown(ways: Mapping[str, list[str]]) -> str:
    """Return a line for each test file, with its way to what was changed."""
    return "\n".join(f"{file}: {' <- '.join(way)}" for file, way in ways.items())
