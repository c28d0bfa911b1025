"""Reads one moment of a roll-out: what ECS and the load balancer say, and, where asked, the page or the doctor."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.parts import cloudwatch, ecs, elb
from ecs_gate.parts import page as pages
from ecs_gate.parts.gather import Inquiry
from ecs_gate.parts.records import ALARMED, Part, PauseHook, read_existing, short
from ecs_gate.parts.rollout import Rollout
from ecs_gate.target import Names, Target
from ecs_gate.text import Text, t


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The task definition revision that this update deploys, and its target group, by ARN.

    ``names`` are those of the web service or of a worker, which has no target group.
    """

    names: Names
    definition: str
    target_group: str = ""

    @property
    def revision(self) -> str:
        """Return family and number, like `shop:7`."""
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
    """Whether the version before this one answers the request for the page."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A moment of a roll-out."""

    view: Rollout
    at: float = 0.0
    """Seconds of AWS's clock since the first look."""
    monotonic: float = 0.0
    """Seconds of this machine's clock."""
    noticed: float | None = None
    """When, like ``at``, the load balancer has noticed what this update changed on the path; None without a change."""
    answer: Answer | None = None


def ask_doctor(inquiry: Inquiry) -> Diagnosis:
    """Return the doctor's diagnosis. Only here the roll-out needs the doctor's modules, which a preview never reads."""
    from ecs_gate.doctor import diagnose

    return diagnose(inquiry)


@dataclass(frozen=True)
class Reader:
    """Reads one service's roll-out, and asks the doctor what ``inquiry`` holds, whatever service that is."""

    expected: Expected
    inquiry: Inquiry
    doctor: Callable[[Inquiry], Diagnosis] = ask_doctor
    acts: bool = True
    """Whether the gate lets ECS go on and roll back; else it changes nothing, and says what it would have done."""

    @property
    def session(self) -> Session:
        return self.inquiry.session

    @property
    def target(self) -> Target:
        return self.inquiry.target

    @property
    def whole(self) -> Inquiry:
        """Return what is asked of the service and all others, at the end of a roll-out that failed."""
        asked = self.inquiry
        return Inquiry(asked.target, asked.session, asked.owner, by_up=True)

    def diagnose(self, **known: Any) -> Diagnosis:
        """Return the doctor's diagnosis, with what else is ``known``."""
        return self.doctor(replace(self.inquiry, **known))

    def view(self) -> Rollout:
        """Read the roll-out. Raises AwsProblem."""
        return look(self.session, self.expected)

    def ask(self, question: Question, view: Rollout, *, again: bool = False) -> Answer:
        """Ask the doctor or the page. Raises AwsProblem, and what the doctor raises.

        ECS's alarms count what is requested through the load balancer. So the doctor requests nothing, the app's
        ``database_path`` is never requested, and ``again``, where the page has answered, the page alone and once. A 5xx
        of that is one of the two after which the gate itself lets ECS roll back.
        """
        if question is Question.DOCTOR:
            return Answer(diagnosis=self.diagnose(page=Part()))
        page, by_rule = self.target.page, question is Question.TEST_PAGE
        if view.hook and view.hook.first:
            return Answer(page=t("it is the first version: its page is requested once it runs"))
        if not page.path:
            return Answer(page=t("no page is named, so none was requested"))
        balancer = elb.balancer(self.session, self.target.names.balancer, rules=by_rule)
        value = elb.test_value(balancer, page) if balancer and by_rule else None
        if balancer is None or (by_rule and value is None):
            return Answer(page=t("the load balancer has no test rule, so no page was requested"))
        try:
            return self._page(balancer, value, view.hook, again)
        except AwsProblem as problem:
            if problem.kind != "unreachable":
                raise
            return Answer(page=t("its page was not requested: {problem}", problem=problem.text))

    def _page(
        self, balancer: elb.Balancer, value: str | None, hook: PauseHook | None, again: bool
    ) -> Answer:
        known = self.target.page
        # Of an app that fails now and then, one may be well.
        requests = 1 if again else known.requests
        ask = partial(pages.page, balancer, self.target, database=False)
        before = ask() if hook else self.inquiry.page_before
        headers = {known.test_header: value} if value else {}
        page = ask(headers, requests, before, assets=not again)
        if page is None or not page.fails:
            text = t(
                "its page {path} answered {count} of {count} request",
                "its page {path} answered {count} of {count} requests",
                path=known.path,
                count=requests,
            )
            return Answer(page=text, works=True)
        return Answer(
            page=t("its page {path} fails as it did before", path=known.path),
            diagnosis=self.diagnose(page=Part(page)),
            worked=before is not None and not before.fails,
        )


def look(session: Session, expected: Expected) -> Rollout:
    """Read the roll-out; one without a service where there is no ACTIVE one. Raises AwsProblem."""
    names = expected.names
    service = read_existing(ecs.service, session, names)  # the cluster may be missing, too
    if service is None or service.status != "ACTIVE":
        return Rollout(expected=expected.definition, name=names.service, process=names.process)
    groups = (expected.target_group, *(service.target_groups if service.alternate else ()))
    groups = tuple(dict.fromkeys(group for group in groups if group))
    seen = Rollout(
        expected=expected.definition,
        name=names.service,
        service=service,
        tasks=ecs.tasks(session, names),
        # A target group that was deleted by hand has none; the doctor is asked why.
        targets=read_existing(elb.targets, session, *groups) or (),
        process=names.process,
        at=local_cloud.now() if names.process else None,
    )
    if seen.given_up and any(ALARMED in event.message for event in service.events):
        # An error here must not hide the rollback.
        with contextlib.suppress(AwsProblem):
            seen = replace(seen, alarmed=cloudwatch.alarms_that_ended(session, names))
        return seen
    if seen.rolled_back or seen.primary is None or seen.primary.rollout != "COMPLETED":
        return seen
    return replace(seen, rollback_reason=ecs.rollback_reason(session, names, expected.definition))
