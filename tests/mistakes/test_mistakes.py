"""Mistakes that nobody named: the page works all the same, or `pulumi up` is red and what is printed cures it."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.mistakes import judge
from tests.mistakes.draws import FIRST, UPDATE, Draw, Mistake, Plan, drawn
from tests.mistakes.judge import Case, Sight, diagnostics, is_named, named_cause, printed_cause
from tests.mistakes.stage import CHANGES, Done, Stage, TooLong

# A user's connection to a task that has gone is closed when it is collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
ROUNDS = 3
"""Causes that are followed one after the other, for each mistake."""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, request) -> Iterator[Stage]:
    option = request.config.getoption
    stage = Stage(tmp_path_factory.mktemp("mistakes"), option("speed"), option("limit"))
    yield stage
    stage.close()


def test_draw(number, stage, request, record_property):
    plan = Plan.of(request.config.getoption("seed"), number)
    stage.ready(plan.stack)
    begun, good = time.monotonic(), stage.resources()
    case, what = Case(0, "", Sight((), 1, "")), ""
    try:
        stage.begin(plan.moment)
        draw = drawn(plan, good, stage.resources(), stage.calls)
        what = str(draw)
        found = judged(stage, draw, case)
        if not stage.acted and found in judge.GOOD:
            stage.restore()
        elif stage.acted and (left := stage.destroyed()):
            found, case.cause = judge.LEFT, "; ".join(left)[:1500]
    except TooLong as problem:
        found = judge.NO_END
        case.steps.append(f"does not end: {problem}")
    row = {
        **{"seed": plan.seed, "number": number, "source": plan.source, "moment": plan.moment},
        **{"what": f"{what} {case.acted}".strip(), "verdict": found, "seconds": time.monotonic() - begun},
        **{"cause": case.cause, "sight": str(case.sight)},
        **{"users": f"{len(case.users_failed)} of {case.users_asked}: {sorted({*case.users_failed})[:4]}"},
        **{"steps": case.steps, "said": case.said[-3000:]},
    }  # fmt: skip
    record_property("draw", json.dumps(row, default=str))


def judged(stage: Stage, draw: Draw, case: Case) -> str:
    """Make the mistakes, follow what is printed, and return the verdict."""
    with stage.judge.users() as users:
        done, acted = stage.make(draw)
        case.sight = stage.judge.look()
    case.code, case.said = done.code, diagnostics(done.said)
    case.acted = " + ".join(acted)
    case.steps += [*acted, str(done), *([case.said.strip()[:400]] if done.code else [])]
    # Before the first release each request fails.
    failed = users.failed if draw.plan.moment != FIRST else []
    case.users_asked, case.users_failed = users.asked, failed
    new_version = draw.plan.moment == UPDATE and not any(mistake.acts for mistake in draw.mistakes)
    case.hurt = "canary" in draw.plan.stack and new_version and users.hurt()
    if acted and not all(acted) and len(draw.mistakes) == 1:
        return judge.NOT_MADE
    found = judge.verdict(case)
    if found in (judge.HURT, judge.HARMLESS, judge.WELL, judge.DEAD, judge.OTHER_VERSION):
        return found
    cure(stage, draw, case)
    return judge.verdict(case)


def cure(stage: Stage, draw: Draw, case: Case) -> None:
    """Type what the doctor prints for its first cause, and again for the next one, until all is well."""
    left, said, seen = list(draw.mistakes), case.said, list[str]()
    for _ in range(ROUNDS * len(draw.mistakes)):
        doctor, diagnosis = stage.doctor()
        first = [finding["id"] for finding in diagnosis.get("findings", ())][:1]
        case.steps.append(f"{doctor}: {first or doctor.said[-200:]}")
        cause = named_cause(diagnosis) or printed_cause(said)
        refused = [name for name in names(left, said) if not name.acts]
        if refused and "[cause]" not in said and not names(left, text_of(cause)):
            # The engine, AWS or the program itself has refused it by its name.
            cause = {"id": "up", "title": said.strip()[-300:], "why": said, "fixes": []}
        found = f"{cause['id']}: {cause['title']}" if cause else ""
        case.steps.append(f"cause: {found}")
        if not found or found in seen:
            return
        seen.append(found)
        named, fixes = names(left, text_of(cause)), cause["fixes"]
        if not case.cause:
            case.cause, case.names = found, bool(named)
        for commands in alternatives(fixes) or [[]]:
            changes = any(map(CHANGES.match, commands))
            if wrong := [mistake for mistake in named if not mistake.acts][: not changes]:
                named.remove(wrong[0])
                left.remove(wrong[0])
                correct(stage, wrong[0], left)
                case.steps.append(f"corrected: {wrong[0].what}")
                seen.clear()  # of two mistakes the other one may show in the same way
            last = typed(stage, commands, case)
            said = diagnostics(last.said)
            if not last.code and stage.judge.look().well:
                case.cured = True
                return


def typed(stage: Stage, commands: list[str], case: Case) -> Done:
    """Type commands, and return the `pulumi up` after them."""
    done = [stage.type(command) for command in commands]
    if not done or not done[-1].command.startswith("pulumi up"):
        done.append(stage.up())
    case.steps += [*map(str, done)]
    case.steps += [diagnostics(done[-1].said).strip()[:400]] if done[-1].code else []
    return done[-1]


def text_of(cause: dict | None) -> str:
    """Return what a finding says, with the app's words."""
    if cause is None:
        return ""
    more = (*(fix["text"] for fix in cause["fixes"]), *cause.get("seen", ()), *cause.get("evidence", ()))  # fmt: skip
    return " ".join((cause["title"], cause["why"], *more))


def names(mistakes: list[Mistake], text: str) -> list[Mistake]:
    return [mistake for mistake in mistakes if is_named(mistake.names, text)]


def alternatives(fixes: list[dict]) -> list[list[str]]:
    """Return the commands of each way to cure it, in the printed order."""
    after = [command for fix in fixes if fix["then"] for command in fix["commands"]]
    return [[*fix["commands"], *after] for fix in fixes if not fix["then"]]


def correct(stage: Stage, mistake: Mistake, left: list[Mistake]) -> None:
    if mistake.setting:
        stage.correct_setting(mistake.setting[0])
    stage.undo(left)
