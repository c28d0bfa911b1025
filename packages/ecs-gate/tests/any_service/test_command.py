"""The command `ecs-gate`: its exit codes, what it prints, and that it changes nothing unless it is told to."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

import ecs_gate
from ecs_gate import __main__ as command
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.following import Wanted, reader_of
from ecs_gate.parts import ecs
from ecs_gate.parts.records import PauseHook
from ecs_gate.parts.rollout import Rollout
from ecs_gate.policy import DIAGNOSES, LOOKS, MASKS, ROLLS_BACK, policy
from ecs_gate.rollout import gate
from ecs_gate.rollout.look import Answer, look
from ecs_gate.rollout.verdict import End, History, Outcome, Patience, Terms, Verdict
from ecs_gate.text import t
from tests.any_service.conftest import changed

NAMED = ("--cluster", "goods", "--service", "web", "--region", "eu-west-1")
CHANGING = re.compile(r"(create|delete|put|update|modify|stop|continue|register|start|run)_")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command; its exit code, what it printed, and what it said beside."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["ecs-gate", *words])
        with pytest.raises(SystemExit) as ended:
            command.run()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def ends(monkeypatch):
    """Have a roll-out end in one way."""

    def end(outcome, why="", cause=""):
        verdict = Verdict(outcome, t("that is how it ended"))

        async def rolled_out(reader, log):
            log.moment(t("tasks 0 of 1 running"))
            return End(verdict, Rollout(expected=reader.expected.definition)), why

        async def causes(*_, **__):
            return cause

        monkeypatch.setattr(gate, "roll_out", rolled_out)
        monkeypatch.setattr(gate, "causes", causes)

    return end


@pytest.mark.parametrize(
    ("outcome", "why", "cause", "code"),
    [
        (Outcome.RUNS, "", "", 0),
        (Outcome.RUNS, "", "The page fails", 1),
        (Outcome.GAVE_UP, "The image is not in ECR", "", 1),
        (Outcome.TOO_LATE, "Nothing moves", "", 1),
        (Outcome.REPLACED, "Another one deploys", "", 3),
    ],
)
def test_exit_code_tells_how_it_ended(shop, run, ends, outcome, why, cause, code):
    ends(outcome, why, cause)
    ended, shown, _ = run("wait", *NAMED)
    assert (ended, "tasks 0 of 1 running" in shown, (why or cause) in shown) == (code, True, True)
    ended, shown, progress = run("wait", *NAMED, "--json")
    found = json.loads(shown)
    assert (ended, found["exitCode"], found["outcome"]) == (code, code, outcome.name.lower())
    assert (found["cluster"], found["service"], found["revision"]) == (
        *("goods", "web"),
        "storefront:1",
    )
    assert "tasks 0 of 1 running" in progress


def test_github_gets_the_annotation_and_the_summary(shop, run, ends, calls, tmp_path, monkeypatch):
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ends(Outcome.GAVE_UP, "The image is not in ECR\n\nPush it.")
    code, shown, _ = run("wait", *NAMED, "--github")
    line = "::error title=ecs-gate%3A web (goods)::The image is not in ECR%0A%0APush it."
    assert (code, shown.splitlines()[-1]) == (1, line)
    assert summary.read_text() == (
        "### ecs-gate: web (goods)\n\nThe image is not in ECR\n\n```\nPush it.\n```\n\n"
    )
    _, shown, progress = run("wait", *NAMED, "--github", "--json")
    assert json.loads(shown)["exitCode"] == 1
    assert line in progress.splitlines()
    calls.answers["describe_services"] = AwsProblem("denied", t("no right"), t("Allow it."))
    code, shown, _ = run("wait", *NAMED, "--github")
    assert (code, shown) == (2, "::error title=ecs-gate::no right Allow it.\n")
    assert summary.read_text().endswith("### ecs-gate\n\nno right Allow it.\n\n")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("wait",),
        ("wait", "--cluster", "goods"),
        ("wait", *NAMED, "--minutes", "0"),
        ("wait", *NAMED, "--page", "shop.example"),
        ("wait", *NAMED, "--expects", "fine"),
        ("wait", *NAMED, "--expects", "200-299-300"),
        ("doctor", *NAMED, "--page", "https://[shop"),
        ("doctor", *NAMED, "--page", "https://shop.example:web/"),
        ("doctor", *NAMED, "--roll-back"),
        ("doctor", "--cluster", "goods", "--service", "wbe", "--region", "eu-west-1"),
        ("policy", "destroy"),
    ],
)
def test_wrong_call_has_a_code_of_its_own(shop, run, words):
    code, _, wrong = run(*words)
    assert (code, bool(wrong)) == (4, True)


@pytest.mark.parametrize("verb", ["wait", "doctor"])
def test_what_cannot_be_read_is_no_failure_of_the_service(shop, run, calls, verb):
    why = t("no right to ecs:DescribeServices")
    calls.answers["describe_services"] = AwsProblem("denied", why, t("Allow it."))
    code, shown, wrong = run(verb, *NAMED, "--json")
    assert (code, json.loads(shown)["exitCode"]) == (2, 2)
    assert wrong == "ecs-gate: no right to ecs:DescribeServices Allow it.\n"


@pytest.mark.parametrize("verb", ["wait", "doctor"])
def test_a_mistake_of_the_command_is_no_failure_of_the_service_either(shop, run, calls, verb):
    calls.answers["describe_services"] = KeyError("desiredCount")
    code, shown, wrong = run(verb, *NAMED, "--json")
    assert (code, json.loads(shown)["exitCode"]) == (2, 2)
    assert "itself failed here (KeyError: 'desiredCount'; " in wrong


def test_rollout_of_another_controller_is_not_followed(shop, run, calls):
    calls.answers["describe_services"] = changed(deploymentController={"type": "EXTERNAL"})
    code, _, wrong = run("wait", *NAMED)
    assert (code, "EXTERNAL" in wrong) == (2, True)


@pytest.mark.slow
def test_doctor_names_the_cause_and_its_cure_in_the_words_of_aws(shop, run, calls):
    calls.answers["describe_services"] = changed(desiredCount=0)
    code, shown, _ = run("doctor", *NAMED)
    assert code == 1
    assert "[cause] The service is set to run no task" in shown
    cure = (
        "aws ecs update-service --region eu-west-1 --cluster goods --service web --desired-count 1"
    )
    assert cure in shown
    assert "Declared:" not in shown  # what the program declares is not known
    code, shown, _ = run("doctor", *NAMED, "--json")
    first = json.loads(shown)["findings"][0]
    assert (code, first["id"], first["fixes"][0]["commands"]) == (1, "scaled-to-zero", [cure])
    assert [call for call, _ in calls if CHANGING.match(call)] == []


def reading(**how):
    return reader_of(Wanted(cluster="goods", service="web", region="eu-west-1"), **how)


class Told(list):
    def moment(self, text):
        self.append(str(text))

    lasting = warning = moment


def verdict():
    """A version whose page fails, and which ECS can take back."""
    diagnosis = Diagnosis(names="web", stage=t("there"), findings=(), unread=())
    return Verdict(Outcome.WRONG, t("its page fails"), diagnosis, stop=True)


def test_nothing_is_rolled_back_unless_it_was_asked_for(shop, session, calls):
    """What `wait --roll-back` does is tried where a service runs (test_any_service.py of the rehearsal)."""
    reader = reading(acts=False)
    end = End(verdict(), look(session, reader.expected))
    _, text = asyncio.run(gate._red(end, reader, Told()))
    assert "It was not rolled back: the gate was not asked to change anything." in text
    assert [call for call, _ in calls if CHANGING.match(call)] == []


def test_a_hook_is_left_to_whoever_may_answer_it(shop, session, calls):
    reader, log = reading(acts=False), Told()
    terms = Terms(patience=Patience(limit=900, settle=15), since=None)
    hook = PauseHook(deployment="arn:aws:ecs:eu-west-1:1:service-deployment/a/b/c", id="pause")
    turns = gate.Turns(reader, terms, log, History())
    history = asyncio.run(turns._go_on(hook, Answer(page=t("its page answered")), History()))
    assert history.answered == {"pause"}
    assert log[0].endswith(
        "aws ecs continue-service-deployment --region eu-west-1 --service-deployment-arn "
        f"{hook.deployment} --hook-id pause --action CONTINUE"
    )
    assert [call for call, _ in calls if CHANGING.match(call)] == []


KNOWN = {
    (service, operation)
    for part in (LOOKS, DIAGNOSES, MASKS, ROLLS_BACK)
    for service in part
    for operation in part[service]
}
OTHERS = {
    *("create_log_stream", "put_log_events"),  # verdicts, which the command does not keep
    *("list_services", "describe_scaling_activities"),  # careapp's status
}
OPERATION = re.compile(
    r'"((?:describe|list|get|batch|filter|head|create|put|stop|continue|modify|update)_[a-z_]+)"'
)


@pytest.mark.slow
def test_policy_has_what_is_called(shop, run, session, calls):
    """An account in memory does not have everything; the sources name the rest."""
    run("doctor", *NAMED)
    look(session, reading(acts=False).expected)
    assert calls.services <= KNOWN
    sources = [
        file for file in Path(ecs_gate.__file__).parent.rglob("*.py") if "tests" not in file.parts
    ]
    named = {
        name
        for source in sources
        if source.name != "policy.py"
        for name in OPERATION.findall(source.read_text())
    }
    assert named - OTHERS == {operation for _, operation in KNOWN}


def test_policy_is_printed(run):
    code, shown, _ = run("policy", "doctor", "--roll-back")
    plain = json.loads(shown)
    assert (code, [statement["Sid"] for statement in plain["Statement"]]) == (0, ["Look", "Mask"])
    assert plain == policy()
    code, shown, _ = run("policy", "wait", "--roll-back")
    back = json.loads(shown)["Statement"][2]
    assert (code, back["Action"]) == (
        0,
        ["ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"],
    )
    actions = plain["Statement"][0]["Action"]
    assert {"elasticloadbalancing:DescribeRules", "servicequotas:GetServiceQuota"} <= {*actions}
    assert "rds:DescribeDBInstances" in actions
    assert [
        action
        for action in actions
        if not re.match(r"[a-z0-9]+:(Describe|Get|List|BatchGet|Filter)", action)
    ] == []


def test_service_deployments_are_read_as_ecs_tells_of_them():
    """A circuit breaker that is off ends nothing: the gate then does not wait for it."""
    raw = {
        **{"status": "ACTIVE", "desiredCount": 1, "runningCount": 0, "pendingCount": 0},
        "taskDefinition": "web:1",
        "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": False}},
    }
    assert Rollout(service=ecs.service_of(raw)).breaks is False
    raw["deploymentConfiguration"]["deploymentCircuitBreaker"]["enable"] = True
    assert Rollout(service=ecs.service_of(raw)).breaks is True
