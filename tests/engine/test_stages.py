"""What the real engine does to a stack, from its first stage to nothing."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.local_stack import LocalStack, local_stack
from tests.support.steps import Story


@dataclass
class Journey(Story):
    """What each step did, and the state after it."""

    left: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    """The target group that was made anew, and those of the rule and of the service."""
    password: str = ""

    def tag(self, name: str) -> str:
        [image] = re.findall(r'"baseImageName": ?"[^"]+:([^":]+)"', self.seen[name])
        return str(image)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with local_stack(tmp_path_factory.mktemp("engine")) as stack:
        journey = Journey(stack, LocalStack.state)
        journey.up("stage 1")
        journey.up("stage 2", ecsEnabled="true")
        secret = {"SecretId": stack.outputs()["databaseSecretArn"]}
        held = stack.calls("secretsmanager", "get_secret_value", secret)["SecretString"]
        journey.password = json.loads(held)["password"]
        journey.up("again")
        before = stack.state()
        another = stack.source / "webapp/another.py"
        another.write_text("# Another version of the app.\n")
        journey.up("pushed, and killed before its state")
        stack.state_file.write_text(before)
        journey.up("after a kill")
        another.unlink()
        plan = str(stack.home.project / "plan.json")
        stack.pulumi.run("preview", "--save-plan", plan, "--stack", stack.name)
        as_planned = stack.pulumi.update("up", stack.name, "--plan", plan)
        journey.keep("sources of the first version", as_planned)
        more = {"containerPort": "8081", "taskCpu": "512", "taskMemory": "1024"}
        journey.up("another revision, port and size", imageRevision="2", **more)
        stack.edit("infra/load_balancer.py", "port=TARGET_PORT,", "port=TARGET_PORT + 1,")
        journey.up("another target group")
        [group] = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
        registered = [balancer["targetGroupArn"] for balancer in stack.service()["loadBalancers"]]
        rule = stack.rules()["100"]["Actions"][0]
        journey.groups = [group["TargetGroupArn"], rule["TargetGroupArn"], *registered]
        journey.up("back to stage 1", ecsEnabled="false")
        journey.refuse("bad settings", taskCpu="300", natStrategy="both")
        journey.did["destroy"] = stack.destroy()
        journey.left = [item["urn"] for item in stack.resources()]
        yield journey


def test_each_step_does_what_is_recorded(journey):
    """A new version of the app replaces the task definition and updates the service alone."""
    journey.check("stages")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stage 1", "sources of the first version"),
        ("pushed, and killed before its state", "after a kill"),
    ],
)
def test_sources_that_were_built_before_are_built_again(journey, before, after):
    """A version like any other; ECR refuses to push to an existing tag."""
    first, again = (journey.tag(release) for release in (before, after))
    assert first != again
    assert first.partition("-")[0] == again.partition("-")[0]


def test_another_target_group_is_led_to_and_the_rule_goes_before_the_former_one(journey):
    """ELB deletes none to which a rule leads."""
    steps = journey.did["another target group"].steps
    gone = [step.rsplit(" ", 1)[1] for step in steps if step.startswith("delete")]
    assert gone.index("careapp-poc-app") < gone.index("careapp-poc-tg")
    assert len(journey.groups) == 3
    assert len(set(journey.groups)) == 1


def test_bad_settings_are_refused_all_at_once_and_without_a_traceback(journey):
    said = journey.refused["bad settings"]
    assert "taskCpu" in said
    assert "natStrategy" in said
    assert "Traceback" not in said


def test_destroy_leaves_nothing(journey):
    assert journey.left == []


def test_no_secret_stands_in_the_state(journey):
    for name, state in journey.seen.items():
        assert journey.password not in state, name
        assert "auth-token" not in state, f"{name}: the registry's password"
