"""AWS in memory: what the calls of a file make, what is asked of it, and what it answers where a test says so."""

import json

import jmespath
import pytest

from ecs_gate.aws.session import Session
from ecs_gate.parts import stack_secrets
from ecs_gate.text.masking import VALUES

MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
    "manifests": [{"digest": "sha256:1", "platform": {"os": "linux", "architecture": "amd64"}}],
}


def nothing(_):
    """No scaling activities and no service deployments, which moto does not have."""
    return json.dumps({"ScalingActivities": [], "serviceDeployments": []})


def make(client, file, made, **names):
    """Make what the calls of a file make; the ids that it names become attributes of ``made``.

    A call is a service, an operation, parameters, and the ids. In parameters ``$name`` stands for an attribute, and
    ``{name}`` for one of ``names``.
    """

    def filled(value):
        match value:
            case str() if value.startswith("$"):
                return getattr(made, value.removeprefix("$"))
            case str():
                return value.format(**names)
            case list():
                return [filled(member) for member in value]
            case dict():
                return {key: filled(each) for key, each in value.items()}
        return value

    for service, operation, params, *kept in json.loads(file.read_text()):
        answer = getattr(client(service), operation)(**filled(params))
        for name, path in (kept[0] if kept else {}).items():
            setattr(made, name, jmespath.search(path, answer))


class Calls(list):
    """What was asked of AWS: operations with their parameters."""

    def __init__(self, answers=()):
        super().__init__()
        self.services = set()
        """Services with their operations."""
        self.answers = dict(answers)
        """What AWS answers: a value, a function of the parameters, or a list, one answer a call and the last one
        again and again. A problem is raised."""

    def of(self, operation):
        return [params for name, params in self if name == operation]

    def answer(self, operation, params):
        answer = self.answers[operation]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the account; what ``calls.answers`` has is answered in its place."""
    made, call, pages = Calls(), Session.call, Session.pages

    def asked(service, operation, params):
        made.append((operation, params))
        made.services.add((service, operation))
        return operation in made.answers

    def called(self, service, operation, /, **params):
        if asked(service, operation, params):
            return made.answer(operation, params)
        return call(self, service, operation, **params)

    def paged(self, service, operation, /, **params):
        if asked(service, operation, params):
            return iter([made.answer(operation, params)])
        return pages(self, service, operation, **params)

    monkeypatch.setattr(Session, "call", called)
    monkeypatch.setattr(Session, "pages", paged)
    return made


@pytest.fixture(autouse=True)
def without_known_values(monkeypatch):
    """Each test begins without values of secrets that another has read."""
    monkeypatch.setattr(VALUES, "_values", frozenset())
    monkeypatch.setattr(VALUES, "_forms", ())
    monkeypatch.setattr(stack_secrets, "_READ", {})
    monkeypatch.setattr(stack_secrets, "_SAID", set())
