"""Write down what AWS's recorded answers show: which members it always sends, and with which status it refuses.

    python -m tests.recordings.renew CLOUD-CUSTODIAN LOCALSTACK

The two are git directories, of which no work tree is needed: of github.com/cloud-custodian/cloud-custodian, whose
``tests/data/placebo`` has answers that boto3 got from AWS, and of github.com/localstack/localstack, whose
``*.snapshot.json`` were verified against AWS. Of these only names, forms and numbers go into ``members.txt`` and
``errors.txt`` beside this file.
"""

import io
import json
import re
import subprocess
import sys
import tarfile
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

MEMBERS, ERRORS = (Path(__file__).with_name(f"{name}.txt") for name in ("members", "errors"))
ENOUGH, SOURCES = 4, 2
"""A structure counts that so many recordings of so many tests have: of fewer, "always" would say nothing."""
SELDOM = 30
"""One of so many occurrences may lack a member: somebody took it out of the file, or AWS sent it later."""
PREFIXES = {
    **{"api.ecr": "ecr", "elasticloadbalancing": "elbv2", "monitoring": "cloudwatch"},
    **{"servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"},
}
"""The services' names in botocore, where the prefix of a placebo file is another one."""
SERVICES = (
    *("acm", "application-autoscaling", "cloudwatch", "ec2", "ecr", "ecs", "elbv2", "events"),
    *("iam", "kms", "logs", "rds", "resourcegroupstaggingapi", "route53", "s3", "scheduler"),
    *("secretsmanager", "service-quotas", "sns", "ssm", "sts"),
)
"""The services that stacks in the local cloud use."""
AROUND = {"Marker", "NextMarker", "NextToken", "PaginationToken", "nextToken", "ResponseMetadata"}
"""Members about the answer: a page has them if another one follows."""
PLACEBO = re.compile(r"(?P<service>.+)\.(?P<operation>\w+)_\d+\.json")
MASK = re.compile(r"<.*>|datetime|date")
"""What LocalStack's snapshots have in place of a value."""
IDENTIFIER = re.compile(r"([a-z]+(?:-[a-z]+)*)-[0-9a-f]{8,17}")
ARN = re.compile(r"arn:(?:aws|<partition>):([a-z0-9-]+):([^:]*):([^:]*):([\w-]+[:/])?.*")


@dataclass(frozen=True)
class Recording:
    """An answer of AWS: of which test it is, and what it said."""

    source: str
    service: str
    operation: str
    status: int
    answer: dict[str, Any]

    @property
    def error(self) -> str | None:
        return self.answer.get("Error", {}).get("Code")


@dataclass
class Structure:
    """All occurrences of a structure in the answers of an operation: their tests, recordings and members."""

    seen: list[tuple[str, int, set[str]]] = field(default_factory=list)
    forms: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @cached_property
    def always(self) -> list[str]:
        """The members that AWS always sends; none if it was seen too seldom."""
        usual = {
            name for name, count in self._counts(self.seen).items() if 2 * count > len(self.seen)
        }
        # Of some recordings most was taken out by hand.
        whole = [shape for shape in self.seen if 2 * len(shape[2] & usual) >= len(usual)]
        sources, numbers = ({shape[part] for shape in whole} for part in (0, 1))
        if len(numbers) < ENOUGH or len(sources) < SOURCES:
            return []
        counts = self._counts(whole).items()
        return sorted(name for name, count in counts if SELDOM * (len(whole) - count) <= len(whole))

    @staticmethod
    def _counts(seen: list[tuple[str, int, set[str]]]) -> Counter[str]:
        return Counter(name for *_, members in seen for name in members)


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def output(service: str, operation: str) -> Shape | None:
    """Return the shape of an operation's answer."""
    shape: Shape | None = model(service).operation_model(operation).output_shape
    return shape


def files(folder: str, below: str, ends: str) -> Iterator[tuple[PurePosixPath, Any]]:
    """Yield the paths and contents of the JSON files that the newest commit of a git directory has there."""
    command = ["git", "-C", folder, "archive", "HEAD", below]
    with tarfile.open(fileobj=io.BytesIO(subprocess.check_output(command))) as archive:
        for entry in archive:
            if entry.isfile() and entry.name.endswith(ends):
                yield PurePosixPath(entry.name), json.load(archive.extractfile(entry))  # type: ignore[arg-type]


def of_custodian(folder: str) -> Iterator[Recording]:
    """Yield the answers in a clone of cloud-custodian. The files' names have the operations."""
    for path, content in files(folder, "tests/data/placebo", ".json"):
        if found := PLACEBO.fullmatch(path.name):
            service = PREFIXES.get(found["service"], found["service"])
            status, answer = content["status_code"], content["data"]
            yield Recording(path.parent.name, service, found["operation"], status, answer)


def of_localstack(folder: str) -> Iterator[Recording]:
    """Yield the answers in a clone of LocalStack. Their keys begin with the operation's name, or do not say it."""
    below = "tests/aws/services"
    validated = {
        path.name.partition(".")[0]: set(content)
        for path, content in files(folder, below, ".validation.json")
    }
    for path, content in files(folder, below, ".snapshot.json"):
        service = path.relative_to(below).parts[0]
        for test in content.keys() & validated.get(path.name.partition(".")[0], set()):
            for key, answer in answers("", content[test]["recorded-content"]):
                status = answer["ResponseMetadata"].get("HTTPStatusCode", 200)
                yield Recording(test, service, operation_of(service, key), status, answer)


def answers(key: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the answers in a snapshot with their keys."""
    if isinstance(value, dict) and "ResponseMetadata" in value:
        yield key, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from answers(name, member)
    elif isinstance(value, list):
        for member in value:
            yield from answers(key, member)


def operation_of(service: str, key: str) -> str:
    """Return the operation with which a snapshot's key begins, or an empty text."""
    words = re.sub(r"[^a-z0-9]", "", key.lower())
    names = model(service).operation_names if service in SERVICES else []
    return max((name for name in names if words.startswith(name.lower())), key=len, default="")


def fits(shape: Shape | None, value: Any) -> bool:
    """Return whether an answer has this shape. One with other members was written by hand."""
    if shape is None or not isinstance(value, dict | list):
        return shape is not None or not value
    match shape.type_name:
        case "structure":
            members = shape.members
            return isinstance(value, dict) and all(
                name in members and fits(members[name], member) for name, member in value.items()
            )
        case "list":
            return isinstance(value, list) and all(fits(shape.member, member) for member in value)
    return isinstance(value, dict) and (shape.type_name == "map" or "__class__" in value)


def form(shape: Shape, value: Any) -> str:
    """Return what a value says of its member besides being a text: its type, or the pattern of an ARN or id."""
    if shape.type_name in ("structure", "map"):
        return "{}"
    if shape.type_name == "list":
        return "[]"
    if shape.type_name != "string":
        return {"timestamp": ":time", "boolean": ":bool", "blob": ""}.get(
            shape.type_name, ":number"
        )
    if found := ARN.fullmatch(str(value)):
        service, region, account, kind = found.groups()
        place = ":".join(part and (part if part == "aws" else "*") for part in (region, account))
        return f"=arn:aws:{service}:{place}:{kind or ''}*"
    if found := IDENTIFIER.fullmatch(str(value)):
        return f"={found[1]}-*"
    return "?" if MASK.fullmatch(str(value)) else ""


def common(forms: set[str]) -> str:
    """Return the form that all values of a member have, or an empty text."""
    known = forms - {"?"}
    return known.pop() if len(known) == 1 else ""


def look(
    shape: Shape, value: Any, path: str, see: Callable[[str, Shape, dict[str, Any]], None]
) -> None:
    """Show each structure in a value with its path, as ``Reservations[].Instances[]``."""
    if isinstance(value, list):
        for member in value:
            look(shape.member, member, f"{path}[]", see)
    elif shape.type_name == "structure" and isinstance(value, dict) and "__class__" not in value:
        see(path, shape, value)
        for name, member in value.items():
            if name not in AROUND:
                look(shape.members[name], member, f"{path}.{name}".lstrip("."), see)


Structures = Mapping[str, Structure]
"""The structures of an operation's answers by their paths."""


def structures(shape: Shape, recordings: list[Recording]) -> Structures:
    """Return all structures in the answers of an operation."""
    found: dict[str, Structure] = defaultdict(Structure)
    for number, recording in enumerate(recordings):

        def see(path: str, shape: Shape, value: dict[str, Any]) -> None:
            names = value.keys() - AROUND
            found[path].seen.append((recording.source, number, names))  # noqa: B023 - called at once
            for name in names:
                found[path].forms[name].add(form(shape.members[name], value[name]))

        look(shape, {k: v for k, v in recording.answer.items() if k not in AROUND}, "", see)
    return found


def shown(found: Structures, path: str = "") -> Iterator[str]:
    """Yield the members of a structure in words: ``name:number``, ``name{``, its members, ``}``; ``?`` for some."""
    always = found[path].always
    for name, forms in sorted(found[path].forms.items()):
        ending = common(forms)
        inner = f"{path}.{name}{ending.replace('{}', '')}".lstrip(".")
        parts = list(shown(found, inner)) if inner in found and ending in ("{}", "[]") else []
        optional = "" if name in always else "?"
        if parts:
            yield from (f"{name}{optional}{ending[0]}", *parts, ending[1])
        elif not optional:
            yield name + ending


def members(recordings: list[Recording]) -> Iterator[str]:
    """Yield the lines of ``members.txt``: the operations with their recordings and what AWS always sends."""
    by_call: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for recording in recordings:
        if recording.operation:
            by_call[recording.service, recording.operation].append(recording)
    others: dict[str, list[str]] = defaultdict(list)
    for (service, operation), made in sorted(by_call.items()):
        shape, good = output(service, operation), [each for each in made if not each.error]
        words = list(shown(structures(shape, good))) if shape and good else []
        if words:
            yield from wrapped(f"{service} {operation} {len(made)}: {' '.join(words)}")
        else:
            others[service].append(f"{operation} {len(made)}")
    for service, names in others.items():
        yield from wrapped(f"{service}: {' '.join(names)}")


def wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def errors(recordings: list[Recording]) -> Iterator[str]:
    """Yield the lines of ``errors.txt``: a service's code with its status, and the operations that had it."""
    found: dict[tuple[str, str, int], Counter[str]] = defaultdict(Counter)
    for recording in recordings:
        if recording.error:
            found[recording.service, recording.error, recording.status][recording.operation] += 1
    for (service, code, status), operations in sorted(found.items()):
        named = sorted(name for name in operations if name)
        yield from wrapped(f"{service} {code} {status}: {' '.join(named)}".rstrip())


def usable(recording: Recording) -> bool:
    """Return whether a recording is of a service here, and in the form that its operation has today."""
    service, operation, answer = recording.service, recording.operation, recording.answer
    if service not in SERVICES:
        return False
    if recording.error:
        # A status that boto3 did not see was written by hand; HEAD has no body, so boto3 makes the code of it.
        return recording.status >= 400 and not recording.error.isdigit()
    known = operation in model(service).operation_names
    plain = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return known and fits(output(service, operation), plain)


def main() -> None:
    custodian, localstack = sys.argv[1:]
    kept: list[Recording] = []
    for name, source in (
        ("cloud-custodian", of_custodian(custodian)),
        ("LocalStack", of_localstack(localstack)),
    ):
        print(f"{name}: reading its recordings", flush=True)
        every = list(source)
        found = [recording for recording in every if usable(recording)]
        kept += found
        print(f"{name}: {len(found)} of {len(every)} are of our services and in AWS's form")
    for file, lines in ((MEMBERS, [*members(kept)]), (ERRORS, [*errors(kept)])):
        file.write_text("\n".join(lines) + "\n")
        print(f"{file.name}: {len(lines)} lines, {file.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()
