"""The resources that the program declares with a stack's settings, without the engine and without AWS.

The program runs as in `pulumi preview` of a new stack. In the engine's place is the mock monitor that Pulumi's SDK has
for tests, and awsx's children are those of the local cloud's stand-in. A run takes a quarter of a second of a CPU.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import runpy
import signal
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import UNKNOWN

from careapp import ROOT
from careapp.cost.graph import Graph, Resource
from careapp.settings.allowed_cidrs import ALLOWED_CIDRS
from careapp.settings.file import StackError, StackFile, full_key
from careapp.settings.login import LOGIN_CLIENT_ID, LOGIN_ISSUER, LOGIN_SECRET_ARN
from ecs_gate.text import t, verbatim
from local_cloud.providers import awsx
from local_cloud.providers.servicer import values
from local_cloud.run.project import REMOVED

LETTERS = "abcdef"
"""The ends of zones' names. Which of them an account has in a region changes no price."""
ASK_OTHERS = (ALLOWED_CIDRS, LOGIN_ISSUER, LOGIN_CLIENT_ID, LOGIN_SECRET_ARN)
"""Settings for which the program asks the account or a provider. The rules that they add cost nothing."""
ACCOUNT, PARAMETER = "123456789012", "ami-0123456789abcdef0"


class Answers(pulumi.runtime.Mocks):
    """What AWS answers in a preview of a new stack: look-ups, and of a resource nothing but its inputs."""

    def __init__(self, region: str) -> None:
        self.region = region

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Return no id: what AWS makes of a resource is unknown."""
        return None, args.inputs if args.custom else {}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return the answer to a look-up, and no refusals. Raises RunError for one that is not known here."""
        name = args.token.rpartition(":")[2]
        answers: dict[str, dict[str, Any]] = {
            "readStackOutputs": {"outputs": {}},
            "readStackResourceOutputs": {"outputs": {}},
            "getAvailabilityZones": {"names": [self.region + letter for letter in LETTERS]},
            "getCallerIdentity": {"accountId": ACCOUNT},
            "getParameter": {"value": PARAMETER, "insecureValue": PARAMETER},
            "getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
            "getRegion": {"region": self.region, "name": self.region},
        }
        if name not in answers:
            raise pulumi.RunError(
                str(
                    t(
                        "the program asks AWS by {token}, whose answer is known only there; "
                        "give the value as a setting to price the stack.",
                        token=args.token,
                    )
                )
            )
        return answers[name], []


class Monitor(MockMonitor):
    """Pulumi's mock monitor, which also lists each AWS resource as the engine's state has it."""

    def __init__(self, mocks: Answers) -> None:
        super().__init__(mocks)
        self.declared: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:
        """List the resource, and the children of a VPC of awsx."""
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        inputs = values(request.object)
        if request.type == awsx.VPC:
            awsx.VpcChildren(
                Children(self.declared.append), request.name, inputs, answer.urn
            ).build()
        elif request.custom and not request.type.startswith("pulumi:"):
            resource = Resource(
                type=request.type,
                name=request.name,
                urn=answer.urn,
                inputs=inputs,
                needs=tuple(request.dependencies),
            )
            self.declared.append(resource)
        return answer


class Children(awsx.Monitor):
    """The engine's resource monitor for the children of awsx's stand-in."""

    def __init__(self, take: Callable[[Resource], None]) -> None:
        self.take, self.component_urn = take, ""

    def add(
        self,
        kind: str,
        name: str,
        inputs: dict[str, Any],
        parent: str,
        links: Mapping[str, awsx.Child],
    ) -> awsx.Child:
        """Take one child. ``links`` are the inputs that are another child's id, which is unknown."""
        urn = f"{parent.rpartition('::')[0]}${kind}::{name}"
        known = inputs | {key: child.identity for key, child in links.items()}
        needs = tuple(sorted(child.urn for child in links.values()))
        self.take(Resource(type=kind, name=name, urn=urn, inputs=known, needs=needs))
        return awsx.Child(urn=urn, identity=UNKNOWN, outputs={})


def graph(file: StackFile) -> Graph:
    """Return the resources that an update of an empty stack would create. Raises StackError with the program's error.

    It is for a process of its own, as Pulumi's runtime is global.
    """
    _prepare_process()
    region = file.region or ""
    monitor = Monitor(Answers(region))
    pulumi.runtime.set_mocks(
        monitor.mocks,
        project=file.project,
        stack=file.stack,
        preview=True,
        monitor=monitor,
        organization="organization",
        logger=_silent(),
    )
    left_out = {full_key(file.project, other.name) for other in ASK_OTHERS}
    config = {key: value for key, value in file.values.items() if key not in left_out}
    pulumi.runtime.set_all_config(config)
    try:
        pulumi.runtime.test(_run_program)()  # type: ignore[no-untyped-call]
    except pulumi.RunError as problem:
        raise StackError(verbatim(str(problem))) from None
    except Exception:
        raise StackError(verbatim(traceback.format_exc())) from None
    return Graph(tuple(sorted(monitor.declared, key=lambda each: (each.type, each.name))), region)


def _prepare_process() -> None:
    """Keep the program from the terminal and from the user's AWS account and backend."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The command itself handles Ctrl-C.
    with open(os.devnull, "w") as empty:  # noqa: PTH123 - the program's own standard output
        os.dup2(empty.fileno(), 1)
    for name in [name for name in os.environ if name.startswith(REMOVED)]:
        del os.environ[name]
    os.chdir(ROOT)
    gc.freeze()  # A million objects of Pulumi's packages live until the end. To scan them takes 0.2 s.
    asyncio.set_event_loop(asyncio.new_event_loop())


def _run_program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


def _silent() -> logging.Logger:
    """Return a logger for the program's own messages, which a preview would show."""
    logger = logging.getLogger(__name__)
    logger.setLevel(logging.CRITICAL + 1)
    return logger
