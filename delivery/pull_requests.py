"""The stacks of pull requests: the steps of .github/workflows/pull-request-stack.yml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from delivery.steps import folded, pulumi, stacks, tell
from stack import previews
from stack.file import StackError
from stack.settings import Settings

LABEL = "preview"
"""The label with which a pull request has a stack."""
LOCKED = "the stack is currently locked"
"""Pulumi's words when another command works on the stack."""

number_option = click.option(
    "--pull-request", "number", type=click.IntRange(1), required=True, help="Its number, e.g. 7."
)


@click.command()
@number_option
def up(number: int) -> None:
    """Put up the stack of a pull request, or update it.

    Address and cost are written to the job's summary and the output `text`. CAREAPP_KEY is the key of
    the stack's secrets.

    Exit code 0: it stands. Any other: that of pulumi.
    """
    stack = _configure(number)
    code, said = pulumi(
        "stack", "select", stack, "--create", "--secrets-provider", os.environ["CAREAPP_KEY"]
    )
    if not code:
        code, said = pulumi("up", "--stack", stack, "--policy-pack", "policy", "--yes")
    if code:
        end = f"What was made of it is billed. {_end()}"
        tell(f"### {stack} could not be deployed\n\n{folded(said)}\n\n{end}")
    else:
        tell(f"### {stack} stands\n\nPage: {_output(stack, 'pageUrl')}\n\n{_cost(stack)} {_end()}")
    sys.exit(code)


@click.command()
@number_option
def destroy(number: int) -> None:
    """Destroy the stack of a pull request with its state. Without a state nothing is done.

    Exit code 0: destroyed. Any other: that of pulumi.
    """
    stack = previews.name_of(number)
    if stack not in stacks(f"{stack}.json"):
        tell(f"### {stack} does not stand")
        return
    code, said = _destroy(number)
    title = f"{stack} could not be destroyed" if code else f"{stack} is destroyed"
    tell(f"### {title}" + (f"\n\n{folded(said)}" if code else ""))
    sys.exit(code)


@click.command()
@click.option("--labelled", required=True, help="The open pull requests with the label, as JSON.")
def sweep(labelled: str) -> None:
    """Destroy the stacks of pull requests that are closed, without the label, or over their time.

    The output `told` has what is to be said to which pull request, as JSON.

    Exit code 0: none is left. 1: one could not be destroyed.
    """
    ends = list(_sweep(set(json.loads(labelled)), _hours()))
    lines = [each.text for each in ends] or ["No stack of a pull request was missed."]
    told = [{"number": each.number, "text": each.text} for each in ends if not each.busy]
    tell("\n\n".join(lines), told=json.dumps(told))
    sys.exit(int(any(each.failed for each in ends)))


@dataclass(frozen=True, kw_only=True)
class End:
    """What became of a stack that was missed. A busy one is left to the next sweep."""

    number: int
    text: str
    failed: bool = False
    busy: bool = False


def _sweep(labelled: Collection[int], hours: int) -> Iterator[End]:
    """Destroy what was missed, one after the other; a failure does not stop the others."""
    now = datetime.now(UTC)
    for number in sorted(filter(None, map(previews.number_of, stacks(previews.PREFIX)))):
        if reason := _reason(number, labelled, hours, now):
            code, said = _destroy(number)
            yield _end_of(number, reason, code, said)


def _reason(number: int, labelled: Collection[int], hours: int, now: datetime) -> str:
    """Return why the stack must not stand any longer, or empty text."""
    if number not in labelled:
        return f"its pull request is closed or has no label `{LABEL}`"
    updated = _updated(previews.name_of(number))
    if updated is None:
        return "it was never deployed whole"
    if previews.is_over(updated, hours, now):
        return f"its {hours} hours after the last update are over"
    return ""


def _end_of(number: int, reason: str, code: int, said: str) -> End:
    stack = previews.name_of(number)
    if not code:
        return End(number=number, text=f"### {stack} is destroyed\n\nThe sweep did it: {reason}.")
    if LOCKED in said:
        text = f"### {stack} is busy\n\nIt is left to the next sweep: {reason}."
        return End(number=number, text=text, busy=True)
    text = f"### {stack} could not be destroyed\n\nThe sweep tried: {reason}.\n\n{folded(said)}"
    return End(number=number, text=text, failed=True)


def _destroy(number: int) -> tuple[int, str]:
    """Destroy the stack and remove its state; return pulumi's exit code and output."""
    return pulumi("destroy", "--stack", _configure(number), "--remove", "--yes")


def _configure(number: int) -> str:
    """Write the stack's file, which is not committed, and return the stack's name."""
    try:
        previews.write(number, Path())
    except StackError as problem:
        raise click.ClickException(str(problem)) from None
    return previews.name_of(number)


def _updated(stack: str) -> datetime | None:
    """Return when the stack's last `pulumi up` began, or None without one.

    The state itself is newer after a destroy that failed, which must not give the stack more time.
    """
    words = ["pulumi", "stack", "history", "--stack", stack, "--json", "--non-interactive"]
    history = json.loads(subprocess.check_output(words, text=True))
    began = [each["startTime"] for each in history if each["kind"] == "update"]
    return max(map(datetime.fromisoformat, began), default=None)


def _hours() -> int:
    return Settings.read(previews.MODEL, Path()).preview_hours


def _end() -> str:
    return (
        f"It is destroyed {_hours()} hours after its last update, or when the pull request is closed "
        f"or loses the label `{LABEL}`."
    )


def _output(stack: str, name: str) -> str:
    words = ["pulumi", "stack", "output", name, "--stack", stack, "--non-interactive"]
    return subprocess.check_output(words, text=True).strip()


def _cost(stack: str) -> str:
    """Return what the resources in the state cost, by the price table of `./careapp cost`."""
    words = [sys.executable, "-m", "cli", "cost", "--deployed", "--stack", stack, "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):  # 1: a resource has no price
        return "What it costs could not be calculated; the job's log says why."
    column = json.loads(done.stdout)["columns"][0]
    about = "About" if column["complete"] else "At least"
    hour, hours = column["hour"], _hours()
    return f"{about} USD {hour:.3f} an hour, {hour * hours:.2f} for {hours} hours."
