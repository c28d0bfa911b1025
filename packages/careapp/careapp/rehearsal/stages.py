"""The steps of a rehearsal: both stages, the page and the destroy, each one timed and checked."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from careapp import PYTHONPATH
from careapp.rehearsal import stand_ins
from careapp.rehearsal.app_page import Page
from careapp.rehearsal.faults import LOGIN, Fault, balancer_of, listeners_of
from careapp.settings.file import names_of
from careapp.settings.login import LOGIN_ISSUER
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.facts.elb import matches
from ecs_gate.text import Refused, Text, t, text_of
from ecs_gate.text.masking import mask_data
from local_cloud.calls import Calls
from local_cloud.console import duration
from local_cloud.engine.pulumi import Changes, Pulumi, PulumiFailed
from local_cloud.run.client import RunningCloud

STAGE2 = t("Stage 2: the ECS service on top (pulumi config set ecsEnabled true)")
UPDATE = t("An update of the app (pulumi up)")
POLICY_PACK = ("--policy-pack", "policy")
PAGE_LIMIT = 120.0
"""Seconds within which the page must answer after stage 2 was deployed."""
LISTENERS_LIMIT = 10.0
"""Seconds within which the local cloud tells what it listens on."""
STRANGER_SECONDS = 3.0
"""How long a client that must not get in waits for an answer."""
Say = Callable[[Text], None]


class RehearsalFailed(Refused):
    """A step failed. The message names the step and its result."""


@dataclass
class Report:
    """The results of the steps, as ``--json`` writes them."""

    stages: list[dict[str, Any]] = field(default_factory=list)
    page: dict[str, Any] | None = None
    jobs: dict[str, int] | None = None
    """The exit codes of the jobs, by name."""
    destroy: dict[str, Any] | None = None
    fault: dict[str, str] | None = None
    aws_seconds: int | None = None
    diagnosis: dict[str, Any] | None = None
    second_up: dict[str, Any] | None = None
    mend: dict[str, Any] | None = None
    error: str | None = None

    def write(self, file: Path) -> None:
        """Write it as JSON, without the steps that did not run, and with secrets masked."""
        content = {name: value for name, value in vars(self).items() if value is not None}
        file.write_text(json.dumps(mask_data(content), indent=2) + "\n")


class Rehearsal:
    """One rehearsal of one stack."""

    def __init__(
        self, pulumi: Pulumi, stack: str, facts: Callable[[], RunningCloud], say: Say
    ) -> None:
        self.pulumi, self.stack, self.facts, self.say = pulumi, stack, facts, say
        self.report = Report()
        self.begun: datetime | None = None
        """When a mistake was made, by AWS's clock."""

    @cached_property
    def calls(self) -> Calls:
        """The AWS API of the local cloud."""
        return Calls(self.facts().access)

    @property
    def names(self) -> StackNames:
        """The names of the stack's resources."""
        return names_of(self.stack, self.pulumi.folder)

    def stage1(self, config: Sequence[tuple[str, str]]) -> None:
        """Deploy network, database, load balancer and image. The load balancer must answer that ECS is off."""
        self.say(t("Stage 1: network, database, load balancer, image (ecsEnabled=false)"))
        self.pulumi.run("stack", "init", self.stack)
        self._set_all(config)
        self._set_all(stand_ins.make_secrets(self.settings, self.calls, self.say))
        self._set_all(stand_ins.make_prefix_lists(self.settings, self.calls, self.say))
        self.set("ecsEnabled", "false")
        self._stage("stage1")
        page = self._page()
        self._register_login()
        if self._keeps_stranger_out():
            return
        status, body, _ = page.get()
        if status != 503 or "ecsEnabled" not in body:
            raise RehearsalFailed(
                "stage 1 must answer 503 and say how ECS is turned on; it answered {status}: {body}",
                status=status,
                body=body[:200],
            )
        self.say(t("{url} answers 503: ECS is off, and how to turn it on", url=page.url))
        self._check_redirect(page)

    def _register_login(self) -> None:
        """Let users log in at the local cloud's provider, if the stack has a login."""
        settings, folder = self.settings, self.pulumi.folder
        urls = (self._page().url, f"https://{self.host(settings)}")
        login = stand_ins.register_login(settings, self.calls, self.facts(), urls, folder)
        self._set_all(login.items())
        if issuer := login.get(LOGIN_ISSUER.name):
            self.say(t("Users log in at {issuer} here, with any e-mail address.", issuer=issuer))

    def _set_all(self, config: Iterable[tuple[str, str]]) -> None:
        for key, value in config:
            self.set(key, value)

    def set(self, key: str, value: str) -> None:
        """Set a setting, or an entry of a map: `appVariables.NAME`.

        Without --plaintext `pulumi` refuses values that look like a secret, for example an ARN.
        """
        path = ["--plaintext", *(["--path"] if "." in key else [])]
        self.pulumi.run("config", "set", *path, "--stack", self.stack, "--", key, value)

    def stage2(self) -> None:
        """Deploy the ECS part. It must not change stage 1, and the page must answer."""
        self.say(STAGE2)
        begun = time.monotonic()
        self.set("ecsEnabled", "true")
        changes = self._stage("stage2")
        touched = [step for step in changes.steps if not step.startswith("create ")]
        if touched:
            raise RehearsalFailed(
                "stage 2 must only create resources; it did: {steps}", steps="; ".join(touched)
            )
        if self._keeps_stranger_out():
            return
        page = self._page()
        status = self.wait_for_page()
        seconds = round(time.monotonic() - begun, 2)
        self.report.page = {"url": page.url, "status": status, "seconds_to_healthy": seconds}
        if page.authority:
            self.report.page["authority"] = page.authority
        self._check_redirect(page)

    def run_jobs(self) -> None:
        """Run each job once that is not disabled. Raises ``RehearsalFailed`` where one fails."""
        for job in (job for job in self.settings.jobs if job.enabled):
            self.say(t("The job {name}, once (./careapp jobs run {name})", name=job.name))
            done = self.careapp("jobs", "run", job.name)
            self.report.jobs = {**(self.report.jobs or {}), job.name: done.returncode}
            if done.returncode:
                raise RehearsalFailed(
                    "the job {name} ended with exit code {code}; correct it, or leave it out with "
                    "-c jobs.{name}.enabled=false. {words}",
                    name=job.name,
                    code=done.returncode,
                    words=f"{done.stdout}{done.stderr}".strip(),
                )

    def careapp(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``./careapp`` on the stack."""
        command = (sys.executable, "-m", "careapp.cli", *words, "--stack", self.stack)
        return self.type(*command, PYTHONPATH=PYTHONPATH)

    def type(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run any command in the project's folder. Raises FileNotFoundError."""
        return subprocess.run(
            words,
            cwd=self.pulumi.folder,
            env={**self.pulumi.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def update(self) -> None:
        """Deploy an update of the app. The page must answer."""
        self.say(UPDATE)
        self._stage("update")
        if not self._keeps_stranger_out():
            self.wait_for_page()

    def fail(self, fault: Fault) -> Text:
        """Deploy the ECS part, or an update, with ``fault``, and return the error.

        Raises ``RehearsalFailed`` when it succeeds.
        """
        self.say(UPDATE if fault.second_release else STAGE2)
        self.set("ecsEnabled", "true")
        try:
            self._stage("update" if fault.second_release else "stage2")
        except RehearsalFailed as problem:
            return text_of(problem)
        raise RehearsalFailed(
            "the roll-out succeeded in spite of the mistake: {mistake}", mistake=fault.mistake
        )

    def make_mistake(self, fault: Fault, source: Path) -> None:
        """Apply ``fault``, before the roll-out that it makes fail. Raises ``FaultError``."""
        self.say(t("Mistake ({name}): {mistake}", name=fault.name, mistake=fault.mistake))
        self.begun = self.facts().time
        for edit in fault.edits:
            edit.apply(source)
        self._set_all(fault.config.items())
        if fault.config.get(LOGIN_ISSUER.name) == LOGIN[LOGIN_ISSUER.name]:
            self._register_login()
        if fault.manual_change:
            fault.manual_change(self.calls, self.names)
        self.report.fault = {"name": fault.name, "mistake": str(fault.mistake)}

    def measure_on_aws(self) -> None:
        """Report after which time `up` was red, in AWS's time from the deployment's creation.

        The local cloud writes its time every half second of this machine. A failed deployCommand begins no deployment.
        """
        service = {"cluster": self.names.cluster, "services": [self.names.service]}
        services = self.calls("ecs", "describe_services", service)["services"]
        if not services:
            return
        where = {"cluster": service["cluster"], "service": services[0]["serviceName"]}
        # After a rollback the service's own deployment is an older one.
        [newest, *_] = self.calls("ecs", "list_service_deployments", where)["serviceDeployments"]
        if self.begun and newest["createdAt"] < self.begun:
            return
        took = (self.facts().time - newest["createdAt"]).total_seconds()
        self.report.aws_seconds = round(took)
        self.say(t("On AWS `pulumi up` would have failed after {time}.", time=duration(took)))

    def destroy(self) -> None:
        """Destroy and remove the stack, if there is one. No resource may be left. Protection is turned off first."""
        if not self.pulumi.exists(self.stack):
            return
        if any(item.get("protect") for item in self.pulumi.resources(self.stack)):
            self._turn_protection_off()
        self.say(t("Destroy: delete all resources, so that nothing is billed"))
        changes = self.pulumi.update("destroy", self.stack, "--remove")
        left = len(self.pulumi.resources(self.stack)) if self.pulumi.exists(self.stack) else 0
        done = {"deleted": changes.deleted, "left": left, "seconds": changes.seconds}
        self.report.destroy = done
        if left:
            raise RehearsalFailed(
                "{count} resource is left after destroy",
                "{count} resources are left after destroy",
                count=left,
            )

    def visit(self, count: int) -> None:
        """Request the page ``count`` times, whatever it answers."""
        page = self._page()
        for _ in range(count):
            page.get()

    def wait_for_page(self) -> int:
        """Wait until the page answers as the roll-out gate expects, and return the status.

        Request `smokePath`, or without one the health check's path. Raises ``RehearsalFailed`` after ``PAGE_LIMIT``.
        """
        page, begun = self._page(), time.monotonic()
        settings = self.settings
        health, host = settings.health, self.host(settings)
        path = health.smoke_path or health.path
        matcher = health.smoke_matcher if health.smoke_path else health.matcher
        url = page.url.rstrip("/") + path
        while True:
            status, body, ended = page.get(url, host)
            elsewhere = urlsplit(ended).hostname != urlsplit(url).hostname
            if settings.login.protects(path):
                answers = ended.startswith(f"{settings.login.issuer}/")
            else:
                answers = matches(status, matcher) or elsewhere
            if answers:
                return status
            if time.monotonic() - begun > PAGE_LIMIT:
                raise RehearsalFailed(
                    "{path} does not answer with {matcher} after {seconds:.0f} s; last {status}: {body}",
                    path=path,
                    matcher=matcher,
                    seconds=PAGE_LIMIT,
                    status=status,
                    body=body[:200],
                )
            time.sleep(0.1)

    def _keeps_stranger_out(self) -> bool:
        """Return whether the client of `--from` must get no answer, and got none. Raises ``RehearsalFailed``."""
        client, allowed = self.facts().options.client, self.settings.allowed
        listed = IPv4Network(stand_ins.LISTED) if allowed.prefix_lists else None
        if not client or allowed.has(client) or (listed and IPv4Address(client) in listed):
            return False
        page = self._page()
        status, *_ = page.get(seconds=STRANGER_SECONDS)
        values = {"client": client, "allowed": str(allowed), "url": page.url}
        if status:
            raise RehearsalFailed(
                "{url} answers {status} to {client}, which is not in allowedCidrs ({allowed})",
                status=status,
                **values,
            )
        self.say(
            t("{url} does not answer {client}, which is not in allowedCidrs ({allowed})", **values)
        )
        return True

    @property
    def settings(self) -> Settings:
        """The stack file's settings as they are now."""
        return Settings.read(self.stack, self.pulumi.folder)

    def host(self, settings: Settings) -> str:
        """Return the name that users open."""
        address = balancer_of(self.calls, settings.names)["DNSName"]
        return str(urlsplit(settings.https.url(address)).hostname)

    def _turn_protection_off(self) -> None:
        self.say(t("The stack is protected: pulumi config set protect false, then pulumi up"))
        self.set("protect", "false")
        # Without the policy pack: its controls ELB.6 and RDS.8 require the protection.
        changes = self._stage("unprotected", pack=())
        touched = [step for step in changes.steps if not step.startswith("update ")]
        if touched:
            raise RehearsalFailed(
                "turning protection off must only update resources; it did: {steps}",
                steps="; ".join(touched),
            )

    def _stage(self, name: str, pack: Sequence[str] = POLICY_PACK) -> Changes:
        try:
            changes = self.pulumi.update("up", self.stack, *pack)
        except PulumiFailed as problem:
            raise RehearsalFailed(
                "{name} failed: {why}", name=name, why=text_of(problem)
            ) from problem
        self.report.stages.append({"name": name, **changes.to_dict()})
        return changes

    def _page(self) -> Page:
        """Return the page. Wait for listeners that are created and not told yet: facts are up to half a second old."""
        begun = time.monotonic()
        while True:
            listeners = self.facts().state.get("listeners") or []
            told = {listener["arn"] for listener in listeners}
            created = {made["ListenerArn"] for made in listeners_of(self.calls, self.names)}
            if created <= told or time.monotonic() - begun > LISTENERS_LIMIT:
                break
            time.sleep(0.1)
        page = Page.of(listeners)
        if page is None:
            raise RehearsalFailed("no listener was created, so no page can be requested")
        return page

    def _check_redirect(self, page: Page) -> None:
        """Check that the HTTP listener, if there is one, redirects to the same path over HTTPS."""
        if not page.plain:
            return
        *_, target = page.get(f"{page.plain}/health?from=http")
        if target != f"{page.url}/health?from=http":
            raise RehearsalFailed(
                "{plain} must redirect to {url}; it redirected to {target}",
                plain=page.plain,
                url=page.url,
                target=target,
            )
        self.say(t("{plain} redirects to {url}", plain=page.plain, url=page.url))
