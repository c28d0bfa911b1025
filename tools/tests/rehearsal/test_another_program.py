"""A Pulumi program that is none of careapp's, in the local cloud: its own Python, its folder, its messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools.local_cloud.engine.find import find_or_get

PULUMI_YAML = """\
name: shop
runtime:
  name: python
  options:
    virtualenv: ../venv
"""
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


class Shop:
    """A program in ``infra``, a local cloud of its own, and what the user types in that folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "infra"
        self.folder.mkdir(parents=True)
        (folder / "app").mkdir()
        (folder / "app" / "Dockerfile").write_text("FROM scratch")
        (self.folder / "Pulumi.yaml").write_text(PULUMI_YAML)
        (self.folder / "__main__.py").write_text(MAIN)
        self.venv, self.home = folder / "venv", folder / "home"
        # The engine is careapp's, as another one would be built here.
        self.variables = {
            "LOCAL_CLOUD_HOME": str(self.home),
            "LOCAL_CLOUD_PULUMI": str(find_or_get()),
        }

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {name: each for name, each in os.environ.items() if "CAREAPP" not in name}
        return subprocess.run(
            [sys.executable, "-P", "-m", "tools.local_cloud", *words],
            cwd=self.folder, env=environment | self.variables | {"LANG": "C"},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.type("shell", "--", "pulumi", *words)

    def make_venv(self) -> None:
        """Make a virtual environment that has the packages of this one, which is much faster than to install them."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.venv)], check=True)
        [packages] = self.venv.glob("lib/python*/site-packages")
        links = {each.name: each for each in Path(sysconfig.get_path("purelib")).iterdir()}
        for name in [each for each in links if not each.endswith(".pth")]:
            (packages / name).symlink_to(links[name])


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path / "shop")
    yield made
    made.type("stop")


UP = ("up", "--yes", "--skip-preview")


def test_another_program_runs_in_the_local_cloud_with_its_own_python(shop):
    none = shop.type("shell", "true")
    assert (none.returncode, "name the region of the program's stacks" in none.stderr) == (1, True)
    started = shop.type("start", "--region", "eu-west-1", "--tasks", "process", "--port", "0")
    assert started.returncode == 0, started.stderr
    begin = f"{sys.executable} -P -m tools.local_cloud"
    assert f"{begin} shell runs pulumi" in started.stdout
    for words in (
        ("stack", "init", "dev"),
        ("config", "set", "aws:region", "eu-west-1"),
        ("config", "set", "--secret", "word", "open-sesame"),
    ):
        done = shop.pulumi(*words)
        assert done.returncode == 0, done.stderr
    missing = shop.pulumi(*UP)
    assert f"virtualenv: {shop.venv} is no virtual environment" in missing.stdout
    shop.make_venv()
    done = shop.pulumi(*UP)
    assert done.returncode == 0, done.stdout
    outputs = re.findall(r"^ +(\w+) *: (.*)$", done.stdout, re.M)
    assert dict(outputs) == {
        "beside": '"FROM scratch"',
        "ofCareapp": "false",
        "python": f'"{shop.venv}"',
        "read": "\"''\"",
        "word": "[secret]",
    }
    aws = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    [bucket] = re.findall(r"goods-\w+", shop.type("shell", sys.executable, "-c", aws).stdout)
    assert bucket in shop.pulumi("stack", "export").stdout
    there = {each.name for each in shop.folder.iterdir()}
    assert there - {"__pycache__"} == {"Pulumi.yaml", "__main__.py"}  # Python's own, as anywhere
    assert (shop.folder / "Pulumi.yaml").read_text() == PULUMI_YAML
    other = shop.type("shell", "--region", "us-east-1", "true")
    assert f"LOCAL_CLOUD_HOME=FOLDER {begin} shell --region us-east-1" in other.stderr
    assert shop.type("stop").returncode == 0
    status = shop.type("status")
    assert (status.returncode, status.stdout) == (
        1,
        f"no local cloud runs here: {begin} start starts one\n",
    )
    written = [each for each in shop.home.rglob("*") if each.is_file()]
    assert [each for each in written if b"open-sesame" in each.read_bytes()] == []
