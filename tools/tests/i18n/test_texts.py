"""Every sentence for people is in the catalogue, and translated."""

import io
import re
import string

import pytest
from babel.messages.mofile import write_mo

from tests.catalogues import catalogues, messages, problems, read
from tools.i18n import DOMAIN, LANGUAGES, Text, in_language, joined, language, said, t, verbatim

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
SAME = {
    " ({how})",
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


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 tasks stop"), (1, "1 task stops"), (2, "2 tasks stop")]
)
def test_english_has_a_singular_and_a_plural(count, words):
    assert str(t("{count} task stops", "{count} tasks stop", count=count)) == words


def test_japanese_has_one_form_for_both(monkeypatch):
    monkeypatch.setattr("tools.i18n.translated", {"{count} task": "タスク {count} 個"}.get)
    assert str(t("{count} task", "{count} tasks", count=2)) == "タスク 2 個"


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
