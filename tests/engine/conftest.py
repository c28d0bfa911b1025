"""One stack's whole life, run once by the real engine; the tests look at what each step did."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from local_cloud.engine.pulumi import Changes, PulumiFailed
from tests.support.local_stack import LocalStack, local_stack


@dataclass
class Journey:
    """What each step did, by its name, and what was seen between the steps."""

    stack: LocalStack
    did: dict[str, Changes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    """The target group that was made anew, and those of the rule and of the service."""
    password: str = ""

    def step(self, name: str, **config: str) -> None:
        self.did[name] = self.stack.up(**config)
        self.states[name] = self.stack.state()

    def step_as_planned(self, name: str) -> None:
        """A step that does nothing but what the preview before it has planned."""
        plan = str(self.stack.home.project / "plan.json")
        self.stack.pulumi.run("preview", "--save-plan", plan, "--stack", self.stack.name)
        self.did[name] = self.stack.pulumi.update("up", self.stack.name, "--plan", plan)
        self.states[name] = self.stack.state()

    def tag(self, name: str) -> str:
        [image] = re.findall(r'"baseImageName": ?"[^"]+:([^":]+)"', self.states[name])
        return str(image)

    def attempt(self, name: str, **config: str) -> None:
        """A step that must fail; what it printed is kept."""
        try:
            self.stack.up(**config)
        except PulumiFailed as failed:
            self.refused[name] = failed.output
        else:
            raise AssertionError(f"{name} went through")


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with local_stack(tmp_path_factory.mktemp("engine")) as stack:
        journey = Journey(stack)
        journey.step("stage 1")
        journey.step("stage 2", ecsEnabled="true")
        journey.password = _password(stack)
        journey.step("again")
        another = stack.source / "webapp/another.py"
        another.write_text("# Another version of the app.\n")
        journey.step("new app version")
        another.unlink()
        journey.step_as_planned("sources of the first version")
        before = stack.state()
        another.write_text("# A third version of the app.\n")
        journey.step("pushed, and killed before its state")
        stack.state_file.write_text(before)
        journey.step("after a kill")
        more = {"containerPort": "8081", "taskCpu": "512", "taskMemory": "1024"}
        journey.step("another revision, port and size", imageRevision="2", **more)
        stack.edit("infra/load_balancer.py", "port=TARGET_PORT,", "port=TARGET_PORT + 1,")
        journey.step("another target group")
        [group] = stack.calls("elbv2", "describe_target_groups", {})["TargetGroups"]
        registered = [each["targetGroupArn"] for each in stack.service()["loadBalancers"]]
        rule = stack.rules()["100"]["Actions"][0]
        journey.groups = [group["TargetGroupArn"], rule["TargetGroupArn"], *registered]
        journey.step("back to stage 1", ecsEnabled="false")
        journey.step("protected", protect="true")
        stack.edit("infra/database.py", "db_name=self.db_name,", 'db_name="another",')
        journey.attempt("replace the database")
        stack.edit("infra/database.py", 'db_name="another",', "db_name=self.db_name,")
        journey.attempt("bad settings", taskCpu="300", natStrategy="both")
        journey.step("unprotected", protect="false", taskCpu="512", natStrategy="single")
        journey.did["destroy"] = stack.destroy()
        journey.left = [item["urn"] for item in stack.resources()]
        yield journey


def _password(stack: LocalStack) -> str:
    secret = stack.outputs()["databaseSecretArn"]
    held = stack.calls("secretsmanager", "get_secret_value", {"SecretId": secret})
    return str(held["SecretString"])
