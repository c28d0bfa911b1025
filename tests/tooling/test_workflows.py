"""The GitHub workflows: their permissions, steps and order."""

import re

import pytest

from careapp import ROOT
from careapp.cli.tests import FOLDERS
from careapp.settings import shifting
from local_cloud.engine.build import recipe_version
from tests.support.delivery import Delivery
from tests.support.workflows import (
    PAGE,
    ROLES,
    asked,
    called,
    calls,
    jobs,
    steps,
    text,
    used,
    workflows,
)

HOUR = 3_600
DEPLOYING = {("deploy", "poc"), ("deploy", "prod")}


def test_no_workflow_has_a_right_and_each_job_has_the_least():
    assert [content["permissions"] for content in workflows().values()] == [{}] * 10
    for workflow, name, job in jobs():
        expected = {"contents": "read"}
        if (workflow, name) in ROLES:
            expected["id-token"] = "write"
        if workflow == "comment":
            expected = {"pull-requests": "write"}
        if (workflow, name) == ("release", "publish"):
            expected = {"id-token": "write"}
        assert job["permissions"] == expected, (workflow, name)
    for workflow, name, job in calls():
        assert job["permissions"] == asked(called(job)), (workflow, name)


def test_the_way_into_aws_is_a_role_of_the_job_and_no_stored_key():
    for workflow, name, job in jobs():
        logins = used(job, "aws-actions/configure-aws-credentials")
        if (workflow, name) not in ROLES:
            assert logins == []
            continue
        [login] = logins
        role = ROLES[workflow, name]
        given = {**login["with"]}
        assert int(given.pop("role-duration-seconds", HOUR)) == held_for(role)
        assert given == {
            "role-to-assume": f"${{{{ vars.{role} }}}}",
            "aws-region": f"${{{{ vars.CAREAPP_{stack_of(role)}_REGION }}}}",
        }
    assert "secrets." not in text()
    assert "access-key" not in text()


def stack_of(variable):
    return "PROD" if "_PROD_" in variable else "POC"


def held_for(variable):
    """For how many seconds the role that a variable names may be held at most (IAM)."""
    delivery = Delivery.of(stack_of(variable).lower())
    name = delivery.variables[variable].rpartition("/")[2]
    return delivery.role(name).get("MaxSessionDuration", HOUR)


def test_a_role_is_held_for_longer_than_its_job_may_take():
    """Five minutes are what GitHub leaves the last steps of a job that it cancels."""
    for workflow, name, job in jobs():
        if role := ROLES.get((workflow, name)):
            assert held_for(role) >= (job["timeout-minutes"] + 5) * 60


def test_a_roll_out_ends_before_the_job_that_deploys_does():
    """Half an hour is left for the image, a new database and everything else (`careapp.settings.shifting`)."""
    deploying = [job for workflow, name, job in jobs() if (workflow, name) in DEPLOYING]
    assert len(deploying) == len(DEPLOYING)
    assert min(job["timeout-minutes"] for job in deploying) >= shifting.PUSH_MINUTES + 30


def test_a_forks_pull_request_gets_no_credentials():
    assert list(workflows()["preview"]["on"]) == ["pull_request", "workflow_call"]
    assert "pull_request_target" not in "".join(
        str(content["on"]) for content in workflows().values()
    )
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert own in workflows()["preview"]["jobs"]["preview"]["if"]
    assert "needs.preview.result != 'skipped'" in workflows()["preview"]["jobs"]["comment"]["if"]


def test_no_code_of_the_repository_runs_where_a_comment_is_written():
    [job] = workflows()["comment"]["jobs"].values()
    assert all(step["run"].startswith("gh ") for step in job["steps"])


def test_pulumi_is_the_version_that_the_rehearsal_runs():
    versions = {
        step["with"]["pulumi-version"]
        for _, _, job in jobs()
        for step in used(job, "pulumi/actions")
    }
    assert versions == {str(recipe_version())}, (
        "pulumi-version of the workflows is that of packages/local-cloud/local_cloud/gomod/go.mod"
    )


@pytest.mark.parametrize("step", steps(), ids=lambda step: " ".join(step.key))
def test_a_step_is_one_command_and_nothing_is_pasted_into_it(step):
    assert re.fullmatch(r"(\./careapp|pulumi|gh|\.venv/bin/python -m) [^\n|&;`]+", step.script), (
        "a workflow's step is one call of these programs, without a shell's operators: the rest is careapp.delivery's"
    )
    assert "${{" not in step.script


ONE_AT_A_TIME = {
    ("deploy", "poc"): "poc",
    ("deploy", "prod"): "prod",
    ("destroy", "poc"): "poc",
    ("drift", "poc"): "poc",
    ("drift", "prod"): "prod",
}
VARIABLES = {
    name: value for stack in ("poc", "prod") for name, value in Delivery.of(stack).variables.items()
}
SWITCH, PUBLISHES = "CAREAPP_NIGHTLY_DESTROY", "CAREAPP_PYPI"


def test_a_job_in_aws_is_skipped_until_the_repository_has_its_role():
    """A variable of the repository: GitHub decides before a job has its environment's."""
    deciding = {
        (workflow, name): set(re.findall(r"vars\.(\w+)", str(job.get("if"))))
        for workflow, name, job in jobs()
    }
    found = {key: names - {SWITCH, PUBLISHES} for key, names in deciding.items()}
    assert {key: names for key, names in found.items() if names} == {
        key: {role} for key, role in ROLES.items()
    }
    assert "--env" not in PAGE.read_text()


def test_nothing_is_deployed_that_ci_did_not_pass():
    ci, deploy = (workflows()["main"]["jobs"][name] for name in ("ci", "deploy"))
    assert ci["uses"] == "./.github/workflows/ci.yml"
    assert (deploy["uses"], deploy["needs"]) == ("./.github/workflows/deploy.yml", "ci")
    assert list(workflows()["deploy"]["on"]) == ["workflow_call"]
    for job in (ci, deploy, workflows()["deploy"]["jobs"]["poc"]):
        assert "(" not in job.get("if", ""), "a condition like always() would deploy what is red"
    assert set(workflows()["ci"]["on"]) == {"pull_request", "workflow_call"}
    checks = [f"`{job['name']}`" for workflow, _, job in jobs() if workflow == "ci"]
    assert [check for check in checks if check not in PAGE.read_text()] == [], (
        "docs/delivery.md names the jobs of ci.yml as required checks"
    )


def test_ci_runs_every_folder_of_tests_and_a_rehearsal():
    scripts = [step.script for step in steps() if step.workflow == "ci"]
    tests = [script.split()[2:] for script in scripts if script.startswith("./careapp test ")]
    assert sorted(folder for folders in tests for folder in folders) == sorted(FOLDERS), (
        "the jobs of .github/workflows/ci.yml run each folder of tests once"
    )
    assert "./careapp rehearse --exit" in scripts
    assert [step.key for step in steps() if "CI" in step.environment] == [], "a skip would be green"
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| folder | subject |")[2]
    listed = ", ".join(re.findall(r"^\| ([\w, ]+) \|", table.partition("\n\n")[0], re.M))
    assert sorted(listed.split(", ")) == sorted(FOLDERS), "CONTRIBUTING.md has each folder once"


def test_a_tag_publishes_what_ci_passed_by_a_job_that_runs_nothing_of_the_repository():
    """Whatever runs beside the token of PyPI could publish: the job has no step of its own, and an environment."""
    release = workflows()["release"]
    assert release["on"] == {"push": {"tags": ["v*"]}}
    build, publish = (release["jobs"][name] for name in ("build", "publish"))
    assert release["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert (build["needs"], publish["needs"], publish["environment"]) == ("ci", "build", "pypi")
    assert publish["if"] == f"vars.{PUBLISHES} == 'true'"
    actions = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert actions == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    page = (ROOT / "CONTRIBUTING.md").read_text().partition("## Release")[2]
    assert f"gh variable set {PUBLISHES} --body true" in page


def test_one_run_per_stack_at_a_time_and_none_is_cancelled():
    found = {
        (workflow, name): job["concurrency"]
        for workflow, name, job in jobs()
        if "concurrency" in job
    }
    assert found == {
        key: {"group": group, "cancel-in-progress": False, "queue": "max"}
        for key, group in ONE_AT_A_TIME.items()
    }
    for name in ("deploy", "destroy", "drift"):
        assert "concurrency" not in workflows()[name]


def test_every_job_has_an_end():
    assert all(5 <= job["timeout-minutes"] <= 120 for _, _, job in jobs())


def test_ci_of_main_cancels_no_other_deploys_ci():
    group = "ci-${{ github.event.pull_request.number || github.run_id }}"
    assert workflows()["ci"]["concurrency"] == {"group": group, "cancel-in-progress": True}


def test_prod_waits_for_poc_and_an_approval():
    prod = workflows()["deploy"]["jobs"]["prod"]
    assert (prod["needs"], prod["environment"]) == ("poc", "prod")
    assert {job.get("environment") for _, _, job in jobs()} == {None, "prod", "pypi"}


def test_the_nightly_destroy_is_off_until_a_variable_says_otherwise_and_never_prod():
    [job] = workflows()["destroy"]["jobs"].values()
    assert "vars.CAREAPP_NIGHTLY_DESTROY == 'true'" in job["if"]
    assert "prod" not in " ".join(step.script for step in steps() if step.workflow == "destroy")


def test_the_template_puts_out_every_variable_of_the_workflows():
    assert set(re.findall(r"vars\.(\w+)", text())) == {*VARIABLES, SWITCH, PUBLISHES}
    assert f"gh variable set {SWITCH} --body true" in PAGE.read_text()


def test_each_job_takes_the_variables_of_its_own_stack():
    for workflow, name, job in jobs():
        if role := ROLES.get((workflow, name)):
            stack = stack_of(role)
            taken = set(re.findall(r"vars\.CAREAPP_(\w+?)_", str(job))) - {"NIGHTLY", "PREVIEW"}
            assert taken == {stack}, (workflow, name)
