"""What the commands do; ``ops.__main__`` says how they are called."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ops.aws import Session
from ops.findings import Diagnosis
from ops.names import StackNames
from ops.problems import AwsProblem
from ops.render.diagnosis import lines
from ops.render.lines import display
from ops.stack import StackError

CANNOT_LOOK = 2


def guarded(work: Callable[[], int], lang: str) -> int:
    """The work's exit code; what keeps it from looking is said in a sentence."""
    try:
        return work()
    except StackError as problem:
        print(f"careapp: {problem.text.to(lang)}", file=sys.stderr)
    except AwsProblem as problem:
        print(f"careapp: {problem.as_text(lang)}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return CANNOT_LOOK


def doctor(stack: str, folder: Path, lang: str, as_json: bool) -> int:
    """Diagnose; 0 healthy, 1 a cause, 2 could not look."""
    from ops.doctor import diagnose

    def work() -> int:
        session = Session.of_stack(stack, folder)
        found = diagnose(StackNames.of(stack), session, folder=folder)
        return shown(found, lang, as_json)

    return guarded(work, lang)


def shown(found: Diagnosis, lang: str, as_json: bool) -> int:
    """Print a diagnosis; its exit code."""
    if as_json:
        print(json.dumps(found.as_dict(lang), ensure_ascii=False, indent=2))
    else:
        display(lines(found, lang))
    return found.exit_code


def preflight(stack: str, folder: Path, lang: str, as_json: bool) -> int:
    """Check before ECS is turned on; 0 ready, 1 not, 2 could not look."""
    from ops.preflight import check
    from ops.render import preflight as screen

    def work() -> int:
        found = check(StackNames.of(stack), Session.of_stack(stack, folder), folder)
        if as_json:
            print(json.dumps(screen.as_dict(found, lang), ensure_ascii=False, indent=2))
        else:
            display(screen.lines(found, lang))
        return found.exit_code

    return guarded(work, lang)
