"""The project's workflows, and their steps run as GitHub runs them, in the local cloud's shell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.paths import ROOT

FOLDER = ROOT / ".github" / "workflows"
PAGE = ROOT / "docs" / "delivery.md"
ROLES = {
    ("preview", "preview"): "CAREAPP_PREVIEW_ROLE",
    ("drift", "poc"): "CAREAPP_POC_DRIFT_ROLE",
    ("drift", "prod"): "CAREAPP_PROD_DRIFT_ROLE",
    ("deploy", "poc"): "CAREAPP_POC_ROLE",
    ("deploy", "prod"): "CAREAPP_PROD_ROLE",
    ("destroy", "poc"): "CAREAPP_POC_ROLE",
    **dict.fromkeys(
        (("pull-request-stack", job) for job in ("up", "down", "sweep")), "CAREAPP_PR_ROLE"
    ),
}
"""The variable of the role in AWS that a job takes; every other job takes none."""
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)(?:\s*\|\| '[^']*')?\s*\}\}")
"""A value of a context; what stands after `||` is for a value that is empty."""


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


def workflows() -> dict[str, dict[str, Any]]:
    """By file name without its ending. YAML takes the key `on` for the word true."""
    return {
        path.stem: {("on" if key is True else key): value for key, value in read(path).items()}
        for path in sorted(FOLDER.glob("*.yml"))
    }


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Workflow, name and content of every job that has steps of its own."""
    return (each for each in _jobs() if "steps" in each[2])


def calls() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of every job that is another workflow."""
    return (each for each in _jobs() if "uses" in each[2])


def _jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for workflow, content in workflows().items():
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
    """The job's steps that use an action."""
    return [step for step in job["steps"] if str(step.get("uses", "")).startswith(action)]
