"""A read that fails never says that something is not there: the doctor and the status say what was not read."""

from collections import Counter
from contextlib import suppress
from http.client import IncompleteRead
from itertools import cycle

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from careapp.additions.owner import inquiry_of, overview
from careapp.settings.settings import Settings
from careapp.watch.status import lines
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.doctor import diagnose
from ecs_gate.parts import stack_secrets
from ecs_gate.rollout.look import Expected, look
from tests.conftest import NAMES, client

pytestmark = pytest.mark.slow

MISTAKES = (KeyError("clusters"), IncompleteRead(b"{"))
"""An answer that careapp takes for another, and one that breaks off."""
FAILURES = ("ThrottlingException", "AccessDeniedException", "InternalFailure", "", *MISTAKES)
"""AWS's codes; "" is an answer that does not come."""
MORE = (
    "  careapp:workers: {mail: {command: sleep 1}}\n"
    "  careapp:jobs: {report: {command: x, schedule: 'rate(1 day)'}}\n"
)


class Aws:
    """What AWS answers once, and then again from memory, but for an operation or a call that fails."""

    def __init__(self):
        self.answers, self.failing, self.code = {}, "", ""

    def call(self, client, operation, params, call=BaseClient._make_api_call):
        asked = (operation, repr(params))
        if self.failing in (operation, asked):
            if isinstance(self.code, Exception):
                raise self.code
            if self.code:
                raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, operation)
            raise ReadTimeoutError(endpoint_url=client.meta.endpoint_url)
        if asked not in self.answers:
            self.answers[asked] = call(client, operation, params)
        return self.answers[asked]

    def failures(self, ways=1):
        """Have each operation fail, and each call of those that are called again, in so many ways, all in turn."""
        codes, times = cycle(FAILURES), Counter(operation for operation, _ in self.answers)
        every = [*times, *(answer for answer in self.answers if times[answer[0]] > 1)]
        every = [call for call in every for _ in range(ways)]
        for self.failing, self.code in zip(every, codes, strict=False):
            stack_secrets._READ.clear()
            yield self.failing


@pytest.fixture
def aws(monkeypatch, stack):
    ecs, name = client("ecs"), NAMES.worker("mail")
    container = {"name": "app", "image": "x", "memory": 512}
    ecs.register_task_definition(family=name, containerDefinitions=[container])
    ecs.create_service(cluster=NAMES.cluster, serviceName=name, taskDefinition=name, desiredCount=2)
    made = Aws()
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *given: made.call(*given))
    yield made
    monkeypatch.undo()
    ecs.delete_service(cluster=NAMES.cluster, service=name, force=True)


@pytest.mark.parametrize("name", ["poc", "other"])
def test_a_failed_read_is_named_and_finds_nothing(aws, folder, session, name):
    """In a stack that is there, and in one of which nothing is."""
    text = (folder / "Pulumi.poc.yaml").read_text() + MORE
    (folder / f"Pulumi.{name}.yaml").write_text(text)
    settings = Settings.read(name, folder)
    rows, shown = absent(overview(settings, session)), {operation for operation, _ in aws.answers}
    before = diagnose(inquiry_of(settings, session))
    known = {finding.id for finding in before.findings}
    for failing in aws.failures():
        now, seen = diagnose(inquiry_of(settings, session)), overview(settings, session)
        assert {finding.id for finding in now.findings} <= known, failing
        assert absent(seen) <= rows, failing
        if failing != "GetServiceQuota":  # which this account in memory does not know, either
            assert len(now.unread) > len(before.unread), failing
        if failing in shown:
            assert "Not read:" in str([*lines(seen)]), failing


def absent(now):
    """The rows of the status that say that something is not there."""
    return {line.text for line in lines(now) if line.text.endswith((": none", ": -"))}


def test_a_failed_read_of_the_gate_is_raised_or_changes_nothing(aws, session):
    expected = Expected(names=NAMES, definition=NAMES.family)
    seen = look(session, expected)
    for failing in aws.failures(len(FAILURES)):
        with suppress(AwsProblem, *map(type, MISTAKES)):
            assert look(session, expected) == seen, failing
