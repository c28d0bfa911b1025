"""The program of examples/any_service as a stranger installs it: it goes up, has fifteen mistakes, and goes down."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from careapp import ROOT
from local_cloud.calls import Calls
from local_cloud.run.client import RunningCloud
from tests.support.listing import listed
from tests.support.program import UP, Program, stopped

PACKAGES = sysconfig.get_path("purelib")
MISTAKES = yaml.safe_load(Path(__file__).with_name("any_service.yaml").read_text())
FEW = "CI" in os.environ and os.environ.get("CAREAPP_MISTAKES") != "all"
TRIED = [row for row in MISTAKES if "ci" in row] if FEW else MISTAKES
"""CI tries the same five each day, for the reasons in the table; .github/workflows/mistakes.yml tries all."""
PICTURED = "The app connects without TLS"
"""The beginning of the cause whose red `pulumi up` is drawn with RECORD=1."""
GATE, CLOUD = (ROOT / "packages" / name for name in ("ecs-gate", "local-cloud"))
PICTURE = GATE / "red.svg"
ENDED = re.compile(r"^  pulumi:pulumi:Stack \(.*?(?=^ {0,2}\S)", re.M | re.S)
"""What the engine prints at the end of a red update, without ECS's events."""
GREEN = (200, "<h1>0 orders</h1>")
SEPARATOR = re.compile(r"^\s*(?:\d+\.|-) \[", re.M)
"""What each finding begins with on the doctor's screen."""
COMMAND = re.compile(r"^ +((?:aws|ecs-gate|pulumi) .+)$", re.M)


class Shop(Program):
    """The program, its stack, and the mistakes that are made in it."""

    green = False
    """Whether the stack is known to be as the program declares it."""

    def make_green(self, why: str) -> None:
        """Update the stack, with what was changed in AWS, so that its page works; ``why`` begins the message if not."""
        done, told = self.ended("shell", "--", "pulumi", *UP, "--refresh")
        assert done == 0, f"{why}: {told}"
        assert self.page() == GREEN, f"{why}: the page answers {self.page()}"
        self.green = True

    def resources(self) -> dict[str, dict[str, str]]:
        """Return the outputs of the stack's resources, by the last words of their types."""
        held = json.loads(self.pulumi("stack", "export"))["deployment"]["resources"]
        return {
            each["type"].rpartition(":")[2]: each.get("outputs") or {}
            for each in held
            if not each.get("delete")  # After a red update the revision before stands there, too.
        }

    def typed(self, command: str) -> str:
        """Type a command in the local cloud's shell, and return what it prints on standard output."""
        yes = " ".join(("", *UP[1:])) if command.startswith("pulumi up") else ""
        return self.type("shell", "--", "sh", "-c", f"{command}{yes} 2>{self.folder}/../stderr")

    @contextmanager
    def mistaken(self, mistake: dict[str, str]) -> Iterator[None]:
        """Make a mistake, and correct it in the program if it stands there."""
        if "typed" in mistake:
            self.typed(mistake["typed"].format_map(self.resources()))
            yield
            return
        file = self.folder / mistake["file"]
        right = file.read_text()
        assert right.count(mistake["old"]) == 1
        file.write_text(right.replace(mistake["old"], mistake["new"]))
        try:
            yield
        finally:
            file.write_text(right)

    def red(self, made: dict[str, dict[str, str]], options: str) -> Any:
        """Return what a red `ecs-gate wait` prints of the service."""
        names = f"--cluster {made['Cluster']['name']} --service {made['Service']['name']}"
        return json.loads(self.typed(f"! ecs-gate wait {names} {options} --json"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A copy of the example with what it requires, in the local cloud's wheel without careapp; it is up.

    Pulumi's packages are those of this project; what that does not have is installed, so that the program runs with
    no other Python.
    """
    folder = tmp_path_factory.mktemp("any")
    home = folder / "examples" / "shop"
    shutil.copytree(GATE / "examples" / "any_service", home)
    for needed in ("pyproject.toml", "README.md", "hatch_build.py", "ecs_gate"):  # its ../..
        (folder / needed).symlink_to(GATE / needed)
    shutil.copy(ROOT / "LICENSE", folder)
    program = Shop(home, home / "venv", installed(folder))
    (program.make_venv() / "shared.pth").write_text(PACKAGES)
    pip = (sys.executable, "-m", "pip", "--python", program.venv / "bin" / "python")
    subprocess.run(
        [*pip, "install", "-q", "-r", "requirements.txt"], cwd=program.folder, check=True
    )
    program.environment["PATH"] = f"{program.venv / 'bin'}:{program.environment['PATH']}"
    options = ("--region", "eu-west-1", "--tasks", "process", "--port", "0", "--speed", "60")
    program.type("shell", *options, "--", "pulumi", "stack", "init", "dev")
    yield from stopped(program)


def installed(folder: Path) -> tuple[str]:
    """Return the command of the local cloud's wheel, in a virtual environment with what its lock names."""
    subprocess.run([sys.executable, "-m", "venv", folder / "cloud"], check=True)
    pip = [folder / "cloud" / "bin" / "python", "-m", "pip", "install", "-q"]
    locked = ("--require-hashes", "-r", CLOUD / "requirements-local-cloud.txt")
    subprocess.run([*pip, *locked], check=True)
    subprocess.run([*pip, "--no-deps", CLOUD], check=True)
    return (str(folder / "cloud" / "bin" / "local-cloud"),)


def held(facts: RunningCloud) -> list[str]:
    """Return what AWS's API lists of the account."""
    client = Calls(facts.access).client
    return [*listed(client), *client("ecs").list_task_definitions()["taskDefinitionArns"]]


@pytest.fixture(scope="module")
def before(shop: Shop) -> list[str]:
    """What the account has before the program; then it goes up."""
    there = held(shop.facts)
    shop.pulumi(*UP)
    shop.green = True
    return there


@pytest.fixture
def green(shop: Shop, before: list[str]) -> Shop:
    """The program as it is declared, whatever the test before has left; the test that ends well says so again."""
    if not shop.green:
        shop.make_green("what the test before has left could not be made green")
    shop.green = False
    return shop


@pytest.mark.parametrize("mistake", TRIED, ids=lambda row: row["mistake"])
def test_mistake_is_red_at_once_with_its_cause_first_and_goes_as_it_says(
    green: Shop, mistake: dict[str, Any]
) -> None:
    with green.mistaken(mistake):
        red = green.pulumi(*UP, code=1)
    first = [*SEPARATOR.split(red), ""][1]
    assert first.startswith(f"cause] {mistake['cause']}"), red
    if os.environ.get("RECORD") and mistake["cause"].startswith(PICTURED):
        draw(red)
    for command in commands(first, mistake.get("fix", 0)):
        green.typed(command)
    green.make_green("the printed cure does not cure")
    if "left" in mistake:  # What the cure has made besides the program, a person takes away.
        green.typed(mistake["left"])


def draw(red: str) -> None:
    """Draw the end of a red `pulumi up` for the README of ecs-gate."""
    screen = Console(record=True, width=110, file=io.StringIO())
    screen.print(Text(f"$ pulumi up\n…\nDiagnostics:\n{ENDED.search(red)[0].rstrip()}"))
    drawn = screen.export_svg(title="ecs-gate", clear=False)
    # GitHub loads no font for a picture.
    PICTURE.write_text(re.sub(r"@font-face {.*?}\s*", "", drawn, flags=re.S))


def commands(finding: str, fix: int) -> list[str]:
    """Return the commands of one of a finding's fixes, as they are printed; none where it prints no fix."""
    _, *fixes = re.split(r"^ +Do: ", finding, flags=re.M)
    return COMMAND.findall(fixes[fix]) if fixes else []


TAKEN = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
"""What another revision of the program's task definition has, too."""


def test_version_that_nothing_would_end_is_taken_back_where_the_gate_is_told_to(
    green: Shop,
) -> None:
    """A pipeline deploys it without Pulumi, and without ECS's circuit breaker."""
    made, call = green.resources(), Calls(green.facts.access)
    right = made["TaskDefinition"]["arn"]
    declared = call("ecs", "describe_task_definition", {"taskDefinition": right})["taskDefinition"]
    [container] = declared["containerDefinitions"]
    [password] = container["secrets"]
    password["valueFrom"] = password["valueFrom"].replace(":password:", ":passwd:")
    given = {name: declared[name] for name in TAKEN} | {"containerDefinitions": [container]}
    wrong = call("ecs", "register_task_definition", given)["taskDefinition"]["taskDefinitionArn"]
    names = {"cluster": made["Cluster"]["name"], "service": made["Service"]["name"]}
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    call("ecs", "update_service", names | {"taskDefinition": wrong, "deploymentConfiguration": off})
    ended = green.red(made, "--roll-back")
    call("ecs", "deregister_task_definition", {"taskDefinition": wrong})
    said = ended["diagnosis"]
    found = [finding["id"] for finding in said["findings"]]
    assert (ended["outcome"], found[0]) == ("certain", "secret-key-missing")
    assert not said["unfinished"]
    assert "roll-out-going-on" not in found
    back, runs = (arn.rpartition("/")[2] for arn in (wrong, right))
    assert f"ECS was told to roll {back} back: {runs} runs: 1 of 1 tasks." in ended["text"]
    assert green.page() == GREEN
    green.green = True


def test_program_goes_down_and_nothing_is_left(shop: Shop, before: list[str]) -> None:
    shop.pulumi("destroy", "--yes", "--skip-preview")
    assert held(shop.facts) == before
