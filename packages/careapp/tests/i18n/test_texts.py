"""Sentences for people, and their catalogue."""

import io
import re
import string
from functools import cache

import pytest
from babel.messages.pofile import read_po

from ecs_gate.text import (
    LANGUAGES,
    Text,
    catalogue,
    in_language,
    joined,
    language,
    t,
    text_of,
    verbatim,
)
from tests.catalogues import SAID_IN, catalogues, messages, problems, read

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
SAME = {
    *("Service Connect", "VPC Lattice"),
    " ({how})",
    *("{service} {operation}: {said}", "{text} [{elapsed} of {limit}]", "{at} ECS: {message}"),
    *("database", "{stack} {state}", "TLS", "  {name}: {problem}", "{why} {log}"),
    *("{place}: {why}", "{road}: {why}", "{place}: {text}: {rule}"),
}
"""Messages that are the same in every language."""


CATALOGUES = pytest.mark.parametrize("file", catalogues(), ids=lambda file: file.stem)


READ = cache(read)
"""Babel takes more than a second for a catalogue."""


def entries(file):
    """The translations by their messages; of a plural the only form that Japanese has."""
    return {
        entry.id if isinstance(entry.id, str) else entry.id[0]: "".join(entry.string)
        for entry in READ(file)
        if entry.id
    }


def fields(template):
    return sorted(field for _, field, _, _ in string.Formatter().parse(template) if field)


@pytest.mark.slow
def test_the_messages_are_those_of_the_code_and_of_the_help_of_commands():
    """It raises for a `t()` without a literal, wherever in the product."""
    assert {"cause", "Print JSON."} <= messages()


def test_a_message_without_japanese_is_listed_and_shown_in_english():
    found = read_po(io.BytesIO(b'msgid "a"\nmsgstr "A"\n\nmsgid "old"\nmsgstr "B"\n'))
    assert list(problems(found, {"a", "new"})) == ["not translated: 'new'", "no longer said: 'old'"]
    with in_language("ja"):
        assert str(Text("new and {how}", (("how", t("cause")),))) == "new and 原因"


@CATALOGUES
def test_a_catalogue_is_read_as_babel_reads_it(file):
    found = catalogue(file.stem, "ja", file.parents[2])
    assert found == {"": found[""], **entries(file)}
    assert [entry.id for entry in READ(file) if entry.fuzzy and entry.id] == []


@pytest.mark.parametrize("file", SAID_IN, ids=lambda file: file.stem)
def test_a_translation_names_the_same_values(file):
    wrong = {
        key: text for key, text in entries(file).items() if text and fields(key) != fields(text)
    }
    assert wrong == {}, f"{file}: these translations have other {{values}} than their message"


@CATALOGUES
def test_the_japanese_is_japanese(file):
    wrong = {
        key for key, text in entries(file).items() if text and not JAPANESE.search(text)
    } - SAME
    assert wrong == set(), (
        f"{file}: these have no Japanese letter; if that is meant, put them into SAME"
    )


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
        ({"ECS_GATE_LANG": "ja", "LC_ALL": "C"}, "ja"),
        ({"ECS_GATE_LANG": "ja", "CAREAPP_LANG": "en"}, "en"),
    ],
)
def test_the_locale_chooses_the_language_in_posix_s_order(environ, wanted):
    assert language(environ) == wanted
    for each in LANGUAGES:
        with in_language(each):
            assert language(environ) == each


def test_english_has_a_singular_and_a_plural_and_japanese_one_form(monkeypatch):
    said = [str(t("{count} task stops", "{count} tasks stop", count=count)) for count in range(3)]
    assert said == ["0 tasks stop", "1 task stops", "2 tasks stop"]
    monkeypatch.setattr("ecs_gate.text.translated", {"{count} task": "タスク {count} 個"}.get)
    assert str(t("{count} task", "{count} tasks", count=2)) == "タスク 2 個"


def test_a_template_that_is_no_literal_is_refused(tmp_path):
    (tmp_path / "bad.py").write_text("x = t(name)\n")
    with pytest.raises(ValueError, match=r"bad.py:1: t\(\) takes a literal"):
        messages([tmp_path])


def test_texts_and_those_of_errors_are_shown_in_the_current_language():
    texts = [
        t("cause"),
        verbatim("{x}"),
        text_of(ValueError(t("cause"))),
        text_of(ValueError("plain {x}")),
    ]
    with in_language("ja"):
        assert str(joined("; ", texts)) == "原因; {x}; 原因; plain {x}"
    assert str(ValueError(t("cause"))) == "cause"
