"""What the commands do; ``ops.cli`` says how they are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from i18n import Refused
from ops import local
from ops.aws import Session
from ops.findings import Diagnosis
from ops.problems import AwsProblem
from ops.render.diagnosis import as_dict, lines
from ops.render.lines import display
from ops.render.watch import watched
from stack.names import StackNames
from stack.settings import Settings

if TYPE_CHECKING:
    from ops.log_search import Wanted
    from ops.render.logs import LogScreen
    from ops.snapshot import Snapshot

REFUSED, CANNOT_LOOK = 1, 2
BLINDING = ("credentials", "expired")
"""Kinds of problems with which AWS answers nothing: a screen of unknowns would only hide the reason."""


def guarded(work: Callable[[], int], lang: str) -> int:
    """The work's exit code; what keeps it from looking is said in a sentence."""
    try:
        return work()
    except AwsProblem as problem:
        print(f"careapp: {problem.as_text(lang)}", file=sys.stderr)
        if problem.kind in BLINDING and local.runs() and not local.led_to():
            print(f"  {local.way_there(sys.argv[1:]).to(lang)}", file=sys.stderr)
    except Refused as refusal:
        print(f"careapp: {refusal.text.to(lang)}", file=sys.stderr)
        return refusal.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return CANNOT_LOOK


def seeing(problems: Iterable[AwsProblem]) -> None:
    """Raise the problem that kept everything from being seen, if one did."""
    for problem in problems:
        if problem.kind in BLINDING:
            raise problem


def doctor(stack: str, folder: Path, lang: str, as_json: bool) -> int:
    """Diagnose; 0 healthy, 1 a cause, 2 could not look, or a roll-out has not ended yet."""
    from ops.doctor import diagnose

    def work() -> int:
        session = Session.of_stack(stack, folder)
        found = diagnose(StackNames.of(stack), session, folder=folder)
        seeing(each.problem for each in found.unseen)
        return shown(found, lang, as_json)

    return guarded(work, lang)


def shown(found: Diagnosis, lang: str, as_json: bool) -> int:
    """Print a diagnosis; its exit code."""
    if as_json:
        print(json.dumps(as_dict(found, lang), ensure_ascii=False, indent=2))
    else:
        display(lines(found, lang))
    return found.exit_code


def preflight(stack: str, folder: Path, lang: str, as_json: bool) -> int:
    """Check before ECS is turned on; 0 ready, 1 not, 2 could not look."""
    from ops.preflight import check
    from ops.render import preflight as screen

    def work() -> int:
        found = check(StackNames.of(stack), Session.of_stack(stack, folder), folder)
        seeing(each.problem for each in found.diagnosis.unseen)
        if as_json:
            print(json.dumps(screen.as_dict(found, lang), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(found, lang))
        return found.exit_code

    return guarded(work, lang)


def status(stack: str, folder: Path, lang: str, as_json: bool, watch: float | None) -> int:
    """How the stack stands; 0 well, 1 not, 2 could not look."""
    from ops.render import status as screen
    from ops.status import overview

    def work() -> int:
        session = Session.of_stack(stack, folder)

        def look() -> Snapshot:
            return overview(StackNames.of(stack), session, Settings.read(stack, folder))

        if watch is not None:
            return watched(lambda: list(screen.lines(look(), lang)), watch)
        now = look()
        seeing(now.problems().values())
        if as_json:
            print(json.dumps(screen.as_dict(now, lang), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(now, lang))
        return screen.exit_code(now)

    return guarded(work, lang)


def logs(
    stack: str, folder: Path, screen: LogScreen, wanted: Wanted, follow: bool, last: bool
) -> int:
    """The app's log, line by line."""
    from ops import logs as asked

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

    return guarded(work, screen.lang)


def events(
    stack: str, folder: Path, lang: str, as_json: bool, since: timedelta | None, log: bool
) -> int:
    """One timeline; 2 when a part of it could not be looked at."""
    from ops.render import timeline as screen
    from ops.timeline import timeline

    def work() -> int:
        names = StackNames.of(stack)
        found = timeline(Session.of_stack(stack, folder), names, since, log)
        seeing(found.problems)
        if as_json:
            print(json.dumps(screen.as_dicts(found, lang), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(found, lang))
        return CANNOT_LOOK if found.problems else 0

    return guarded(work, lang)
