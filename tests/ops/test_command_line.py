"""How a command line runs: its language, its help, and the exit code of whatever ends it."""

import os

import click
import pytest

from i18n import Refused, t
from ops import command_line
from ops.command_line import Number, Whole
from stack.file import StackError


class Broken(Refused):
    """What the command below can fail with."""


ENDS = {
    "well": (None, 0, ""),
    "broken": (Broken(t("cause")), 1, "careapp: cause\n"),
    "click": (click.ClickException("cause"), 1, "careapp: cause\n"),
    "stack": (StackError(t("cause")), 2, "careapp: cause\n"),
    "ctrl-c": (KeyboardInterrupt(), 130, "\n"),
    "own": (SystemExit(7), 7, ""),
}


@click.group()
def main():
    """Show it."""


@main.command()
@click.argument("how", type=click.Choice(sorted(ENDS)))
@click.option("--json", help="Print JSON.")
def end(how, json):
    """End somehow."""
    if ENDS[how][0] is not None:
        raise ENDS[how][0]


@pytest.fixture
def run(monkeypatch, capsys):
    for name in ("CAREAPP_LANG", "LANGUAGE", "LC_ALL"):
        monkeypatch.setenv(name, "C")

    def run(*words):
        monkeypatch.setattr("sys.argv", ["./careapp", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.run(main)
        return ended.value.code, *capsys.readouterr()

    yield run
    command_line.set_language("en")
    command_line.translate_help(main)


@pytest.mark.parametrize("how", ENDS)
def test_every_error_has_its_exit_code(run, how):
    _, code, complaint = ENDS[how]
    assert run("end", how) == (code, "", complaint)


@pytest.mark.parametrize(
    "words", [["--lang", "ja", "end", "--help"], ["end", "--lang=ja", "--help"]]
)
def test_lang_is_accepted_before_and_after_the_command(run, words):
    code, shown, _ = run(*words)
    assert code == 0
    assert "使い方: ./careapp end" in shown
    assert "--json TEXT     JSON で出力します。" in shown
    assert os.environ["CAREAPP_LANG"] == "ja", "processes that it starts speak it, too"


def test_child_processes_follow_the_locale_too(run, monkeypatch):
    monkeypatch.delenv("CAREAPP_LANG")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "使い方: ./careapp end" in run("end", "--help")[1]
    assert "CAREAPP_LANG" not in os.environ


@pytest.mark.parametrize(
    ("kind", "value", "english", "japanese"),
    [
        (Whole(0, 9), "abc", "'abc' is not a whole number from 0 to 9.", "0 から 9 まで"),
        (Whole(1, 9), "10", "'10' is not a whole number from 1 to 9.", "1 から 9 まで"),
        (Number(min=0.5), "0.1", "'0.1' is not a number from 0.5 up.", "0.5 以上"),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(
    monkeypatch, kind, value, english, japanese
):
    for lang, words in (("en", english), ("ja", japanese)):
        monkeypatch.setenv("CAREAPP_LANG", lang)
        with pytest.raises(click.BadParameter) as refused:
            kind.convert(value, None, None)
        assert words in refused.value.message
        assert value in refused.value.message


@pytest.mark.parametrize(
    ("words", "lang"),
    [
        ([], ""),
        (["status", "--lang", "ja"], "ja"),
        (["--lang=en", "status"], "en"),
        (["shell", "--", "x", "--lang", "ja"], ""),
        (["status", "--lang"], ""),
        (["status", "--lang", "fr"], ""),
    ],
)
def test_lang_counts_only_before_a_double_dash(words, lang):
    assert command_line.chosen_language(words) == lang
