"""Request the page as a user's browser does: the URL of the output pageUrl, its redirects, its cookies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.aws.session import Session
from ecs_gate.facts.elb import CALLBACK_PATH
from ecs_gate.parts import elb
from ecs_gate.parts.elb import Balancer, HttpAnswer, PageAnswer, Unreachable
from ecs_gate.target import Login, Target
from ecs_gate.text import t, text_of

if TYPE_CHECKING:
    from ecs_gate.parts.browser import Browser, Response

ANSWER_SECONDS = 10
"""How long the page may take, in seconds of AWS's clock."""

LEAST_ANSWER_SECONDS = 4.0
"""How long it may take at least, in seconds of this machine, however fast AWS's clock runs: an app computes at
the machine's own pace, and may wait some seconds for a statement."""

DATABASE_SECONDS = 5

TRIES = 3

PAUSE = 0.3
"""Seconds between two tries."""

MOST_ASSETS = 8
"""How many stylesheets and scripts of the page are requested. All of them together may take as long as the page."""

LEAST_SHARE = 4
"""The part of that time, a quarter, that must be left for an asset before it can be said not to answer."""


def page_before(target: Target) -> PageAnswer | None:
    """Request the page before an update. None without a load balancer or a path. Raises AwsProblem."""
    session = Session(target.region, target.profile)
    balancer = elb.balancer(session, target.names.balancer, rules=False)
    return page(balancer, target) if balancer else None


def page(
    balancer: Balancer,
    target: Target,
    headers: Mapping[str, str] | None = None,
    requests: int = 1,
    before: PageAnswer | None = None,
    *,
    assets: bool = True,
    database: bool = True,
) -> PageAnswer | None:
    """Request the target's page with its stylesheets and scripts, and its app's ``database_path``, if it has one.

    ``headers`` are sent, too. A page that fails is tried again, three times in all, but not once ANSWER_SECONDS have
    passed; one that works is requested ``requests`` times, until it fails. ``before`` is the page before this update:
    with what answered then and does not now it fails. None where no path is to be requested. Raises AwsProblem where
    the load balancer cannot be reached from here: that is no fault of the page.

    The alarms that ECS watches during a deployment count these requests like users'. So then ``database`` is False,
    and the page is requested without its ``assets`` where they have answered.
    """
    path, of_database = target.page.path, target.app.database_path
    if not path:
        return None
    base = target.page.url_of(balancer.dns)
    # A new browser each time: the cookies of an earlier visit must not change the answer.
    browser = _browsers(balancer, target, headers or {})
    found = PageAnswer(url=f"{base}{path}", path=path, matcher=target.page.expects, tries=0)
    if before:
        full = not (before.missing or before.empty)
        found = replace(found, assets_before=before.assets, full_before=full)

    def visit(page: PageAnswer) -> PageAnswer:
        return _visit(browser(), target.login, page, assets)

    try:
        found = _get_page(visit, found)
        while found.tries < requests and not found.fails:
            found = visit(found)
        database = database and bool(of_database) and not target.login.protects(of_database)
        if found.status and database:
            answer = browser().get(f"{base}{of_database}", DATABASE_SECONDS)
            found = replace(found, database=answer.status)
        return found
    except Unreachable as problem:
        raise _unreachable(found.url, problem, target) from None


def status(balancer: Balancer, target: Target, path: str) -> int:
    """Return the status of a path, without following a redirect, as a health check asks; 0 for no answer.

    Raises AwsProblem where the load balancer cannot be reached from here.
    """
    url = f"{target.page.url_of(balancer.dns)}{path}"
    try:
        browser = _browsers(balancer, target, {})
        return browser().get(url, _answer_seconds(), follow=False).status
    except Unreachable as problem:
        raise _unreachable(url, problem, target) from None


def _browsers(
    balancer: Balancer, target: Target, headers: Mapping[str, str]
) -> Callable[[], Browser]:
    """Return what makes a new browser. A preview and the status do without its HTTP client, which takes 0.3 s."""
    from ecs_gate.parts.browser import Browser

    return partial(Browser, balancer, target.page.domain, headers)


def _unreachable(url: str, problem: Unreachable, target: Target) -> AwsProblem:
    text = t("{url} cannot be reached from here: {why}.", url=url, why=text_of(problem))
    # A security group drops what it does not allow, so the connection times out.
    allowed = target.page.allowed
    if allowed and not allowed.everyone and isinstance(problem.__cause__, TimeoutError):
        text = t(
            "{text} Allowed are {allowed}: this machine may be outside.",
            text=text,
            allowed=str(allowed),
        )
    way_out = t("Open it in a browser, or run the command where it can be reached.")
    return AwsProblem("unreachable", text, way_out)


def _get_page(visit: Callable[[PageAnswer], PageAnswer], page: PageAnswer) -> PageAnswer:
    begun = time.monotonic()
    for tries in range(1, TRIES + 1):
        page = visit(page)
        if not page.fails or time.monotonic() - begun >= _answer_seconds():
            break
        if tries < TRIES:
            time.sleep(PAUSE)
    return page


def _visit(browser: Browser, login: Login, page: PageAnswer, assets: bool) -> PageAnswer:
    answer = browser.get(page.url, _answer_seconds())
    lost = answer.empty and page.full_before and answer.status in range(200, 300)
    seen = {field.name: getattr(answer, field.name) for field in fields(HttpAnswer)}
    if lost and not answer.problem:
        seen["problem"] = str(t("its body is empty, and before this update it was not"))
    return replace(
        page,
        **seen,
        tries=page.tries + 1,
        login=login.protects(page.path) and is_login(answer.leads_to, login),
        assets=_load_assets(browser, answer) if assets else {},
    )


def _load_assets(browser: Browser, answer: Response) -> dict[str, int]:
    """Return the status of the page's first stylesheets and scripts by their paths; 0 for no answer."""
    statuses: dict[str, int] = {}
    deadline = time.monotonic() + _answer_seconds()
    for url in islice(answer.assets(), MOST_ASSETS):
        left = deadline - time.monotonic()
        if left < _answer_seconds() / LEAST_SHARE:  # too short to say that it does not answer
            break
        path = urlsplit(url)._replace(scheme="", netloc="").geturl()
        loaded = browser.get(url, left)
        statuses[path] = 0 if loaded.endless or loaded.problem else loaded.status
    return statuses


def is_login(url: str, login: Login) -> bool:
    """Return whether a redirect of the load balancer leads to the provider, for the service's client."""
    parameters = parse_qs(urlsplit(url).query)
    back = urlsplit(parameters.get("redirect_uri", [""])[0])
    return parameters.get("client_id") == [login.client_id] and back.path == CALLBACK_PATH


def _answer_seconds() -> float:
    """Return how long to wait for an answer: at a rehearsal's speed, 10 s could outlast a bake time."""
    return min(ANSWER_SECONDS, max(ANSWER_SECONDS / Pace.of().speed, LEAST_ANSWER_SECONDS))
