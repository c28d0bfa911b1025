"""`deployCommand` by the real engine: before the service is made, before it gets another task definition."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.local_stack import OneOff, local_stack

COMMAND = "flask --app webapp 'db upgrade'"
UP = ("up", "--yes", "--skip-preview")


@dataclass
class Seen:
    """One command: whether it failed, what it printed, which tasks it ran, what serves afterwards."""

    failed: bool
    said: str
    ran: list[OneOff]
    serving: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """A stack's life with commands that fail and succeed."""
    steps: dict[str, Seen] = {}
    with local_stack(tmp_path_factory.mktemp("deploy-command")) as stack:

        def do(name: str, exit_code: int, *command: str, **config: str) -> None:
            stack.configure(config)
            stack.ecs.exit_code, before = exit_code, len(stack.ecs.one_offs)
            status, said = stack.attempt(*command)
            ran = [*stack.ecs.one_offs.values()][before:]
            serving = str(stack.service().get("taskDefinition", "")).rpartition("/")[2]
            steps[name] = Seen(status != 0, said, ran, serving)

        do("fails at first", 3, *UP, ecsEnabled="true", deployCommand=COMMAND)
        do("first roll-out", 0, *UP)
        do("fails", 3, *UP, taskMemory="1024")
        do("preview", 0, "preview")
        do("update", 0, *UP)
        yield steps


@pytest.mark.parametrize(
    ("name", "revision", "serving"),
    [("first roll-out", "careapp-poc:1", []), ("update", "careapp-poc:2", ["careapp-poc:1"])],
)
def test_it_runs_as_the_new_version_while_the_old_one_serves(story, name, revision, serving):
    seen = story[name]
    [ran] = seen.ran
    assert (ran.revision, [arn.rpartition("/")[2] for arn in ran.serving]) == (revision, serving)
    assert (seen.failed, seen.serving) == (False, revision)
    assert f"deployCommand: {COMMAND} ended with exit code 0 in " in seen.said


@pytest.mark.parametrize(
    ("name", "revision", "serving"),
    [("fails at first", "careapp-poc:1", ""), ("fails", "careapp-poc:2", "careapp-poc:1")],
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


def test_a_preview_runs_nothing(story):
    assert (story["preview"].failed, story["preview"].ran) == (False, [])
