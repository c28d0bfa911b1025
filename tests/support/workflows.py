"""The project's workflows, and a runner of GitHub's, which runs their steps by bash with the template's variables.

What is the runner's own is stood in for: the files of a step, Docker, the command gh.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from careapp import ROOT
from tests.support.delivery import Delivery

FOLDER = ROOT / ".github" / "workflows"
TEMPLATE = ROOT / "packages/careapp/careapp/project/template" / ".github" / "workflows"
"""Those of a project of one's own."""
PAGE = ROOT / "docs" / "delivery.md"
ROLES = {
    ("preview", "preview"): "CAREAPP_PREVIEW_ROLE",
    ("drift", "poc"): "CAREAPP_POC_DRIFT_ROLE",
    ("drift", "prod"): "CAREAPP_PROD_DRIFT_ROLE",
    ("deploy", "poc"): "CAREAPP_POC_ROLE",
    ("deploy", "prod"): "CAREAPP_PROD_ROLE",
    ("destroy", "poc"): "CAREAPP_POC_ROLE",
}
"""The variable of the role in AWS that a job takes; every other job takes none."""
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)(?:\s*\|\| '[^']*')?\s*\}\}")
"""A value of a context; what stands after `||` is for a value that is empty."""
BOUND = "permissionsBoundary: {}"
COMMAND = """#!/bin/sh
printf '%s\\n' "$@" > "$0.words"
[ -t 0 ] || cat > "$0.given"
[ ! -f "$0.says" ] || cat "$0.says"
"""
"""A program of the runner's: it keeps its words and what it is given, and says what `says` lays down."""
OUTPUT = re.compile(r"^(\w+)(?:=([^\n]*)|<<(\w+)\n(.*?)\n\3)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A step that runs a script; `job` is the job it is in."""

    workflow: str
    job: str
    name: str
    script: str
    environment: Mapping[str, str]
    condition: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.workflow, self.job, self.name

    def resolved(self, context: Mapping[str, str]) -> dict[str, str]:
        """The variables as the script sees them. An expression that the context lacks is an error."""
        return {
            name: EXPRESSION.sub(lambda found: context[found[1]], str(value))
            for name, value in self.environment.items()
        }


def workflows(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """By file name without its ending. YAML takes the key `on` for the word true."""
    return {
        path.stem: {("on" if key is True else key): value for key, value in read(path).items()}
        for path in sorted(folder.glob("*.yml"))
    }


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Workflow, name and content of every job that has steps of its own."""
    return (job for job in _jobs() if "steps" in job[2])


def calls(folder: Path = FOLDER) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of every job that is another workflow."""
    return (job for job in _jobs(folder) if "uses" in job[2])


def called(job: Mapping[str, Any]) -> str:
    """The name of the workflow that a job is, by which `workflows` has it."""
    return Path(job["uses"].partition("@")[0]).stem


def asked(workflow: str) -> dict[str, str]:
    """The rights that a workflow's jobs ask for, with those of the workflows that it calls. Its caller grants them."""
    rights: dict[str, str] = {}
    for job in workflows()[workflow]["jobs"].values():
        more = asked(called(job)) if "uses" in job else job["permissions"]
        rights |= {name: right for name, right in more.items() if rights.get(name) != "write"}
    return rights


def _jobs(folder: Path = FOLDER) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for workflow, content in workflows(folder).items():
        for name, job in content["jobs"].items():
            yield workflow, name, job


def steps() -> list[Step]:
    """Every step that runs a script."""
    return [
        Step(
            workflow,
            name,
            step["name"],
            step["run"],
            {**job.get("env", {}), **step.get("env", {})},
            step.get("if", ""),
        )
        for workflow, name, job in jobs()
        for step in job["steps"]
        if "run" in step
    ]


def text() -> str:
    """All of them, as they are written."""
    return "".join(path.read_text() for path in sorted(FOLDER.glob("*.yml")))


def used(job: Mapping[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if str(step.get("uses", "")).startswith(action)]


@dataclass
class Ran:
    """How a step ended, and what it left for GitHub."""

    code: int
    said: str
    summary: str
    outputs: dict[str, str]


@dataclass
class Runner:
    """Each job begins with the stack files as they are committed.

    `shell` runs words in the project's folder, in which `./careapp` and `pulumi` use the local cloud.
    """

    shell: Callable[..., subprocess.CompletedProcess[str]]
    project: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    committed: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    """Values of the contexts `needs` and `inputs`, and of the event."""
    ran: set[tuple[str, str, str]] = field(default_factory=set)

    def job(self, workflow: str, name: str, *, fails: str = "") -> dict[str, Ran]:
        """Run a job's steps in their order, each if its condition holds."""
        for file, text in self.committed.items():
            (self.project / file).write_text(text)
        done: dict[str, Ran] = {}
        for step in (step for step in steps() if step.key[:2] == (workflow, name)):
            if self.holds(step, done):
                done[step.name] = self.step(step)
        assert [step for step, ran in done.items() if ran.code] == ([fails] if fails else []), (
            "\n".join(ran.said for ran in done.values())
        )
        return done

    def holds(self, step: Step, done: dict[str, Ran]) -> bool:
        """Decide a step's `if`: of a failure, or of an output of a step before it."""
        failed = any(run.code for run in done.values())
        if not step.condition:
            return not failed
        if step.condition.startswith("failure()"):
            return failed
        [(before, name, operator)] = re.findall(
            r"^steps\.(\w+)\.outputs\.(\w+) (==|!=) ''$", step.condition
        )
        output = done[before.title()].outputs.get(name, "")
        return not failed and (output == "") == (operator == "==")

    def step(self, step: Step) -> Ran:
        context = {f"vars.{key}": value for key, value in self.variables.items()}
        context |= {"github.token": "the-jobs-token", "github.repository": "octo-org/careapp"}
        context |= {"github.event.pull_request.number": "7", "steps.find.outputs.id": "123"}
        environment = {**step.resolved(context | self.needs), **self.github()}
        words = [f"{key}={value}" for key, value in environment.items()]
        script = self.folder / "script.sh"
        script.write_text(step.script)
        # The local cloud's shell has a state of its own; a job has the bucket's.
        prepend = ("bash", "-c", 'PATH="$0:$PATH" exec "$@"', str(self.folder / "bin"))
        bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script))
        done = self.shell("env", "-u", "PULUMI_CONFIG_PASSPHRASE_FILE", *words, *prepend, *bash)
        self.ran.add(step.key)
        return Ran(done.returncode, done.stdout + done.stderr, self.read("summary"), self.outputs())

    def github(self) -> dict[str, str]:
        for name in ("summary", "output"):
            (self.folder / name).write_text("")
        return {
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            # As aws-actions/configure-aws-credentials sets it.
            "AWS_DEFAULT_REGION": "ap-northeast-1",
        }

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def outputs(self) -> dict[str, str]:
        """As GitHub reads them: NAME=TEXT, or NAME<<END, the lines, END."""
        found = OUTPUT.findall(self.read("output"))
        return {name: lines if end else text for name, text, end, lines in found}

    def on_path(self, name: str, says: str = "") -> None:
        """Put a program there; `says` is what it prints."""
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(COMMAND)
        program.chmod(0o755)
        program.with_suffix(".says").write_text(says)

    def told(self, name: str) -> tuple[list[str], str]:
        """The words of the last call of a program, and what it was given."""
        program = self.folder / "bin" / name
        given = program.with_suffix(".given")
        words = program.with_suffix(".words").read_text().splitlines()
        return words, given.read_text() if given.exists() else ""

    def set_up(self, *deliveries: Delivery, endpoint: str) -> None:
        """Set the variables and commit the bounds, as docs/delivery.md says."""
        for delivery in deliveries:
            stack = delivery.stack
            self.variables |= delivery.variables
            state = f"CAREAPP_{stack.upper()}_STATE"
            self.variables[state] += f"&endpoint={endpoint}&s3ForcePathStyle=true"
            file = f"Pulumi.{stack}.yaml"
            if (ROOT / file).exists():
                bound = BOUND.format(delivery.outputs["BoundaryName"])
                self.committed[file] = f"{(ROOT / file).read_text()}  {bound}\n"
        for program in ("docker", "gh"):
            self.on_path(program)

    def commit(self, old: str, new: str) -> None:
        """Change poc's file, as a commit would."""
        text = self.committed["Pulumi.poc.yaml"]
        assert text.count(old) == 1
        self.committed["Pulumi.poc.yaml"] = text.replace(old, new)
