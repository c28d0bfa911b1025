"""One stack's whole life, run once by the real engine; the tests look at what each step did."""

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


@pytest.fixture(scope="session")
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
        registered = [each["targetGroupArn"] for each in stack.service()["loadBalancers"]]
        rule = stack.rules()["100"]["Actions"][0]
        journey.groups = [group["TargetGroupArn"], rule["TargetGroupArn"], *registered]
        journey.up("back to stage 1", ecsEnabled="false")
        journey.refuse("bad settings", taskCpu="300", natStrategy="both")
        journey.did["destroy"] = stack.destroy()
        journey.left = [item["urn"] for item in stack.resources()]
        yield journey
