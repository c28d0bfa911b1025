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
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

PLAIN = ("--non-interactive", "--color", "never")
NO_CHANGES_EXPECTED = "no changes were expected"
"""The beginning of the engine's error after `--expect-no-changes`."""
MAX_OUTPUT = 60_000
"""Bytes of output in a comment: GitHub allows 65,536 characters, Linux 128 KiB in one variable."""

stack_option = click.option("-s", "--stack", required=True, help="The stack, e.g. poc.")


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
        _tell(f"### {stack} is not deployed yet: the first deployment creates all resources.")
        return
    code, said = _pulumi("preview", "--stack", stack, "--diff", "--policy-pack", "policy")
    title = f"Preview of {stack}: failed" if code else f"Preview of {stack}: {changes(said)}"
    _tell(f"### {title}\n\n{folded(said)}")
    sys.exit(code)


@delivery.command()
@stack_option
def drift(stack: str) -> None:
    """Compare the resources in AWS with the program.

    Exit code 0: no drift. Any other: that of pulumi.
    """
    if not resources(stack):
        _tell(f"### {stack} is not deployed: there is no drift")
        return
    code, said = _pulumi("preview", "--stack", stack, "--refresh", "--expect-no-changes", "--diff")
    if not code:
        _tell(f"### {stack}: no drift")
        return
    drifted = NO_CHANGES_EXPECTED in said
    title = f"{stack} has drifted" if drifted else f"{stack}: the drift check failed"
    _tell(f"### {title}\n\n{folded(said)}")
    sys.exit(code)


@delivery.command()
@stack_option
def why(stack: str) -> None:
    """Write the diagnosis of `./careapp doctor` to the job's summary.

    Exit code 0: written, whatever the diagnosis is. 2: the doctor could not read AWS.
    """
    words = [sys.executable, "-m", "cli", "doctor", "--stack", stack]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    _tell(f"### Why {stack} failed\n\n{fenced(done.stdout)}")
    sys.exit(0 if done.returncode in (0, 1) else done.returncode)


def resources(stack: str) -> int | None:
    """Return the number of the stack's resources, or None when it has no state.

    S3 is read first: Pulumi writes to an empty bucket, which the roles of these steps do not allow.
    """
    bucket = urlsplit(os.environ["PULUMI_BACKEND_URL"]).netloc
    state = f".pulumi/stacks/careapp/{stack}.json"
    if not boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=state)["KeyCount"]:
        return None
    words = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    deployment = json.loads(subprocess.check_output(words, text=True))["deployment"]
    found = deployment.get("resources") or []
    return len([each for each in found if each["type"] != "pulumi:pulumi:Stack"])


def changes(said: str) -> str:
    """Return the engine's counts, e.g. `+ 3 to create`."""
    counts = re.findall(r"^ +([+~-]|\+-) (\d+ to [a-z]+)", said, re.MULTILINE)
    return ", ".join(f"{sign} {count}" for sign, count in counts) or "no changes"


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


def _pulumi(*words: str) -> tuple[int, str]:
    """Run pulumi; return its exit code and its output, errors included."""
    with subprocess.Popen(
        ["pulumi", *words, *PLAIN],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        said = []
        for line in child.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    return child.returncode, "".join(said)


def _tell(text: str) -> None:
    """Append to the job's summary and set the step's output `text`."""
    delimiter = secrets.token_hex(16)  # not predictable, so that the text cannot contain it
    for name, written in (
        ("GITHUB_STEP_SUMMARY", f"{text}\n"),
        ("GITHUB_OUTPUT", f"text<<{delimiter}\n{text}\n{delimiter}\n"),
    ):
        if file := os.environ.get(name):
            with Path(file).open("a") as out:
                out.write(written)
