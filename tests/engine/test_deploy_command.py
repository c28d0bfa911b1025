"""`deployCommand` by the real engine: before the service is made, before it gets another task definition."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.local_stack import LocalStack, OneOff, local_stack

COMMAND = "flask --app webapp 'db upgrade'"
DEFINITION = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/careapp-poc:1"
LEFT, BY_HAND = (
    OneOff(who, {"startedBy": who, "taskDefinition": DEFINITION}, [], None)
    for who in ("careapp-deploy", "careapp-run")
)
"""A task that `deployCommand` started, and one of `./careapp run`; both run until they are stopped."""


@dataclass
class Seen:
    """One command: whether it failed, what it printed, which tasks it ran, what serves afterwards."""

    failed: bool
    said: str
    ran: list[OneOff]
    serving: list[str]


@dataclass
class Story:
    """A stack's life with commands that fail and succeed."""

    stack: LocalStack
    steps: dict[str, Seen] = field(default_factory=dict)

    def do(self, name: str, *command: str, **config: str) -> None:
        self.stack.configure(config)
        before = set(self.stack.ecs.one_offs)
        status, said = self.stack.attempt(*command)
        one_offs = self.stack.ecs.one_offs
        ran = [each for arn, each in one_offs.items() if arn not in before]
        found = self.stack.service()
        serving = [found["taskDefinition"].rpartition("/")[2]] if found else []
        self.steps[name] = Seen(status != 0, said, ran, serving)

    def up(self, name: str, exit_code: int = 0, **config: str) -> None:
        self.stack.ecs.exit_code = exit_code
        self.do(name, "up", "--yes", "--skip-preview", **config)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    with local_stack(tmp_path_factory.mktemp("deploy-command")) as stack:
        story = Story(stack)
        story.up("fails at first", 3, ecsEnabled="true", deployCommand=COMMAND)
        story.up("first roll-out")
        story.up("another count", desiredCount="2")
        story.up("fails", 3, taskMemory="1024")
        story.do("preview", "preview")
        stack.ecs.one_offs |= {left.arn: left for left in (LEFT, BY_HAND)}
        story.up("update")
        yield story.steps


def test_it_runs_before_the_service_is_made(story):
    [ran] = story["first roll-out"].ran
    assert (ran.revision, ran.serving) == ("careapp-poc:1", [])
    assert story["first roll-out"].serving == ["careapp-poc:1"]
    assert not story["first roll-out"].failed


def test_it_runs_as_the_new_version_while_the_old_one_serves(story):
    [ran] = story["update"].ran
    assert ran.revision == "careapp-poc:2"
    assert [each.rpartition("/")[2] for each in ran.serving] == ["careapp-poc:1"]
    assert story["update"].serving == ["careapp-poc:2"]
    words = ran.asked["overrides"]["containerOverrides"]
    options = {"name": "PGOPTIONS", "value": "-c lock_timeout=10s"}
    command = ["flask", "--app", "webapp", "db upgrade"]
    assert words == [{"name": "app", "command": command, "environment": [options]}]
    network = ran.asked["networkConfiguration"]["awsvpcConfiguration"]
    assert len(network["subnets"]) == 2
    assert (len(network["securityGroups"]), network["assignPublicIp"]) == (1, "DISABLED")
    assert f"deployCommand: {COMMAND} ended with exit code 0 in " in story["update"].said


@pytest.mark.parametrize(
    ("name", "revision", "serving"),
    [("fails at first", "careapp-poc:1", []), ("fails", "careapp-poc:2", ["careapp-poc:1"])],
)
def test_a_command_that_fails_is_red_and_the_service_is_as_it_was(story, name, revision, serving):
    seen = story[name]
    [ran] = seen.ran
    assert (seen.failed, seen.serving) == (True, serving)
    assert "Traceback" not in seen.said
    assert (
        f'error: before hook "deployCommand" failed: {COMMAND} ended with exit code 3 in {ran.name} '
        f"of {revision}: Essential container in task exited\n"
        "    The last lines of its log:\n"
        "      it ran\n"
        "    \n"
        "    The service was not changed. The next `pulumi up` runs the command again.\n"
    ) in seen.said
    assert "Program failed" not in seen.said


@pytest.mark.parametrize("name", ["another count", "preview"])
def test_without_another_task_definition_or_in_a_preview_nothing_runs(story, name):
    assert story[name].ran == []
    assert not story[name].failed


def test_what_a_killed_up_left_running_is_stopped_first(story):
    assert story["update"].ran[0].exit_code == 0
    assert (LEFT.exit_code, LEFT.reason) == (143, "Stopped by the next pulumi up")
    assert BY_HAND.exit_code is None
