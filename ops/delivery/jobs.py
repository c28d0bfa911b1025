"""What the workflows' steps do beside plain ``pulumi``; ``ops.delivery_cli`` says how they are called."""

from __future__ import annotations

import os
from pathlib import Path

from ops.aws import Session
from ops.commands import guarded
from ops.delivery import engine, github, words
from ops.delivery.names import role_variable
from ops.names import StackNames
from ops.refused import Refused
from ops.texts import t

KEY, STATE, PREVIEW = "CAREAPP_KEY", "PULUMI_BACKEND_URL", "CAREAPP_PREVIEW"


def check(stack: str, lang: str) -> int:
    """Whether the job has all that it is given by variables, the stack's role among it; 1 when not."""

    def work() -> int:
        for name in ("AWS_REGION", role_variable(stack), KEY, STATE):
            _variable(name)
        return 0

    return guarded(work, lang)


def begin(stack: str, lang: str) -> int:
    """Choose the stack; the first time, make it with the delivery's key for what is secret."""

    def work() -> int:
        key = _variable(KEY)
        _variable(STATE)
        return engine.run("stack", "select", stack, "--create", "--secrets-provider", key).code

    return guarded(work, lang)


def preview(stack: str, lang: str) -> int:
    """Preview; 0 when it could be made. Its text goes to the summary and the output `text`."""

    def work() -> int:
        _variable(STATE)
        if engine.resources(stack) is None:
            return _tell(words.not_there(stack, lang), 0)
        done = engine.run("preview", "--stack", stack, "--diff")
        text = words.preview(stack, done.said, bool(done.code), lang)
        return _tell(text, done.code)

    return guarded(work, lang)


def _tell(text: str, code: int) -> int:
    github.summarize(text)
    github.put_out("text", text)
    return code


def comment(stack: str, lang: str) -> int:
    """Put the preview's text, of the variable CAREAPP_PREVIEW, on the pull request."""

    def work() -> int:
        text = os.environ.get(PREVIEW) or t("The preview said nothing; see the job's log.").to(lang)
        print(github.PullRequest.of_job(os.environ).comment(words.mark(stack), text))
        return 0

    return guarded(work, lang)


def drift(stack: str, lang: str) -> int:
    """Compare AWS with the program; 0 no drift, otherwise pulumi's exit code."""

    def work() -> int:
        _variable(STATE)
        if not engine.resources(stack):
            github.summarize(words.destroyed(stack, lang))
            return 0
        done = engine.run("preview", "--stack", stack, "--refresh", "--expect-no-changes", "--diff")
        drifted = engine.NO_CHANGES_EXPECTED in done.said
        github.summarize(words.drift(stack, done.said, drifted, bool(done.code), lang))
        return done.code

    return guarded(work, lang)


def summary(stack: str, folder: Path, lang: str) -> int:
    """Put the doctor's first finding into the job's summary; 2 when it could not look."""
    from ops.doctor import diagnose

    def work() -> int:
        session = Session.of_stack(stack, folder)
        found = diagnose(StackNames.of(stack), session, folder=folder)
        text = words.finding(found, lang)
        print(text)
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            github.summarize(text)
        return 0

    return guarded(work, lang)


def _variable(name: str) -> str:
    """Raises Refused where neither the repository nor the job's environment has it."""
    value = os.environ.get(name, "")
    if not value:
        raise Refused(
            t(
                "{name} is empty: neither the repository nor the job's environment has the variable "
                "that it is set from; `./careapp delivery setup` prints them all.",
                name=name,
            )
        )
    return value
