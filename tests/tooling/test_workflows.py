"""The workflows by their text: pinned, with the least rights, one run per stack, no stored key."""

import re

import pytest

from ops.delivery.items import Delivery
from ops.delivery.names import Account, Repository
from ops.render.delivery import variables
from rehearsal.engine_build import recipe_version
from tests.support.workflows import FOLDER, calls, jobs, steps, workflows
from tests.tiers import TIERS

HOUR = 3_600
PAGE = FOLDER.parents[1] / "docs" / "delivery.md"

PINS = {
    "actions/checkout": ("de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6.0.2"),
    "aws-actions/configure-aws-credentials": (
        "8df5847569e6427dd6c4fb1cf565c83acfa8afa7",
        "v6.0.0",
    ),
    "pulumi/actions": ("8e5e406f4007fca908480587cb9893c07090f58d", "v7.0.0"),
}
ONE_AT_A_TIME = {
    ("deploy", "poc"): "careapp-poc",
    ("deploy", "prod"): "careapp-prod",
    ("destroy", "poc"): "careapp-poc",
    ("drift", "drift"): "careapp-${{ matrix.stack }}",
}
ROLES = {
    ("preview", "preview"): "CAREAPP_PREVIEW_ROLE",
    ("drift", "drift"): "CAREAPP_PREVIEW_ROLE",
    ("deploy", "poc"): "CAREAPP_POC_ROLE",
    ("deploy", "prod"): "CAREAPP_PROD_ROLE",
    ("destroy", "poc"): "CAREAPP_POC_ROLE",
}


def text():
    return "".join(path.read_text() for path in sorted(FOLDER.glob("*.yml")))


def used(job, action):
    return [step for step in job["steps"] if str(step.get("uses", "")).startswith(action)]


def test_there_are_five():
    assert set(workflows()) == {"ci", "preview", "deploy", "destroy", "drift"}


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it():
    found = re.findall(r"uses: (\S+)@(\S+)(?: # (\S+))?$", text(), re.MULTILINE)
    assert len(found) == text().count("uses: ") - text().count("uses: ./")
    assert set(found) == {(action, *pin) for action, pin in PINS.items()}


def test_no_workflow_has_a_right_and_each_job_has_the_least():
    assert [content["permissions"] for content in workflows().values()] == [{}] * 5
    for workflow, name, job in jobs():
        expected = {"contents": "read"}
        if (workflow, name) in ROLES:
            expected["id-token"] = "write"
        if (workflow, name) == ("preview", "comment"):
            expected["pull-requests"] = "write"
        assert job["permissions"] == expected, (workflow, name)
    assert [job["permissions"] for _, _, job in calls()] == [{"contents": "read"}]


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
            "aws-region": "${{ vars.AWS_REGION }}",
        }
    assert "secrets." not in text()
    assert "access-key" not in text()


def held_for(variable):
    """For how many seconds the role that a variable names may be held at most (IAM)."""
    delivery = of_stacks("poc", "prod")
    [arn] = [each.value for each in variables(delivery) if each.name == variable]
    [role] = [item for item in delivery.items() if arn.endswith(f":role/{item.name}")]
    return role.spec["seconds"]


def of_stacks(*stacks):
    return Delivery(
        account=Account(number="123456789012", region="ap-northeast-1"),
        repository=Repository(name="octo-org/careapp"),
        stacks=stacks,
    )


def test_a_role_is_held_for_longer_than_its_job_may_take():
    """Five minutes are what GitHub leaves the last steps of a job that it cancels."""
    for workflow, name, job in jobs():
        if role := ROLES.get((workflow, name)):
            assert held_for(role) >= (job["timeout-minutes"] + 5) * 60


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


def test_a_forks_pull_request_gets_no_credentials():
    assert list(workflows()["preview"]["on"]) == ["pull_request"]
    assert "pull_request_target" not in "".join(
        str(content["on"]) for content in workflows().values()
    )
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert own in workflows()["preview"]["jobs"]["preview"]["if"]
    assert "needs.preview.result != 'skipped'" in workflows()["preview"]["jobs"]["comment"]["if"]


def test_no_job_that_has_a_way_into_aws_can_write_to_github():
    for workflow, name, job in jobs():
        rights = {right for right, level in job["permissions"].items() if level == "write"}
        assert rights <= {"id-token"} or (workflow, name) == ("preview", "comment")
        assert not {"id-token", "pull-requests"} <= rights


def test_no_code_of_the_pull_request_runs_where_its_comment_is_written():
    job = workflows()["preview"]["jobs"]["comment"]
    [checkout] = used(job, "actions/checkout")
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    [step] = [step for step in steps() if step.key[:2] == ("preview", "comment")]
    assert step.environment["CAREAPP_PREVIEW"] == "${{ needs.preview.outputs.text }}"


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


def test_pulumi_is_the_version_that_the_rehearsal_runs():
    versions = {
        step["with"]["pulumi-version"]
        for _, _, job in jobs()
        for step in used(job, "pulumi/actions")
    }
    assert versions == {str(recipe_version())}


def test_the_checkout_keeps_no_token_and_every_job_has_an_end():
    for _, _, job in jobs():
        assert used(job, "actions/checkout")[0]["with"]["persist-credentials"] is False
        assert 5 <= job["timeout-minutes"] <= 120


@pytest.mark.parametrize("step", steps(), ids=lambda step: " ".join(step.key))
def test_a_step_is_one_command_and_nothing_is_pasted_into_it(step):
    assert re.fullmatch(r"(\./careapp|pulumi) [^\n|&;`]+", step.script)
    assert "${{" not in step.script


def test_a_failed_roll_out_is_explained():
    for name in ("poc", "prod"):
        job = workflows()["deploy"]["jobs"][name]
        assert job["steps"][-1] == {
            "name": "Why it failed",
            "if": "failure() || cancelled()",  # GitHub cancels what takes too long
            "run": f"./careapp delivery summary --stack {name}",
        }


def test_the_documented_table_of_permissions_is_that_of_the_workflows():
    rows = re.findall(
        r"^\| (\w+) \| (\w+) \| (\w+) \| (.*: .*) \|$", PAGE.read_text(), re.MULTILINE
    )
    expected = [
        (
            workflow,
            name,
            ROLES.get((workflow, name), "none"),
            ", ".join(f"{right}: {level}" for right, level in job["permissions"].items()),
        )
        for workflow, name, job in jobs()
    ]
    assert sorted(rows) == sorted(expected)


def test_every_variable_of_the_workflows_is_printed_by_setup_or_documented():
    printed = {each.name for each in variables(of_stacks("poc", "prod"))}
    assert set(re.findall(r"vars\.(\w+)", text())) == {*printed, "CAREAPP_NIGHTLY_DESTROY"}
    assert "gh variable set CAREAPP_NIGHTLY_DESTROY --body true" in PAGE.read_text()
