"""Runs ``pulumi`` in a job: what it says is seen as it comes, and kept."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass

from ops.refused import Refused
from ops.texts import t

NO_CHANGES_EXPECTED = "no changes were expected"
"""How the engine begins to say that `--expect-no-changes` did not hold."""
PLAIN = ("--non-interactive", "--color", "never")


@dataclass(frozen=True)
class Run:
    """A command's exit code and what it printed, errors among the rest."""

    code: int
    said: str


def run(*words: str) -> Run:
    """Run pulumi. Raises Refused where there is none."""
    with subprocess.Popen(
        [_program(), *words, *PLAIN],
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
    return Run(child.returncode, "".join(said))


def resources(stack: str) -> int | None:
    """How many resources the stack has; None when there is no such stack. Raises Refused."""
    stacks = json.loads(_answer("stack", "ls", "--json"))
    if stack not in {str(each["name"]).rpartition("/")[2] for each in stacks}:
        return None
    deployment = json.loads(_answer("stack", "export", "--stack", stack))["deployment"]
    held = deployment.get("resources") or []
    return len([each for each in held if each["type"] != "pulumi:pulumi:Stack"])


def _answer(*words: str) -> str:
    """What a question to pulumi is answered. Raises Refused with its words when it fails."""
    done = subprocess.run(
        [_program(), *words, *PLAIN[:1]], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        command = " ".join(("pulumi", *words))
        said = (done.stderr or done.stdout).strip()
        raise Refused(t("`{command}` failed: {said}", command=command, said=said))
    return done.stdout


def _program() -> str:
    found = shutil.which("pulumi")
    if not found:
        raise Refused(
            t("There is no pulumi on PATH; install it: https://www.pulumi.com/docs/install/")
        )
    return found
