"""Pulumi programs that are none of careapp's, in the local cloud: their own Python, folder and messages."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.calls import Calls
from local_cloud.engine.find import find_or_get
from local_cloud.paths import ROOT, Home
from local_cloud.run.client import RunningCloud, find
from tools.rehearsal.app_page import Page

UP = ("up", "--yes", "--skip-preview")
PACKAGES = Path(sysconfig.get_path("purelib"))
COMMAND = (sys.executable, "-P", "-m", "local_cloud")


class Program:
    """A program with a virtual environment and a local cloud of its own, and what its user types in its folder."""

    def __init__(self, folder: Path, venv: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.folder, self.venv, self.home = folder, venv, Home(folder.parent / "home")
        self.command = command
        # The engine is careapp's, as another one would be built here.
        own = {"LOCAL_CLOUD_HOME": str(self.home.folder), "LOCAL_CLOUD_PULUMI": str(find_or_get())}
        others = {name: each for name, each in os.environ.items() if "CAREAPP" not in name}
        self.environment = others | own | {"LANG": "C"}

    def make_venv(self) -> Path:
        """Make a virtual environment without packages, and return where they go."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True)
        [packages] = self.venv.glob("lib/python*/site-packages")
        return packages

    def type(self, *words: str, code: int = 0) -> str:
        """Run a command of the local cloud, which ends with this exit code; return its output."""
        done = subprocess.run(
            [*self.command, *words],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def pulumi(self, *words: str, code: int = 0) -> str:
        return self.type("shell", "--", "pulumi", *words, code=code)

    @property
    def facts(self) -> RunningCloud:
        found = find(self.home)
        assert found
        return found


def stopped(program: Program) -> Iterator[Program]:
    """Stop its local cloud after the test."""
    yield program
    if find(program.home):
        program.type("stop")


PULUMI_YAML = """\
name: shop
runtime:
  name: python
  options:
    virtualenv: ../venv
"""
STACK_FILE = """\
encryptionsalt: v1:NJ2xUq4o4Ro=:v1:OOmnRMxFyy3b1D5F:RLs7MCcXnKxm+mzT3ELb9pdv6VfGSA==
config:
  shop:word:
    secure: v1:l3kBAbfK5cTQhWtV:Rb8T0jVxSQHcNKYgCkwmMCnVJFPkZ8y3xWM=
"""
"""What `pulumi login --local`, `stack init` and `config set --secret` write, by the passphrase of the user."""
MAIN = """\
import sys
from pathlib import Path

import pulumi
import pulumi_aws as aws

try:
    import stack
except ModuleNotFoundError:
    stack = None
aws.s3.Bucket("goods")
pulumi.export("python", sys.prefix)
pulumi.export("beside", Path("../app/Dockerfile").read_text())
pulumi.export("read", repr(sys.stdin.read()))
pulumi.export("ofCareapp", stack is not None)
pulumi.export("word", pulumi.Config().require_secret("word"))
"""
LACKING = """
queue = aws.sqs.Queue("orders")
aws.s3.Bucket("more", tags={"queue": queue.arn})
aws.lightsail.Instance("old", availability_zone="eu-west-1a", blueprint_id="x", bundle_id=queue.id)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Program]:
    """A program in a folder ``infra``, beside its app and its virtual environment."""
    folder = tmp_path / "shop" / "infra"
    for each in (folder, folder.parent / "app"):
        each.mkdir(parents=True)
    (folder.parent / "app" / "Dockerfile").write_text("FROM scratch")
    (folder / "Pulumi.yaml").write_text(PULUMI_YAML)
    (folder / "__main__.py").write_text(MAIN)
    (folder / "Pulumi.dev.yaml").write_text(STACK_FILE)
    yield from stopped(Program(folder, folder.parent / "venv"))


def test_program_runs_in_the_local_cloud_with_its_own_python(shop: Program) -> None:
    assert "name the region of the program's stacks" in shop.type("shell", "true", code=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        how = ("--region", "eu-west-1", "--tasks", "process", "--port", "0", "--api-port", port)
        assert f"port {port} on 127.0.0.1 is in use" in shop.type("start", *how, code=1)
    started = shop.type("start", *how)
    begin = f"{sys.executable} -P -m local_cloud"
    assert f"{begin} shell runs pulumi" in started
    shop.pulumi("stack", "init", "dev")
    assert "stand-in-for-word" in shop.pulumi("config", "get", "word")
    shop.pulumi("config", "set", "aws:region", "eu-west-1")
    shop.pulumi("config", "set", "--secret", "word", "open-sesame")
    assert f"virtualenv: {shop.venv} is no virtual environment" in shop.pulumi(*UP, code=1)
    # Links to the packages of this one are much faster than an installation.
    packages = shop.make_venv()
    for each in (each for each in PACKAGES.iterdir() if each.suffix != ".pth"):
        if not (packages / each.name).exists():
            (packages / each.name).symlink_to(each)
    assert dict(re.findall(r"^ +(\w+) *: (.*)$", shop.pulumi(*UP), re.M)) == {
        "beside": '"FROM scratch"',
        "ofCareapp": "false",
        "python": f'"{shop.venv}"',
        "read": "\"''\"",
        "word": "[secret]",
    }
    aws = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    [bucket] = re.findall(r"goods-\w+", shop.type("shell", sys.executable, "-c", aws))
    assert bucket in shop.pulumi("stack", "export")
    [line] = re.findall("^export .*", started, re.M)
    assert f"AWS_ENDPOINT_URL=http://127.0.0.1:{port} " in line
    without = {name: each for name, each in shop.environment.items() if "AWS" not in name}
    words = ["sh", "-c", f'{line}; exec "$0" -c "$1"', sys.executable, aws]
    assert bucket in subprocess.run(words, env=without, stdout=subprocess.PIPE, text=True).stdout
    (shop.folder / "__main__.py").write_text(MAIN + LACKING)
    said = shop.pulumi("preview", code=1)
    assert "no stand-in for aws:sqs/queue:Queue, aws:lightsail/instance:Instance" in said
    assert "Traceback" not in said
    there = {each.name for each in shop.folder.iterdir()}
    assert there - {"__pycache__"} == {
        "Pulumi.yaml",
        "Pulumi.dev.yaml",
        "__main__.py",
    }  # Python's own
    assert (shop.folder / "Pulumi.dev.yaml").read_text() == STACK_FILE
    assert (shop.folder / "Pulumi.yaml").read_text() == PULUMI_YAML
    other = shop.type("shell", "--region", "us-east-1", "true", code=1)
    assert f"LOCAL_CLOUD_HOME=FOLDER {begin} shell --region us-east-1" in other
    shop.type("stop")
    nothing = f"no local cloud runs here: {begin} start starts one\n"
    assert shop.type("status", code=1) == nothing
    written = [each for each in shop.home.folder.rglob("*") if each.is_file()]
    assert [each for each in written if b"open-sesame" in each.read_bytes()] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the local cloud's wheel, in a virtual environment with what its lock names, without careapp."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "-q"]
    locked = ("--require-hashes", "-r", ROOT / "local_cloud" / "requirements-local-cloud.txt")
    subprocess.run([*pip, *locked], check=True)
    subprocess.run([*pip, "--no-deps", ROOT / "local_cloud"], check=True)
    return folder / "venv" / "bin" / "local-cloud"


REGION, PASSWORD = "ap-northeast-1", "correct-horse"


@pytest.fixture
def board(tmp_path: Path, installed: Path) -> Iterator[Program]:
    """A copy of tests/programs/noticeboard, with what it requires, as Pulumi's users install it.

    Pulumi's packages are those of this one; what the project does not have is downloaded, so that the program runs
    with no other Python.
    """
    folder = tmp_path / "noticeboard"
    shutil.copytree(ROOT / "tests" / "programs" / "noticeboard", folder)
    program = Program(folder, folder / "venv", (str(installed),))
    (program.make_venv() / "shared.pth").write_text(str(PACKAGES))
    pip = (sys.executable, "-m", "pip", "--python", str(program.venv / "bin" / "python"))
    subprocess.run([*pip, "install", "-q", "-r", "requirements.txt"], cwd=folder, check=True)
    yield from stopped(program)


LISTS = {
    "ec2": "addresses internet_gateways network_interfaces route_tables security_group_rules "
    "security_groups subnets volumes vpcs",
    "ecr": "repositories",
    "elbv2": "load_balancers target_groups",
    "logs": "log_groups",
    "ssm": "parameters",
}
"""What AWS's API describes; the rest is listed below."""
OTHERS = (("ecs", "list_task_definitions"), ("iam", "list_roles"), ("s3", "list_buckets"),
          ("secretsmanager", "list_secrets"))  # fmt: skip


def held(facts: RunningCloud) -> dict[str, object]:
    """What AWS's API lists of the account, without what AWS keeps: terminated instances, inactive clusters."""
    calls = Calls(facts.access)
    names = [(service, f"describe_{each}") for service in LISTS for each in LISTS[service].split()]
    found = {f"{service} {name}": calls(service, name, {}) for service, name in (*names, *OTHERS)}
    found["policies"] = calls("iam", "list_policies", {"Scope": "Local"})
    arns = calls("ecs", "list_clusters", {})["clusterArns"]
    clusters = calls("ecs", "describe_clusters", {"clusters": arns})["clusters"]
    found["clusters"] = {"active": [each for each in clusters if each["status"] == "ACTIVE"]}
    running = {"Filters": [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]}
    found["instances"] = calls("ec2", "describe_instances", running)
    for each in found.values():
        each.pop("ResponseMetadata", None)
    return found


def page(program: Program) -> tuple[int, str]:
    """The status and text of the page, as a browser gets it."""
    found = Page.of(program.facts.state["listeners"])
    assert found
    return found.get()[:2]


def test_program_goes_up_survives_a_bad_release_and_goes_down(board: Program) -> None:
    begin = f"pulumi stack init dev && pulumi config set --secret password {PASSWORD}"
    options = ("--region", REGION, "--tasks", "process", "--port", "0")
    board.type("shell", *options, "--", "sh", "-c", begin)
    before = held(board.facts)
    board.pulumi(*UP)
    status, text = page(board)
    assert status == 200
    for words in ("<h1>Notice board</h1>", "<strong>fire drill</strong>", "1, signed"):
        assert words in text
    states = [each for each in board.home.state.rglob("*") if each.is_file()]
    assert states
    assert not [each for each in states if PASSWORD in each.read_text()]

    app = board.folder / "app" / "board.py"
    app.write_text(app.read_text().replace("HEALTHY = 200", "HEALTHY = 500"))
    failed = board.pulumi(*UP, "--config", "version=2", code=1)
    words = "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert words in " ".join(failed.split())
    status, text = page(board)
    assert (status, "1, signed" in text) == (200, True)

    board.pulumi("destroy", "--yes", "--skip-preview")
    assert held(board.facts) == before
