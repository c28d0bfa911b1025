"""What the gate judges, a row each: what was seen, look by look, and the verdict of the last look."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from ecs_gate.checks.containers import CRASH_UNKNOWN
from ecs_gate.diagnosis.findings import Diagnosis, Finding
from ecs_gate.doctor import judge
from ecs_gate.parts.records import Alarmed, PauseHook, Traffic
from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout.verdict import Outcome, Verdict
from ecs_gate.text import verbatim
from tests import stacks as a
from tests.doctor.situations import SITUATIONS
from tests.doctor.variants import VARIANTS
from tests.rollout import rollout_answers as answers
from tests.rollout.rollout_answers import (
    NEW,
    NEWER,
    NO_SERVICE,
    NOON,
    OLD,
    ROLLING_BACK,
    all_well,
    deployment,
    judged,
    target,
    task,
    view,
)

GOING, RUNS, CERTAIN, WRONG = Outcome.GOING, Outcome.RUNS, Outcome.CERTAIN, Outcome.WRONG
UNHEALTHY = Outcome.BECAME_UNHEALTHY
BEFORE = deployment(OLD, "COMPLETED", primary=False, id="ecs-svc/0")
TASKS, TARGETS = [task(1), task(2)], [target(1), target(2)]
FAILED = deployment(NEW, "FAILED", primary=False, runningCount=0, failedTasks=3)

WELL = all_well()
STARTED = view(deployment(NEW, "IN_PROGRESS", runningCount=0, pendingCount=2), BEFORE)
NOT_SHOWN_YET = view(deployment(OLD, "COMPLETED"))
GIVEN_UP = view(deployment(NEW, "FAILED", runningCount=0, failedTasks=3))
BACK = view(deployment(OLD, "IN_PROGRESS", rolloutStateReason=ROLLING_BACK), FAILED)
BACK_BEFORE = view(deployment(OLD, "COMPLETED", rolloutStateReason=ROLLING_BACK))
BACK_TO_ITSELF = replace(WELL, rollback_reason="Tripped.")
TAKEN_OVER = view(
    deployment(NEWER, "IN_PROGRESS", runningCount=0), deployment(NEW, "IN_PROGRESS", primary=False)
)
RETRIED = view(deployment(NEW, "IN_PROGRESS", runningCount=0, id="ecs-svc/9"), FAILED, BEFORE)
ILL = view(
    deployment(NEW, "COMPLETED"),
    tasks=TASKS,
    targets=[target(1), target(2, "unhealthy", "Target.ResponseCodeMismatch")],
)
REPLACED = view(
    deployment(NEW, "COMPLETED", runningCount=1),
    tasks=[task(1), task(3, lastStatus="PENDING")],
    targets=[target(1)],
)


def alarmed(*, blameless: bool) -> Rollout:
    return replace(BACK, alarmed=Alarmed(("careapp-poc-deployment-errors-2",), blameless))


@dataclass(frozen=True)
class Row:
    """Looks, what the doctor finds where he or the page is asked, and the verdict of the last look."""

    looks: tuple[Rollout, ...]
    outcome: Outcome
    stop: bool = False
    causes: str | tuple[str, ...] = ""
    known: dict[str, Any] = field(default_factory=dict)

    def judge(self) -> list[Verdict]:
        return judged(*self.looks, answer=finding(self.causes), **self.known)


def finding(causes: str | tuple[str, ...]) -> Callable[..., Any]:
    """The doctor, who finds one situation each time, or one after the other."""
    left = iter(() if isinstance(causes, str) else causes)

    def answer(*_: object) -> Any:
        return answers.told(diagnosis(causes if isinstance(causes, str) else next(left)))

    return answer


def row(
    outcome: Outcome,
    *looks: Rollout,
    stop: bool = False,
    causes: str | tuple[str, ...] = "",
    **known: Any,
) -> Row:
    return Row(looks, outcome, stop, causes, known)


RAISES = a.but(SITUATIONS["app-raises"], page=SITUATIONS["page-errors"].page.value)
NO_DATABASE = a.stack(
    page=SITUATIONS["page-silent"].page.value, database=a.database(status="stopped")
)
CRASH = Finding(
    CRASH_UNKNOWN, title=verbatim("Worker mail: it ends"), why=verbatim(""), process="mail"
)
CRASHED = Diagnosis(names="", stage=verbatim(""), findings=(CRASH,), unread=())
UNMIGRATED = VARIANTS["app-cannot-migrate: waits for a lock, and the page needs it"]
KNOWN = SITUATIONS | {
    "": a.stack(),
    "raises": RAISES,
    "no-database": NO_DATABASE,
    "unmigrated": UNMIGRATED,
}


@cache
def diagnosis(name: str) -> Diagnosis:
    """The doctor's diagnosis of a situation; of a healthy stack without a name."""
    return judge(KNOWN[name]) if name in KNOWN else CRASHED


def lacks(*more: Any, tasks: Any = TASKS, targets: Any = TARGETS, **primary: Any) -> Row:
    """One look at a deployment that is as it must be but for these changes."""
    primary = {"rollout": "COMPLETED", **primary}
    return row(GOING, view(deployment(NEW, **primary), *more, tasks=tasks, targets=targets))


OLDER = deployment(OLD, "COMPLETED", primary=False, runningCount=1)
ECS = {
    "well: first look": row(GOING, WELL),
    "well": row(RUNS, WELL, WELL),
    "well, with the old one between": row(RUNS, STARTED, NOT_SHOWN_YET, STARTED, WELL, WELL),
    "well after an old failure": row(RUNS, GIVEN_UP, STARTED, WELL, WELL),
    "well in the last moment": row(RUNS, STARTED, WELL, WELL, every=900),
    "given up": row(Outcome.GAVE_UP, STARTED, GIVEN_UP, GIVEN_UP),
    "rolled back": row(Outcome.ROLLED_BACK, STARTED, BACK, BACK),
    "rolled back: not listed": row(Outcome.ROLLED_BACK, STARTED, BACK_BEFORE, BACK_BEFORE),
    "rolled back to itself": row(Outcome.ROLLED_BACK, BACK_TO_ITSELF, BACK_TO_ITSELF),
    "rolled back by an alarm": row(Outcome.ROLLED_BACK, *[alarmed(blameless=False)] * 2),
    "rolled back by an alarm of the old one": row(
        Outcome.ROLLED_BACK, *[alarmed(blameless=True)] * 2
    ),
    "taken over": row(Outcome.REPLACED, STARTED, TAKEN_OVER, TAKEN_OVER),
    "deleted": row(Outcome.DELETED, STARTED, NO_SERVICE, NO_SERVICE),
    # At 0, 3, 6, 9, 12, 15 and 18 seconds: ECS may not show an update for 15.
    "not shown: too early": row(GOING, *[NOT_SHOWN_YET] * 6),
    "not shown": row(Outcome.ROLLED_BACK, *[NOT_SHOWN_YET] * 7),
    "no service: too early": row(GOING, *[NO_SERVICE] * 6),
    "no service": row(Outcome.DELETED, *[NO_SERVICE] * 7),
    "a new deployment of a failed revision": row(GOING, *[RETRIED] * 3),
    "too late": row(Outcome.TOO_LATE, STARTED, STARTED, every=900),
    "changed path: not checked yet": row(GOING, *[WELL] * 3, noticed=10),
    "changed path: checked": row(RUNS, *[WELL] * 6, noticed=10),
    "changed path: ill": row(UNHEALTHY, WELL, ILL, ILL, noticed=40),
    "changed path: ill before": row(GOING, *[ILL] * 3, noticed=40),
    "changed path: a task is replaced": row(GOING, WELL, *[REPLACED] * 3, noticed=40),
    "ill without a change": row(GOING, WELL, *[ILL] * 3),
    # At 0, 75, 150, 225 and 300 seconds: a third of the limit.
    "no recovery": row(UNHEALTHY, ILL, REPLACED, ILL, REPLACED, ILL, every=75),
    "recovery after the roll-out": row(GOING, *[STARTED] * 5, ILL, REPLACED, ILL, every=75),
    "no task": row(RUNS, all_well(0), all_well(0)),
    "well beside a target that leaves": lacks(
        targets=[*TARGETS, target(9, "draining", "Target.DeregistrationInProgress")]
    ),
    "running: the deployment": lacks(runningCount=1),
    "running: a task": lacks(tasks=[task(1), task(2, lastStatus="PENDING")]),
    "healthy: initial": lacks(targets=[target(1), target(2, "initial", "Elb.InitialHealthChecking")]),
    "healthy: the container": lacks(tasks=[task(1), task(2, healthStatus="UNHEALTHY")]),
    "completed: watched": lacks(rollout="IN_PROGRESS"),
    "completed: old tasks": lacks(OLDER, rollout="IN_PROGRESS"),
    "completed: the old one runs": lacks(OLDER),
}  # fmt: skip

STOPPED = {
    "startedBy": "ecs-svc/1",
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "stoppedReason": "Essential container in task exited",
    "stoppingAt": NOON + timedelta(seconds=40),
}


def failing(*tasks: Any, healthy: int = 0, older: bool = True, failed: int = 1) -> Rollout:
    """A deployment with these tasks, of which so many are healthy targets."""
    new = deployment(NEW, "IN_PROGRESS", runningCount=0, failedTasks=failed)
    targets = [target(number) for number in range(1, healthy + 1)]
    return view(new, *[BEFORE] * older, tasks=tasks, targets=targets)


FAILS = failing(task(9, **STOPPED))
STARTING = failing(task(9, lastStatus="PENDING", startedBy="ecs-svc/1"), failed=0)
SERVES = failing(task(9, **STOPPED), task(1), healthy=1)
UNFAILED = {
    "nothing": failing(task(9)),
    "a task of another deployment": failing(task(9, **STOPPED | {"startedBy": "ecs-svc/0"})),
    "one that a person stopped": failing(task(9, **STOPPED | {"stopCode": "UserInitiated"})),
    "one of two": SERVES,
    "no service": NO_SERVICE,
}


def replacing(state: str = "unhealthy", active: Any = (1, 2), **changes: Any) -> Rollout:
    """One task fails the health check; ECS has started its replacement, and stops it only later."""
    tasks = [
        task(n, startedBy="ecs-svc/1", createdAt=NOON + timedelta(seconds=50 * (n == 2)))
        for n in active
    ]
    new = deployment(NEW, "IN_PROGRESS", desiredCount=1)
    return view(new, tasks=tasks, targets=[target(1, state)], desired=1, **changes)


def unbroken(
    failed: int,
    strategy: str = "CANARY",
    running: Any = (),
    older: bool = True,
    rollout: str = "IN_PROGRESS",
) -> Rollout:
    """A deployment of which so many tasks have failed in a row, as the doctor and ECS show them."""
    new = deployment(NEW, rollout, runningCount=len(running), failedTasks=failed)
    tasks = [task(100 + number, **STOPPED) for number in range(failed)]
    tasks += [task(number, startedBy="ecs-svc/1") for number in running]
    targets, strategies = [target(number) for number in running], {"strategy": strategy}
    return view(
        new, *[BEFORE] * older, tasks=tasks, targets=targets, deploymentConfiguration=strategies
    )


def still(outcome: Outcome, count: int, every: float, state: str = "unused", **known: Any) -> Row:
    """So many looks at a completed deployment whose targets stay as they are."""
    targets = [target(number, state) for number in (1, 2)]
    now = view(deployment(NEW, "COMPLETED"), tasks=TASKS, targets=targets)
    return row(outcome, *[now] * count, **{"causes": "no-listener", "every": every} | known)


def certain(outcome: Outcome, *looks: Rollout, causes: Any = "health-path-missing") -> Row:
    return row(outcome, *looks, causes=causes)


IMAGE = "image-missing"
INITIAL_WORKER = replace(
    view(deployment(NEW, "COMPLETED"), tasks=TASKS, targets=[target(1, "initial")]),
    process="mail",
    at=NOON,
)
DOCTOR = {
    "certain: gives up": certain(CERTAIN, STARTING, *[failing(task(9, **STOPPED), older=False)] * 2),
    "certain: goes back": certain(CERTAIN, STARTING, FAILS, FAILS),
    "certain: being replaced": certain(CERTAIN, STARTING, *[replacing()] * 2),
    "certain: unhealthy": certain(CERTAIN, STARTING, *[replacing(active=(1,))] * 2),
    "not certain: initial": certain(GOING, STARTING, *[replacing("initial")] * 3),
    "not certain: a longer grace period": certain(
        GOING, STARTING, *[replacing(active=(1,), healthCheckGracePeriodSeconds=300)] * 3
    ),
    # An update that corrects the health check's path finds tasks that the old path failed.
    "not certain: ran before": certain(GOING, failing(task(9, startedBy="ecs-svc/1")), *[FAILS] * 3),
    "not certain: two causes": certain(GOING, STARTING, FAILS, FAILS, causes=(IMAGE, "secret-missing")),
    "not certain: one serves between": certain(GOING, STARTING, FAILS, SERVES, FAILS, causes=IMAGE),
    **{
        f"not certain: {what} failed": certain(GOING, STARTING, *[now] * (1 if now is NO_SERVICE else 3), causes=IMAGE)
        for what, now in UNFAILED.items()
    },
    "rolling has the breaker": row(GOING, unbroken(0), unbroken(3, "ROLLING"), causes="crash"),
    "stop: one of two serves": row(CERTAIN, unbroken(0), unbroken(3, running=(1,)), causes="crash", stop=True),
    "stop: a first release": row(CERTAIN, unbroken(0), unbroken(3, older=False), causes="crash", stop=True),
    "no stop: completed": row(GOING, unbroken(0), unbroken(3, rollout="COMPLETED", running=(1, 2)), causes="crash"),
    "unused": still(CERTAIN, 3, 45),
    "unused: ten seconds": still(CERTAIN, 4, 5),
    "unused: too short": still(GOING, 4, 3),
    "unused: old tasks": still(GOING, 3, 45, causes="health-path-missing"),
    "initial": still(CERTAIN, 3, 45, "initial"),
    "initial: a worker": row(GOING, *[INITIAL_WORKER] * 3, causes="no-listener", every=45),
}  # fmt: skip


def baking(**changes: Any) -> Rollout:
    """A deployment whose tasks all serve, and which ECS still watches."""
    return view(deployment(NEW, "IN_PROGRESS", **changes), tasks=TASKS, targets=TARGETS)


def shifting(
    stage: str, percent: float = 10.0, *old: Any, hook: PauseHook | None = None
) -> Rollout:
    """A canary whose tasks are healthy, at this stage."""
    now = view(deployment(NEW, "IN_PROGRESS"), *old or (BEFORE,), tasks=TASKS, targets=TARGETS)
    return replace(now, service=replace(now.service, traffic=Traffic(stage, percent, hook)))


def retired(definition: str, running: int) -> Any:
    return deployment(definition, "COMPLETED", primary=False, runningCount=running)


BAKES, SILENT, WORKED = baking(), "page-silent", {"page_worked": True}
PAGES = {
    "wrong": row(WRONG, STARTING, BAKES, BAKES, causes="page-errors", stop=True),
    "wrong: the app raises": row(WRONG, STARTING, BAKES, BAKES, causes="raises", stop=True),
    "wrong: a migration waits": row(WRONG, STARTING, BAKES, BAKES, causes="unmigrated", stop=True, **WORKED),
    "not wrong: it runs": row(RUNS, STARTING, WELL, WELL, causes="page-errors"),
    "not wrong: one starts": row(GOING, STARTING, *[baking(pendingCount=1)] * 3, causes="page-errors"),
    "not wrong: fails once": row(GOING, STARTING, BAKES, BAKES, causes=(SILENT, ""), **WORKED),
    # The page is requested again after ten of AWS's seconds: at every fourth look.
    "wrong: later": row(WRONG, STARTING, *[BAKES] * 6, causes=("", SILENT, SILENT), stop=True),
    "wrong, before the database stopped": row(
        WRONG, *[shifting("BAKE_TIME", 100, retired(OLD, 2))] * 2, causes="no-database", stop=True, **WORKED
    ),
    "wrong, as `retry` makes it": row(
        WRONG, *[shifting("BAKE_TIME", 100, retired(NEW, 2))] * 2, causes="no-database", stop=True, **WORKED
    ),
    "outside": row(
        Outcome.OUTSIDE, *[shifting("BAKE_TIME", 100, retired(OLD, 0))] * 2, causes="no-database", **WORKED
    ),
    "shift": row(GOING, shifting("PRODUCTION_TRAFFIC_SHIFT", 12.5)),
    "shift: bake time": row(GOING, shifting("BAKE_TIME")),
    "shift: the end": row(GOING, shifting("CLEAN_UP")),
    "shift: the hook": row(GOING, shifting("POST_TEST", 0, hook=PauseHook(deployment="arn", id="hook"))),
}  # fmt: skip


def falling(
    healthy: Any = (),
    unhealthy: Any = (),
    ended: Any = (),
    desired: int = 1,
    rollout: str = "IN_PROGRESS",
) -> Rollout:
    """A deployment that ECS still watches, with its tasks by what the load balancer or ECS says of them."""
    new = deployment(NEW, rollout, desiredCount=desired)
    tasks = [task(n, startedBy="ecs-svc/1") for n in (*healthy, *unhealthy)]
    tasks += [task(n, **STOPPED | {"stoppedReason": why}) for n, why in ended]
    targets = [target(n) for n in healthy]
    targets += [target(n, "unhealthy", "Target.ResponseCodeMismatch") for n in unhealthy]
    return view(new, retired(OLD, 0), tasks=tasks, targets=targets, desired=desired)


def fell(
    outcome: Outcome, *looks: Rollout, causes: Any = "health-errors", stop: bool = False
) -> Row:
    return row(outcome, *looks, causes=causes, stop=stop)


ELB_FAILED, SCALED = (
    "Task failed ELB health checks in (target-group x)",
    "Scaling activity initiated by x",
)
SERVED, FELL = falling([1]), falling(unhealthy=[1])
SHIFTED, SHIFT_FELL = (
    replace(look, service=replace(look.service, traffic=Traffic("PRODUCTION_TRAFFIC_SHIFT", 10.0)))
    for look in (SERVED, FELL)
)
FALLS = {
    "falls: none serves": fell(WRONG, STARTED, SERVED, FELL, FELL, stop=True),
    "falls: none serves, and another starts": fell(
        WRONG, SERVED, falling([], [], [(1, ELB_FAILED)]), falling([], [2], [(1, ELB_FAILED)]), stop=True
    ),
    "falls: a canary": fell(WRONG, SHIFTED, SHIFT_FELL, SHIFT_FELL, stop=True),
    "falls: without a cause": fell(WRONG, SERVED, FELL, FELL, causes="", stop=True),
    "falls: the one after the other": fell(
        WRONG, SERVED, falling([2], [1]), falling([2], [], [(1, ELB_FAILED)]), falling([3], [2]), stop=True
    ),
    "falls: the same once more": fell(WRONG, SERVED, FELL, SERVED, SERVED, FELL, stop=True),
    "falls: two of two": fell(
        WRONG, falling([1, 2], desired=2), *[falling([], [1, 2], desired=2)] * 2, stop=True
    ),
    "falls: the database is away": fell(Outcome.OUTSIDE, SERVED, FELL, FELL, causes="database-away"),
    "no fall: once": fell(GOING, SERVED, FELL, *[SERVED] * 3),
    "no fall: one of two": fell(GOING, falling([1, 2], desired=2), *[falling([2], [1], desired=2)] * 4),
    "no fall: never healthy": fell(GOING, falling(), *[FELL] * 4),
    "no fall: scaled in": fell(GOING, SERVED, *[falling([2], [], [(1, SCALED)])] * 3),
    "no fall: of the version before": fell(
        GOING, SERVED, *[replace(SERVED, targets=(*SERVED.targets, replace(FELL.targets[0], address="10.0.64.9")))] * 3
    ),
    "no fall: completed": fell(GOING, SERVED, *[falling([], [1], rollout="COMPLETED")] * 3),
}  # fmt: skip

MAIL = replace(
    answers.EXPECTED,
    names=answers.EXPECTED.names.of_worker("mail"),
    definition=f"{answers.ARN}:task-definition/careapp-poc-worker-mail:7",
    target_group="",
)


def mail(*tasks: Any, rollout: str = "COMPLETED") -> Rollout:
    mine = deployment(MAIL.definition, rollout, desiredCount=1, runningCount=1)
    now = view(mine, desired=1, tasks=tasks)
    return replace(now, expected=MAIL.definition, process="mail", at=NOON)


def lasted(seconds: float, number: int = 1) -> Any:
    """A task of the worker that has run for so many seconds."""
    since = NOON - timedelta(seconds=seconds)
    return task(number, MAIL.definition, startedAt=since, startedBy="ecs-svc/1")


def ended(number: int, seconds: float) -> Any:
    """A task that ended by itself so many seconds ago."""
    at = dict.fromkeys(("stoppingAt", "stoppedAt", "startedAt"), NOON - timedelta(seconds=seconds))
    code = "EssentialContainerExited"
    return task(number, MAIL.definition, **STOPPED | at, stopCode=code)


def worker(outcome: Outcome, *looks: Rollout, **known: Any) -> Row:
    return row(outcome, *looks, causes="worker-crash", **known)


TWO_ENDED = mail(lasted(5), ended(2, 50), ended(3, 9))
THREE, FOUR = (mail(lasted(1), *(ended(n, 3) for n in range(2, 2 + count))) for count in (3, 4))
WORKERS = {
    "worker: long enough": worker(RUNS, *[mail(lasted(30))] * 2),
    "worker: another failed since": worker(GOING, *[mail(lasted(45), ended(2, 29))] * 2),
    "worker: the failure is older": worker(RUNS, *[mail(lasted(45), ended(2, 45))] * 2),
    "worker: not completed": worker(GOING, mail(lasted(60), rollout="IN_PROGRESS")),
    "worker: one ends": worker(GOING, mail(ended(2, 9)), since=NOON),
    "worker: two end": worker(CERTAIN, mail(ended(2, 9)), TWO_ENDED, since=NOON),
    "worker: two ended before": worker(GOING, TWO_ENDED, THREE),
    "worker: and two more": worker(CERTAIN, TWO_ENDED, THREE, FOUR),
}
ROWS = ECS | DOCTOR | PAGES | FALLS | WORKERS
