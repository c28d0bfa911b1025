"""Twenty-five stages of a program in one local cloud, which ends with what it had after the first five."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.stack import until
from tests.rehearsal.test_any_service import held
from tests.support.program import Program, stopped

pytestmark = pytest.mark.slow

REGION = "ap-northeast-1"
MAIN = """\
from pathlib import Path

import pulumi


def make(kind, name, **inputs):
    return pulumi.CustomResource(f"aws:{kind}", name, inputs)


word = Path(__file__).with_name("word").read_text()
vpc = make("ec2/vpc:Vpc", "net", cidrBlock="10.0.0.0/16")
subnets = [
    make("ec2/subnet:Subnet", zone, vpcId=vpc.id, cidrBlock=f"10.0.{number}.0/24",
         availabilityZone=f"ap-northeast-1{zone}")
    for number, zone in enumerate("ac")
]
ids = [each.id for each in subnets]
group = make("rds/subnetGroup:SubnetGroup", "group", subnetIds=ids)
make("rds/instance:Instance", "data", engine="postgres", instanceClass="db.t4g.micro",
     allocatedStorage=20, dbSubnetGroupName=group.id, username="owner", manageMasterUserPassword=True,
     skipFinalSnapshot=True, tags={"word": word})
balancer = make("lb/loadBalancer:LoadBalancer", "front", subnets=ids, internal=True,
                loadBalancerType="application")
answer = {"contentType": "text/plain", "messageBody": word, "statusCode": "200"}
make("lb/listener:Listener", "http", loadBalancerArn=balancer.id, port=80, protocol="HTTP",
     defaultActions=[{"type": "fixed-response", "fixedResponse": answer}])
"""
"""Without pulumi_aws, whose import takes a second each time."""
ROUND = """\
up="pulumi up --yes --skip-preview"
echo first >"$1"; $up
echo second >"$1"; $up
echo killed >"$1"; $up & sleep $0; kill -9 $! || true; wait $! || pulumi cancel --yes
echo one >"$1"; $up & echo another >"$1"; $up || true; wait $! || true
pulumi destroy --yes --skip-preview
"""
"""Five stages: made, changed, a change whose `pulumi` is killed, two clients at once, destroyed.

The word is no configuration: a `pulumi` that is killed while it writes the stack file leaves half of it.
"""


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """The program, whose Python is the tests' own."""
    folder = tmp_path / "small"
    folder.mkdir()
    runtime = f"{{name: python, options: {{virtualenv: {sys.prefix}}}}}"
    (folder / "Pulumi.yaml").write_text(f"name: small\nruntime: {runtime}\n")
    (folder / "__main__.py").write_text(MAIN)
    program = Program(folder, folder / "venv")
    yield from stopped(program)


def used(program: Program) -> dict[str, Any]:
    """What the local cloud uses: its processes, open files, listening sockets, and MiB of memory."""
    pid = program.facts.pid
    place = Path(f"/proc/{pid}")
    files = []
    for file in (place / "fd").iterdir():
        with suppress(OSError):  # one that is closed meanwhile
            files.append(str(file.readlink()))
    sockets = {link[8:-1] for link in files if link.startswith("socket:")}
    rows = [line.split() for line in (place / "net" / "tcp").read_text().splitlines()[1:]]
    parents = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that has ended meanwhile
            parents.append(int(file.read_text().rpartition(") ")[2].split()[1]))
    return {
        "processes": parents.count(pid),
        "files": len(files) - len(sockets),
        "listening": sum(row[3] == "0A" and row[9] in sockets for row in rows),
        "memory": int((place / "status").read_text().split("VmRSS:")[1].split()[0]) >> 10,
    }


def at_rest(program: Program) -> dict[str, Any]:
    """What it uses once that stays as it is: a database's files are deleted after it."""

    def same() -> dict[str, Any]:
        before = used(program)
        time.sleep(1)
        now = used(program)
        return now if now | {"memory": 0} == before | {"memory": 0} else {}

    return dict(until(same, 30, "what stays as it is"))


def test_twenty_five_stages_end_with_what_there_was_after_five(small: Program) -> None:
    """The first five make the processes that stay, and load what is loaded when it is needed."""
    options = ("--region", REGION, "--tasks", "process", "--port", "0")
    begin = f"pulumi stack init dev && pulumi config set aws:region {REGION}"
    small.type("shell", *options, "--", "sh", "-c", begin)
    listed, uses, word = held(small.facts), [], str(small.folder / "word")
    for number in range(5):
        # The kill comes at another moment each time.
        small.type("shell", "--", "sh", "-ec", ROUND, str(number / 4), word)
        assert held(small.facts) == listed
        if number in (0, 4):
            uses.append(at_rest(small))
    first, last = uses
    assert last.pop("memory") < 1.05 * first.pop("memory")
    assert last == first
    assert "Traceback" not in small.home.log.read_text()
