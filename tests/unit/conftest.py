"""A Pulumi engine that builds nothing and remembers everything."""

from __future__ import annotations

import asyncio
import re
import runpy
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import pulumi
import pulumi_aws
import pytest
import yaml
from pulumi.runtime._callbacks import _CallbackServicer
from pulumi.runtime.mocks import MockMonitor

from careapp.settings.file import StackFile
from careapp.settings.settings import Settings
from careapp.update.hooks import Update
from infra import login
from infra.login import Endpoints

# A servicer lists itself before it has these, and a mocked resource of another thread may look there then.
_CallbackServicer._transforms = {}


@pytest.fixture(scope="session", autouse=True)
def _loaded(pytestconfig: pytest.Config) -> None:
    """Import what the first tests of a process would import for all, where a test has but a second."""
    if pytestconfig.getini("quick_seconds") == "1":
        # pulumi_aws imports a module at the first use of one of its classes.
        text = "".join(path.read_text() for path in (ROOT / "infra").glob("*.py"))
        for name in set(re.findall(r"\baws\.([a-z0-9]+\.[A-Z]\w+)\(", text)):
            attrgetter(name)(pulumi_aws)


T = TypeVar("T")
ROOT = Path(__file__).parents[2]

NAME = "careapp-poc"
ANSWERS: dict[str, dict[str, Any]] = yaml.load(
    Path(__file__).with_name("answers.yaml").read_text(), yaml.CSafeLoader
)
"""Outputs that have a form of their own, or are of a type that the local cloud's stand-in for AWS does not have."""


def answers(args: pulumi.runtime.MockResourceArgs) -> dict[str, Any]:
    """Return the ANSWERS to a resource; a VPC has a subnet of each kind in each of its zones."""
    zones = len(args.inputs.get("availabilityZoneNames", ()))
    return {
        key: value[:zones] if key.endswith("SubnetIds") else value
        for key, value in ANSWERS.get(args.typ, {}).items()
    }


class Monitor(MockMonitor):
    """Pulumi's mock engine, which also keeps each request and the components that finished."""

    def __init__(self, mocks: pulumi.runtime.Mocks) -> None:
        super().__init__(mocks)
        self.finished: list[str] = []
        self.requests: dict[tuple[str, str], Any] = {}

    def RegisterResource(self, request: Any) -> Any:
        self.requests[request.type, request.name] = request
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.finished.append(request.urn)
        return super().RegisterResourceOutputs(request)


ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


class OneMoment(datetime):
    """A clock that stands: two programs with the same sources have the same tag."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> OneMoment:
        return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)


class Engine(pulumi.runtime.Mocks):
    """Answers for AWS. A look-up that no test has prepared is an error, never an empty answer."""

    kinds: Mapping[str, Any] = {}
    """Types of the local cloud's stand-ins, whose outputs are made up; none where it is not installed."""

    def __init__(self) -> None:
        self.made: list[pulumi.runtime.MockResourceArgs] = []
        self.lookups: dict[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "123456789012"},
            ZONES: {"names": ["ap-northeast-1d", "ap-northeast-1c", "ap-northeast-1a"]},
            "pulumi:pulumi:readStackOutputs": {"outputs": {}},
            "pulumi:pulumi:readStackResourceOutputs": {"outputs": {}},
        }
        self.monitor = Monitor(self)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.made.append(args)
        identity = f"{args.typ.rpartition(':')[2]}/{args.name}"  # names repeat across types
        computed = {"arn": f"arn:{identity}", "name": f"{args.name}-made-up"}
        kept = args.inputs if args.custom else {}  # a component's outputs are not its inputs
        outputs = self.kinds[args.typ].outputs if args.typ in self.kinds else ()
        made_up = {output: f"{output}/{args.name}" for output in outputs}
        return identity, {**made_up, **computed, **kept, **answers(args)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        if args.token not in self.lookups:
            raise AssertionError(f"no answer prepared for {args.token}")
        return self.lookups[args.token]

    def configure(self, others: dict[str, str], **ours: str) -> None:
        """Set the stack's whole configuration: the keys of other packages, and the project's own."""
        values = {f"{pulumi.get_project()}:{key}": value for key, value in ours.items()}
        pulumi.runtime.set_all_config({**others, **values})

    def run(self, build: Callable[[], T]) -> T:
        """Build, and wait until every registration has landed, so that absence can be asserted."""
        built: list[T] = []
        pulumi.runtime.test(lambda: built.append(build()))()
        return built[0]

    def known(self, output: pulumi.Output[T]) -> T:
        values: list[T] = []
        pulumi.runtime.test(lambda: output.apply(values.append))()
        return values[0]

    def inputs(self, kind: str) -> dict[str, dict[str, Any]]:
        """The inputs of each resource of one type, by logical name."""
        return {made.name: made.inputs for made in self.made if made.typ == kind}

    def request(self, kind: str, name: str) -> Any:
        """What the program asked the engine for, options included."""
        return self.monitor.requests[kind, name]

    def unfinished(self) -> set[str]:
        """Components that never called register_outputs."""
        urns = self.monitor.get_registered_resources()
        return {urn for urn in urns if ":infra:" in last_type(urn)} - set(self.monitor.finished)

    def orphans(self) -> list[str]:
        """Resources that hang from the stack itself, though they belong to a component."""
        urns = self.monitor.get_registered_resources()
        return [
            urn
            for urn in urns
            if ":infra:" not in last_type(urn) and "careapp:infra:" not in urn.split("::")[2]
        ]


DOMAIN = {"domainName": "app.example.com", "hostedZoneId": "Z0123456789ABC"}
LOGIN = {
    "loginIssuer": "https://login.example.com",
    "loginClientId": "careapp",
    "loginSecretArn": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
    **DOMAIN,
}
ENDPOINTS = Endpoints(
    authorization_endpoint="https://login.example.com/authorize",
    token_endpoint="https://tokens.example.com:8443/token",
    userinfo_endpoint="https://login.example.com/userinfo",
)


def of(
    others: Mapping[str, str] | None = None,
    stack: str = "poc",
    encrypted: tuple[str, ...] = (),
    project: str = "careapp",
    **ours: str,
) -> Settings:
    """Check a stack's configuration: the keys of other packages, and the project's own."""
    values = {"aws:region": "ap-northeast-1"} if others is None else dict(others)
    values |= {f"{project}:{key}": value for key, value in ours.items()}
    return Settings.of(
        StackFile(project=project, stack=stack, values=values, encrypted=encrypted), sources=True
    )


def last_type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Every event loop that is opened, closed in the end.

    Pulumi opens one in each worker thread and leaves it. Python warns when it comes to collect
    them; should that be within ast.parse, Python before 3.11.8 fails with "recursion depth
    mismatch", because to format a warning is to parse as well (cpython issue 106905).
    """
    opened: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: opened.append(make()) or opened[-1])
    yield opened
    for loop in opened:
        while loop.is_running():  # A program that fails leaves worker threads at work.
            time.sleep(0.01)
        loop.close()
        # Nobody reads a failed program's futures. To report hundreds takes a later test its second.
        loop.set_exception_handler(lambda *_: None)


@pytest.fixture
def engine(
    loops: list[asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Pulumi with mocks. After each test, every resource has a parent and every component is finished."""
    from local_cloud.engine.program import checked
    from local_cloud.providers.aws import KINDS, OUTPUTS

    loop = asyncio.new_event_loop()  # set_mocks wants one; recent Pythons no longer make it
    asyncio.set_event_loop(loop)
    engine = Engine()
    engine.kinds = KINDS
    pulumi.runtime.set_mocks(
        engine,
        project="careapp",
        stack="poc",
        preview=False,
        monitor=engine.monitor,
        organization="organization",
    )
    # The first test registers the stack itself, on this loop; later tests find it there.
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
    assert loop in loops
    # It stays for all tests, so what one test's program has every resource go through ends with it.
    monkeypatch.setattr(pulumi.runtime.get_root_resource(), "_transformations", [])
    monkeypatch.setattr("infra.image_tag.datetime", OneMoment)
    # An output that no answer has is an error when it is read, not None.
    monkeypatch.setattr(pulumi, "get", checked(pulumi.get, OUTPUTS))
    yield engine
    assert engine.orphans() == []
    assert engine.unfinished() == set()


@pytest.fixture
def configured() -> Callable[..., Settings]:
    """Settings of a stack file that says only what the test says."""
    return of


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, as far as an image needs it; the test runs in it."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\nruntime: python\n")
    (tmp_path / "webapp").mkdir()
    (tmp_path / "webapp" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The roll-outs that the program asks to be followed; none is."""
    asked: list[tuple[Any, ...]] = []

    def wait_for(self: Update, web: Any, balancer: Any, workers: Any, _rules: Any) -> None:
        asked.append((web, balancer, self._settings, self._changes, workers))

    monkeypatch.setattr(Update, "wait_for", wait_for)
    return asked


@pytest.fixture
def program(
    engine: Engine, checkout: Path, monkeypatch: pytest.MonkeyPatch, gates: list[tuple[Any, ...]]
) -> Callable[..., Any]:
    """Runs __main__ with a stack file's keys and gives what it exported."""
    engine.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}
    monkeypatch.setattr(
        login, "discover", lambda given, _: ENDPOINTS if given.login.enabled else None
    )

    def run(region: str = "ap-northeast-1", **changes: str) -> Any:
        outputs: dict[str, Any] = {}
        monkeypatch.setattr(pulumi, "export", outputs.__setitem__)
        engine.configure({"aws:region": region}, **changes)
        engine.run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"))
        return engine.known(pulumi.Output.all(**outputs))

    return run
