"""`./careapp retry` and `./careapp rollback`: what they change on AWS, how they follow, and when they refuse."""

import asyncio

import pytest

from careapp import retry as retrying
from careapp.pulumi_state import PulumiStack
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout import act, gate
from ecs_gate.rollout.verdict import End, Outcome, Verdict
from ecs_gate.text import verbatim
from tests import stacks as a
from tests.conftest import NAMES, REGION, client

WEB = {"cluster": NAMES.cluster, "service": NAMES.service}
SETTINGS = {
    "healthPath": "/health", "healthMatcher": "200-299", "healthGracePeriod": "90",
}  # fmt: skip


@pytest.fixture
def ended(monkeypatch):
    """The roll-out that a retry follows ends as the test says."""
    followed = []

    def end(outcome, text="It ended."):
        async def follow(reader, *_rest):
            followed.append(reader.expected)
            return End(Verdict(outcome=outcome, text=verbatim(text)), Rollout())

        monkeypatch.setattr(gate, "follow", follow)
        monkeypatch.setattr(gate, "_diagnose", lambda _: "THE DIAGNOSIS")
        return followed

    return end


@pytest.fixture
def updates(calls):
    """The parameters of every UpdateService and ModifyTargetGroup so far."""
    changes = ("update_service", "modify_target_group")
    return lambda: [call for call in calls if call[0] in changes]


def declare(folder, **values):
    lines = "".join(f"  careapp:{key}: '{value}'\n" for key, value in values.items())
    (folder / "Pulumi.poc.yaml").write_text(f"config:\n  aws:region: {REGION}\n{lines}")


def test_newest_revision_is_deployed_anew_and_followed(run, folder, ended, updates, stack):
    declare(folder, healthGracePeriod="0")
    followed = ended(Outcome.RUNS, "careapp-poc:1 runs.")
    code, shown, complaint = run("retry")
    assert (code, complaint) == (0, "")
    assert shown == "ECS deploys careapp-poc:1 again.\ncareapp-poc:1 runs.\n"
    assert updates() == [
        ("update_service", WEB | {"taskDefinition": stack.definition, "forceNewDeployment": True})
    ]
    assert [view.target_group for view in followed] == [stack.group]


def test_declared_health_check_comes_before_the_try(run, folder, ended, updates, stack):
    ended(Outcome.RUNS)
    declare(folder, **SETTINGS)
    code, shown, _ = run("retry")
    assert code == 0
    assert "The health check of the target group gets healthMatcher 200-299" in shown
    assert "The service gets healthGracePeriod 90" in shown
    assert [name for name, _ in updates()] == ["modify_target_group", "update_service"]
    assert updates()[1][1]["healthCheckGracePeriodSeconds"] == 90
    group = client("elbv2").describe_target_groups(TargetGroupArns=[stack.group])["TargetGroups"][0]
    assert group["Matcher"] == {"HttpCode": "200-299"}
    assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]) == (10, 5)
    assert (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (2, 3)


def test_a_worker_is_deployed_again_without_a_target_group(run, folder, ended, updates, stack):
    name = "careapp-poc-worker-mail"
    ecs, containers = client("ecs"), [{"name": "app", "image": "x", "memory": 512}]
    made = ecs.register_task_definition(family=name, containerDefinitions=containers)
    arn = made["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster=NAMES.cluster, serviceName=name, taskDefinition=name, desiredCount=1)
    with (folder / "Pulumi.poc.yaml").open("a") as file:
        file.write("  careapp:workers:\n    mail: {command: sleep 1}\n")
    followed = ended(Outcome.RUNS)
    assert run("retry", "--worker", "mail")[:2] == (0, f"ECS deploys {name}:1 again.\nIt ended.\n")
    assert updates() == [
        (
            "update_service",
            WEB | {"service": name, "taskDefinition": arn, "forceNewDeployment": True},
        )
    ]
    assert [view.target_group for view in followed] == [""]
    ecs.delete_service(cluster=NAMES.cluster, service=name, force=True)


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(run, folder, updates, stack):
    declare(folder, healthPath="/other")
    code, shown, _ = run("retry", "--dry-run")
    assert (code, updates()) == (0, [])
    path = "The health check of the target group gets healthPath /other, as it is declared."
    assert path in shown.splitlines()
    assert shown.splitlines()[-2:] == [
        "ECS deploys careapp-poc:1 again.",
        "--dry-run: nothing was changed.",
    ]


def test_a_try_that_fails_ends_with_the_cause_and_exit_code_1(run, ended, updates):
    ended(Outcome.GAVE_UP, "ECS gave careapp-poc:1 up.")
    code, _, complaint = run("retry")
    assert code == 1
    assert complaint.startswith("careapp: the roll-out failed: ECS gave careapp-poc:1 up.")
    assert "THE DIAGNOSIS" in complaint
    assert "  ./careapp retry -s poc" in complaint


def test_an_interrupt_leaves_the_roll_out_to_ecs_and_says_where_to_watch(run, monkeypatch, updates):
    async def follow(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gate, "follow", follow)
    code, _, complaint = run("retry")
    assert (code, updates()[-1][0]) == (130, "update_service")
    assert "./careapp status -w -s poc" in complaint


def test_without_a_service_or_a_task_to_run_there_is_nothing_to_try(run, stack, updates):
    ecs = client("ecs")
    ecs.update_service(**WEB, desiredCount=0)
    code, _, complaint = run("retry")
    assert (code, "desired count of the service" in complaint) == (1, True)
    ecs.update_service(**WEB, desiredCount=1)
    assert run("retry", "--stack", "poc", "--dry-run")[::2] == (0, "")
    assert updates() == []


def test_every_declared_setting_of_the_health_check_has_a_parameter():
    other = {"interval": 20, "timeout": 7, "healthy": 7, "unhealthy": 7}
    group = a.target_group(path="/up", matcher="204", **other)
    assert retrying._differing(a.choices(), group).keys() == retrying.PARAMETERS.keys()


SERVICE = "careapp-poc-cluster/careapp-poc-service"
ECS = "arn:aws:ecs:ap-northeast-1:123456789012"
GOOD, BAD = (f"{ECS}:task-definition/careapp-poc:{number}" for number in (6, 7))
ARN = f"{ECS}:service-deployment/{SERVICE}/2"
STOPPED = [{"serviceDeploymentArn": ARN, "stopType": "ROLLBACK"}]


def deployment(status, created=2, **more):
    return {
        "serviceDeploymentArn": ARN,
        "targetServiceRevisionArn": f"{ECS}:service-revision/{SERVICE}/{created}",
        "status": status,
        "createdAt": created,
        "sourceServiceRevisions": [{"arn": f"{ECS}:service-revision/{SERVICE}/1"}],
        **more,
    }


@pytest.fixture
def ecs(calls, stack, monkeypatch):
    """Scripts a deployment's statuses, one a call, the last again and again; returns the calls of the stop."""
    monkeypatch.setattr("ecs_gate.waiting.time.sleep", lambda _: None)
    monkeypatch.setattr(PulumiStack, "take_back", lambda *_, **__: [])

    def script(*statuses, serves=GOOD, on_stop=lambda: None, **more):
        left, stopped = list(statuses), []

        def now(_):
            status = left.pop(0) if len(left) > 1 else left[0]
            return {"serviceDeployments": [deployment(status, **more)]}

        def history(_):
            rows = [deployment("SUCCESSFUL", created=1), deployment(left[0], **more)]
            return {"serviceDeployments": rows}

        def stop(asked):
            stopped.append(asked)
            return on_stop()

        def services(asked):
            answer = client("ecs").describe_services(**asked)
            primary = {"taskDefinition": serves, "runningCount": 2, "desiredCount": 2}
            answer["services"][0]["deployments"][0].update(primary)
            return answer

        calls.answers |= {
            "list_service_deployments": history,
            "describe_service_revisions": {"serviceRevisions": [{"taskDefinition": BAD}]},
            "describe_service_deployments": now,
            "stop_service_deployment": stop,
            "describe_services": services,
        }
        return stopped

    return script


GOING_BACK = ("ECS rolls back to careapp-poc:6: 2 of 2 tasks run", "of 15:00]")


def untimed(line):
    """A line of progress and its limit, without the time that has passed."""
    text, _, times = line.rpartition(" [")
    return text, times.partition(" ")[2]


def test_ecs_is_asked_once_and_followed_until_the_version_before_serves(run, ecs):
    stopped = ecs(
        "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"
    )
    code, shown, complaint = run("rollback")
    assert (code, complaint, stopped) == (0, "", STOPPED)
    first, *progress, runs, declared = shown.splitlines()
    assert first == "ECS rolls careapp-poc:7 back."
    assert [untimed(line) for line in progress] == [GOING_BACK]
    assert runs == "careapp-poc:6 runs: 2 of 2 tasks."
    assert declared.startswith("The program still declares what careapp-poc:7 runs: ")
    assert declared.endswith("docs/repair.md#go-back says, then `pulumi up -s poc`.")


NOT_UNDER_WAY = (
    "careapp: No deployment of the service careapp-poc-service is under way: it runs careapp-poc:7, and ECS rolls "
    "back only what it still deploys. To go back to an earlier version, put it back in the program, as "
    "docs/repair.md#go-back says, then `pulumi up -s poc`.\n"
)
ROLLS, FIRST = "ROLLBACK_IN_PROGRESS", {"sourceServiceRevisions": []}


@pytest.mark.parametrize(
    ("statuses", "more", "words", "code", "stops", "said"),
    [
        ([ROLLS, ROLLS, "ROLLBACK_SUCCESSFUL"], {}, [], 0, [], "careapp-poc:6 runs: 2 of 2 tasks."),
        (["IN_PROGRESS"], {}, ["--dry-run"], 0, [],
         "ECS rolls careapp-poc:7 back.\n--dry-run: nothing was changed.\n"),
        (["SUCCESSFUL"], {"serves": BAD}, [], 1, [], NOT_UNDER_WAY),
        (["STOPPED"], {"serves": BAD}, [], 1, [], NOT_UNDER_WAY),
        (["ROLLBACK_SUCCESSFUL"], {"serves": BAD}, [], 1, [], NOT_UNDER_WAY),
        (["IN_PROGRESS"], FIRST, [], 1, [],
         "careapp: No deployment before careapp-poc:7 was completed"),
        (["IN_PROGRESS", ROLLS, "ROLLBACK_FAILED"], {"statusReason": "Tasks failed."}, [], 1, STOPPED,
         "careapp: careapp-poc:7 was not rolled back: ECS says ROLLBACK_FAILED: Tasks failed. "
         "The doctor finds the cause.\n"),
    ],
    ids=["begun by ECS", "dry run", "completed", "stopped", "rolled back", "a first one", "fails"],
)  # fmt: skip
def test_rollback_says_how_it_ended(run, ecs, statuses, more, words, code, stops, said):
    stopped = ecs(*statuses, **more)
    found, shown, complaint = run("rollback", *words)
    assert (found, stopped) == (code, stops)
    assert said in (complaint if code else shown)


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_what_a_stopped_update_has_replaced_comes_back(run, ecs, monkeypatch, words):
    ecs("SUCCESSFUL", serves=BAD)
    asked = []
    taken = lambda _, dry_run: asked.append(dry_run) or ["rule page"]  # noqa: E731
    monkeypatch.setattr(PulumiStack, "take_back", taken)
    code, shown, _ = run("rollback", *words)
    assert (code, asked) == (0, [bool(words)])
    assert shown.startswith("Of a stopped update these are current again")
    assert shown.endswith("--dry-run: nothing was changed.\n") is bool(words)


def test_rollback_without_a_service_is_refused(run, ecs, monkeypatch):
    ecs("SUCCESSFUL")
    monkeypatch.setattr("ecs_gate.rollout.act.read_existing", lambda *_: None)
    code, _, complaint = run("rollback")
    assert (code, f"There is no service {NAMES.service}" in complaint) == (1, True)


def undone(stack, *, first=False):
    """What the gate's own rollback returns, and what it shows meanwhile."""
    shown = []
    undo = act.undo(
        stack.session,
        NAMES,
        lambda text: shown.append(str(text)),
        15,
        "./careapp rollback -s poc",
        first=first,
    )
    return str(asyncio.run(undo)), shown


REFUSED = AwsProblem("refused", verbatim("Too late."), verbatim("See."), "ConflictException")


def test_a_stop_that_comes_too_late_says_what_ecs_did_and_why(ecs, stack):
    def refuse():
        ecs("ROLLBACK_SUCCESSFUL", statusReason="Rolled back because of active alarms.")
        return REFUSED

    ecs("IN_PROGRESS", "IN_PROGRESS", on_stop=refuse)
    assert undone(stack)[0] == (
        "ECS has ended the deployment by itself: Rolled back because of active alarms. "
        "careapp-poc:6 runs: 2 of 2 tasks."
    )


def test_gate_names_the_command_where_ecs_refuses_the_stop(ecs, stack):
    ecs("IN_PROGRESS", on_stop=lambda: REFUSED)
    text = "It was not rolled back: Too late. See. Then: ./careapp rollback -s poc"
    assert undone(stack)[0] == text


@pytest.mark.parametrize(
    ("status", "more", "first", "stops", "words"),
    [
        ("IN_PROGRESS", FIRST, True, STOPPED, "ECS was told to end the deployment of careapp-poc:7"),
        ("IN_PROGRESS", FIRST, False, [], "No deployment before careapp-poc:7"),
        ("SUCCESSFUL", {}, False, [], "ECS has completed the deployment, so it was not rolled back."),
    ],
    ids=["a first one that ECS does not end", "a first one", "completed"],
)  # fmt: skip
def test_gate_says_why_it_did_not_roll_back(ecs, stack, status, more, first, stops, words):
    stopped = ecs(status, **more)
    text, _ = undone(stack, first=first)
    assert (stopped, text.startswith(words)) == (stops, True)
