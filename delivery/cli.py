"""The steps of .github/workflows that need more than one command: ``./careapp delivery …``."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from delivery import pull_requests
from delivery.steps import fenced, folded, pulumi, resources, tell

NO_CHANGES_EXPECTED = "no changes were expected"
"""The beginning of the engine's error after `--expect-no-changes`."""

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
        tell(f"### {stack} is not deployed yet: the first deployment creates all resources.")
        return
    code, said = pulumi("preview", "--stack", stack, "--diff", "--policy-pack", "policy")
    title = f"Preview of {stack}: failed" if code else f"Preview of {stack}: {changes(said)}"
    tell(f"### {title}\n\n{folded(said)}")
    sys.exit(code)


@delivery.command()
@stack_option
def drift(stack: str) -> None:
    """Compare the resources in AWS with the program.

    Exit code 0: no drift. Any other: that of pulumi.
    """
    if not resources(stack):
        tell(f"### {stack} is not deployed: there is no drift")
        return
    code, said = pulumi("preview", "--stack", stack, "--refresh", "--expect-no-changes", "--diff")
    if not code:
        tell(f"### {stack}: no drift")
        return
    drifted = NO_CHANGES_EXPECTED in said
    title = f"{stack} has drifted" if drifted else f"{stack}: the drift check failed"
    tell(f"### {title}\n\n{folded(said)}")
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
    tell(f"### Why {stack} failed\n\n{fenced(done.stdout)}")
    sys.exit(0 if done.returncode in (0, 1) else done.returncode)


def changes(said: str) -> str:
    """Return the engine's counts, e.g. `+ 3 to create`."""
    counts = re.findall(r"^ +([+~-]|\+-) (\d+ to [a-z]+)", said, re.MULTILINE)
    return ", ".join(f"{sign} {count}" for sign, count in counts) or "no changes"


for command in (pull_requests.up, pull_requests.destroy, pull_requests.sweep):
    delivery.add_command(command)
