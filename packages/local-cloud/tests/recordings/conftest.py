"""A local cloud with an app, a database, and something of everything else, and all that it answers."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.model import Shape

from local_cloud.aws.models import compiled_pattern
from tests.dataplane.conftest import at_speed
from tests.dataplane.declarations import REGION
from tests.dataplane.stack import Stack, until
from tests.providers.test_stories import Loader, Story
from tests.recordings import tables

Call = tuple[str, str]
NOT_DONE = {"InternalError", "InternalFailure", "NotImplemented", "UnsupportedOperation"}
"""The codes by which the local cloud says that it lacks an operation, or that it fails."""
CALLS = yaml.load(Path(__file__).with_name("calls.yaml").read_text(), Loader)  # noqa: S506 - it is a safe one


@dataclass
class Answers:
    """What the local cloud answered: of each call its answers, and its refusals by their codes and statuses."""

    stack: Stack
    good: dict[Call, list[Any]] = field(default_factory=dict)
    refused: dict[Call, list[tuple[str, int]]] = field(default_factory=dict)

    def see(self, parsed: Any, model: Any, **_: Any) -> None:
        """Keep an answer that a client of boto3 has got."""
        call = model.service_model.service_name, model.name
        if (error := parsed.get("Error")) is None:
            self.good.setdefault(call, []).append(parsed)
            return
        status = parsed["ResponseMetadata"]["HTTPStatusCode"]
        self.refused.setdefault(call, []).append((error["Code"], status))

    def __getattr__(self, service: str) -> Any:
        """Return the client of a service, as a story asks for it."""
        client = self.stack.client(service.replace("_", "-"))
        setattr(self, service, client)
        return client


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    boto3.setup_default_session()
    for stack in at_speed(50.0):
        found = Answers(stack)
        boto3.DEFAULT_SESSION.events.register("after-call", found.see)
        stack.everything()
        stack.database(BackupRetentionPeriod=1, StorageEncrypted=True)
        stack.service(stack.task_definition())
        stack.rolled_out()
        play(found)
        ask_for_the_rest(found)
        yield found


def play(answers: Answers) -> None:
    """Make all calls of ``calls.yaml``. What is refused of them is an answer, too."""
    stack = answers.stack
    service = stack.describe()
    zone = answers.route53.create_hosted_zone(Name="example.com", CallerReference="one")
    names = {
        "aws": answers,
        "ids": {name.replace("-", "_"): value for name, value in stack.ids.items()},
        "zone": zone["HostedZone"]["Id"].rpartition("/")[2],
        "network": stack.declared("network"),
        "cluster": service["clusterArn"],
        "definition": service["taskDefinition"],
    }
    story = Story(SimpleNamespace(getfixturevalue=names.__getitem__))
    for part in ("held", "asked", "refused"):
        for step in CALLS[part]:
            try:
                story.play(step)
            except (ClientError, ParamValidationError) as problem:
                code = getattr(problem, "response", {}).get("Error", {}).get("Code")
                if part == "held" and code not in NOT_DONE:
                    problem.add_note(f"in the step {next(iter(step))}")
                    raise
        if part == "held":
            until(lambda: snapshot_of(answers) == "available", what="the snapshot")


READS = ("Describe", "Get", "List")
NAMES = (
    *("none-such", "none-such-name-that-is-long-enough", "12345678", "0" * 12, "alias/none-such"),
    *("i-0123456789abcdef0", "fl-0123456789abcdef0", "AKIAIOSFODNN7EXAMPLE", "ReadOnly"),
    *(
        "00000000-0000-0000-0000-000000000000",
        "arn:aws:{0}:ap-northeast-1:123456789012:none/such",
        "arn:aws:{0}:ap-northeast-1:123456789012:none:such",
        "+15555550100",
    ),
)
"""What no resource is called. The first one that an operation's model takes is sent."""


def ask_for_the_rest(answers: Answers) -> None:
    """Call each operation that AWS has recordings of and nobody has called yet, the ones that read first.

    They get no parameters but those that they need, with names that nothing has.
    """
    left = tables.operations().keys() - answers.good.keys() - answers.refused.keys()
    for call in sorted(left, key=lambda call: (not call[1].startswith(READS), call)):
        ask(answers, *call)


def ask(answers: Answers, service: str, operation: str) -> None:
    """Call an operation with the parameters that it needs."""
    client = getattr(answers, service)
    shape = client.meta.service_model.operation_model(operation).input_shape
    with suppress(ClientError, ParamValidationError):
        getattr(client, xform_name(operation))(**(needed(shape, service) if shape else {}))


def needed(shape: Shape, service: str, name: str = "") -> Any:
    """Return a value of a member's shape: of a structure the members that it must have."""
    match shape.type_name:
        case "structure":
            return {
                each: needed(shape.members[each], service, each) for each in shape.required_members
            }
        case "list":
            return [needed(shape.member, service, name)]
        case "map":
            return {needed(shape.key, service): needed(shape.value, service)}
        case "string":
            return name_for(shape.metadata, service, "arn" in name.lower())
        case "timestamp":
            return 0
        case "boolean":
            return False
        case "blob":
            return b"none"
    return max(1, shape.metadata.get("min", 1))


def name_for(rules: dict[str, Any], service: str, arn: bool) -> str:
    """Return a value that a text's model takes; a name that nothing has, unless it takes only certain ones."""
    pattern = compiled_pattern(rules.get("pattern", ".*"))
    least, most = rules.get("min", 0), rules.get("max", 99)
    first = [f"arn:aws:{service}:{REGION}:123456789012:none-such"] if arn else []
    names = [*first, *(name.format(service) for name in NAMES)]
    fitting = [name for name in names if pattern.fullmatch(name) and least <= len(name) <= most]
    return str((rules.get("enum") or [*fitting, names[0]])[0])


def snapshot_of(answers: Answers) -> str:
    [found] = answers.rds.describe_db_snapshots(DBSnapshotIdentifier="taken")["DBSnapshots"]
    return str(found["Status"])
