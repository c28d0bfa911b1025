"""Which errors the code can tell, read from the code itself.

An error's text is what an error class is made with, what a setting's problem is, how the block of a failed
roll-out begins, and what ``fail`` says in the entry script. A text in a constant, or from a function of the
same file, is followed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.locale_libraries import REFUSALS
from ops.locale_sources import ROOT, SOURCES

WEBAPP = ROOT / "webapp" / "settings.py"
IN_SCRIPT = re.compile(r"""(?:\bfail \d "|\bwords=|\bseen="\$seen\||\bset -- ")\$\(t '([^']*)'""")
BUILT_IN = {"ValueError", "FileNotFoundError", "UsageError", "BadParameter"}
TELLING = {"fail", "error", "__init__"}
"""Functions and methods that tell an error and end: click's, argparse's, the console's, an error's own."""
HEADS = {"head": ("ops/rollout_text.py", "infra/settings/reader.py"), "BROKEN": ("ops/rollout.py",)}
"""Names of what a failed roll-out's block, or that of unusable settings, begins with, and their files."""


@dataclass(frozen=True)
class Found:
    """An error: its English text, its file, and the way out where the code holds it apart."""

    text: str
    file: str
    cure: str = ""


def errors() -> dict[str, Found]:
    """Every error that careapp can tell, by its text."""
    files = [file for place in SOURCES for file in _files(place)]
    trees = {file: ast.parse(file.read_text()) for file in files if file.suffix == ".py"}
    classes = BUILT_IN | _error_classes(trees.values())
    found: dict[str, Found] = {}
    for file in files:
        name = str(file.relative_to(ROOT))
        told = _in_module(trees[file], name, classes) if file in trees else _in_script(file)
        for text, cure in told:
            found.setdefault(text, Found(text, name, cure))
    found |= {text: Found(text, "click") for text in REFUSALS}
    webapp, tree = str(WEBAPP.relative_to(ROOT)), ast.parse(WEBAPP.read_text())
    return found | {text: Found(text, webapp) for text in _of_container(tree)}


def _files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def _error_classes(trees: Iterable[ast.Module]) -> set[str]:
    classes = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.ClassDef)]
    known = {"Exception", "ValueError", "RunError"}
    for _ in range(3):
        known |= {each.name for each in classes if {_name(base) for base in each.bases} & known}
    return known


def _in_script(script: Path) -> Iterator[tuple[str, str]]:
    yield from ((text, "") for text in IN_SCRIPT.findall(script.read_text()))


def _of_container(tree: ast.Module) -> Iterator[str]:
    """What the app says of its variables before it starts; `{…}` stands for a value, as elsewhere."""
    told = {
        node.name: [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("problems.append"):
            word = node.args[0]
            words = told[_name(word.func)] if isinstance(word, ast.Call) else [word]
            yield from (_with_gaps(each) for each in words if each)


def _with_gaps(word: ast.expr) -> str:
    parts = word.values if isinstance(word, ast.JoinedStr) else [word]
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{_gap(part.value)}}}"  # type: ignore[attr-defined]
        for part in parts
    )


def _gap(value: ast.expr) -> str:
    return _name(value.func if isinstance(value, ast.Call) else value)


def _in_module(tree: ast.Module, file: str, classes: set[str]) -> Iterator[tuple[str, str]]:
    known = _constants(tree) | _functions(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "AwsProblem":
            _, text, way_out, *_ = node.args
            cures = list(_texts(way_out, known)) or [""]
            yield from ((each, cures[0]) for each in _texts(text, known))
        elif isinstance(node, ast.Call) and _name(node.func) in classes | TELLING:
            yield from ((text, "") for word in node.args for text in _texts(word, known))
        elif isinstance(node, ast.Assign) and _begins_an_error(node.targets[0], file):
            yield from ((text, "") for text in _texts(node.value, known))


def _begins_an_error(target: ast.expr, file: str) -> bool:
    if isinstance(target, ast.Subscript):
        return _name(target.value) == "problems"
    return file in HEADS.get(_name(target), ())


def _constants(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Names that stand for texts: several for one that several functions use."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(map(_is_text, ast.walk(node.value))):
            for target in node.targets:
                found.setdefault(_name(target), []).append(node.value)
    return found


def _functions(tree: ast.Module) -> dict[str, list[ast.expr]]:
    return {
        node.name: [
            each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value
        ]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _name(node.returns) == "Text"
    }


def _texts(node: ast.AST, known: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """The templates of an argument; not those that stand in another one's gaps."""
    if _is_text(node):
        yield str(node.args[0].value)  # type: ignore[attr-defined]
        return
    called = node.func if isinstance(node, ast.Call) else None
    name = _name(called if called else node)
    if name in known and isinstance(node, ast.Name | ast.Call):
        others = {key: value for key, value in known.items() if key != name}
        before = [each for each in known[name] if each.lineno < node.lineno]
        # A constant may stand anywhere; a variable means what was put into it last.
        meant = before[-1:] if isinstance(node, ast.Name) and name.islower() else known[name]
        for each in meant:
            yield from _texts(each, others)
    elif called is None or name in ("shown", "to"):
        for part in ast.iter_child_nodes(node):
            yield from _texts(part, known)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "t" and bool(node.args)


def _name(node: ast.AST | None) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))
