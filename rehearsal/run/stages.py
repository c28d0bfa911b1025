"""The rehearsal itself: both stages, the page, and back to nothing, each step timed and checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i18n import Text, said, t
from rehearsal.console import spoken
from rehearsal.engine.pulumi import Changes, Pulumi, PulumiFailed
from rehearsal.providers.calls import Calls
from rehearsal.run.client import Facts, Page
from rehearsal.run.faults import Fault
from stack.settings import Settings
from stack.statements import secret_arn, secret_key

STAGE2 = t("Stage 2: the ECS service on top (pulumi config set ecsEnabled true)")
MADE_UP = "made-up-in-the-rehearsal"
POLICY_PACK = ("--policy-pack", "policy")
PAGE_LIMIT = 120.0
"""Seconds until the page must answer after stage 2 has been put up."""
Say = Callable[[Text], None]


class RehearsalFailed(Exception):
    """A step did not do what it must. The message says which, and what was seen instead."""


@dataclass
class Report:
    """What happened, as ``--json`` writes it."""

    stages: list[dict[str, Any]] = field(default_factory=list)
    page: dict[str, Any] | None = None
    destroy: dict[str, Any] | None = None
    fault: dict[str, str] | None = None
    aws_seconds: int | None = None
    diagnosis: dict[str, Any] | None = None
    second_up: dict[str, Any] | None = None
    mend: dict[str, Any] | None = None
    error: str | None = None

    def write(self, file: Path) -> None:
        """Write it as JSON; what did not happen is left out."""
        held = {name: value for name, value in vars(self).items() if value is not None}
        file.write_text(json.dumps(held, indent=2) + "\n")


class Rehearsal:
    """One run through the stages of one stack."""

    def __init__(self, pulumi: Pulumi, stack: str, facts: Callable[[], Facts], say: Say) -> None:
        self.pulumi, self.stack, self.facts, self.say = pulumi, stack, facts, say
        self.report = Report()

    def stage1(self, config: Sequence[tuple[str, str]], calls: Calls) -> None:
        """Network, database, balancer and image; the balancer answers that ECS is off."""
        self.say(t("Stage 1: network, database, load balancer, image (ecsEnabled=false)"))
        self.pulumi.run("stack", "init", self.stack)
        for key, value in config:
            self._set(key, value)
        self._make_secrets(calls)
        self._set_ecs("false")
        self._stage("stage1")
        page = self._page()
        status, body, _ = page.get()
        if status != 503 or "ecsEnabled" not in body:
            raise RehearsalFailed(
                t(
                    "stage 1 must answer 503 and say how ECS is turned on; it answered {status}: {body}",
                    status=status,
                    body=body[:200],
                )
            )
        self.say(t("{url} answers 503: ECS is off, and how to turn it on", url=page.url))
        self._check_redirect(page)

    def _set(self, key: str, value: str) -> None:
        """Set a setting, or an entry of a map: `appVariables.NAME`.

        Without --plaintext `pulumi` refuses what looks like a secret to it, an ARN as well.
        """
        path = ["--plaintext", *(["--path"] if "." in key else [])]
        self.pulumi.run("config", "set", *path, key, value, "--stack", self.stack)

    def _make_secrets(self, calls: Calls) -> None:
        """Make a secret here for each of ``appSecrets``, which are the user's account's, and name it instead.

        The stack file is a copy. A value is made up, with each key that is asked for.
        """
        named = Settings.read(self.stack, self.pulumi.folder).service.secrets
        keys: dict[str, list[str]] = {}
        for value in named.values():
            keys.setdefault(secret_arn(value), []).append(secret_key(value))
        for arn, wanted in keys.items():
            text = (
                json.dumps(dict.fromkeys(filter(None, wanted), MADE_UP)) if any(wanted) else MADE_UP
            )
            name = arn.rpartition(":")[2].rpartition("-")[0]
            made = calls("secretsmanager", "create_secret", {"Name": name, "SecretString": text})
            for variable, value in named.items():
                if secret_arn(value) == arn:
                    self._set(f"appSecrets.{variable}", value.replace(arn, made["ARN"]))
            self.say(t("The secret {name} has a made-up value here.", name=name))

    def stage2(self) -> None:
        """The ECS part on top; nothing of stage 1 may change, and the page must answer."""
        self.say(STAGE2)
        begun = time.monotonic()
        self._set_ecs("true")
        changes = self._stage("stage2")
        touched = [step for step in changes.steps if not step.startswith("create ")]
        if touched:
            raise RehearsalFailed(
                t("stage 2 must only add; it did: {steps}", steps="; ".join(touched))
            )
        page = self._page()
        status = self.wait_for_page()
        seconds = round(time.monotonic() - begun, 2)
        self.report.page = {"url": page.url, "status": status, "seconds_to_healthy": seconds}
        if page.authority:
            self.report.page["authority"] = page.authority
        self._check_redirect(page)

    def red_stage2(self, fault: Fault) -> Text:
        """The ECS part with ``fault`` in it: why it is red. Raises ``RehearsalFailed`` when it is green."""
        self.say(STAGE2)
        self._set_ecs("true")
        try:
            self._stage("stage2")
        except RehearsalFailed as problem:
            return said(problem)
        raise RehearsalFailed(
            t("the roll-out is green in spite of the mistake: {mistake}", mistake=fault.mistake)
        )

    def mistake(self, fault: Fault, source: Path, calls: Calls) -> None:
        """Do what ``fault`` says, after stage 1 and before stage 2. Raises ``FaultError``."""
        self.say(t("Mistake ({name}): {mistake}", name=fault.name, mistake=fault.mistake))
        for edit in fault.edits:
            edit.apply(source)
        for key, value in fault.config.items():
            self._set(key, value)
        if fault.hand:
            fault.hand(calls, self.stack)
        self.report.fault = {"name": fault.name, "mistake": str(fault.mistake)}

    def on_aws(self, calls: Calls) -> None:
        """Note how long the roll-out took on AWS's clock, by the service's first and last event."""
        name = f"careapp-{self.stack}"
        asked = {"cluster": f"{name}-cluster", "services": [f"{name}-service"]}
        services = calls("ecs", "describe_services", asked)["services"]
        events = services[0]["events"] if services else []
        if not events:
            return
        took = events[0]["createdAt"] - events[-1]["createdAt"]
        self.report.aws_seconds = round(took.total_seconds())
        self.say(
            t("On AWS this roll-out would have taken {time}.", time=spoken(took.total_seconds()))
        )

    def destroy(self) -> None:
        """Everything away, the stack with it; nothing may be left. Without a stack nothing is to do.

        Protection is lifted first, as a person would.
        """
        if not self.pulumi.exists(self.stack):
            return
        if any(item.get("protect") for item in self.pulumi.resources(self.stack)):
            self._lift_protection()
        self.say(t("Destroy: everything away, so that nothing is billed"))
        changes = self.pulumi.update("destroy", self.stack, "--remove")
        left = len(self.pulumi.resources(self.stack)) if self.pulumi.exists(self.stack) else 0
        done = {"deleted": changes.deleted, "left": left, "seconds": changes.seconds}
        self.report.destroy = done
        if left:
            raise RehearsalFailed(t("{left} resources are left after destroy", left=left))

    def wait_for_page(self) -> int:
        """The status of the page that the gate asks for, once it is below 500, as the gate has it.

        Without a `smokePath` the health check's page is asked. Raises ``RehearsalFailed`` after ``PAGE_LIMIT``.
        """
        page, begun = self._page(), time.monotonic()
        health = Settings.read(self.stack, self.pulumi.folder).health
        path = health.smoke_path or health.path
        while True:
            status, body, _ = page.get(page.url.rstrip("/") + path)
            if 0 < status < 500:
                return status
            if time.monotonic() - begun > PAGE_LIMIT:
                raise RehearsalFailed(
                    t(
                        "{path} does not answer below 500 after {seconds:.0f} s; last {status}: {body}",
                        path=path,
                        seconds=PAGE_LIMIT,
                        status=status,
                        body=body[:200],
                    )
                )
            time.sleep(0.1)

    def _lift_protection(self) -> None:
        self.say(t("The stack is protected: pulumi config set protect false, then pulumi up"))
        self._set("protect", "false")
        # Without the policy pack: ELB.6 and RDS.8 are the protection that is lifted here.
        changes = self._stage("unprotected", pack=())
        touched = [step for step in changes.steps if not step.startswith("update ")]
        if touched:
            raise RehearsalFailed(
                t("lifting protection must only update; it did: {steps}", steps="; ".join(touched))
            )

    def _set_ecs(self, value: str) -> None:
        self._set("ecsEnabled", value)

    def _stage(self, name: str, pack: Sequence[str] = POLICY_PACK) -> Changes:
        try:
            changes = self.pulumi.update("up", self.stack, *pack)
        except PulumiFailed as problem:
            raise RehearsalFailed(
                t("{name} failed: {why}", name=name, why=said(problem))
            ) from problem
        self.report.stages.append({"name": name, **changes.to_dict()})
        return changes

    def _page(self) -> Page:
        page = Page.of(self.facts().state.get("listeners") or [])
        if page is None:
            raise RehearsalFailed(t("no listener was created, so there is no page to look at"))
        return page

    def _check_redirect(self, page: Page) -> None:
        """HTTP, where HTTPS serves, must lead there and to nothing else."""
        if not page.plain:
            return
        *_, place = page.get(f"{page.plain}/health?from=http")
        if place != f"{page.url}/health?from=http":
            raise RehearsalFailed(
                t(
                    "{plain} must lead to {url}; it led to {place}",
                    plain=page.plain,
                    url=page.url,
                    place=place,
                )
            )
        self.say(t("{plain} leads to {url}", plain=page.plain, url=page.url))
