"""What ops says: in English and Japanese, with nothing left untranslated."""

import re
import string

import pytest

from ops.locale_tools import catalogues, main, messages, packed, parse
from ops.texts import LANGUAGES, Text, language, t, verbatim

JAPANESE = re.compile(r"[぀-ヿ一-鿿]")
SAME = {
    *("{service} {operation}: {said}", "{text} [{elapsed} of {limit}]", "{at} ECS: {message}"),
    *("database", "{stack} {state}"),
    "TLS",
}
"""Messages that are the same in every language."""


def entries():
    return {name: text for name, text in parse(next(catalogues()).read_text()).items() if name}


def fields(template):
    return sorted(field for _, field, _, _ in string.Formatter().parse(template) if field)


def test_every_message_has_its_japanese_and_no_translation_is_left_over():
    assert set(entries()) == messages()
    assert [key for key, value in entries().items() if not value] == []


def test_the_compiled_catalogue_is_that_of_the_text():
    for file in catalogues():
        assert file.with_suffix(".mo").read_bytes() == packed(parse(file.read_text()))


def test_a_translation_names_the_same_values():
    wrong = {key: value for key, value in entries().items() if fields(key) != fields(value)}
    assert wrong == {}


def test_the_japanese_is_japanese():
    assert {key for key, value in entries().items() if not JAPANESE.search(value)} <= SAME


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
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
        messages(tmp_path)


def test_the_upkeep_finds_nothing_to_do():
    assert main() == 0


def test_texts_are_values():
    assert t("cause") == Text("cause")
