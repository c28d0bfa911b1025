"""An AWS account in memory, with a stack in it."""

import functools
import json
import time
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.logs.models import LogGroup

from careapp.settings.names import StackNames
from ecs_gate import waiting
from ecs_gate.aws.pace import Pace
from ecs_gate.aws.session import Session
from ecs_gate.waiting import Waiting
from tests import stacks as a
from tests.calls import MANIFEST, Calls, calls, make, nothing, without_known_values  # noqa: F401 - fixtures
from tests.loaded import load

REGION = "ap-northeast-1"
NAMES = StackNames("poc", "careapp")
CALLS = Path(__file__).with_name("stack.json")
STACK = (
    "config:\n  aws:region: ap-northeast-1\n  careapp:ecsEnabled: 'true'\n"
    "  careapp:databaseFinalSnapshot: ''\n"
)


@pytest.fixture(scope="session")
def _loaded():
    with mock_aws():
        load(lambda service, operation: getattr(client(service), operation)())


@pytest.fixture(autouse=True)
def clock_in():
    """Sets this machine's clock to a time zone, by POSIX's spelling; to UTC unless a test says more."""

    def put(zone):
        patch.setenv("TZ", zone)
        time.tzset()

    with pytest.MonkeyPatch.context() as patch:
        put("UTC")
        yield put
    time.tzset()


@pytest.fixture
def folder(_loaded, tmp_path, monkeypatch):
    """A project's folder with the stack file, in which commands run."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text(STACK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    for name in ("LC_ALL", "LC_MESSAGES", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def account(_loaded):
    """An empty account, for all tests of a file: to make one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # 1,300 of them, at each begin and end
        patch.setattr(LogGroup, "filter_log_events", _in_order)
        patch.setattr(
            ApplicationAutoScalingResponse, "describe_scaling_activities", nothing, raising=False
        )
        patch.setattr(
            EC2ContainerServiceResponse, "list_service_deployments", nothing, raising=False
        )
        with mock_aws():
            yield REGION


def _in_order(group, *given, search=LogGroup.filter_log_events):
    """All streams in one order of time, as AWS answers whatever ``interleaved`` says."""
    return search(group, *given[:-1], True)


@pytest.fixture(scope="module")
def session(account):
    return Session(account)


@functools.cache
def client(service):
    return boto3.client(service, region_name=REGION)


def instances():
    found = client("rds").describe_db_instances()["DBInstances"]
    return [instance["DBInstanceIdentifier"] for instance in found]


@pytest.fixture
def wait(monkeypatch):
    """Waiting that takes no time of the wall; what it says is in ``said``."""
    clock = iter(range(10**6))
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)
    said = []
    made = Waiting(said.append, Pace(), now=lambda: float(next(clock)))
    made.said = said
    return made


class Told:
    """Keeps what is told: lines that the next one replaces, lines that stay, and warnings."""

    lang = "en"

    def __init__(self):
        self.moments, self.lastings, self.warnings = [], [], []
        self.heard = lambda _line: None
        """Called with each line that the next one replaces."""

    def moment(self, text):
        self.moments.append(str(text))
        self.heard(str(text))

    def lasting(self, text):
        self.lastings.append(str(text))

    def warning(self, text):
        self.warnings.append(str(text))


class Answering(Session):
    """A session over prepared answers alone; what was asked is in ``calls``."""

    def __init__(self, profile=None, **answers):
        super().__init__(REGION, profile)
        self.calls = Calls(answers)

    def call(self, _service, operation, /, **params):
        self.calls.append((operation, params))
        return self.calls.answer(operation, params)

    def pages(self, service, operation, **params):
        yield self.call(service, operation, **params)


@pytest.fixture(scope="module")
def stack(account):
    """A stack of both stages, by the calls of ``stack.json``; its ids are attributes of the answer."""
    made = SimpleNamespace(session=Session(account), log_group=NAMES.log_group)
    made.policy = a.policy(a.allow("*", "*"))
    made.document, made.manifest = json.dumps(made.policy), json.dumps(MANIFEST)
    made.trust = json.dumps({"Version": "2012-10-17", **a.TRUST})
    made.value = json.dumps({"username": "u", "password": "hidden"})
    make(client, CALLS, made, names=NAMES)
    return made


@pytest.fixture
def run(folder, capsys):
    """Run a command of ops; its exit code, what it printed, and what it complained about."""
    from careapp.cli import main

    assert (folder / "Pulumi.poc.yaml").exists()

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments), prog_name="./careapp")
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


class Terminal:
    """A standard input at which somebody types one answer."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self, *_):
        return f"{self.answer}\n"
