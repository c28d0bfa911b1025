"""The workflows by their text: what runs when, after what, and whether it runs at all."""

import re

from ops.render.delivery import variables
from tests.ops.delivery import of_stacks
from tests.support.workflows import PAGE, ROLES, jobs, steps, text, used, workflows
from tests.tiers import TIERS

ONE_AT_A_TIME = {
    ("deploy", "poc"): "careapp-poc",
    ("deploy", "prod"): "careapp-prod",
    ("destroy", "poc"): "careapp-poc",
    ("drift", "drift"): "careapp-${{ matrix.stack }}",
}


def test_what_decides_on_a_job_is_no_variable_of_an_environment():
    """GitHub decides before the job has its environment, and then such a variable is empty."""
    kept = {each.name for each in variables(of_stacks("poc", "prod")) if not each.environment}
    kept.add("CAREAPP_NIGHTLY_DESTROY")
    seen = {
        (workflow, name): set(
            re.findall(r"vars\.(\w+)", f"{job.get('if')} {job.get('concurrency')}")
        )
        for workflow, name, job in jobs()
    }
    assert {key for key, names in seen.items() if names} == set(ROLES)
    assert {key: names - kept for key, names in seen.items() if names - kept} == {}
    documented = set(re.findall(r"gh variable set (\w+) [^`\n]*--env", PAGE.read_text()))
    assert documented & set().union(*seen.values()) == set()


def test_a_prod_without_its_variables_is_refused_and_not_skipped():
    job = workflows()["deploy"]["jobs"]["prod"]
    assert job["if"] == "vars.CAREAPP_PROD == 'true'"
    first = next(step for step in job["steps"] if "uses" not in step)
    assert first["run"] == "./careapp delivery check --stack prod"
    assert job["steps"].index(first) < job["steps"].index(
        used(job, "aws-actions/configure-aws-credentials")[0]
    )
    behind = {each.name for each in variables(of_stacks("prod")) if each.environment}
    given = {**job["env"], **first["env"]}
    assert behind == {name for name in behind if f"vars.{name} }}" in str(given.values())}


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


def test_ci_runs_every_tier():
    script = " ".join(step.script for step in steps() if step.workflow == "ci")
    assert {tier.name for tier in TIERS} <= set(script.split())


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
            "run": f"./careapp delivery summary --stack {name}",
        }


def test_every_variable_of_the_workflows_is_printed_by_setup_or_documented():
    printed = {each.name for each in variables(of_stacks("poc", "prod"))}
    assert set(re.findall(r"vars\.(\w+)", text())) == {*printed, "CAREAPP_NIGHTLY_DESTROY"}
    assert "gh variable set CAREAPP_NIGHTLY_DESTROY --body true" in PAGE.read_text()
