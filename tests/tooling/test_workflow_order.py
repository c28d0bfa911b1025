"""The workflows by their text: what runs when, after what, and whether it runs at all."""

import re

from tests.cli import FOLDERS
from tests.support.delivery import Delivery
from tests.support.workflows import PAGE, ROLES, jobs, steps, text, workflows

ONE_AT_A_TIME = {
    ("deploy", "poc"): "careapp-poc",
    ("deploy", "prod"): "careapp-prod",
    ("destroy", "poc"): "careapp-poc",
    ("drift", "poc"): "careapp-poc",
    ("drift", "prod"): "careapp-prod",
}
VARIABLES = {**Delivery.of("poc").variables, **Delivery.of("prod").variables}
SWITCH = "CAREAPP_NIGHTLY_DESTROY"


def test_a_job_in_aws_is_skipped_until_the_repository_has_its_role():
    """A variable of the repository: GitHub decides before a job has its environment's."""
    deciding = {
        (workflow, name): set(re.findall(r"vars\.(\w+)", str(job.get("if"))))
        for workflow, name, job in jobs()
    }
    found = {key: names - {SWITCH} for key, names in deciding.items() if names}
    assert found == {key: {role} for key, role in ROLES.items()}
    assert "--env" not in PAGE.read_text()


def test_nothing_is_deployed_that_ci_did_not_pass():
    deploy = workflows()["deploy"]["jobs"]
    assert deploy["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert deploy["poc"]["needs"] == "ci"
    for name in ("ci", "poc"):  # a condition like always() would deploy what is red
        assert "(" not in deploy[name].get("if", "")
    assert set(workflows()["ci"]["on"]) == {"pull_request", "workflow_call"}
    checks = [f"`{job['name']}`" for workflow, _, job in jobs() if workflow == "ci"]
    assert [check for check in checks if check not in PAGE.read_text()] == []


def test_ci_of_main_cancels_no_other_deploys_ci():
    concurrency = workflows()["ci"]["concurrency"]
    group = "ci-${{ github.event.pull_request.number || github.run_id }}"
    assert concurrency == {"group": group, "cancel-in-progress": True}


def test_ci_runs_every_folder_of_tests_and_a_rehearsal():
    scripts = [step.script for step in steps() if step.workflow == "ci"]
    tests = [script.split()[2:] for script in scripts if script.startswith("./careapp test ")]
    assert sorted(folder for folders in tests for folder in folders) == FOLDERS
    assert "./careapp rehearse --exit" in scripts


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


def test_prod_waits_for_poc_and_an_approval():
    prod = workflows()["deploy"]["jobs"]["prod"]
    assert (prod["needs"], prod["environment"]) == ("poc", "prod")
    assert {job.get("environment") for _, _, job in jobs()} == {None, "prod"}


def test_the_nightly_destroy_is_off_until_a_variable_says_otherwise_and_never_prod():
    [job] = workflows()["destroy"]["jobs"].values()
    assert "vars.CAREAPP_NIGHTLY_DESTROY == 'true'" in job["if"]
    assert "prod" not in " ".join(step.script for step in steps() if step.workflow == "destroy")


def test_a_failed_roll_out_is_explained():
    for name in ("poc", "prod"):
        job = workflows()["deploy"]["jobs"][name]
        assert job["steps"][-1] == {
            "name": "Why it failed",
            "if": "failure() || cancelled()",  # GitHub cancels what takes too long
            "run": f"./careapp delivery why --stack {name}",
        }


def test_the_template_puts_out_every_variable_of_the_workflows():
    assert set(re.findall(r"vars\.(\w+)", text())) == {*VARIABLES, SWITCH}
    assert f"gh variable set {SWITCH} --body true" in PAGE.read_text()


def test_each_job_takes_the_variables_of_its_own_stack():
    for workflow, name, job in jobs():
        if role := ROLES.get((workflow, name)):
            stack = "PROD" if "PROD" in role else "POC"
            taken = set(re.findall(r"vars\.CAREAPP_(\w+?)_", str(job))) - {"NIGHTLY", "PREVIEW"}
            assert taken == {stack}, (workflow, name)


def test_a_job_logs_docker_in_before_it_pushes_an_image():
    """The token is in Docker's configuration and not in the state, which previews read."""
    for name in ("poc", "prod"):
        names = [step.name for step in steps() if step.key[:2] == ("deploy", name)]
        assert names == ["Log in to ECR", "Choose the stack", "Deploy", "Why it failed"]
