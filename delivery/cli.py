"""The steps of .github/workflows that need more than one command: ``./careapp delivery …``."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from stack import previews
from stack.file import StackError, project_of
from stack.settings import Settings
from tools.aws.session import Session
from tools.command_line import exit_code_of
from tools.i18n import Refused, joined, t, verbatim
from tools.i18n.masking import Lines, mask, mask_lines
from tools.pause.state import stopped_database

NO_CHANGES_EXPECTED = "no changes were expected"
"""The beginning of the engine's error after `--expect-no-changes`."""
PLAIN = ("--non-interactive", "--color", "never")
MAX_OUTPUT = 60_000
"""Bytes of output in a comment: GitHub allows 65,536 characters, Linux 128 KiB in one variable."""
STATES = ".pulumi/stacks/{project}/"
"""Where a project's states are in a bucket of Pulumi's."""
LABEL = "preview"
"""The label with which a pull request has a stack."""
LOCKED = "the stack is currently locked"
"""Pulumi's words when another command works on the stack."""
BACKEND, KEY = "PULUMI_BACKEND_URL", "CAREAPP_KEY"
VARIABLES = {BACKEND: "CAREAPP_…_STATE", KEY: "CAREAPP_…_KEY"}
"""The variables that a job passes to a step, and the repository's variables that it takes them from."""

stack_option = click.option("-s", "--stack", required=True, help="The stack, e.g. poc.")
number_option = click.option(
    "--pull-request", "number", type=click.IntRange(1), required=True, help="Its number, e.g. 7."
)


class Missing(Refused):
    """A variable that the workflow sets is missing."""

    exit_code = 2


def require(*names: str) -> None:
    """Raise Missing unless all of these variables are set."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pairs = [verbatim(f"{name} ({VARIABLES[name]})") for name in missing]
        raise Missing(
            t(
                "Not set: {names}. The workflow sets each from the repository's variable in brackets, "
                "whose value the CloudFormation stack puts out (docs/delivery.md, step 2); export it to "
                "run this step yourself. ./careapp shell sets both for the local cloud.",
                names=joined(", ", pairs),
            )
        )


@click.group()
def delivery() -> None:
    """Steps of the workflows in .github/workflows/. docs/delivery.md describes the set-up."""


@delivery.command()
@click.option("--region", help="The region; by default that of AWS_DEFAULT_REGION or the profile.")
def login(region: str | None) -> None:
    """Log Docker in to the account's ECR, for the push of `pulumi up`.

    The token is stored in Docker's configuration and is valid for twelve hours. It is not in Pulumi's
    state.

    Exit code 0: logged in. 1: refused by AWS, or docker not found. Any other: that of docker.
    """
    if not shutil.which("docker"):
        raise click.ClickException("docker is not on PATH. It builds and pushes the image.")
    try:
        region = region or boto3.Session().region_name
        if not region:
            raise click.ClickException("No region: pass --region, or set AWS_DEFAULT_REGION.")
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
    except (BotoCoreError, ClientError) as problem:
        raise click.ClickException(f"ECR returned no token: {problem}") from None
    [found] = answer["authorizationData"]
    user, _, token = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    host = urlsplit(found["proxyEndpoint"]).netloc
    words = ["docker", "login", "--username", user, "--password-stdin", host]
    sys.exit(subprocess.run(words, input=token, text=True).returncode)


@delivery.command()
@stack_option
def preview(stack: str) -> None:
    """Preview the stack, and write the result to the job's summary and the output `text`.

    Exit code 0: previewed. Any other: that of pulumi.
    """
    if resources(stack) is None:
        add_to_summary(
            f"### {stack} is not deployed yet: the first deployment creates all resources."
        )
        return
    code, said = pulumi("preview", "--stack", stack, "--diff", "--policy-pack", "policy")
    title = f"Preview of {stack}: failed" if code else f"Preview of {stack}: {changes(said)}"
    add_to_summary(f"### {title}\n\n{folded(said)}")
    sys.exit(code)


@delivery.command()
@stack_option
def drift(stack: str) -> None:
    """Compare the resources in AWS with the program.

    Exit code 0: no drift. Any other: that of pulumi.
    """
    if not resources(stack):
        add_to_summary(f"### {stack} is not deployed: there is no drift")
        return
    code, said = pulumi("preview", "--stack", stack, "--refresh", "--expect-no-changes", "--diff")
    if not code:
        add_to_summary(f"### {stack}: no drift")
        return
    drifted = NO_CHANGES_EXPECTED in said
    title = f"{stack} has drifted" if drifted else f"{stack}: the drift check failed"
    add_to_summary(f"### {title}\n\n{folded(said)}")
    sys.exit(code)


@delivery.command()
@stack_option
def why(stack: str) -> None:
    """Write the diagnosis of `./careapp doctor` to the job's summary.

    Exit code 0: written, whatever the diagnosis is. 2: the doctor could not read AWS.
    """
    words = [sys.executable, "-m", "tools.cli", "doctor", "--stack", stack]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = "\n".join(mask_lines(done.stdout.splitlines()))
    print(said)
    add_to_summary(f"### Why {stack} failed\n\n{fenced(said)}")
    sys.exit(0 if done.returncode in (0, 1) else done.returncode)


def changes(said: str) -> str:
    """Return the engine's counts, e.g. `+ 3 to create`."""
    counts = re.findall(r"^ +([+~-]|\+-) (\d+ to [a-z]+)", said, re.MULTILINE)
    return ", ".join(f"{sign} {count}" for sign, count in counts) or "no changes"


@delivery.command()
@number_option
def up(number: int) -> None:
    """Put up the stack of a pull request, or update it.

    The address is written to the job's summary and the output `text`. CAREAPP_KEY is the key of
    the stack's secrets.

    Exit code 0: it stands. Any other: that of pulumi.
    """
    require(BACKEND, KEY)
    stack = _configure(number)
    code, said = pulumi("stack", "select", stack, "--create", "--secrets-provider", os.environ[KEY])
    if not code:
        code, said = pulumi("up", "--stack", stack, "--policy-pack", "policy", "--yes")
    if code:
        end = f"What was made of it is billed. {_end()}"
        add_to_summary(f"### {stack} could not be deployed\n\n{folded(said)}\n\n{end}")
    else:
        add_to_summary(f"### {stack} stands\n\nPage: {_output(stack, 'pageUrl')}\n\n{_end()}")
    sys.exit(code)


@delivery.command()
@number_option
def destroy(number: int) -> None:
    """Destroy the stack of a pull request with its state. Without a state nothing is done.

    Exit code 0: destroyed. Any other: that of pulumi.
    """
    stack = previews.name_of(number)
    if stack not in stacks(f"{stack}.json"):
        add_to_summary(f"### {stack} does not stand")
        return
    code, said = _destroy(number)
    title = f"{stack} could not be destroyed" if code else f"{stack} is destroyed"
    add_to_summary(f"### {title}" + (f"\n\n{folded(said)}" if code else ""))
    sys.exit(code)


@delivery.command()
@stack_option
def destroyable(stack: str) -> None:
    """Refuse the destroy of a paused stack that keeps a final snapshot, before anything is deleted.

    RDS takes no snapshot of a stopped database. Stacks of pull requests keep none.

    Exit code 0: a destroy can go on. 1: the database is stopped. 2: AWS could not be read.
    """
    sys.exit(exit_code_of(lambda: _destroyable(stack)))


def _destroyable(stack: str) -> int:
    settings = Settings.read(stack, Path())
    stopped = stopped_database(Session(settings.region, settings.profile), settings)
    if stopped:
        add_to_summary(f"### {stack} is paused\n\n{stopped}")
        raise Refused(stopped)
    return 0


@delivery.command()
@click.option(
    "--labelled",
    required=True,
    callback=lambda _context, _option, text: numbers(text),
    help="The open pull requests with the label, as JSON.",
)
def sweep(labelled: set[int]) -> None:
    """Destroy the stacks of pull requests that are closed, without the label, or over their time.

    The output `comments` has the comment for each of these pull requests, as JSON.

    Exit code 0: none is left. 1: one could not be destroyed.
    """
    ends = list(_sweep(labelled, _hours()))
    lines = [each.text for each in ends] or ["No stack of a pull request was missed."]
    comments = [{"number": each.number, "text": each.text} for each in ends if not each.busy]
    add_to_summary("\n\n".join(lines), comments=json.dumps(comments))
    sys.exit(int(any(each.failed for each in ends)))


def numbers(text: str) -> set[int]:
    """Return the numbers in a JSON list. Raises BadParameter."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, int) for each in found):
        raise click.BadParameter(
            str(t("{text} is not a JSON list of numbers, such as [7, 12]", text=repr(text)))
        )
    return set(found)


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


def resources(stack: str) -> int | None:
    """Return the number of the stack's resources, or None when it has no state."""
    if stack not in stacks(f"{stack}.json"):
        return None
    words = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    deployment = json.loads(subprocess.check_output(words, text=True))["deployment"]
    found = deployment.get("resources") or []
    return len([each for each in found if each["type"] != "pulumi:pulumi:Stack"])


def stacks(prefix: str) -> Iterator[str]:
    """Yield the stacks with a state in PULUMI_BACKEND_URL whose file's name begins so. Raises Missing."""
    require(BACKEND)
    backend = urlsplit(os.environ[BACKEND])
    names = _in_bucket(backend.netloc) if backend.scheme == "s3" else _in_backend()
    yield from (name for name in names if f"{name}.json".startswith(prefix))


def _in_bucket(bucket: str) -> Iterator[str]:
    """Yield the stacks with a state in the bucket.

    S3 is read and not Pulumi, which writes to an empty bucket; the roles of these steps do not allow that.
    """
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    states = STATES.format(project=project_of(Path()))
    for page in pages.paginate(Bucket=bucket, Prefix=states):
        for each in page.get("Contents", []):
            # A stack that was removed leaves `.json.bak`.
            if each["Key"].endswith(".json"):
                yield each["Key"].removeprefix(states).removesuffix(".json")


def _in_backend() -> Iterator[str]:
    """Yield the stacks of a backend other than S3, such as the local cloud's folder."""
    words = ["pulumi", "stack", "ls", "--json", "--non-interactive"]
    yield from (each["name"] for each in json.loads(subprocess.check_output(words, text=True)))


def pulumi(*words: str) -> tuple[int, str]:
    """Run pulumi; return its exit code and its output, errors included, with secrets masked."""
    with subprocess.Popen(
        ["pulumi", *words, *PLAIN],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        said, log = [], Lines()
        for line in child.stdout or ():
            said.append(f"{log.mask(line.rstrip())}\n")
            print(said[-1], end="", flush=True)
    return child.returncode, "".join(said)


def folded(said: str) -> str:
    """Return the output in a collapsed section, without its beginning when it is too long."""
    kept = said.encode()[-MAX_OUTPUT:].decode(errors="ignore")
    left = len(kept) < len(said)
    note = "The beginning is left out; the job's log has all of it.\n\n" if left else ""
    return f"<details><summary>Output of pulumi</summary>\n\n{note}{fenced(kept)}\n\n</details>"


def fenced(text: str) -> str:
    """Return the text as a code block, with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def add_to_summary(text: str, **outputs: str) -> None:
    """Append to the job's summary, and set the step's output `text` and others. Print it without a job."""
    if not os.environ.get("GITHUB_STEP_SUMMARY"):
        # pulumi's output was printed while it ran.
        print(re.sub(r"<details>.*?</details>\n*", "", text, flags=re.DOTALL))
    _append("GITHUB_STEP_SUMMARY", f"{text}\n")
    for name, value in {"text": text, **outputs}.items():
        delimiter = secrets.token_hex(16)  # not predictable, so that the text cannot contain it
        _append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def _append(variable: str, text: str) -> None:
    if file := os.environ.get(variable):
        with Path(file).open("a") as out:
            out.write(mask(text))
