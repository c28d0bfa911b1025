"""A rehearsal whose tasks are containers: one journey of one stack, step after step in the order of this file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from careapp import ROOT
from careapp.rehearsal import fixes
from careapp.rehearsal.app_page import Page
from careapp.rehearsal.faults import FAULTS, Edit
from careapp.rehearsal.rehearse import copy_program
from careapp.rehearsal.stages import Rehearsal
from local_cloud.console import print_heading
from local_cloud.engine.find import find_or_get
from local_cloud.engine.pulumi import Pulumi, PulumiFailed
from local_cloud.run import client
from local_cloud.run.project import Project
from tests.dataplane.stack import until
from tests.image.building import Image
from tests.image.docker_engine import Engine
from tests.rehearsal.conftest import Careapp

STACK = "poc"
SPEED = "20"
REGION = "ap-northeast-1"
SECRET = f"arn:aws:secretsmanager:{REGION}:999999999999:secret:careapp-poc/flaskr-AbCdEf"
EXAMPLE = (("appFolder", "docs/examples/flaskr"), ("containerPort", "8080"), ("healthPath", "/up"))
"""With its variable and its secret, what docs/your-app.md sets for the app in docs/examples/."""
OF_THE_EXAMPLE = (("appVariables.GREETING", "hello"), ("appSecrets.SECRET_KEY", SECRET))
SECOND = Edit(
    file="webapp/templates/home.html", old='<p class="lead">', new='<p class="lead" id="second">'
)
"""The second release of the app."""
QUICK = (("taskCpu", "1024"), ("taskMemory", "2048"))
"""A container with a whole processor starts in a second."""
TOLERANT = (("healthMatcher", "200,404"),)
"""The last app shares its health check with the first, whose answer to the new path is taken until it runs."""
SMALL = (("taskCpu", "256"), ("taskMemory", "512"))
BROKEN = ("listens-on-loopback", "healthcheck-command", "read-only-root")
"""Mistakes that only a container decides, and whose cures leave the app as it was."""
ROW = re.compile(r"^\| `(?P<name>[\w-]+)` \| [^|]+ \| (?P<first>[^|]+) \|", re.MULTILINE)
"""A mistake in docs/faults.md, with the doctor's first finding in a rehearsal whose tasks are processes."""


@dataclass
class Journey:
    """The stack on its way: the rehearsal that deploys it, its changed program and the engine of its tasks."""

    run: Rehearsal
    careapp: Careapp
    engine: Engine
    stopped_at: str = ""
    """The step that failed: what comes after it would only say so again."""

    def up(self) -> None:
        self.run.pulumi.update("up", STACK)

    def set(self, key: str, value: str) -> None:
        self.run.pulumi.run("config", "set", key, value, "--stack", STACK)

    def page(self) -> tuple[int, str]:
        page = Page.of(self.run.facts().state["listeners"])
        assert page is not None
        return page.get()[:2]

    def containers(self, *more: str) -> list[str]:
        named = ("--filter", "name=careapp-rehearsal-", "--format", "{{.Names}}")
        return self.engine.run("container", "ls", *more, *named).split()

    def only_container(self) -> str:
        """Return the one container of a task, as soon as the tasks of the version before have stopped."""
        until(lambda: len(self.containers()) == 1, what="one container")
        [name] = self.containers()
        return name


@pytest.fixture(scope="module")
def running(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Yield a local cloud with docker tasks. It has the image's index, and so finds its layers."""
    engine, careapp = image.engine, Careapp(tmp_path_factory.mktemp("journey"))
    own = {"PIP_INDEX_URL": image.index}
    careapp.environment |= engine.environment(own | careapp.environment)
    started = careapp.run("cloud", "start", "--tasks", "docker", "--port", "0", "--speed", SPEED)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        assert "Tasks run as containers" in started.stderr
        facts, home = client.require(careapp.home), careapp.home
        copy_program(home.source)
        project = Project(home, home.source)
        project.prepare()
        environment = project.environment(facts, find_or_get()) | own
        pulumi = Pulumi(home.project, environment, quiet=True)
        run = Rehearsal(pulumi, STACK, lambda: client.require(home), print_heading)
        yield Journey(run, careapp, engine)
    finally:
        careapp.run("cloud", "stop")


@pytest.fixture
def journey(running: Journey, request: pytest.FixtureRequest) -> Iterator[Journey]:
    """Yield the stack as the steps before have left it."""
    if running.stopped_at:
        pytest.fail(f"not reached: {running.stopped_at} failed")
    running.stopped_at = request.node.name
    yield running
    running.stopped_at = ""


def test_both_stages_come_up_and_the_page_answers_from_a_container(journey: Journey) -> None:
    # Only a version that is rolled back would need the minutes in which ECS can.
    journey.run.stage1((*OF_THE_EXAMPLE, *QUICK, *TOLERANT, ("bakeMinutes", "0")))
    assert journey.containers() == []
    journey.run.stage2()
    assert journey.page()[0] == 200
    limits = journey.engine.inspect("container", journey.only_container())["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"]) == (2048 << 20, 2048 << 20)


def test_a_second_release_takes_the_first_one_s_place(journey: Journey) -> None:
    before = journey.only_container()
    SECOND.apply(journey.careapp.home.source)
    journey.up()
    status, text = journey.page()
    assert status == 200
    assert SECOND.new in text
    assert journey.only_container() != before


def documented(name: str) -> str:
    rows = ROW.finditer((ROOT / "docs" / "faults.md").read_text())
    [first] = [row["first"] for row in rows if row["name"] == name]
    return first


def cause(title: str) -> str:
    """Return the cause in a finding's title, without the version that has it and what newer Pythons suggest."""
    return re.sub(r"(?<=careapp-poc:)\d+", "N", title).partition(". Did you mean")[0]


def break_and_mend(journey: Journey, name: str) -> dict[str, Any]:
    """Make a mistake, deploy it, compare the doctor's first finding, do what that says, and return the finding."""
    fault, run = FAULTS[name], journey.run
    run.make_mistake(fault, journey.careapp.home.source)
    with pytest.raises(PulumiFailed) as red:
        journey.up()
    print(red.value)
    run.report.diagnosis = fixes.diagnosis(run)
    found: dict[str, Any] = run.report.diagnosis["findings"][0]
    assert cause(found["title"]) == cause(documented(name))
    fixes.apply_fix(run, fault, journey.careapp.home.source)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_the_doctor_finds_a_mistake_as_without_docker_and_its_cure_cures(
    journey: Journey, name: str
) -> None:
    break_and_mend(journey, name)


def test_workers_that_the_kernel_kills_are_named_and_more_memory_cures(journey: Journey) -> None:
    for key, value in SMALL:
        journey.set(key, value)
    found = break_and_mend(journey, "out-of-memory")
    # On a busy machine a container may be killed as a whole before the workers are counted.
    assert any("gunicorn reports" in line or "exit code 137" in line for line in found["seen"])
    assert any("was sent SIGKILL" in line for line in found["evidence"])
    limits = journey.engine.inspect("container", journey.only_container())["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"]) == (1024 << 20, 1024 << 20)


def test_an_app_with_a_dockerfile_of_its_own_takes_the_place_of_webapp(journey: Journey) -> None:
    for key, value in EXAMPLE:
        journey.set(key, value)
    journey.up()
    journey.set("healthMatcher", "200")
    journey.up()
    assert journey.run.wait_for_page() == 200
    assert journey.page()[1].startswith("hello: visit 1, PostgreSQL 17")


def test_the_end_leaves_nothing_in_the_engine(journey: Journey) -> None:
    journey.run.destroy()
    assert journey.containers("--all") == []
    assert "careapp/hello-ecs" in journey.engine.run("image", "ls")
    assert journey.careapp.run("cloud", "stop").returncode == 0
    assert "careapp/hello-ecs" not in journey.engine.run("image", "ls")
