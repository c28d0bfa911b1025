"""What the commands do; ``ops.cli`` says how they are called."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ops.aws.session import Session
from ops.command_line import CANNOT_LOOK, guarded, seeing
from ops.doctor.findings import Diagnosis
from ops.doctor.screen import as_dict, lines
from ops.screen import display, watched
from stack.names import StackNames
from stack.settings import Settings

if TYPE_CHECKING:
    from ops.snapshot import Snapshot
    from ops.watch.logs import LogScreen, Wanted


def doctor(stack: str, folder: Path, as_json: bool) -> int:
    """Diagnose; 0 healthy, 1 a cause, 2 could not look, or a roll-out has not ended yet."""
    from ops.doctor.diagnose import diagnose

    def work() -> int:
        session = Session.of_stack(stack, folder)
        found = diagnose(StackNames.of(stack), session, folder=folder)
        seeing(each.problem for each in found.unread)
        return shown(found, as_json)

    return guarded(work)


def shown(found: Diagnosis, as_json: bool) -> int:
    """Print a diagnosis; its exit code."""
    if as_json:
        print(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
    else:
        display(lines(found))
    return found.exit_code


def preflight(stack: str, folder: Path, as_json: bool) -> int:
    """Check before ECS is turned on; 0 ready, 1 not, 2 could not look."""
    from ops.preflight import checklist as screen
    from ops.preflight.checklist import check

    def work() -> int:
        found = check(StackNames.of(stack), Session.of_stack(stack, folder), folder)
        seeing(each.problem for each in found.diagnosis.unread)
        if as_json:
            print(json.dumps(screen.as_dict(found), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(found))
        return found.exit_code

    return guarded(work)


def status(stack: str, folder: Path, as_json: bool, watch: float | None) -> int:
    """How the stack stands; 0 well, 1 not, 2 could not look."""
    from ops.watch import status as screen
    from ops.watch.status import overview

    def work() -> int:
        session = Session.of_stack(stack, folder)

        def look() -> Snapshot:
            return overview(StackNames.of(stack), session, Settings.read(stack, folder))

        if watch is not None:
            return watched(lambda: list(screen.lines(look())), watch)
        now = look()
        seeing(now.problems().values())
        if as_json:
            print(json.dumps(screen.as_dict(now), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(now))
        return screen.exit_code(now)

    return guarded(work)


def logs(
    stack: str, folder: Path, screen: LogScreen, wanted: Wanted, follow: bool, last: bool
) -> int:
    """The app's log, line by line."""
    from ops.watch import logs as asked

    def work() -> int:
        session, names = Session.of_stack(stack, folder), StackNames.of(stack)
        if last:
            task, lines_ = asked.previous(session, names, wanted)
            display([screen.ended(task)])
            display(screen.line(each) for each in lines_)
        elif follow:
            display(screen.line(each) for each in asked.follow(session, names, wanted))
        else:
            display(screen.line(each) for each in asked.read(session, names, wanted))
        return 0

    return guarded(work)


def events(stack: str, folder: Path, as_json: bool, since: timedelta | None, log: bool) -> int:
    """One timeline; 2 when a part of it could not be looked at."""
    from ops.watch import events as screen
    from ops.watch.events import timeline

    def work() -> int:
        names = StackNames.of(stack)
        found = timeline(Session.of_stack(stack, folder), names, since, log)
        seeing(found.problems)
        if as_json:
            print(json.dumps(screen.as_dicts(found), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(found))
        return CANNOT_LOOK if found.problems else 0

    return guarded(work)
