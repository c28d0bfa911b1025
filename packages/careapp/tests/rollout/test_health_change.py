"""A change of the health check is refused where the version that runs would fail it."""

import pulumi
import pytest

from careapp.update.health_change import GROUP, SERVICE, refuse_outage
from ecs_gate.parts import elb
from ecs_gate.target import Page
from ecs_gate.waiting import Changes
from tests import stacks as a
from tests.snapshot import test_page
from tests.snapshot.test_page import answer

server = test_page.server


def changes(path="/health", matcher="200", *, service=True):
    state = {"tg": {"type": GROUP, "outputs": {"healthCheck": {"path": path, "matcher": matcher}}}}
    return Changes(state | ({"service": {"type": SERVICE, "outputs": {}}} if service else {}))


@pytest.fixture
def running(server, monkeypatch):
    """A version that answers /health, redirects /old, and answers 404 elsewhere, with one healthy target."""
    server.answers = [404]
    moved = lambda answering: answering.say(302, Location="/health")  # noqa: E731
    server.pages = {"/health": answer(200), "/old": moved, "/broken": answer(500)}
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(Page, "url_of", lambda *_: url)
    monkeypatch.setattr(elb, "balancer", lambda *_, **__: server.there)
    monkeypatch.setattr(elb, "target_group", lambda *_: a.target_group())
    healthy = elb.TargetHealth(address="10.0.0.4", port=3000, state="healthy")
    monkeypatch.setattr(elb, "targets", lambda *_: [healthy])
    return server


def test_an_unchanged_check_asks_nothing(running):
    refuse_outage(a.choices(), changes())
    assert running.asked == []


@pytest.mark.parametrize(
    ("wanted", "before"),
    [
        ({"healthPath": "/other"}, changes(service=False)),
        ({"healthPath": "/other", "ecsEnabled": "false"}, changes()),
        ({"healthPath": "/health"}, changes("/broken")),
        ({"healthPath": "/old", "healthMatcher": "200,302"}, changes()),
        ({"healthPath": "/other", "healthMatcher": "200,404"}, changes(matcher="200,404")),
    ],
)
def test_what_the_version_that_runs_passes_is_taken(running, wanted, before):
    refuse_outage(a.choices(**wanted), before)


@pytest.mark.parametrize(
    ("wanted", "before", "why", "commands"),
    [
        ({"healthPath": "/up"}, changes(),
         "healthPath: /up is refused: the version that runs answers /up with 404",
         "healthPath /health, healthMatcher 200,404; healthPath /up; healthMatcher 200"),
        # Another matcher alone needs two updates.
        ({"healthMatcher": "204"}, changes(), "the version that answers /health with 204",
         "healthMatcher 200,204; healthMatcher 204"),
        # The first of the updates takes what the old path answers, too.
        ({"healthPath": "/up"}, changes(matcher="204"), "with 404",
         "healthPath /health, healthMatcher 204,200,404; healthPath /up; healthMatcher 200"),
    ],
)  # fmt: skip
def test_check_that_would_fail_is_refused_with_the_updates(running, wanted, before, why, commands):
    with pytest.raises(pulumi.RunError, match=why) as refused:
        refuse_outage(a.choices(**wanted), before)
    shown = [line.strip() for line in str(refused.value).splitlines()[1:]]
    expected = []
    for update in commands.split("; "):
        expected += [f"pulumi config set {setting}" for setting in update.split(", ")]
        expected.append("pulumi up")
    assert shown == expected


@pytest.mark.parametrize(("path", "answers"), [("/broken", "with 500"), ("/old", "with 302")])
def test_a_redirect_is_not_followed_and_an_error_has_another_way_out(running, path, answers):
    with pytest.raises(pulumi.RunError, match=answers) as refused:
        refuse_outage(a.choices(healthPath=path), changes())
    both = f"First release a version that answers both /health and {path}" in str(refused.value)
    assert both is (path == "/broken")


def test_where_no_target_is_healthy_there_is_nothing_to_lose(running, monkeypatch):
    unhealthy = elb.TargetHealth(address="10.0.0.4", port=3000, state="unhealthy")
    monkeypatch.setattr(elb, "targets", lambda *_: [unhealthy])
    refuse_outage(a.choices(healthPath="/up"), changes())
    assert running.asked == []


def test_a_load_balancer_that_cannot_be_reached_stops_no_update(running, monkeypatch):
    warned = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: warned.append(text))
    running.shutdown()
    running.server_close()
    refuse_outage(a.choices(healthPath="/up"), changes())
    [text] = warned
    assert "it is not known whether the version that runs passes the new check" in text
