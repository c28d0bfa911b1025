"""The steps of .github/workflows that need more than one command: ``./careapp delivery …``."""

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from careapp.additions.target import session_of
from careapp.pause.steps import stopped_database
from careapp.pulumi_state import output_of
from careapp.settings.file import project_of
from careapp.settings.settings import Settings
from ecs_gate.aws.session import Session
from ecs_gate.text import Refused
from ecs_gate.text.masking import Lines, mask, mask_lines

NO_CHANGES_EXPECTED = "no changes were expected"
"""The beginning of the engine's error after `--expect-no-changes`."""
PLAIN = ("--non-interactive", "--color", "never")
MAX_OUTPUT = 60_000
"""Bytes of output in a comment: GitHub allows 65,536 characters, Linux 128 KiB in one variable."""
STATES = ".pulumi/stacks/{project}/"
"""Where a project's states are in a bucket of Pulumi's."""
BACKEND, VARIABLE = "PULUMI_BACKEND_URL", "CAREAPP_…_STATE"
"""The variable that a job passes to a step, and the repository's variable that it takes it from."""

stack_option = click.option("-s", "--stack", required=True, help="The stack, e.g. poc.")


class Missing(Refused):
    """The variable that the workflow sets is missing."""

    exit_code = 2


@click.group()
def delivery() -> None:
    """Steps of the workflows in .github/workflows/. docs/delivery.md describes the set-up."""


@delivery.command()
@click.option("--region", help="The region; by default that of AWS_DEFAULT_REGION or the profile.")
def login(region: str | None) -> None:
    """Log Docker in to the account's ECR, for the push of `pulumi up`.

    The token is stored in Docker's configuration and is valid for twelve hours. It is not in Pulumi's
    state.

    Exit code 0: logged in. 1: docker not found. 2: refused by AWS. Any other: that of docker.
    """
    if not shutil.which("docker"):
        raise click.ClickException("docker is not on PATH. It builds and pushes the image.")
    answer = Session(region).call("ecr", "get_authorization_token")
    [credentials] = answer["authorizationData"]
    user, _, token = base64.b64decode(credentials["authorizationToken"]).decode().partition(":")
    host = urlsplit(credentials["proxyEndpoint"]).netloc
    command = ["docker", "login", "--username", user, "--password-stdin", host]
    sys.exit(subprocess.run(command, input=token, text=True).returncode)


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
    code, output = pulumi("preview", "--stack", stack, "--diff", "--policy-pack", "policy")
    title = f"Preview of {stack}: failed" if code else f"Preview of {stack}: {changes(output)}"
    add_to_summary(f"### {title}\n\n{folded(output)}")
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
    code, output = pulumi("preview", "--stack", stack, "--refresh", "--expect-no-changes", "--diff")
    if not code:
        add_to_summary(f"### {stack}: no drift")
        return
    drifted = NO_CHANGES_EXPECTED in output
    title = f"{stack} has drifted" if drifted else f"{stack}: the drift check failed"
    add_to_summary(f"### {title}\n\n{folded(output)}")
    sys.exit(code)


@delivery.command()
@stack_option
def why(stack: str) -> None:
    """Write the diagnosis of `./careapp doctor` to the job's summary.

    Exit code 0: written, whatever the diagnosis is. 2: the doctor could not read AWS.
    """
    command = [sys.executable, "-m", "careapp.cli", "doctor", "--stack", stack]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    screen = "\n".join(mask_lines(done.stdout.splitlines()))
    print(screen)
    add_to_summary(f"### Why {stack} failed\n\n{fenced(screen)}")
    sys.exit(0 if done.returncode in (0, 1) else done.returncode)


def changes(output: str) -> str:
    """Return the engine's counts, e.g. `+ 3 to create`; the engine writes `+-1 to replace` without a space."""
    counts = re.findall(r"^ +(\+-|[+~-]) ?(\d+ to [a-z]+)", output, re.MULTILINE)
    return ", ".join(f"{sign} {count}" for sign, count in counts) or "no changes"


@delivery.command()
@stack_option
def destroyable(stack: str) -> None:
    """Refuse the destroy of a paused stack that keeps a final snapshot, before anything is deleted.

    RDS takes no snapshot of a stopped database.

    Exit code 0: a destroy can go on. 1: the database is stopped. 2: AWS could not be read.
    """
    settings = Settings.read(stack)
    stopped = stopped_database(session_of(settings), settings)
    if stopped:
        add_to_summary(f"### {stack} is paused\n\n{stopped}")
        raise Refused(stopped)


def resources(stack: str) -> int | None:
    """Return the number of the stack's resources, or None when it has no state."""
    if stack not in stacks():
        return None
    exported = json.loads(output_of("stack", "export", "--stack", stack))
    found = exported["deployment"].get("resources") or []
    return len([resource for resource in found if resource["type"] != "pulumi:pulumi:Stack"])


def stacks() -> Iterator[str]:
    """Yield the stacks with a state in PULUMI_BACKEND_URL. Raises Missing."""
    if not (url := os.environ.get(BACKEND)):
        raise Missing(
            "{name} is not set. The workflow sets it from the repository's variable {variable}, "
            "whose value the CloudFormation stack puts out (docs/delivery.md, step 2); export it to "
            "run this step yourself. ./careapp shell sets it for the local cloud.",
            name=BACKEND,
            variable=VARIABLE,
        )
    backend = urlsplit(url)
    yield from _in_bucket(backend.netloc) if backend.scheme == "s3" else _in_backend()


def _in_bucket(bucket: str) -> Iterator[str]:
    """Yield the stacks with a state in the bucket.

    S3 is read and not Pulumi, which writes to an empty bucket; the roles of these steps do not allow that.
    """
    states = STATES.format(project=project_of())
    for page in Session(None).pages("s3", "list_objects_v2", Bucket=bucket, Prefix=states):
        for state in page.get("Contents", []):
            # A stack that was removed leaves `.json.bak`.
            if state["Key"].endswith(".json"):
                yield state["Key"].removeprefix(states).removesuffix(".json")


def _in_backend() -> Iterator[str]:
    """Yield the stacks of a backend other than S3, such as the local cloud's folder."""
    yield from (load["name"] for load in json.loads(output_of("stack", "ls", "--json")))


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
        output, log = [], Lines()
        for line in child.stdout or ():
            output.append(f"{log.mask(line.rstrip())}\n")
            print(output[-1], end="", flush=True)
    return child.returncode, "".join(output)


def folded(output: str) -> str:
    """Return the output in a collapsed section, without its beginning when it is too long."""
    kept = output.encode()[-MAX_OUTPUT:].decode(errors="ignore")
    left = len(kept) < len(output)
    note = "The beginning is left out; the job's log has all of it.\n\n" if left else ""
    return f"<details><summary>Output of pulumi</summary>\n\n{note}{fenced(kept)}\n\n</details>"


def fenced(text: str) -> str:
    """Return the text as a code block, with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def add_to_summary(text: str) -> None:
    """Append to the job's summary, and set the step's output `text`. Print it without a job."""
    if not os.environ.get("GITHUB_STEP_SUMMARY"):
        # pulumi's output was printed while it ran.
        print(re.sub(r"<details>.*?</details>\n*", "", text, flags=re.DOTALL))
    _append("GITHUB_STEP_SUMMARY", f"{text}\n")
    delimiter = secrets.token_hex(16)  # not predictable, so that the text cannot contain it
    _append("GITHUB_OUTPUT", f"text<<{delimiter}\n{text}\n{delimiter}\n")


def _append(variable: str, text: str) -> None:
    if file := os.environ.get(variable):
        with Path(file).open("a") as out:
            out.write(mask(text))
