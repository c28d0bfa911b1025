"""The page of errors: each one that the code can tell, none that it cannot, in both languages."""

import ast
import re
import tomllib

import pytest

from ops.errors.exit_codes import table
from ops.errors.found import Found, _in_module, errors
from ops.errors.page import NOTES, as_shown, disagreements, pages
from ops.locale_libraries import REFUSALS, library_messages
from ops.locale_sources import ROOT

ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


FOUND = errors()
PAGES = pages()


@pytest.fixture(scope="module")
def notes():
    return tomllib.loads(NOTES.read_text())


def test_the_pages_are_those_that_the_code_makes():
    for name, page in PAGES.items():
        assert (ROOT / name).read_text() == page, "python -m ops.errors writes them anew"


def test_notes_and_code_know_the_same_errors(notes):
    assert list(disagreements(notes, FOUND)) == []


def test_an_error_that_the_page_lacks_and_one_that_nobody_tells_are_named():
    notes = {"aws": {"errors": {"old": {"text": "the cloud is {colour}"}}}}
    found = {"no {thing}": Found("no {thing}", "ops/x.py")}
    assert list(disagreements(notes, found)) == [
        "ops/x.py: docs/errors.toml does not know 'no {thing}'",
        "docs/errors.toml: nobody says 'the cloud is {colour}' any more",
    ]


def test_both_pages_have_the_same_anchors_each_once():
    english, japanese = (ANCHOR.findall(page) for page in PAGES.values())
    assert english == japanese
    assert len(english) == len(set(english)) > len(FOUND)
    assert [anchor for anchor in english if not re.fullmatch(r"[a-z0-9-]+", anchor)] == []


def test_a_person_finds_the_words_that_he_saw():
    english, japanese = PAGES.values()
    assert [text for text in FOUND if as_shown(text) not in english] == []
    assert [text for text in FOUND if as_shown(text) not in japanese] == []


def test_every_error_has_its_cause_and_cure_or_its_section_has_them(notes):
    lacking = [
        name
        for part in notes.values()
        for name, note in part["errors"].items()
        if "cause" not in note and "Cause: " not in part["about"]["en"]
    ]
    assert lacking == []


def test_the_notes_are_in_both_languages(notes):
    told = [
        note[word]
        for part in notes.values()
        for note in [part, *part["errors"].values()]
        for word in ("title", "about", "cause", "cure")
        if word in note
    ]
    assert [each for each in told if set(each) != {"en", "ja"}] == []


def test_click_still_says_what_the_page_quotes_of_it():
    assert [text for text in REFUSALS if text not in library_messages()] == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('raise CloudError(t("no cloud"))', {"no cloud"}),
        ('raise CloudError(t("{why} failed", why=t("the cloud")))', {"{why} failed"}),
        ('NONE = t("none")\ndef f(): raise CloudError(NONE)', {"none"}),
        ('def f() -> Text:\n  return t("one")\nraise CloudError(f())', {"one"}),
        ('def f():\n  w = t("a")\n  CloudError(w)\n  w = t("b")\n  CloudError(w)', {"a", "b"}),
        ('raise UsageError(shown(t("both")))', {"both"}),
        ('self.problems["x"] = t("a") if near else t("b")', {"a", "b"}),
        ('print(t("no error"))', set()),
    ],
)
def test_errors_are_found_however_their_text_is_given(source, told):
    classes = {"CloudError", "UsageError"}
    assert {text for text, _ in _in_module(ast.parse(source), "x.py", classes)} == told


def test_the_way_out_that_the_code_knows_is_the_cure():
    source = 'OUT = t("go home")\nAwsProblem("kind", t("lost"), OUT)'
    assert list(_in_module(ast.parse(source), "x.py", set())) == [("lost", "go home")]


def test_a_template_is_shown_as_a_person_sees_it():
    assert (
        as_shown("{text!r} took {time:.0f} s, '{{ $.x }}'\0more")
        == "'{text}' took {time} s, '{ $.x }'"
    )


def test_the_exit_codes_are_those_of_the_help_and_of_every_command():
    listed = (ROOT / "careapp").read_text().split("<<'LIST'\n")[1].split("\nLIST")[0].splitlines()
    english, japanese = table("en"), table("ja")
    assert {name.split()[0] for name in english} == {line.split()[0] for line in listed}
    assert english["doctor"] == {
        0: "healthy",
        1: "a cause was found",
        2: "it could not look, or the roll-out has not ended yet",
    }
    assert {name: list(codes) for name, codes in japanese.items()} == {
        name: list(codes) for name, codes in english.items()
    }
