"""Reads one moment of a roll-out: what ECS and the load balancer say, and, where asked, the page or the doctor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from stack.load_balancer import SMOKE_REQUESTS
from stack.names import TEST_HEADER, StackNames
from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.i18n import Text, t
from tools.snapshot import cloudwatch, ecs, elb, read_existing
from tools.snapshot.records import ALARMED, Part, short
from tools.snapshot.rollout import Rollout

if TYPE_CHECKING:
    from stack.settings import Settings
    from tools.diagnosis.findings import Diagnosis
    from tools.snapshot.elb import Page
    from tools.snapshot.records import PauseHook


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The task definition revision that this update deploys, and its target group, by ARN.

    ``names`` are those of the web service or of a worker, which has no target group.
    """

    names: StackNames
    definition: str
    target_group: str = ""
    page_url: str = ""
    """The output ``pageUrl``."""

    @property
    def revision(self) -> str:
        """Return family and number, like `careapp-poc:7`."""
        return short(self.definition)


class Question(Enum):
    """What a look asks beside ECS and the load balancer."""

    DOCTOR = "the doctor"
    PAGE = "the page, as users get it"
    TEST_PAGE = "the new version's page, by the test rule"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the page or the doctor has said; a page that fails has a diagnosis."""

    diagnosis: Diagnosis | None = None
    page: Text | None = None
    """What was seen of the page."""
    works: bool = False
    """Whether the page has answered."""
    worked: bool = False
    """Whether the version before answers the same request."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A moment of a roll-out."""

    view: Rollout
    at: float = 0.0
    """Seconds of AWS's clock since the first look."""
    moment: float = 0.0
    """Seconds of this machine's clock."""
    noticed: float | None = None
    """When, like ``at``, the load balancer has noticed what this update changed on the path; None without a change."""
    answer: Answer | None = None


Diagnose = Callable[..., "Diagnosis"]
"""The doctor's function for one stack; it takes ``gone`` and ``page``, as `tools.doctor.diagnose.diagnose` does."""


@dataclass(frozen=True)
class Reader:
    """Reads one service's roll-out. ``diagnose`` asks the doctor, who takes the page's answer as it is."""

    session: Session
    settings: Settings
    expected: Expected
    diagnose: Diagnose
    page_before: Page | None = None
    """The page before this update."""

    @classmethod
    def of(
        cls,
        session: Session,
        settings: Settings,
        expected: Expected,
        web: Expected | None = None,
        workers: Mapping[str, str] | None = None,
        page_before: Page | None = None,
    ) -> Reader:
        """Return the reader whose doctor is told which task definitions have to run, and the page's URL.

        ``web`` is the web service's, where ``expected`` is a worker. ``workers`` are the workers' task definitions;
        without it no worker is read.
        """
        from tools.doctor.diagnose import diagnose

        page, ask = web or expected, partial(diagnose, settings, session, workers=workers or {})
        ask = partial(ask, wanted=page.definition, url=page.page_url, page_before=page_before)
        return cls(session, settings, expected, ask, page_before)

    def view(self) -> Rollout:
        """Read the roll-out. Raises AwsProblem."""
        return look(self.session, self.expected)

    def ask(self, question: Question, view: Rollout) -> Answer:
        """Ask the doctor or the page. Raises AwsProblem, and what the doctor raises."""
        if question is Question.DOCTOR:
            return Answer(diagnosis=self.diagnose())
        health, by_rule = self.settings.health, question is Question.TEST_PAGE
        if view.hook and view.hook.first:
            return Answer(page=t("it is the first version: its page is requested once it runs"))
        if not health.smoke_path:
            return Answer(page=t("smokePath is empty, so no page was requested"))
        balancer = elb.balancer(self.session, self.settings.names.balancer, rules=by_rule)
        value = elb.test_value(balancer) if balancer and by_rule else None
        if balancer is None or (by_rule and value is None):
            return Answer(page=t("the load balancer has no test rule, so no page was requested"))
        try:
            return self._page(balancer, {TEST_HEADER: value} if value else {}, view.hook)
        except AwsProblem as problem:
            if problem.kind != "unreachable":
                raise
            return Answer(page=t("its page was not requested: {problem}", problem=problem.text))

    def _page(
        self, balancer: elb.Balancer, headers: Mapping[str, str], hook: PauseHook | None
    ) -> Answer:
        from tools.snapshot import page as pages  # the status does not need its HTTP client

        health, url = self.settings.health, self.expected.page_url
        requests = SMOKE_REQUESTS if hook else 1
        before = pages.page(balancer, self.settings, url) if hook else self.page_before
        found = pages.page(balancer, self.settings, url, headers, requests, before)
        if found is None or not found.fails:
            words = t(
                "its page {path} answered {count} of {count} request",
                "its page {path} answered {count} of {count} requests",
                path=health.smoke_path,
                count=requests,
            )
            return Answer(page=words, works=True)
        return Answer(
            page=t("its page {path} fails as it did before", path=health.smoke_path),
            diagnosis=self.diagnose(page=Part(found)),
            worked=before is not None and not before.fails,
        )


def look(session: Session, expected: Expected) -> Rollout:
    """Read the roll-out; one without a service where there is no ACTIVE one. Raises AwsProblem."""
    names = expected.names
    service = read_existing(ecs.service, session, names)  # the cluster may be missing, too
    if service is None or service.status != "ACTIVE":
        return Rollout(expected=expected.definition, process=names.process)
    groups = (expected.target_group, *(service.target_groups if service.alternate else ()))
    groups = tuple(dict.fromkeys(each for each in groups if each))
    seen = Rollout(
        expected=expected.definition,
        service=service,
        tasks=ecs.tasks(session, names),
        targets=elb.targets(session, *groups),
        process=names.process,
        at=local_cloud.now() if names.process else None,
    )
    if seen.given_up and any(ALARMED in each.message for each in service.events):
        # An error here must not hide the rollback.
        with contextlib.suppress(AwsProblem):
            seen = replace(seen, alarmed=cloudwatch.alarms_that_ended(session, names))
        return seen
    if seen.rolled_back or seen.primary is None or seen.primary.rollout != "COMPLETED":
        return seen
    return replace(seen, rollback_reason=ecs.rollback_reason(session, names, expected.definition))


def is_deregistered(session: Session, definition: str) -> bool:
    """Return whether a revision is INACTIVE: ECS does not deploy it any more (ECS API, UpdateService)."""
    try:
        answer = session.call("ecs", "describe_task_definition", taskDefinition=definition)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return True
        raise
    return bool(answer["taskDefinition"]["status"] != "ACTIVE")
