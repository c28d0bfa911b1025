"""The command ``./careapp rehearse``: stage 1, a fault if one is named, stage 2, the page, destroy."""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from careapp import ROOT
from careapp.command_line import print_error
from careapp.rehearsal import fixes
from careapp.rehearsal.careapp import hold_folder
from careapp.rehearsal.faults import FAULTS, Fault, FaultError
from careapp.rehearsal.fixes import changes
from careapp.rehearsal.stages import Rehearsal, RehearsalFailed, Report
from careapp.settings.file import StackError, StackFile, full_key, read
from careapp.settings.image import APP_FOLDER, ImageSettings
from careapp.settings.settings import Settings
from ecs_gate.text import Text, t, text_of
from local_cloud import console
from local_cloud.engine.find import find_or_get
from local_cloud.engine.pulumi import Pulumi, PulumiFailed
from local_cloud.machine.signals import terminations_raise
from local_cloud.paths import Home, find_home
from local_cloud.run import client
from local_cloud.run.project import STACK_FILES, Project, entries
from local_cloud.run.shell import CloudFlags, ended_line, page_line


def print_stages(report: Report) -> None:
    """Print the changes of each stage and the page's URL."""
    for stage in report.stages:
        console.print_line(
            t(
                "{name}: {created} created, {updated} updated, {replaced} replaced, "
                "{deleted} deleted, {unchanged} unchanged in {seconds} s",
                **stage,
            )
        )
    page = report.page
    if page is None:
        return
    console.print_heading(
        t(
            "{url} answers {status} after {seconds} s",
            url=page["url"],
            status=page["status"],
            seconds=page["seconds_to_healthy"],
        )
    )
    if "authority" in page:
        console.print_line(
            t(
                "Its certificate is the rehearsal's: curl --cacert {file} {url}. "
                "A browser warns; go on past it.",
                file=page["authority"],
                url=page["url"],
            )
        )


def print_edits(fault: Fault, source: Path, stack: str) -> None:
    """Print where ``fault`` changed the program or the app, so that the user can fix it.

    ``stack`` is the stack that stays deployed; "" where it is destroyed.
    """
    for place, diff in changes(fault, source):
        console.print_heading(t("The mistake is in {file}:", file=place))
        for line in diff:
            console.print_line(f"  {line}")
    if fault.edits and stack:
        console.print_line(
            t("Fix it there, then: ./careapp shell pulumi up -s {stack}", stack=stack)
        )


def print_destroyed(report: Report) -> None:
    """Print that everything was deleted."""
    done = report.destroy
    if done is None:
        console.print_heading(t("Nothing had been created yet; the local cloud has stopped."))
        return
    console.print_heading(
        t(
            "Everything is deleted: the stack with its {deleted} resources, and the local cloud.",
            deleted=done["deleted"],
        )
    )


COPIED = ("docs/examples", "infra", "webapp")
"""Folders that a fault may change: they are copied, the others are linked."""
FAILURES = (RehearsalFailed, PulumiFailed, client.CloudError, FaultError)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options of a rehearsal."""

    stack: str
    leave: bool
    until: str
    report: Path | None
    fault: Fault | None
    mend: bool
    config: tuple[tuple[str, str], ...] = ()


@dataclass
class PlannedRehearsal:
    """One rehearsal with its options and the program's folder."""

    run: Rehearsal
    plan: Plan
    source: Path
    home: Home
    destroyed: bool = False
    """Whether all resources were deleted."""

    def execute(self) -> int:
        """Deploy, wait and destroy. Ctrl-C while it deploys or waits starts the destroy."""
        try:
            status = self._deploy()
            print_stages(self.run.report)
            if not self.plan.leave:
                self._until_interrupt()
        except FAILURES as problem:
            status = self._failed(problem)
        except KeyboardInterrupt:
            console.print_line("")
            console.print_line(t("interrupted: destroying"))
            status = 130
        if not client.find(self.home):
            return self._failed(
                client.CloudError(
                    "the local cloud has ended, and all resources in it are lost; see {log}",
                    log=str(self.home.log),
                )
            )
        try:
            self.run.destroy()
            self.destroyed = True
        except FAILURES as problem:
            return self._failed(problem)
        return status

    def _deploy(self) -> int:
        fault = self.plan.fault
        before = tuple(fault.before.items()) if fault else ()
        self.run.stage1((*self.plan.config, *before))
        if self.plan.until == "stage1":
            return 0
        if fault is None or fault.second_release:
            self.run.stage2()
        if fault:
            self.run.make_mistake(fault, self.source)
            deploy = self._visit_with if fault.shows_later else self._deploy_with
            if status := deploy(fault):
                return status
        self.run.run_jobs()
        return 0

    def _deploy_with(self, fault: Fault) -> int:
        """Deploy stage 2 with a fault, which must fail, and diagnose it. Return the exit code."""
        error = self.run.fail(fault)
        print_error(error)
        self.run.measure_on_aws()
        self.run.report.diagnosis = fixes.diagnosis(self.run)
        if self.plan.mend:
            fixes.require_failure(self.run)
            fixes.apply_fix(self.run, fault, self.source)
            return 0
        return self._leave_red(
            t("The roll-out failed, as expected. ./careapp shell ./careapp doctor says why."), error
        )

    def _visit_with(self, fault: Fault) -> int:
        """Deploy an update with a fault that only visits show, and diagnose it. Return the exit code."""
        self.run.update()
        fixes.visit_until_cause(self.run)
        if self.plan.mend:
            fixes.apply_fix(self.run, fault, self.source)
            return 0
        return self._leave_red(
            t(
                "The roll-out succeeded, and something has failed since then. ./careapp shell "
                "./careapp doctor says why."
            ),
            fault.mistake,
        )

    def _leave_red(self, text: Text, error: Text) -> int:
        """Print how it ended and where the mistake is. Return the exit code."""
        console.print_heading(text)
        if self.plan.fault:
            print_edits(self.plan.fault, self.source, "" if self.plan.leave else self.plan.stack)
        self.run.report.error = str(error)
        return 1

    def _until_interrupt(self) -> None:
        """Wait for Ctrl-C, or for the end of the local cloud."""
        console.print_line(t("Ctrl-C destroys everything again."))
        with contextlib.suppress(KeyboardInterrupt):
            while client.find(self.home):
                time.sleep(1)
        console.print_line("")

    def _failed(self, problem: Exception) -> int:
        print_error(text_of(problem))
        self.run.report.error = self.run.report.error or str(text_of(problem))
        return 1


def rehearse(plan: Plan, flags: CloudFlags) -> int:
    """Run the rehearsal and return its exit code, 0 when every step succeeded.

    Raises StackError without the stack's file or where its settings cannot be used, CloudError where
    another rehearsal uses the folder.
    """
    settings = check_settings(read(plan.stack, ROOT), plan.config)
    if plan.fault:
        _check_fault(plan.fault, settings)
    home = find_home()
    with hold_folder(home):
        return _rehearse(plan, settings, flags, home)


def _check_fault(fault: Fault, settings: Settings) -> None:
    """Raise ``StackError`` for a mistake that this project, or the stack's app, cannot have."""
    fitting = (
        name
        for name, each in sorted(FAULTS.items())
        if not each.lacks(ROOT) and (settings.webapp or not each.needs_webapp)
    )
    if lacking := fault.lacks(ROOT):
        raise StackError(
            "--break {name} is an edit of {files}, which this project has not. Choose one that is made "
            "without: {others}",
            name=fault.name,
            files=", ".join(lacking),
            others=", ".join(fitting),
        )
    if fault.needs_webapp and not settings.webapp:
        raise StackError(
            "--break {name} is a mistake of the app in {webapp}/, and the stack runs the app in {folder}/. "
            "Rehearse it with -c appFolder={webapp}, or choose one that fits every app: {others}",
            name=fault.name,
            webapp=APP_FOLDER.default,
            folder=str(settings.image.folder),
            others=", ".join(fitting),
        )


def check_settings(file: StackFile, given: Sequence[tuple[str, str]]) -> Settings:
    """Return the stack file's settings with the changes ``given``, as the program reads them. Raises ``StackError``."""
    values = dict(file.values)
    for key, value in given:
        key, *path = key.split(".")
        full = full_key(file.project, key)
        if path:
            value = json.dumps(_with(json.loads(values.get(full, "{}")), path, value))
        values[full] = value
    return Settings.of(replace(file, values=values), sources=True)


def _with(entries: Mapping[str, Any], path: Sequence[str], value: str) -> dict[str, Any]:
    """Return a map with the value at a path, as `pulumi config set --path` sets it."""
    name, *rest = path
    return {**entries, name: _with(entries.get(name, {}), rest, value) if rest else value}


def _rehearse(plan: Plan, settings: Settings, flags: CloudFlags, home: Home) -> int:
    engine = find_or_get()
    if client.find(home):
        raise client.CloudError(
            "a local cloud already runs in {folder}, and a rehearsal needs its own: "
            "./careapp cloud stop ends it (and what is in it), or give the rehearsal another "
            "folder: CAREAPP_HOME=FOLDER ./careapp rehearse",
            folder=str(home.folder),
        )
    options = flags.options(settings.region)
    _check_root(options, plan.fault)
    if not options.docker:
        _check_dockerfile(settings.image)
    project = _new_project(home, plan)
    with terminations_raise():
        try:
            facts = client.start(home, options)
            console.print_heading(page_line(facts))
            pulumi = Pulumi(home.project, project.environment(facts, engine))
            run = Rehearsal(pulumi, plan.stack, lambda: client.require(home), console.print_heading)
            planned = PlannedRehearsal(run, plan, project.source, home)
            try:
                status = planned.execute()
            finally:
                if plan.report:
                    run.report.write(plan.report)
        finally:
            client.stop(home)
            project.delete()
        if planned.destroyed:
            print_destroyed(run.report)
    return status


def _check_dockerfile(image: ImageSettings) -> None:
    """Raise ``StackError`` for a Dockerfile that no task can run by, before anything is deployed."""
    from local_cloud.building import dockerfile

    try:
        folder = ROOT / image.folder
        dockerfile.read(folder / image.file, {}, folder, image.target)
    except dockerfile.DockerfileError as problem:
        raise StackError(text_of(problem)) from None


def _check_root(options: client.Options, fault: Fault | None) -> None:
    """Raise ``StackError`` for a fault of a read-only root file system without one."""
    if fault and fault.needs_read_only_root and not (options.docker or options.mounts):
        raise StackError(
            "--break {name} needs a read-only root file system, and this machine refuses it (see above)",
            name=fault.name,
        )


def _new_project(home: Home, plan: Plan) -> Project:
    """Return an empty project. With a fault it uses a copy of the program, which the fault may change."""
    if stacks := Project(home).forget_ended_cloud():
        console.print_note(ended_line(home, stacks))
    Project(home).delete()
    project = Project(home, home.source) if plan.fault else Project(home)
    if plan.fault:
        copy_program(home.source)
    project.prepare("./careapp rehearse -c KEY=VALUE")
    return project


def copy_program(target: Path) -> None:
    """Copy the program and its apps to ``target``, so that they can be changed. Link all other folders."""
    target.mkdir(parents=True)
    for name in entries(ROOT):
        _copy(PurePosixPath(name), target)
    for file in ROOT.glob(STACK_FILES):
        shutil.copy(file, target / file.name)


def _copy(name: PurePosixPath, target: Path) -> None:
    """Copy or link what has this name below the program's folder."""
    origin = ROOT / name
    if str(name) in COPIED:
        shutil.copytree(origin, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    elif any(name in PurePosixPath(copied).parents for copied in COPIED):
        (target / name).mkdir()
        for each in origin.iterdir():
            _copy(name / each.name, target)
    elif origin.is_dir():
        (target / name).symlink_to(origin)
    elif origin.exists():
        shutil.copy(origin, target / name)
