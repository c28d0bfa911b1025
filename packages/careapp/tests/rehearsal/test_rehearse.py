"""``./careapp rehearse``: both stages and back, by one command."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from careapp import ROOT
from careapp.rehearsal import rehearse
from careapp.rehearsal.faults import FAULTS
from careapp.rehearsal.rehearse import Plan, PlannedRehearsal, _new_project
from careapp.rehearsal.stages import Rehearsal, Report
from careapp.settings.file import StackError
from local_cloud.engine.find import find_or_get
from local_cloud.engine.pulumi import Pulumi
from local_cloud.paths import Home
from tests.dataplane.stack import until
from tests.rehearsal.surroundings import OWN, make_bare
from tests.stacks import choices


def processes(word):
    """The processes whose command line or environment names ``word``, but for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # one that has ended meanwhile
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if word.encode() in text and int(folder.name) != os.getpid():
                found.append(text[:200])
    return found


def assert_no_process_left(careapp):
    """What forks the programs ends by itself, a moment after the local cloud's process."""
    word = str(careapp.home.folder)
    until(lambda: not processes(word), 30, "the end of its processes")


def assert_nothing_left(careapp):
    assert_no_process_left(careapp)
    left = {item.name for item in careapp.home.folder.iterdir()}
    assert left <= {"cloud.log", "cloud.lock", "rehearsal.lock"}


REGION = "eu-central-1"
SETTINGS = yaml.safe_load(Path(__file__).with_name("another_app.yaml").read_text())
LIST = "pl-0123456789abcdef0"

KEEPS_A_PICTURE = """\
        import io, re, botocore
        browser = app.test_client()
        sent = {"picture": (io.BytesIO(b"a picture"), "a.png", "image/png")}
        assert browser.post("/pictures/", data=sent).status_code == 302
        path = re.findall(r'src="(.+?)"', browser.get("/pictures/").text)[0]
        assert browser.get(path).data == b"a picture"
        s3, bucket = boto3.client("s3"), {"Bucket": os.environ["UPLOADS_BUCKET"]}
        for ask, named in (s3.list_buckets, {}), (s3.delete_bucket, bucket):
            try:
                ask(**named)
            except botocore.exceptions.ClientError as problem:
                assert problem.response["Error"]["Code"] == "AccessDenied", problem
            else:
                raise AssertionError("the task role allows too much")
"""
"""The page answers only where the task can keep a picture, read it back, and do no more in S3."""


def as_others_write_it(folder):
    """Let the example read a DATABASE_URL, and build a stage of a Dockerfile of another name, which is not the last.

    Its page keeps a picture in the bucket first.
    """
    app, dockerfile = folder / "flaskr" / "__init__.py", folder / "Dockerfile"
    text = app.read_text()
    begin, end = text.index("def connect"), text.index("def create_app")
    connect = 'def connect():\n    return psycopg.connect(os.environ["DATABASE_URL"])\n\n\n'
    app.write_text(text[:begin] + connect + text[end:])
    keeps = f"def index():\n{KEEPS_A_PICTURE}"
    app.write_text(app.read_text().replace("def index():\n", keeps, 1))
    (folder / "docker").mkdir()
    stages = dockerfile.read_text().replace("slim\n", "slim AS production\n", 1)
    (folder / "docker" / "web").write_text(f"{stages}FROM node AS tools\nCMD node\n")
    dockerfile.unlink()


PLAN = Plan(stack="poc", leave=True, until="stage1", report=None, fault=None, mend=False)


@pytest.mark.slow
def test_a_setting_s_value_may_begin_with_a_dash(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\nruntime: python\n")
    own = {"PULUMI_BACKEND_URL": tmp_path.as_uri(), "PULUMI_CONFIG_PASSPHRASE": ""}
    engine = find_or_get()
    path = {"PATH": f"{engine.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    pulumi = Pulumi(tmp_path, path | own, quiet=True)
    pulumi.run("stack", "init", "poc")
    run = Rehearsal(pulumi, "poc", lambda: None, print)
    run.set("desiredCount", "-1")
    run.set("appVariables.OPTIONS", "--path")
    config = yaml.safe_load((tmp_path / "Pulumi.poc.yaml").read_text())["config"]
    assert config == {"careapp:desiredCount": "-1", "careapp:appVariables": {"OPTIONS": "--path"}}


def test_until_stage_1_leaves_stage_2_out(tmp_path):
    run = SimpleNamespace(stage1=lambda *_: None)
    assert PlannedRehearsal(run, PLAN, tmp_path, Home(tmp_path))._deploy() == 0


def test_a_rehearsal_whose_cloud_has_ended_destroys_nothing_and_exits_1(tmp_path, capsys):
    run = SimpleNamespace(stage1=lambda *_: None, report=Report())
    assert PlannedRehearsal(run, PLAN, tmp_path, Home(tmp_path)).execute() == 1
    assert "all resources in it are lost" in capsys.readouterr().err
    assert "the local cloud has ended" in run.report.error


@pytest.mark.parametrize(("begun", "seconds"), [(-1, 95), (1, None)])
def test_the_time_on_aws_is_that_since_the_roll_out_of_the_mistake(tmp_path, begun, seconds):
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    rolled_out = datetime(2026, 1, 1, tzinfo=UTC)
    facts = SimpleNamespace(time=rolled_out + timedelta(seconds=95))
    run = Rehearsal(SimpleNamespace(folder=tmp_path), "poc", lambda: facts, lambda _: None)
    run.begun = rolled_out + timedelta(seconds=begun)
    answers = {
        "describe_services": {"services": [{"serviceName": "any"}]},
        "list_service_deployments": {"serviceDeployments": [{"createdAt": rolled_out}]},
    }
    run.calls = lambda _, operation, __: answers[operation]
    run.measure_on_aws()
    assert run.report.aws_seconds == seconds


def test_a_rehearsal_after_a_killed_cloud_says_that_its_stacks_are_gone(tmp_path, capsys):
    home = Home(tmp_path)
    state = home.state / ".pulumi/stacks/careapp/poc.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    for said in (True, False):
        _new_project(home, PLAN)
        told = capsys.readouterr().err
        assert ("its stacks (poc) no longer exist, and their state is deleted" in told) is said
        assert not state.exists()


BETWEEN_RELEASES = [
    name
    for name, fault in FAULTS.items()
    if fault.second_release
    and not (fault.needs_webapp or fault.before or fault.shows_later)
    and (shutil.which("aws") or name != "password-changed")  # its cure is one of the AWS CLI
]
"""What people do in AWS between two releases, whatever their app is."""
SEED = int(os.environ.get("CAREAPP_MISTAKES_SEED", "739948"))
"""Another number draws another of these. The usual one is fixed: no change is red for one that nobody has tried."""


def test_another_app_under_another_name_in_bare_surroundings(acme, tmp_path):
    make_bare(acme, tmp_path)
    file, stack_file = tmp_path / "report.json", acme.project / "Pulumi.poc.yaml"
    text = stack_file.read_text()
    stack_file.write_text(text.replace("region: ap-northeast-1", f"region: {REGION}"))
    as_others_write_it(acme.project / "docs" / "examples" / "flaskr")
    settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(map(str, item)))]
    mistake = random.Random(SEED).choice(BETWEEN_RELEASES)  # noqa: S311 - not for cryptography
    done = acme.run(
        *("rehearse", "-s", "poc", "--exit", "--tasks", "process", "--port", "0"),
        *("--break", mistake, "--mend", "--json", str(file), "--from", "192.0.2.9", *settings),
        umask=OWN,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text())
    stage1, stage2 = report["stages"]
    assert [stage1["name"], stage2["name"]] == ["stage1", "stage2"]
    for stage in (stage1, stage2):
        assert (stage["updated"], stage["replaced"], stage["deleted"]) == (0, 0, 0)
    assert stage2["unchanged"] == stage1["created"] > 40
    assert report["destroy"]["deleted"] == stage1["created"] + stage2["created"]
    page = report["page"]
    assert page["url"].startswith("https://localhost:")
    found = (report["destroy"]["left"], "error" in report, page["status"], report["jobs"])
    assert found == (0, False, 200, {"routes": 0})
    assert report["diagnosis"]["findings"][0]["id"] == FAULTS[mistake].cause
    assert (report["second_up"]["red"], report["mend"]["page"]) == (True, 200)
    for words in (
        "acme-poc-worker-greet:1 runs: 1 of 1 tasks",
        f"redirects to {page['url']}",
        f"curl --cacert {page['authority']} {page['url']}",
        '"https://app.example.com"',
        "The secret acme-poc/flaskr has a made-up value here.",
        "acme-poc-service",
        "answers 503: ECS is off, and how to turn it on",
    ):
        assert words in done.stdout
    assert not [words for words in ("The job off", "careapp-poc") if words in done.stdout]
    # So a client of --from that is in the prefix list gets in.
    made_up = rf"The prefix list {LIST} is (pl-\w+) here, with 192\.0\.2\.0/24\."
    assert re.search(made_up, done.stdout)
    assert_nothing_left(acme)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--exit -c bogus=1", "bogus: is an unknown key; Pulumi.yaml lists all keys"),
        ("--exit -c careapp:ecsEnabled=false", "--until stage1 leaves stage 2 out"),
        ("--exit -c appFolder=docs", "appFolder: docs/Dockerfile does not exist"),
        ("--break page-raises -c appFolder=docs/examples/flaskr",
         "--break page-raises is a mistake of the app in webapp/, and the stack runs the app in "
         "docs/examples/flaskr/."),
        ("--break listens-on-loopback -c appFolder=docs/examples/flaskr",
         "choose one that fits every app: alb-cannot-reach-task, another-secret"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_used_are_refused_at_once(careapp, words, told):
    done = careapp.run("rehearse", "--tasks", "process", "--port", "0", *words.split())
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert not careapp.home.log.exists(), "the local cloud has started"


def test_a_dockerfile_with_a_mistake_is_refused_before_the_local_cloud_starts(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(rehearse, "ROOT", tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM python\nCOPPY . .\nCMD x\n")
    with pytest.raises(StackError) as refused:
        rehearse._check_dockerfile(choices(appFolder="app").image)
    assert str(refused.value).startswith("app/Dockerfile:2: ")
    assert refused.value.exit_code == 2


STALLING = """#!/bin/sh
case "$*" in
  *"stack init"*) touch "{begun}"; sleep 1; exit 3 ;;
esac
exec "{engine}" "$@"
"""


def test_an_interrupt_before_there_is_a_stack_finds_nothing_to_destroy(careapp, tmp_path):
    engine, begun = tmp_path / "pulumi", tmp_path / "begun"
    engine.write_text(STALLING.format(begun=begun, engine=find_or_get()))
    engine.chmod(0o755)
    careapp.environment["CAREAPP_PULUMI"] = str(engine)
    child = careapp.start("rehearse", "--tasks", "process", "--port", "0")
    until(lambda: begun.exists() or child.poll() is not None)
    os.killpg(child.pid, signal.SIGINT)
    said = child.communicate(timeout=120)[0]
    assert child.returncode == 130, said
    assert "no stack named" not in said
    assert said.endswith("Nothing had been created yet; the local cloud has stopped.\n")
    assert_nothing_left(careapp)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_it_goes_up_leaves_nothing(careapp, kind):
    child = careapp.start("rehearse", "--tasks", "process", "--port", "0")
    for line in child.stdout:
        if "aws:ec2:Subnet" in line and "created" in line:
            break
    os.killpg(child.pid, kind)
    said = child.communicate(timeout=120)[0]
    assert child.returncode in (130, 143), said
    assert ("Everything is deleted: the stack" in said) == (kind == signal.SIGINT)
    assert "pulumi stack rm" not in said
    assert_nothing_left(careapp)


OWNER = """
import sys
from careapp.rehearsal import careapp
from local_cloud.paths import find_home
careapp.use()
with careapp.hold_folder(find_home()):
    print("owns", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_rehearsal(careapp):
    """A process that has the folder as a rehearsal has it."""
    words = [sys.executable, "-c", OWNER]
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=careapp.environment, **how) as other:
        assert other.stdout.readline() == "owns\n"
        yield f"a rehearsal (process {other.pid}) runs in {careapp.home.folder}", other.pid
        other.stdin.close()


def test_a_rehearsal_beside_another_is_told_who_that_is_and_not_to_end_its_cloud(careapp):
    with another_rehearsal(careapp) as (words, _):
        done = careapp.run("rehearse", "--exit", "--tasks", "process")
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert "CAREAPP_HOME=FOLDER ./careapp rehearse" in done.stderr
    assert "cloud stop" not in done.stderr


def watched(done):
    return re.search(r"watch it at (http://localhost:\d+)", done.stdout)[1]


def test_local_cloud_survives_its_clients_and_ends_when_told(careapp):
    started = careapp.run("cloud", "start", "--tasks", "process", "--port", "0")
    assert started.returncode == 0, started.stderr
    before, url = careapp.facts()["pid"], watched(started)
    assert watched(careapp.run("cloud", "status")) == url == careapp.facts()["page"]
    assert url != "http://localhost:8081", "--port 0 takes any port for both"
    with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
        assert json.load(answer)["verdict"]["headline"] == "Nothing is deployed"
    second = careapp.run("rehearse", "--exit", "--tasks", "process")
    assert second.returncode == 1
    assert "a local cloud already runs in" in second.stderr
    assert "./careapp cloud stop" in second.stderr
    with another_rehearsal(careapp) as (words, pid):
        refused = careapp.run("cloud", "stop")
    assert (refused.returncode, words in refused.stderr) == (1, True), refused.stderr
    assert f"kill {pid} stops both" in refused.stderr
    child = careapp.start("shell", "--", "sh", "-c", "echo begins; exec sleep 60")
    next(line for line in child.stdout if line == "begins\n")
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=30)
    assert careapp.facts()["pid"] == before
    assert careapp.run("cloud", "status").returncode == 0
    assert careapp.run("cloud", "stop").returncode == 0
    assert careapp.run("cloud", "status").returncode == 1
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0
    assert_nothing_left(careapp)
