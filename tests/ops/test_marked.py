"""No words reach a person past the catalogue: what is printed or raised is a text, or is allowed by name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEAKING = ("ops", "infra", "rehearsal", "stack")
SILENT = {
    "rehearsal/aws": "AWS's own refusals, events and reasons, in AWS's words",
    "rehearsal/machine": "what the local cloud says to the engineer who starts it",
    "rehearsal/providers": "for whoever adds a resource type to the stand-ins",
    "rehearsal/run/session_plugin.py": "what AWS's own plugin prints; ops reads it",
}
"""What speaks to programs and to those who change this one, and why."""
SAYING = {
    *("print", "print_heading", "print_line", "print_note", "print_error"),
    *("echo", "confirm", "say", "tell", "note", "fail", "phase", "moment", "lasting"),
    *("Line", "UsageError", "BadParameter"),
}
"""What shows its arguments to a person."""
MARKING = {"t", "verbatim", "said", "joined"}
MISTAKES = {"AssertionError", "RuntimeError", "SystemExit", "LookupError", "KeyError", "TypeError"}
"""Raised for a mistake of the program's, never of a person's."""
WORDS = re.compile(r"[A-Za-z]{2,}")
SHOWN_ALL_THE_SAME = {"PortTaken", "NoLoopback", "PostgresFailed", "WrongMoto"}
"""Raised where AWS's words are, and told by the command that could not start the local cloud."""
ALLOWED = {
    "careapp: ": "the name that stands before every error",
    "\n[bold]": "a style",
    "[/bold]": "a style",
}


def speaking_files():
    """Each file's name, and the file: a silent one with what it raises for people all the same."""
    for place in SPEAKING:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name, tree = str(file.relative_to(ROOT)), ast.parse(file.read_text())
            if any(name == silent or name.startswith(f"{silent}/") for silent in SILENT):
                tree = ast.Module([each for each in ast.walk(tree) if told_all_the_same(each)], [])
            yield name, tree


def told_all_the_same(node):
    raised = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(raised, ast.Call) and called(raised) in SHOWN_ALL_THE_SAME


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def shows(node):
    """The arguments of a call that a person will read; none of any other node."""
    call = node.exc if isinstance(node, ast.Raise) else node
    if not isinstance(call, ast.Call):
        return []
    name = called(call)
    if name == "Line":
        return call.args[:1]  # Its second one is a style.
    if name == "AwsProblem":
        return call.args[1:3]  # Its first one is a kind, its fourth AWS's code.
    if name in SAYING or (isinstance(node, ast.Raise) and name not in MISTAKES):
        return call.args
    return []


def bare(node):
    """The literals with words in an argument, those that are marked left out."""
    if isinstance(node, ast.Call):
        if called(node) in MARKING:
            return
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        # What is looked up by a name is not said: `stage["created"]`, `text.to("ja")`.
        parts = [part for part in parts if not isinstance(part, ast.Constant)]
        for part in [node.func, *parts]:
            yield from bare(part)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and WORDS.search(node.value):
            yield node.value
    elif isinstance(node, ast.Subscript):
        yield from bare(node.value)
    elif not isinstance(node, ast.Compare):
        for part in ast.iter_child_nodes(node):
            yield from bare(part)


def unmarked(tree):
    for node in ast.walk(tree):
        for argument in shows(node):
            yield from ((node.lineno, words) for words in bare(argument) if words not in ALLOWED)


def test_nothing_is_said_past_the_catalogue():
    found = [
        f"{name}:{line}: {words!r}"
        for name, tree in speaking_files()
        for line, words in unmarked(tree)
    ]
    assert found == []


def test_the_files_that_need_no_catalogue_are_there():
    assert [name for name in SILENT if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "source",
    [
        'print("not found")',
        'console.print_heading(f"stage {number}")',
        'raise CloudError(f"no local cloud in {folder}")',
        'raise CloudError("no cloud: " + why)',
        'console.print_line("stopped" if stopped else t("none ran"))',
        'print("\\n".join(["one line", line]))',
        'raise Refused(t("{why}", why=why), "try again")',
    ],
)
def test_words_past_the_catalogue_are_found(source):
    assert list(unmarked(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        'print(t("not found").to(lang))',
        'print(f"careapp: {problem.text.to(lang)}", file=sys.stderr)',
        'console.print_heading(t("stage {number}", number=number))',
        "raise CloudError(said(problem))",
        'print(json.dumps(facts["data"], indent=2))',
        'raise KeyError("page")',
        'print("\\n".join(lines))',
    ],
)
def test_what_is_marked_or_is_no_words_passes(source):
    assert not list(unmarked(ast.parse(source)))
