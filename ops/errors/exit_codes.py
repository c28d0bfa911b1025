"""The exit codes of every command, from what its own ``--help`` says of them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from ops.locale_sources import ROOT, marked
from ops.texts import t, translated

FILES = ("ops/__main__.py", "ops/db_cli.py", "ops/pause_cli.py")
REHEARSAL = ("rehearsal/__main__.py", "rehearsal/cost_command.py")
TESTS = "tests/__main__.py"
COMPLETION = t("Exit code 0: printed. 2: no such shell.")
"""Of `completion`, which the entry script answers by itself, without Python."""
PARAGRAPH = {
    "en": re.compile(r"Exit code (0: .*)", re.DOTALL),
    "ja": re.compile(r"終了コード (0: .*)", re.DOTALL),
}
CODE = re.compile(r"(\d+): (.*?)[.。、]?\s*(?=\d+: |$)", re.DOTALL)


def table(lang: str) -> dict[str, dict[int, str]]:
    """Every command's codes and what they mean; a command that says nothing has its group's."""
    found: dict[str, dict[int, str]] = {}
    for name, said in _commands():
        paragraph = PARAGRAPH[lang].search(translated(said, lang))
        if paragraph:
            pairs = CODE.findall(paragraph[1])
            found[name] = {int(code): " ".join(words.split()) for code, words in pairs}
        elif name.rpartition(" ")[0] in found:
            found[name] = found[name.rpartition(" ")[0]]
    groups = {name.rpartition(" ")[0] for name in found}
    return {name: codes for name, codes in found.items() if name not in groups}


def _commands() -> Iterator[tuple[str, str]]:
    """Each command as it is typed, and its help; groups before what is below them."""
    for file in (*REHEARSAL, *FILES):
        for node in ast.parse((ROOT / file).read_text()).body:
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if (group := _group(decorator)) is not None:
                        said = inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
                        yield f"{group} {node.name}".strip(), said
    for text in marked(ast.parse((ROOT / TESTS).read_text()), TESTS):
        if PARAGRAPH["en"].match(text):
            yield "test", text
    yield "completion", str(COMPLETION)


def _group(decorator: ast.expr) -> str | None:
    """The group that a decorator puts its command into; None where it makes no command."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(called, ast.Attribute) or called.attr not in ("command", "group"):
        return None
    group = ast.unparse(called.value)
    return "" if group in ("main", "click") else group
