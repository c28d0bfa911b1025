"""How a command line speaks: in which language, its help, and one line for what cannot be done."""

from __future__ import annotations

import gettext
import inspect
import os
import sys
from collections.abc import Sequence

import click

from i18n import (
    LANGUAGES,
    LOCALE,
    VARIABLE,
    Refused,
    Text,
    language,
    said,
    shown,
    t,
    translated,
    verbatim,
)
from ops.render.lines import console

LIBRARIES = "libraries"
"""The catalogue of what click itself says, which asks gettext's current domain for it."""
FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


class Told(click.Option):
    """An option whose help is not one literal but a text with values."""

    def __init__(self, *words: str, text: Text, **how: object) -> None:
        super().__init__(*words, **how)  # type: ignore[arg-type]
        self.text = text
        self.help = str(text)


def language_option() -> click.Option:
    """``--lang``, which every command understands; ``run`` has looked at it before."""
    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        expose_value=False,
        help="English or Japanese; otherwise that of CAREAPP_LANG, LC_ALL, LC_MESSAGES or LANG.",
    )


def asked_for(arguments: Sequence[str]) -> str:
    """The language that ``--lang`` names before any ``--``; empty where it names none."""
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    found = ""
    for word, following in zip(own, [*own[1:], ""], strict=False):
        option, _, value = word.partition("=")
        if option == "--lang":
            found = value or following
    return found if found in LANGUAGES else ""


def speak(chosen: str) -> None:
    """Let this process and its libraries speak the chosen language; "": that of the locale.

    The processes that it starts speak the chosen one, too. Where the locale decides it still does in
    them, which may have another: a shell's user, a test.
    """
    if chosen:
        os.environ[VARIABLE] = chosen
    # gettext itself asks this variable first; click gives it no language.
    os.environ["LANGUAGE"] = language()
    gettext.bindtextdomain(LIBRARIES, str(LOCALE))
    gettext.textdomain(LIBRARIES)


def run(command: click.Command) -> None:
    """Run the command line and exit; what cannot be done is one sentence on standard error."""
    speak(asked_for(sys.argv[1:]))
    put_into_language(command)
    sys.exit(_answered(command))


def put_into_language(command: click.Command) -> None:
    """Give a command and all below it ``--lang`` and their help in the language to speak."""
    if not any(option.name == "lang" for option in command.params):
        command.params.append(language_option())
    if command.help:
        command.help = translated(inspect.cleandoc(command.help), language())
        command.short_help = command.help.partition("\n")[0]
    for option in command.params:
        if isinstance(option, Told):
            option.help = shown(option.text)
        elif isinstance(option, click.Option) and option.help:
            option.help = translated(option.help, language())
    below = getattr(command, "commands", {})
    if isinstance(below, dict):  # those of ./careapp itself are imported one at a time
        for each in below.values():
            put_into_language(each)


def _answered(command: click.Command) -> int:
    try:
        command.main(prog_name="./careapp", complete_var="_CAREAPP_COMPLETE", standalone_mode=False)
        return 0
    except click.UsageError as wrong:
        tell(_usage(wrong))
        return USAGE
    except click.ClickException as problem:
        tell(verbatim(problem.format_message()))
        return FAILED
    except Refused as problem:
        tell(said(problem))
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return BROKEN_PIPE


def tell(problem: Text) -> None:
    """Say on standard error what cannot be done."""
    from rich.text import Text as Rich

    line = Rich.assemble(("careapp:", "bold red"), " ", shown(problem))
    console(stderr=True).print(line, soft_wrap=True)


def _usage(wrong: click.UsageError) -> Text:
    path = wrong.ctx.command_path if wrong.ctx else "./careapp"
    if isinstance(wrong, click.exceptions.NoArgsIsHelpError):
        known = ", ".join(getattr(wrong.ctx.command, "commands", {}))
        return t(
            "{path} wants one of: {known}. {path} --help explains them.", path=path, known=known
        )
    return t("{words} {path} --help explains it.", path=path, words=wrong.format_message())
