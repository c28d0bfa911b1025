"""`pulumi up` by the real engine is green only when the wanted revision runs."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import yaml

from tests.support.local_stack import SPEED, LocalStack, local_stack
from tests.support.steps import FOLDER

UP = ("up", "--yes", "--skip-preview")
SERVICE = "careapp-poc-service"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
STAGE_2_OUTPUTS = {"clusterName", "serviceName", "logGroupName"}


@dataclass
class Seen:
    """One command: its exit code, what it printed, how often the gate looked, what was left."""

    status: int
    said: str
    looks: int
    outputs: dict[str, object]
    definitions: dict[str, str]

    @property
    def error(self) -> str:
        """The block that the command ended with, as the diagnostics show it."""
        block = self.said.partition("    error: ")[2]
        return block.partition("\n\n  aws:")[0].partition("\n\nOutputs:")[0]


@dataclass
class Story:
    """A stack's life with bad and good roll-outs, each step by its name."""

    stack: LocalStack
    steps: dict[str, Seen] = field(default_factory=dict)

    def do(self, name: str, *command: str) -> None:
        self.stack.ecs.asked.clear()
        self.keep(name, *self.stack.attempt(*command))

    def up(self, name: str, **config: str) -> None:
        self.do(name, *UP, *(f"--config={key}={value}" for key, value in config.items()))

    def interrupted(self, name: str, **config: str) -> None:
        """An `up` that gets a Ctrl-C while the gate waits."""
        self.stack.ecs.asked.clear()
        pulumi = self.stack.pulumi
        pairs = (f"--config={key}={value}" for key, value in config.items())
        child = subprocess.Popen(
            ["pulumi", *UP, *pairs, "--stack", self.stack.name],
            cwd=pulumi.folder,
            env=dict(pulumi.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while "ListTasks" not in self.stack.ecs.asked and child.poll() is None:
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=60)
        asked, before = self.stack.ecs.asked, -1
        while before != len(asked):  # The look that was under way ends, and the program with it.
            before = len(asked)
            time.sleep(2)
        self.keep(name, child.returncode, said)

    def keep(self, name: str, status: int, said: str) -> None:
        stack = self.stack
        arns = stack.calls("ecs", "list_task_definitions", {})["taskDefinitionArns"]
        inactive = stack.calls("ecs", "list_task_definitions", {"status": "INACTIVE"})
        states = dict.fromkeys(inactive["taskDefinitionArns"], "INACTIVE")
        states |= dict.fromkeys(arns, "ACTIVE")
        self.steps[name] = Seen(
            status=status,
            said=said,
            looks=len(stack.ecs.asked),
            outputs=stack.outputs(),
            definitions={arn.rpartition("/")[2]: state for arn, state in sorted(states.items())},
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    with local_stack(tmp_path_factory.mktemp("gate")) as stack:
        story, ecs, program = Story(stack), stack.ecs, stack.language.environment
        ecs.breaks = True
        story.up("first version fails", ecsEnabled="true")
        story.up("again without changes")
        ecs.settle(SERVICE, again=True)
        story.up("after a retry")
        story.up("new version fails", taskMemory="1024")
        story.up("another setting after the rollback", healthGracePeriod="90")
        ecs.breaks = False
        story.do("new version runs", *UP, "--refresh")
        ecs.falls_ill = True
        story.up("the health check changes", healthPath="/healthz")
        ecs.falls_ill = False
        program["LOCAL_CLOUD_SPEED"] = "10"  # so slow that even a busy machine sees it wait
        story.up("the health check is mended", healthPath="/health")
        program["LOCAL_CLOUD_SPEED"] = SPEED
        ecs.hangs = True
        story.interrupted("interrupted", imageRevision="2")
        story.do("preview", "preview")
        program["LOCAL_CLOUD_SPEED"] = "1000"
        story.up("limit")
        program["LOCAL_CLOUD_SPEED"] = SPEED
        for key in KEYS:
            del program[key]
        story.up("without credentials")
        story.up("stage 1", ecsEnabled="false")
        story.do("destroy", "destroy", "--yes", "--skip-preview")
        yield story.steps


RED = yaml.safe_load((FOLDER / "gate.yaml").read_text())
GREEN = (
    *("after a retry", "new version runs", "the health check is mended"),
    *("preview", "stage 1", "destroy"),
)


def test_red_and_green_are_as_the_wanted_revision_runs_or_not(story):
    assert {name: seen.status != 0 for name, seen in story.items()} == {
        **dict.fromkeys(RED, True),
        **dict.fromkeys(GREEN, False),
        "interrupted": True,
    }


@pytest.mark.parametrize("name", RED)
def test_red_is_one_readable_block_that_says_why(story, name):
    seen, (begin, *more) = story[name], RED[name]
    assert seen.error.replace("\n    ", "\n").startswith(begin)
    assert [line for line in more if line not in seen.error] == []
    assert seen.said.count("    error: ") == 1
    for wrong in ("Traceback", "unhandled", "careapp itself failed"):
        assert wrong not in seen.said


def test_what_a_red_update_made_and_exported_is_recorded(story):
    assert story["first version fails"].outputs.keys() >= STAGE_2_OUTPUTS
    [made] = re.findall(r"\+ (\d+) created", story["first version fails"].said)
    assert f"{made} unchanged" in story["again without changes"].said


def test_the_revisions_that_a_rollback_may_need_stay(story):
    both = {"careapp-poc:1": "ACTIVE", "careapp-poc:2": "ACTIVE"}
    assert story["new version fails"].definitions == both
    assert story["new version runs"].definitions == both


def test_progress_and_new_events_are_shown(story):
    said = story["first version fails"].said
    assert "careapp-poc:1: tasks 0 of 1 running, 0 starting, 3 failed; targets 0; " in said
    assert "of 15:00]" in said
    assert "ECS: (service careapp-poc-service) has started 1 tasks: (task 0123" in said
    done = "careapp-poc:2 runs: 1 of 1 tasks, all healthy in the target group"
    assert done in story["new version runs"].said


def test_an_interrupt_leaves_nothing_half_done(story):
    seen = story["interrupted"]
    assert "update canceled" in seen.said
    assert seen.looks >= 1
    assert seen.outputs.keys() >= STAGE_2_OUTPUTS
    assert "\n  - " not in seen.said.partition("\nOutputs:")[2], "outputs were taken back"
    assert "~" not in story["limit"].said.partition("Resources:")[2]


@pytest.mark.parametrize("name", ["preview", "stage 1", "destroy"])
def test_what_rolls_nothing_out_does_not_look_and_does_not_wait(story, name):
    assert story[name].looks == 0


def test_what_changed_on_the_way_is_watched_for_as_long_as_the_load_balancer_needs(story):
    waits = "all healthy in the target group; the load balancer checks what was changed"
    mended, unchanged = story["the health check is mended"], story["after a retry"]
    assert [waits in update.said for update in (mended, unchanged)] == [True, False]
    assert mended.looks > unchanged.looks
