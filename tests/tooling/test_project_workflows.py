"""The workflows of a project of one's own: they call this repository's, at the tag of the project's version."""

import re
import tomllib

import pytest

from careapp import ROOT
from tests.support.workflows import FOLDER, PAGE, TEMPLATE, asked, called, calls, steps, workflows

CALLS = [*calls(TEMPLATE)]
STARTED_AS = {
    "ci": "ci",
    "preview": "ci",
    "main": "deploy",
    "destroy": "destroy",
    "drift": "drift",
}
"""The workflows of this repository that events start, and those that the same events start in a project."""


def test_a_project_has_four_and_nothing_in_them_but_calls():
    assert {(workflow, name): called(job) for workflow, name, job in CALLS} == {
        ("ci", "ci"): "project",
        ("ci", "preview"): "preview",
        ("deploy", "ci"): "project",
        ("deploy", "deploy"): "deploy",
        ("destroy", "destroy"): "destroy",
        ("drift", "drift"): "drift",
    }
    found = [job for content in workflows(TEMPLATE).values() for job in content["jobs"].values()]
    assert found == [job for _, _, job in CALLS]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call[:2]))
def test_a_call_is_of_this_version_and_gives_what_the_called_workflow_asks_for(call):
    project = tomllib.loads((ROOT / "packages/careapp/pyproject.toml").read_text())["project"]
    job = call[2]
    name = called(job)
    assert job["uses"] == f"OWNER/careapp/.github/workflows/{name}.yml@v{project['version']}"
    on = workflows()[name]["on"]
    assert "workflow_call" in on, f"{name}.yml cannot be called: it lacks on: workflow_call"
    declared = on["workflow_call"] or {}
    assert set(job.get("with", {})) == set(declared.get("inputs", {}))
    assert ("secrets" in job) == ("secrets" in declared)
    assert job["permissions"] == asked(name), f"neither more nor less than the jobs of {name}.yml"


def test_no_right_is_given_beside_those_of_a_call():
    assert [content["permissions"] for content in workflows(TEMPLATE).values()] == [{}] * 4


def test_a_project_runs_them_when_this_repository_does():
    for here, there in STARTED_AS.items():
        started = {**workflows()[here]["on"]}
        started.pop("workflow_call", None)
        assert workflows(TEMPLATE)[there]["on"] == started, (here, there)


def test_nothing_is_deployed_that_the_projects_tests_and_rehearsal_did_not_pass():
    deploy = workflows(TEMPLATE)["deploy"]["jobs"]
    assert deploy["deploy"]["needs"] == "ci"
    assert [name for name, job in deploy.items() if "if" in job] == []
    checks = [step.script for step in steps() if step.workflow == "project"]
    assert checks == ["./careapp test", "./careapp rehearse --exit"]
    assert "if" not in workflows()["project"]["jobs"]["project"]


def test_what_a_project_calls_needs_nothing_that_only_this_repository_has():
    """The checkout is the caller's."""
    parts = {"comment", *(called(job) for _, _, job in CALLS)}
    scripts = [step.script for step in steps() if step.workflow in parts]
    allowed = r"\./careapp (test|rehearse --exit|delivery .*)|pulumi .*|gh .*"
    assert [script for script in scripts if not re.fullmatch(allowed, script)] == []
    within = {called(job) for workflow, _, job in calls() if workflow in parts}
    assert within == {"comment"}, (
        "GitHub takes it from this repository, at the called file's commit"
    )


def groups(content):
    """The concurrency groups of a workflow and of its jobs."""
    parts = (content, *content["jobs"].values())
    return {part["concurrency"]["group"] for part in parts if "concurrency" in part}


@pytest.mark.parametrize("folder", [FOLDER, TEMPLATE], ids=["here", "project"])
def test_no_caller_holds_the_group_that_the_called_workflow_waits_for(folder):
    """Together they would wait for each other. In both `github.workflow` is the name of the caller."""
    for workflow, _, job in calls(folder):
        held, wanted = groups(workflows(folder)[workflow]), groups(workflows()[called(job)])
        assert held & wanted == set(), (workflow, called(job))
        assert "github.workflow" not in " ".join(held | wanted)


def test_the_page_names_the_check_that_a_project_requires():
    caller = workflows(TEMPLATE)["ci"]["jobs"]["ci"]["name"]
    [job] = workflows()["project"]["jobs"].values()
    assert f"`{caller} / {job['name']}`" in PAGE.read_text()
