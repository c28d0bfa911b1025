"""A Pulumi program that is none of careapp's, in the local cloud: its own Python, folder and messages."""

import re
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import UP, Program, stopped

PACKAGES = Path(sysconfig.get_path("purelib"))
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
    import careapp
except ModuleNotFoundError:
    careapp = None
aws.s3.Bucket("goods")
pulumi.export("python", sys.prefix)
pulumi.export("beside", Path("../app/Dockerfile").read_text())
pulumi.export("read", repr(sys.stdin.read()))
pulumi.export("ofCareapp", careapp is not None)
pulumi.export("word", pulumi.Config().require_secret("word"))
"""
LACKING = """
queue = aws.dynamodb.Table("orders", hash_key="id", billing_mode="PAY_PER_REQUEST",
                           attributes=[{"name": "id", "type": "S"}])
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
    for package in (package for package in PACKAGES.iterdir() if package.suffix != ".pth"):
        if not (packages / package.name).exists():
            (packages / package.name).symlink_to(package)
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
    without = {name: value for name, value in shop.environment.items() if "AWS" not in name}
    words = ["sh", "-c", f'{line}; exec "$0" -c "$1"', sys.executable, aws]
    assert bucket in subprocess.run(words, env=without, stdout=subprocess.PIPE, text=True).stdout
    (shop.folder / "__main__.py").write_text(MAIN + LACKING)
    said = shop.pulumi("preview", code=1)
    assert "no stand-in for aws:dynamodb/table:Table, aws:lightsail/instance:Instance" in said
    assert "Traceback" not in said
    there = {path.name for path in shop.folder.iterdir()}
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
    written = [file for file in shop.home.folder.rglob("*") if file.is_file()]
    assert [file for file in written if b"open-sesame" in file.read_bytes()] == []
