"""What several steps of the workflows share: running pulumi, reading the state, and writing for GitHub."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3

PLAIN = ("--non-interactive", "--color", "never")
MAX_OUTPUT = 60_000
"""Bytes of output in a comment: GitHub allows 65,536 characters, Linux 128 KiB in one variable."""
STATES = ".pulumi/stacks/careapp/"
"""Where the states are in a bucket of Pulumi's."""


def resources(stack: str) -> int | None:
    """Return the number of the stack's resources, or None when it has no state.

    S3 is read first: Pulumi writes to an empty bucket, which the roles of these steps do not allow.
    """
    if stack not in stacks(f"{stack}.json"):
        return None
    words = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    deployment = json.loads(subprocess.check_output(words, text=True))["deployment"]
    found = deployment.get("resources") or []
    return len([each for each in found if each["type"] != "pulumi:pulumi:Stack"])


def stacks(prefix: str) -> Iterator[str]:
    """Yield the stacks with a state in the bucket of PULUMI_BACKEND_URL whose file's name begins so."""
    bucket = urlsplit(os.environ["PULUMI_BACKEND_URL"]).netloc
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=f"{STATES}{prefix}"):
        for each in page.get("Contents", []):
            # A stack that was removed leaves `.json.bak`.
            if each["Key"].endswith(".json"):
                yield each["Key"].removeprefix(STATES).removesuffix(".json")


def pulumi(*words: str) -> tuple[int, str]:
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


def tell(text: str, **outputs: str) -> None:
    """Append to the job's summary, and set the step's output `text` and others."""
    _append("GITHUB_STEP_SUMMARY", f"{text}\n")
    for name, value in {"text": text, **outputs}.items():
        delimiter = secrets.token_hex(16)  # not predictable, so that the text cannot contain it
        _append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def _append(variable: str, text: str) -> None:
    if file := os.environ.get(variable):
        with Path(file).open("a") as out:
            out.write(text)
