"""A version that waits at its pause hook: its page is asked by the test rule, and the hook is answered."""

import asyncio
import itertools
import time
from dataclasses import replace

import pytest

from careapp.additions.owner import inquiry_of
from careapp.settings.load_balancer import SMOKE_REQUESTS
from careapp.settings.names import TEST_HEADER, TEST_RULE_PRIORITY, StackNames
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.doctor import judge
from ecs_gate.parts import elb
from ecs_gate.parts.records import Part, PauseHook, Traffic
from ecs_gate.rollout import judge as rules
from ecs_gate.rollout.act import Stoppable, stop
from ecs_gate.rollout.gate import Turns
from ecs_gate.rollout.look import Look, Reader
from ecs_gate.rollout.verdict import SETTLE_READS, Outcome, Terms
from ecs_gate.text import t
from tests import stacks as a
from tests.conftest import Answering, Told
from tests.rollout import rollout_answers as answers
from tests.rollout.judge_rows import BAKES, FAILS, STARTING, diagnosis
from tests.rollout.rollout_answers import EXPECTED, NEW, OLD, deployment
from tests.snapshot import test_page
from tests.snapshot.test_page import SILENCE

server = test_page.server
HOOK = PauseHook(deployment="arn:deployment", id="ecs-pause-1", expires=a.at(600))
TEST_RULE = elb.Rule(
    priority=str(TEST_RULE_PRIORITY),
    action="forward",
    groups=("arn:tg2",),
    conditions=(elb.Condition("http-header", ("drawn",)),),
)


def paused(hook=HOOK, **changes):
    """A service whose new tasks are healthy and get no request of a user."""
    now = answers.view(
        deployment(NEW, "IN_PROGRESS"), deployment(OLD, "COMPLETED", primary=False), **changes
    )
    return replace(now, service=replace(now.service, traffic=Traffic("POST_TEST", 0.0, hook)))


def session(problem=None):
    """ECS whose newest deployment waits at the hook."""
    hook = {"targetType": "PAUSE", "status": "AWAITING_ACTION", "hookId": HOOK.id}
    row = {"serviceDeploymentArn": HOOK.deployment, "lifecycleHookDetails": [hook]}
    return Answering(
        describe_service_deployments={"serviceDeployments": [row]},
        continue_service_deployment=problem or {},
    )


def answered(session):
    """What was answered to hooks."""
    return [
        (call["serviceDeploymentArn"], call["hookId"], call["action"])
        for call in session.calls.of("continue_service_deployment")
    ]


CONTINUED = [(HOOK.deployment, HOOK.id, "CONTINUE")]


class OnTheLoop(Told):
    """A log as Pulumi's: it needs an event loop in the thread that writes."""

    def lasting(self, text):
        asyncio.get_running_loop()
        super().lasting(text)


class New:
    """A version behind the server's test rule, beside the one that users get; looks are taken one by one."""

    def __init__(
        self, server, problem=None, diagnose=lambda _: diagnosis("page-errors"), **settings
    ):
        self.server, self.ecs, self.told = server, session(problem), OnTheLoop()
        url = f"http://127.0.0.1:{server.server_port}"
        inquiry = inquiry_of(a.choices(**settings), self.ecs, url=url, workers={})
        reader = Reader(EXPECTED, inquiry, diagnose)
        terms = Terms(patience=answers.PATIENCE)
        self.turns = Turns(reader, terms, self.told)

    def judge(self, hook=HOOK, view=None, at=0.0):
        look = Look(view=view or paused(hook), at=at, monotonic=time.monotonic())
        verdict = asyncio.run(self.turns.take(look))
        return verdict if verdict.final else None


@pytest.fixture
def by_rule(server, monkeypatch):
    """The server, which answers 200 to users, and to the test rule's requests as a test says."""
    there = replace(
        server.there, listeners=(replace(server.there.listeners[0], rules=(TEST_RULE,)),)
    )
    monkeypatch.setattr(elb, "balancer", lambda *_, **__: there)
    server.asked_by_rule, server.new, server.users = [], [200], [200]

    def both(answering):
        value = answering.headers[TEST_HEADER]
        server.asked_by_rule.append(value)
        queue = server.new if value == "drawn" else server.users
        status = queue.pop(0) if len(queue) > 1 else queue[0]
        return server.released.wait(60) if status == SILENCE else answering.say(status)

    server.pages = {"/": both}
    return server


def test_a_page_that_answers_every_request_lets_ecs_go_on(by_rule):
    new = New(by_rule)
    assert new.judge() is None
    assert by_rule.asked_by_rule == [None, *["drawn"] * SMOKE_REQUESTS]
    assert answered(new.ecs) == CONTINUED
    assert new.told.lastings == [
        "before any request of a user: its page / answered 10 of 10 requests; ECS goes on with it"
    ]
    assert new.judge() is None
    assert answered(new.ecs) == CONTINUED, "a hook that ECS still shows is answered once"


@pytest.mark.parametrize(
    ("new", "users", "cause", "answers", "outcome"),
    [
        ([200] * 4 + [500] + [200] * 8 + [500], 200, "page-errors", [], Outcome.WRONG),
        ([500, 500, 500, 200], 200, "page-errors", CONTINUED, None),
        ([500], 500, "page-silent", CONTINUED, None),
        ([500], 500, "page-errors", [], Outcome.WRONG),
        ([503], 200, "page-unavailable", [], None),
    ],
    ids=["one request of ten", "fails once", "failed before", "failed before by its own error", "warms up"],
)  # fmt: skip
def test_page_that_fails_twice_is_wrong_before_any_user_meets_it(
    by_rule, monkeypatch, new, users, cause, answers, outcome
):
    by_rule.new, by_rule.users = new, [users]
    version = New(by_rule, diagnose=lambda _: diagnosis(cause))
    first, second = version.judge(), version.judge()
    assert (first, second and second.outcome) == (None, outcome)
    assert answered(version.ecs) == answers
    if outcome:
        assert second.diagnosis is diagnosis(cause)
    failed = "its page / fails as it did before" in "".join(version.told.lastings)
    assert failed is (cause == "page-silent")
    if cause == "page-unavailable":
        assert version.judge() is None
        monkeypatch.setattr(rules, "WARM_UP_SECONDS", 0)
        assert version.judge().outcome is Outcome.WRONG


def test_a_stylesheet_that_the_new_version_lacks_fails_it(by_rule):
    def css(answering):
        answering.say(404 if answering.headers[TEST_HEADER] else 200)

    links = test_page.html(b"<link rel=stylesheet href=/app.css>")
    by_rule.pages = {"/": links, "/app.css": css}
    new = New(by_rule, diagnose=lambda asked: judge(a.stack(page=asked.page.value)))
    assert new.judge() is None
    verdict = new.judge()
    assert verdict.outcome is Outcome.WRONG
    assert "/app.css of the page / fails, and answered before this update" in str(verdict.text)
    by_rule.pages = {"/": links, "/app.css": test_page.answer(404)}
    assert New(by_rule).judge() is None


@pytest.mark.parametrize(
    ("looks", "paths", "doctor"),
    [
        ([paused(), paused()], [*["/", "/app.css"] * 11], []),
        ([BAKES] * 5, [*["/", "/app.css"] * 10, *["/"] * 4], []),
        ([STARTING, *[FAILS] * 2], [], [Part()] * 2),
    ],
    ids=["at the hook", "in the bake time", "tasks fail"],
)
def test_gate_requests_only_what_it_judges(by_rule, looks, paths, doctor):
    """ECS's alarms count it: in the seen case the only 5xx were ours, of /health/db."""
    links = test_page.html(b"<link rel=stylesheet href=/app.css>")
    by_rule.pages, by_rule.database = {"/": links, "/app.css": test_page.answer(200)}, 500
    asked = []
    new = New(by_rule, diagnose=lambda inquiry: asked.append(inquiry.page) or diagnosis("crash"))
    for number, view in enumerate(looks):
        new.judge(view=view, at=10.0 * number)
    assert [path for path, _ in by_rule.asked] == paths
    assert (by_rule.probes, asked) == (0, doctor)


def test_a_page_that_fails_now_and_then_is_seen_while_users_get_it(by_rule):
    statuses = itertools.cycle([*[200] * 6, 502])
    by_rule.pages = {"/": lambda answering: answering.say(next(statuses))}
    new = New(by_rule)
    assert new.judge(view=BAKES) is None
    assert new.judge(view=BAKES, at=3.0).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("hook", "settings", "rules", "dns", "says"),
    [
        (replace(HOOK, first=True), {}, True, "", "it is the first version: its page is requested once it runs"),
        (HOOK, {"smokePath": ""}, True, "", "no page is named, so none was requested"),
        (HOOK, {}, False, "", "has no test rule"),
        (HOOK, {}, True, "nowhere.invalid", "its page was not requested: "),
    ],
    ids=["a first version", "no smokePath", "no test rule", "out of reach"],
)  # fmt: skip
def test_where_no_page_can_be_asked_ecs_goes_on_and_it_is_said(
    by_rule, monkeypatch, hook, settings, rules, dns, says
):
    listener = replace(by_rule.there.listeners[0], rules=(TEST_RULE,) if rules else ())
    there = replace(by_rule.there, listeners=(listener,), dns=dns or by_rule.there.dns)
    monkeypatch.setattr(elb, "balancer", lambda *_, **__: there)
    new = New(by_rule, **settings)
    assert new.judge(hook) is None
    assert (by_rule.asked_by_rule, answered(new.ecs)) == ([], CONTINUED)
    assert says in new.told.lastings[0]


def test_an_answer_that_aws_refuses_ends_the_command_and_a_passing_problem_does_not(by_rule):
    refused = AwsProblem("refused", t("me may not ecs:ContinueServiceDeployment."), t("Allow it."))
    with pytest.raises(AwsProblem, match="ContinueServiceDeployment"):
        New(by_rule, refused).judge()
    throttled = AwsProblem("throttled", t("Rate exceeded."), t("Try again."))
    new = New(by_rule, throttled)
    assert new.judge() is None
    assert new.told.moments == ["AWS does not answer for now: Rate exceeded."]


def test_an_answer_that_comes_too_late_lets_the_gate_read_what_ecs_has_done(by_rule):
    late = AwsProblem("refused", t("No action is awaited."), t("See."), "InvalidParameterException")
    new = New(by_rule, late)
    for _ in range(SETTLE_READS):  # ECS may show the hook for a moment longer
        assert new.judge() is None
    assert set(new.told.moments) == {"ECS has not waited for the answer; reading what it does"}
    with pytest.raises(AwsProblem, match="No action is awaited"):
        new.judge()


@pytest.mark.parametrize(("by_program", "commands"), [(False, 2), (True, 0)])
def test_hook_that_an_interrupted_up_has_left_is_a_note(by_program, commands):
    waiting = a.service(
        deployments=(a.deployment(rollout="IN_PROGRESS"),),
        traffic=Traffic("POST_TEST_TRAFFIC_SHIFT", 0.0, HOOK),
    )
    found = judge(replace(a.stack(service=waiting), by_program=by_program))
    [note] = found.findings
    assert (note.kind, str(note.title)) == ("note", "A roll-out waits for an answer")
    assert found.exit_code == 0
    assert len(note.fixes) == commands


def test_a_rollback_answers_the_hook():
    ecs = session()
    names = StackNames("poc", "careapp")
    known = {"names": names, "status": "IN_PROGRESS", "definition": NEW}
    stop(ecs, Stoppable(arn=HOOK.deployment, hook=HOOK, **known))
    assert answered(ecs) == [(HOOK.deployment, HOOK.id, "ROLLBACK")]
