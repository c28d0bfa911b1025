"""What AWS and the stand-ins answer and refuse, step by step: the stories of ``stories/``, service by service.

A step begins with what it does. ``ec2 create_vpc`` calls AWS with these parameters, in which a mapping as ``Policy``
is its only statement. ``make lb/listener`` lets a stand-in create a resource, which ``change``, ``set`` (of the
state's inputs), ``read`` and ``delete`` then name; ``find ec2/getVpc`` calls a function; ``run actions`` lets time
pass for scheduled actions. ``name =`` in front keeps the answer, whose parts are then ``$name.Part``; ``$new_x`` is an
unused name, and others are fixtures. ``+`` in a mapping adds another one. A story with ``each`` is played for each.

Then comes what the step gives: mappings have at least these members, null is none, lists have any order, and
``~words`` are part of a text; or members that it ``has`` exactly; or the error by which AWS has it ``refused``; or with
which words it ``fails``.
"""

import json
import re
from functools import partial
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml

from local_cloud.aws.scaling import schedule
from local_cloud.providers.aws import ec2
from local_cloud.providers.aws.functions import FUNCTIONS
from tests.providers.conftest import Made, document, refused, unique

NAME = re.compile(r"\$(\w+(?:\.\w+)*)")


class Loader(yaml.SafeLoader):
    """Reads ``!policy``, a policy of statements, and ``!json``, any other document, as their texts."""


def policy(loader, node):
    statements = loader.construct_sequence(node, deep=True)
    return document(*({"Effect": "Allow", **statement} for statement in statements))


Loader.add_constructor("!policy", policy)
Loader.add_constructor(
    "!json", lambda loader, node: json.dumps(loader.construct_mapping(node, deep=True))
)


def stories():
    """Each story of the files, once for each of its values."""
    for file in sorted((Path(__file__).parent / "stories").glob("*.yaml")):
        for name, story in yaml.load(file.read_text(), Loader).items():  # noqa: S506 - it is a safe one
            if isinstance(story, list):
                yield pytest.param(None, story, id=f"{file.stem}: {name}")
                continue
            for number, each in enumerate(story["each"]):
                yield pytest.param(each, story["steps"], id=f"{file.stem}: {name} {number}")


def member(found, key):
    return found.get(key) if isinstance(found, dict) else getattr(found, key)


def fits(found, expected):
    match expected:
        case dict():
            known = found is not None
            return known and all(fits(member(found, key), each) for key, each in expected.items())
        case list():
            left = list(found)
            for each in expected:
                same = next((other for other in left if fits(other, each)), None)
                if same is None:
                    return False
                left.remove(same)
            return left == []
        case str() if expected.startswith("~"):
            return expected[1:] in str(found)
    return found == expected


class Story:
    """Plays steps, and keeps the names of their answers."""

    def __init__(self, request, each=None):
        self.request, self.names = request, {"each": each}

    def named(self, name):
        first, *parts = name.split(".")
        if first not in self.names:
            new = first.startswith("new_")
            made = unique(first[4:]) if new else self.request.getfixturevalue(first)
            self.names[first] = made
        found = self.names[first]
        for part in parts:
            found = found[int(part)] if isinstance(found, list) else member(found, part)
        return self.filled(found) if first == "each" else found

    def filled(self, value):
        match value:
            case str():
                if whole := NAME.fullmatch(value):
                    return self.named(whole[1])
                return NAME.sub(lambda part: str(self.named(part[1])), value)
            case list():
                return [self.filled(each) for each in value]
            case dict():
                filled = {self.filled(key): self.filled(each) for key, each in value.items()}
                return filled | filled.pop("+", {})
        return value

    def act(self, verb, subject, given):
        match verb:
            case "make":
                return Made(self.named("calls"), subject, given)
            case "find":
                token = f"aws:{subject}:{subject.partition('/')[2]}"
                return FUNCTIONS[token](self.named("calls"), given)
            case "run":
                return schedule.run_due(*given)
            case "read":
                return self.named(subject).read()
            case "delete":
                return self.named(subject).delete(**given)
            case "set":
                return self.named(subject).inputs.update(given)
            case "change":
                self.named(subject).change(**given)
                return self.named(subject)
        for name in given.keys() & {"Policy", "AssumeRolePolicyDocument"}:
            if isinstance(given[name], dict):
                given[name] = document(given[name])
        return getattr(getattr(self.named("aws"), verb), subject)(**given)

    def play(self, step):
        (done, given), *rest = step.items()
        [(outcome, expected)] = rest or [("gives", ANY)]
        expected = self.filled(expected)
        name, _, done = self.filled(done).rpartition(" = ")
        call = partial(self.act, *done.split(), self.filled(given or {}))
        match outcome:
            case "gives":
                found = self.names[name or "it"] = call()
                assert fits(found, expected), (found, expected)
            case "has":
                found = call()
                assert {key: found.get(key) for key in expected} == expected
            case "refused":
                [(code, words)] = expected.items()
                refused(call, code, words or "")
            case "fails":
                with pytest.raises(Exception, match=re.escape(expected)):
                    call()
            case _:
                raise KeyError(outcome)


@pytest.mark.parametrize(("each", "steps"), [*stories()])
def test_story(request, monkeypatch, each, steps):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
    story = Story(request, each)
    for number, step in enumerate(steps, 1):
        try:
            story.play(step)
        except BaseException as problem:
            problem.add_note(f"in step {number}: {next(iter(step))}")
            raise
