"""What every command shares: the language, common options, help, JSON output and error output."""

from __future__ import annotations

import fcntl
import gettext
import inspect
import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from click.shell_completion import CompletionItem

from careapp import ROOT
from careapp.settings import LANGUAGE
from careapp.settings.file import StackError, full_key, read, stacks
from careapp.settings.rules import Choice, Key
from careapp.settings.settings import KEYS, Settings
from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.screen import console
from ecs_gate.text import (
    LANGUAGES,
    Refused,
    Text,
    catalogue,
    in_language,
    language,
    t,
    translated,
    verbatim,
)
from ecs_gate.text.masking import mask, mask_data

ECS = "ecsEnabled"
"""The setting by which the stages differ."""
LIBRARIES = "libraries"
"""The catalogue of what click itself says, which asks gettext's current domain for it."""

FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141
CANNOT_READ = 2


def language_option() -> click.Option:
    """Return ``--lang``, an option of every command. ``set_language`` reads it earlier, for the help."""

    def choose(context: click.Context, _: click.Parameter, chosen: str | None) -> None:
        if chosen:
            context.with_resource(in_language(chosen))

    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        expose_value=False,
        callback=choose,
        help="English or Japanese; the default comes from CAREAPP_LANG, LC_ALL, LC_MESSAGES or "
        "LANG.",
    )


def chosen_language(arguments: Sequence[str]) -> str:
    """Return the value of ``--lang`` before any ``--``; empty without one."""
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    language = ""
    for word, following in zip(own, [*own[1:], ""], strict=False):
        option, _, value = word.partition("=")
        if option == "--lang":
            language = value or following
    return language if language in LANGUAGES else ""


def set_language(chosen: str) -> None:
    """Set the language of this process and of click; "" leaves it to the locale.

    A chosen language is passed on to child processes. One that the locale decides is not: a child may run in
    another locale.
    """
    if chosen:
        os.environ[LANGUAGE] = chosen
    gettext.textdomain(LIBRARIES)
    gettext.translation = _translation  # type: ignore[assignment]


class WordsOfClick(gettext.NullTranslations):
    """What click says, in the current language."""

    def gettext(self, message: str) -> str:
        return catalogue(LIBRARIES, language()).get(message) or message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        translation = catalogue(LIBRARIES, language()).get(msgid1)
        return translation or super().ngettext(msgid1, msgid2, n)


def _translation(domain: str, *where: Any, **how: Any) -> gettext.NullTranslations:
    # With gettext's own function a domain can only be a .mo file.
    return WordsOfClick() if domain == LIBRARIES else _FROM_FILE(domain, *where, **how)


_FROM_FILE = gettext.translation


def run(command: click.Command) -> None:
    """Run the command line and exit. Errors are printed as one sentence on standard error."""
    sys.excepthook = print_mistake
    set_language(chosen_language(sys.argv[1:]))
    translate_help(command)
    out = sys.stdout  # click replaces it by one whose errors it hides
    code = _run(command)
    try:
        if out:  # None where the output is closed
            out.flush()
    except BrokenPipeError:
        # Python writes what is left once more at its end, and would end with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


class WholeRange(click.IntRange):
    """A whole number. What is no number is told the range, too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except ValueError:
            text = gettext.gettext("{value} is not in the range {range}.")
            self.fail(text.format(value=value, range=self._describe_range()), param, ctx)
        return super().convert(value, param, ctx)


class TranslatedOption(click.Option):
    """An option whose help is a Text with values instead of a literal."""

    def __init__(self, *words: str, text: Text, **how: object) -> None:
        super().__init__(*words, **how)  # type: ignore[arg-type]
        self.text = text
        self.help = str(text)


def translate_help(command: click.Command) -> None:
    """Add ``--lang`` to a command and its subcommands and translate their help."""
    if not any(option.name == "lang" for option in command.params):
        command.params.append(language_option())
    if command.help:
        command.help = translated(inspect.cleandoc(command.help))
        command.short_help = command.help.partition("\n")[0]
    for option in command.params:
        if isinstance(option, TranslatedOption):
            option.help = str(option.text)
        elif isinstance(option, click.Option) and option.help:
            option.help = translated(option.help)
    subcommands = getattr(command, "commands", {})
    if isinstance(subcommands, dict):  # those of ./careapp itself are imported one at a time
        for subcommand in subcommands.values():
            translate_help(subcommand)


class Program(click.Group):
    """Commands of which each ends with an exit code and one sentence where AWS, a refusal or Ctrl-C ends it."""

    def invoke(self, ctx: click.Context) -> Any:
        command = super().invoke
        sys.exit(exit_code_of(lambda: command(ctx) or 0))


def _run(command: click.Command) -> Any:
    try:
        command.main(prog_name="./careapp", complete_var="_CAREAPP_COMPLETE", standalone_mode=False)
        return 0
    except SystemExit as ended:
        return ended.code
    except click.UsageError as wrong:
        print_error(_usage(wrong))
        return USAGE
    except click.ClickException as problem:
        print_error(verbatim(problem.format_message()))
        return problem.exit_code
    except click.Abort:
        return INTERRUPTED


def print_error(problem: Text) -> None:
    """Print an error on standard error."""
    from rich.text import Text as Rich

    line = Rich.assemble(("careapp:", "bold red"), " ", str(problem))
    console(stderr=True).print(line, soft_wrap=True)


def print_mistake(
    kind: type[BaseException], mistake: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a mistake in a command, with secrets masked."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, mistake, trace))))


def _usage(wrong: click.UsageError) -> Text:
    path = wrong.ctx.command_path if wrong.ctx else "./careapp"
    if isinstance(wrong, click.exceptions.NoArgsIsHelpError):
        known = ", ".join(getattr(wrong.ctx.command, "commands", {}))
        return t(
            "{path} expects one of: {known}. {path} --help explains them.", path=path, known=known
        )
    return t("{words} {path} --help explains it.", path=path, words=wrong.format_message())


def stack_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add ``--stack`` to a command."""
    return click.option(
        "-s",
        "--stack",
        default="poc",
        show_default=True,
        help="The stack: poc for Pulumi.poc.yaml.",
        shell_complete=lambda *begun: [stack for stack in stacks() if stack.startswith(begun[-1])],
    )(command)


def names_of(setting: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a completion: the names that a setting of the stack file has, like those of the jobs."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        try:
            given = read(context.params.get("stack") or "poc")
        except StackError:
            return []
        names = given.config.get(full_key(given.project, setting), {})
        return [name for name in names if name.startswith(begun)]

    return complete


class Setting(click.ParamType[tuple[str, str]]):
    """KEY=VALUE, the key as ``pulumi config set`` takes it; ``stages`` says why it cannot be ecsEnabled."""

    name = "KEY=VALUE"

    def __init__(self, stages: Text) -> None:
        self.stages = stages

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the key and the value. Raises click.BadParameter."""
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            message = t("{text!r} is not KEY=VALUE, like natStrategy=none.", text=str(value))
            self.fail(str(message), param, ctx)
        if key.rpartition(":")[2] == ECS:
            self.fail(str(self.stages), param, ctx)
        return key, text

    def shell_complete(self, *begun: Any) -> list[CompletionItem]:
        """Return the keys that begin so, each as KEY= and with values: all of a choice, otherwise the default."""
        pairs = [f"{key.name}={value}" for key in KEYS for value in _values(key)]
        return [CompletionItem(pair) for pair in pairs if pair.startswith(begun[-1])]


def _values(key: Key[Any]) -> Iterable[str]:
    if key.name == ECS:
        return ()
    if isinstance(key.rule, Choice):
        return key.rule.options
    return ("true", "false") if key.kind == "boolean" else dict.fromkeys(("", key.default))


NO_ACCESS = ("credentials", "expired")
"""Kinds of problems with which AWS answers nothing: a screen of unknowns would only hide the reason."""


def exit_code_of(work: Callable[[], int], interrupted: Text | None = None) -> int:
    """Run a command and return its exit code. Errors of AWS and refusals are printed on standard error.

    ``interrupted`` is printed after Ctrl-C.
    """
    try:
        return work()
    except AwsProblem as problem:
        print_error(verbatim(problem.as_text()))
        if problem.kind in NO_ACCESS and is_cloud_running() and not local_cloud.is_used():
            command = f"./careapp shell ./careapp {shlex.join(sys.argv[1:])}"
            print(
                f"  {t('A local cloud runs here: {command}', command=command)!s}", file=sys.stderr
            )
    except Refused as refusal:
        print_error(refusal.text)
        return refusal.exit_code
    except KeyboardInterrupt:
        if interrupted:
            print_error(interrupted)
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    return CANNOT_READ


def is_cloud_running() -> bool:
    """Return whether a local cloud of this project runs: in ``.rehearsal``, or in ``CAREAPP_HOME``.

    Its process holds the lock of a file, which the kernel releases when that process ends.
    """
    lock = Path(os.environ.get("CAREAPP_HOME") or ROOT / ".rehearsal") / "cloud.lock"
    try:
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def settings_to_look(stack: str) -> Settings:
    """Return the settings for a command that shows or stops what AWS has, whatever is wrong in the stack file.

    A wrong key has its default; what is wrong is printed on standard error, once. Raises StackError for a file that
    does not say which stack it is of, and where that is.
    """
    try:
        return Settings.read(stack)
    except StackError as error:
        if error.usable is None:
            raise
        _warn(error.text)
        usable: Settings = error.usable
        return usable


@cache
def _warn(wrong: Text) -> None:
    print_error(
        t("{wrong}\nWhat follows is what AWS has, with the defaults of these keys.", wrong=wrong)
    )


def raise_if_blind(problems: Iterable[AwsProblem]) -> None:
    """Raise the first problem with the credentials: with one, no AWS call succeeds."""
    for problem in problems:
        if problem.kind in NO_ACCESS:
            raise problem


def print_json(data: object) -> None:
    """Print data for scripts, with secrets masked."""
    print(json.dumps(mask_data(data), ensure_ascii=False, indent=2))
