"""What careapp says: in English and Japanese, with nothing left untranslated."""

import argparse
import ast
import inspect
import re
import string

import pytest

from ops.locale_libraries import ARGPARSE, LIBRARIES, library_messages
from ops.locale_sources import helps, in_shell, messages
from ops.locale_tools import catalogues, main, packed, parse, problems
from ops.texts import LANGUAGES, Text, joined, language, said, shown, t, verbatim

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
SAME = {
    *("{service} {operation}: {said}", "{text} [{elapsed} of {limit}]", "{at} ECS: {message}"),
    *("database", "{stack} {state}", "TLS", "  {name}: {problem}", "{why} {log}"),
    *("{place}: {why}", "{road}: {why}"),
    *("argument %(argument_name)s: %(message)s", "ruff, mypy, actionlint and zizmor"),
}
"""Messages that are the same in every language."""


WANTED = {"careapp": messages, LIBRARIES: library_messages}


def entries(domain="careapp"):
    return {
        name: text for name, text in parse(next(catalogues(domain)).read_text()).items() if name
    }


def fields(template):
    return sorted(field for _, field, _, _ in string.Formatter().parse(template) if field)


@pytest.mark.parametrize("domain", WANTED)
def test_every_message_has_its_japanese_and_no_translation_is_left_over(domain):
    assert set(entries(domain)) == WANTED[domain]()
    assert [key for key, value in entries(domain).items() if not value] == []


@pytest.mark.parametrize("domain", WANTED)
def test_the_compiled_catalogue_is_that_of_the_text(domain):
    for file in catalogues(domain):
        assert file.with_suffix(".mo").read_bytes() == packed(parse(file.read_text()))


def test_a_translation_names_the_same_values():
    wrong = {key: value for key, value in entries().items() if fields(key) != fields(value)}
    assert wrong == {}


@pytest.mark.parametrize("domain", WANTED)
def test_the_japanese_is_japanese(domain):
    assert {key for key, value in entries(domain).items() if not JAPANESE.search(value)} <= SAME


def test_argparse_still_says_what_is_translated_of_it():
    source = inspect.getsource(argparse)
    assert [words for words in ARGPARSE if repr(words)[1:-1] not in source] == []


def test_what_is_not_translated_or_no_longer_said_is_named(tmp_path):
    file = tmp_path / "ja" / "LC_MESSAGES" / "careapp.po"
    file.parent.mkdir(parents=True)
    file.write_text('msgid "old"\nmsgstr "x"\n\nmsgid "empty"\nmsgstr ""\n')
    assert list(problems(file, {"empty", "new"})) == [
        "ja/careapp.po: not translated: 'empty'",
        "ja/careapp.po: not translated: 'new'",
        "ja/careapp.po: no longer said: 'old'",
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


def test_the_entry_script_s_messages_are_found():
    script = """say "$(t 'one {name}' name "$x")"; cat <<'LIST'
logs ops the app's log
LIST
"""
    assert list(in_shell(script)) == ["one {name}", "the app's log"]


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
    assert language(None, environ) == wanted
    assert [language(each, environ) for each in LANGUAGES] == ["en", "ja"]


def test_a_value_that_is_a_text_itself_is_put_into_the_language():
    text = t("Task {task}: {reason}", task="b43ea739", reason=t("the database"))
    assert (text.to("en"), text.to("ja")) == (
        "Task b43ea739: the database",
        "タスク b43ea739: データベース",
    )


def test_somebody_else_s_words_stay_as_they_are_even_with_braces():
    assert verbatim("{x} broke").to("ja") == "{x} broke"


def test_a_po_file_is_read_with_its_continued_lines_and_quotes():
    text = 'msgid ""\nmsgstr "head"\n\nmsgid "a "\n"b"\nmsgstr "\\"c\\"\\n"\n"d"\n'
    assert parse(text) == {"": "head", "a b": '"c"\nd'}


def test_a_template_that_is_no_literal_is_refused(tmp_path):
    (tmp_path / "bad.py").write_text("x = t(name)\n")
    with pytest.raises(ValueError, match=r"bad.py:1: t\(\) takes a literal"):
        messages([tmp_path])


def test_the_upkeep_finds_nothing_to_do():
    assert main() == 0


def test_texts_are_values():
    assert t("cause") == Text("cause")


def test_an_error_keeps_the_text_it_was_raised_with():
    assert said(ValueError(t("cause"))).to("ja") == "原因"
    assert said(ValueError("plain {x}")).to("ja") == "plain {x}"
    assert str(ValueError(t("cause"))) == "cause"


def test_texts_are_joined_and_shown_in_the_language_to_speak(monkeypatch):
    monkeypatch.setenv("CAREAPP_LANG", "ja")
    assert shown(joined("; ", [t("cause"), verbatim("{x}")])) == "原因; {x}"
    assert shown("as it is") == "as it is"
