"""The course of ``./careapp rehearse``: stage 1, a mistake if one is asked for, stage 2, the page, destroy."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from i18n import Text, said, t
from ops.signals import terminations_raise
from rehearsal import console
from rehearsal.engine.find import find_or_get
from rehearsal.engine.pulumi import Pulumi, PulumiFailed
from rehearsal.paths import ROOT, Home, home
from rehearsal.providers.calls import Calls
from rehearsal.run import client, fixes
from rehearsal.run.client import owned
from rehearsal.run.faults import FAULTS, Fault, FaultError
from rehearsal.run.fixes import changes
from rehearsal.run.project import Project, copy_program
from rehearsal.run.shell import Chosen, watch_it
from rehearsal.run.stages import Rehearsal, RehearsalFailed, Report
from stack.app import APP_FOLDER
from stack.file import StackError, StackFile, read
from stack.names import PROJECT
from stack.settings import Settings


def tell_stages(report: Report) -> None:
    """What each stage did, and where the page is."""
    for stage in report.stages:
        console.tell(
            t(
                "{name}: {created} created, {updated} updated, {replaced} replaced, "
                "{deleted} deleted, {unchanged} unchanged in {seconds} s",
                **stage,
            )
        )
    page = report.page
    if page is None:
        return
    console.say(
        t(
            "{url} answers {status} after {seconds} s",
            url=page["url"],
            status=page["status"],
            seconds=page["seconds_to_healthy"],
        )
    )
    if "authority" in page:
        console.tell(
            t(
                "Its certificate is the rehearsal's: curl --cacert {file} {url}. "
                "A browser warns; go on past it.",
                file=page["authority"],
                url=page["url"],
            )
        )


def tell_edits(fault: Fault, source: Path, stack: str) -> None:
    """Where ``fault`` changed the program or the app, so that a reader can mend it by hand.

    ``stack`` is the one that stands meanwhile; empty: none does.
    """
    for change in changes(fault, source):
        console.say(t("The mistake lies in {place}:", place=f"{change.file}:{change.line}"))
        for line in change.diff:
            console.tell(f"  {line}")
    if fault.edits and stack:
        console.tell(t("Mend it there, then: ./careapp shell pulumi up -s {stack}", stack=stack))


def tell_destroyed(report: Report) -> None:
    """The last words of a rehearsal that left nothing."""
    done = report.destroy
    if done is None:
        console.say(t("Nothing had been made yet; the local cloud has ended."))
        return
    console.say(
        t(
            "Everything is gone: the stack with its {deleted} resources, and the local cloud.",
            deleted=done["deleted"],
        )
    )


FAILURES = (RehearsalFailed, PulumiFailed, client.CloudError, FaultError)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a rehearsal is to do."""

    stack: str
    leave: bool
    until: str
    report: Path | None
    fault: Fault | None
    mend: bool
    config: tuple[tuple[str, str], ...] = ()


@dataclass
class Course:
    """One rehearsal on its way: what is planned, where the program is, and what asks the local cloud."""

    run: Rehearsal
    plan: Plan
    source: Path
    calls: Calls
    place: Home
    gone: bool = False
    """Whether the destroy left nothing."""

    def follow(self) -> int:
        """Up, wait, down. A Ctrl-C while it goes up or waits leads to the destroy."""
        try:
            status = self._up()
            tell_stages(self.run.report)
            if not self.plan.leave:
                self._until_interrupt()
        except FAILURES as problem:
            status = self._failed(problem)
        except KeyboardInterrupt:
            console.tell("")
            console.tell(t("interrupted: destroying"))
            status = 130
        if not client.find(self.place):
            return self._failed(_ended(self.place))
        try:
            self.run.destroy()
            self.gone = True
        except FAILURES as problem:
            return self._failed(problem)
        return status

    def _up(self) -> int:
        self.run.stage1(self.plan.config, self.calls)
        if self.plan.until == "stage1":
            return 0
        if self.plan.fault is None:
            self.run.stage2()
            return 0
        self.run.mistake(self.plan.fault, self.source, self.calls)
        return self._broken(self.plan.fault)

    def _broken(self, fault: Fault) -> int:
        """Stage 2 with a fault is red, and stays up so that it can be looked at."""
        red = self.run.red_stage2(fault)
        console.fail(red)
        self.run.on_aws(self.calls)
        fixes.diagnose(self.run)
        if self.plan.mend:
            fixes.mend(self.run, fault, self.source)
            return 0
        console.say(
            t("The roll-out is red, as it must be. ./careapp shell ./careapp doctor says why.")
        )
        tell_edits(fault, self.source, "" if self.plan.leave else self.plan.stack)
        self.run.report.error = str(red)
        return 1

    def _until_interrupt(self) -> None:
        """Wait for a Ctrl-C, or for the local cloud's own end."""
        console.tell(t("Ctrl-C destroys everything again."))
        with contextlib.suppress(KeyboardInterrupt):
            while client.find(self.place):
                time.sleep(1)
        console.tell("")

    def _failed(self, problem: Exception) -> int:
        console.fail(said(problem))
        self.run.report.error = self.run.report.error or str(said(problem))
        return 1


def rehearse(plan: Plan, chosen: Chosen) -> int:
    """Both stages, the page, and destroy; 0 when every step did what it must.

    Raises StackError without the stack's file or where its settings cannot be used, CloudError where
    another rehearsal has the folder.
    """
    settings = check_settings(read(plan.stack, ROOT), plan.config)
    if plan.fault and plan.fault.in_webapp and not settings.webapp:
        raise StackError(_not_webapp(plan.fault, settings.image.folder))
    place = home()
    with owned(place):
        return _rehearse(plan, chosen, place)


def _not_webapp(fault: Fault, folder: Path) -> Text:
    others = ", ".join(sorted(name for name, each in FAULTS.items() if not each.in_webapp))
    return t(
        "--break {name} is a mistake of the app in {webapp}/, and the stack runs the app in {folder}/. "
        "Rehearse it with -c appFolder={webapp}, or choose one that fits any app: {others}",
        name=fault.name,
        webapp=APP_FOLDER.default,
        folder=str(folder),
        others=others,
    )


def check_settings(file: StackFile, given: Sequence[tuple[str, str]]) -> Settings:
    """Read the stack file's settings, changed by ``given``, as the program will. Raises ``StackError``."""
    values = dict(file.values)
    for key, value in given:
        key, _, name = key.removeprefix(f"{PROJECT}:").partition(".")
        full = key if ":" in key else f"{PROJECT}:{key}"
        if name:
            value = json.dumps({**json.loads(values.get(full, "{}")), name: value})
        values[full] = value
    return Settings.of(replace(file, values=values), sources=True)


def _rehearse(plan: Plan, chosen: Chosen, place: Home) -> int:
    engine = find_or_get()
    if client.find(place):
        raise client.CloudError(
            t(
                "a local cloud already runs in {folder}, and a rehearsal wants one of its own: "
                "./careapp cloud stop ends it (and what is in it), or give the rehearsal another "
                "folder: CAREAPP_HOME=FOLDER ./careapp rehearse",
                folder=str(place.folder),
            )
        )
    project = _fresh(place, plan)
    with terminations_raise():
        try:
            facts = client.start(place, chosen.options())
            console.say(watch_it(facts))
            pulumi = Pulumi(place.project, project.environment(facts, engine))
            run = Rehearsal(pulumi, plan.stack, lambda: client.require(place), console.say)
            calls = Calls(facts.endpoint, facts.options.region)
            course = Course(run, plan, project.source, calls, place)
            try:
                status = course.follow()
            finally:
                if plan.report:
                    run.report.write(plan.report)
        finally:
            client.stop(place)
            project.forget()
        if course.gone:
            tell_destroyed(run.report)
    return status


def _fresh(place: Home, plan: Plan) -> Project:
    """An empty project; with a fault on a copy of the program, which the fault may change."""
    Project(place).forget()
    project = Project(place, place.source) if plan.fault else Project(place)
    if plan.fault:
        copy_program(place.source)
    project.prepare()
    return project


def _ended(place: Home) -> client.CloudError:
    return client.CloudError(
        t(
            "the local cloud has ended, and with it all that was in it; see {log}",
            log=str(place.log),
        )
    )
