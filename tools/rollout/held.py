"""Asks a new version's page while ECS holds the users' requests back, and lets ECS go on with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stack.names import TEST_HEADER
from stack.settings import Settings
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.i18n import Text, t
from tools.snapshot import ecs, elb
from tools.snapshot import page as pages
from tools.snapshot.records import Part, PauseHook

if TYPE_CHECKING:
    from tools.diagnosis.findings import Diagnosis


class Log(Protocol):
    """Shows what stays."""

    def lasting(self, text: Text) -> None: ...


@dataclass(frozen=True)
class Look:
    """What was seen of a new version that gets no requests of users: a page that fails has a diagnosis.

    ``worked`` is whether the version before answers the same request.
    """

    text: Text
    diagnosis: Diagnosis | None = None
    worked: bool = False


@dataclass
class Held:
    """The deployment that waits at its pause hook.

    ``diagnose`` asks the doctor, who takes the page's answer as it is. ``page_url`` is the output ``pageUrl``.
    """

    session: Session
    settings: Settings
    page_url: str
    log: Log
    diagnose: Callable[..., Diagnosis]
    answered: set[str] = field(default_factory=set)
    """The hooks that were answered: ECS may show one for a moment longer."""

    def look(self, hook: PauseHook) -> Look:
        """Request the new version's page by the test rule. Raises AwsProblem, and what the doctor raises."""
        if hook.first:
            return Look(t("it is the first version: its page is requested once it runs"))
        if not self.settings.health.smoke_path:
            return Look(t("smokePath is empty, so no page was requested"))
        balancer = elb.balancer(self.session, self.settings.names.balancer)
        value = elb.test_value(balancer) if balancer else None
        if balancer is None or value is None:
            return Look(t("the load balancer has no test rule, so no page was requested"))
        try:
            return self._ask(balancer, {TEST_HEADER: value})
        except AwsProblem as problem:
            if problem.kind != "unreachable":
                raise
            return Look(t("its page was not requested: {problem}", problem=problem.text))

    def _ask(self, balancer: elb.Balancer, headers: dict[str, str]) -> Look:
        health = self.settings.health
        requests = health.smoke_requests
        before = pages.page(balancer, self.settings, self.page_url)
        found = pages.page(balancer, self.settings, self.page_url, headers, requests, before)
        if found is None or not found.fails:
            words = t(
                "its page {path} answered {count} of {count} request",
                "its page {path} answered {count} of {count} requests",
                path=health.smoke_path,
                count=requests,
            )
            return Look(words)
        return Look(
            t("its page {path} fails as it did before", path=health.smoke_path),
            self.diagnose(page=Part(found)),
            worked=before is not None and not before.fails,
        )

    async def go_on(self, hook: PauseHook, look: Look) -> None:
        """Let ECS give the version its requests, and say so. Raises AwsProblem."""
        await asyncio.to_thread(ecs.answer_hook, self.session, hook, "CONTINUE")
        self.answered.add(hook.id)
        # Pulumi's log needs the event loop's thread.
        self.log.lasting(
            t("before any request of a user: {what}; ECS goes on with it", what=look.text)
        )
