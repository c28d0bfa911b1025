"""Every sentence for people is in the catalogue, and translated."""

import ast
import io
import re
import string
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from i18n import DOMAIN, LANGUAGES, Text, in_language, joined, language, said, t, verbatim
from tests.catalogues import catalogues, helps, messages, problems, read

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
SAME = {
    *("{service} {operation}: {said}", "{text} [{elapsed} of {limit}]", "{at} ECS: {message}"),
    *("database", "{stack} {state}", "TLS", "  {name}: {problem}", "{why} {log}"),
    *("{place}: {why}", "{road}: {why}", "{place}: {text}: {rule}"),
}
"""Messages that are the same in every language."""


CATALOGUES = pytest.mark.parametrize("file", catalogues(), ids=lambda file: file.stem)


def entries(file):
    """The translations by their messages; of a plural the only form that Japanese has."""
    return {
        each.id if isinstance(each.id, str) else each.id[0]: "".join(each.string)
        for each in read(file)
        if each.id
    }


def fields(template):
    return sorted(field for _, field, _, _ in string.Formatter().parse(template) if field)


@pytest.mark.slow
def test_every_message_has_its_japanese_and_no_translation_is_left_over():
    [file] = [each for each in catalogues() if each.stem == DOMAIN]
    assert list(problems(read(file), messages())) == []


@CATALOGUES
def test_the_compiled_catalogue_is_that_of_the_text(file):
    written = io.BytesIO()
    write_mo(written, read(file))
    assert file.with_suffix(".mo").read_bytes() == written.getvalue()


def test_a_translation_names_the_same_values():
    [file] = [each for each in catalogues() if each.stem == DOMAIN]
    wrong = {key: text for key, text in entries(file).items() if fields(key) != fields(text)}
    assert wrong == {}


@CATALOGUES
def test_the_japanese_is_japanese(file):
    assert {key for key, text in entries(file).items() if not JAPANESE.search(text)} <= SAME


def test_missing_and_unused_translations_are_named():
    catalogue = read_po(io.BytesIO(b'msgid "old"\nmsgstr "x"\n\nmsgid "empty"\nmsgstr ""\n'))
    assert list(problems(catalogue, {"empty", "new"})) == [
        "not translated: 'empty'",
        "not translated: 'new'",
        "no longer said: 'old'",
    ]


def test_the_help_of_a_command_and_of_its_options_is_a_message():
    source = '''
@main.command()
@click.option("--all", help="All of "
    "them.")
def show():
    """Show it.

    And more.
    """


def other():
    """Never shown."""
'''
    assert list(helps(ast.parse(source))) == ["Show it.\n\nAnd more.", "All of them."]


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
        ({"CAREAPP_LANG": "ja", "LC_ALL": "C"}, "ja"),
        ({"CAREAPP_LANG": "en", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"CAREAPP_LANG": "fr", "LANG": "ja_JP.UTF-8"}, "ja"),
    ],
)
def test_the_locale_chooses_the_language_in_posix_s_order(environ, wanted):
    assert language(environ) == wanted
    for each in LANGUAGES:
        with in_language(each):
            assert language(environ) == each


def test_a_value_that_is_a_text_is_translated_too():
    text = t("Task {task}: {reason}", task="b43ea739", reason=t("the database"))
    assert str(text) == "Task b43ea739: the database"
    with in_language("ja"):
        assert str(text) == "タスク b43ea739: データベース"


def test_verbatim_text_stays_as_it_is_even_with_braces():
    with in_language("ja"):
        assert str(verbatim("{x} broke")) == "{x} broke"


def test_a_template_that_is_no_literal_is_refused(tmp_path):
    (tmp_path / "bad.py").write_text("x = t(name)\n")
    with pytest.raises(ValueError, match=r"bad.py:1: t\(\) takes a literal"):
        messages([tmp_path])


def test_texts_are_values():
    assert t("cause") == Text("cause")


def test_an_error_keeps_the_text_it_was_raised_with():
    with in_language("ja"):
        assert str(said(ValueError(t("cause")))) == "原因"
        assert str(said(ValueError("plain {x}"))) == "plain {x}"
    assert str(ValueError(t("cause"))) == "cause"


def test_texts_are_joined_in_the_current_language(monkeypatch):
    monkeypatch.setenv("CAREAPP_LANG", "ja")
    assert str(joined("; ", [t("cause"), verbatim("{x}")])) == "原因; {x}"


ROOT = Path(__file__).parents[2]
SPEAKING = ("cli", "ops", "infra", "rehearsal", "stack")
SILENT = {
    "rehearsal/aws": "AWS's own refusals, events and reasons, in AWS's words",
    "rehearsal/cloud/sessions.py": "AWS's own refusals, too",
    "rehearsal/machine": "what the local cloud says to the engineer who starts it",
    "rehearsal/calls.py": "for engineers who add a resource type to the stand-ins",
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
    "RUN ": "an instruction of a Dockerfile",
    "nc: ": "how a program of the image begins its errors",
    "nc: without Docker only `nc -z HOST PORT` works": "an error of a program of the image",
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


@pytest.mark.slow
def test_every_sentence_for_people_is_in_the_catalogue():
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
def test_sentences_outside_of_the_catalogue_are_found(source):
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
def test_marked_sentences_and_data_pass(source):
    assert not list(unmarked(ast.parse(source)))
