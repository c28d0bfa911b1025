"""Checks what must be in order before the next stage; before stage 2 with the checks of doctor."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from careapp.additions.checks import limits, stages
from careapp.additions.owner import inquiry_of
from careapp.additions.target import session_of
from careapp.command_line import print_json, raise_if_blind
from careapp.preflight.account import ITEMS as ITEMS_OF_ACCOUNT
from careapp.preflight.account import Account
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.checks import (
    answered_checks,
    capacity,
    databases,
    inputs,
    load_balancer,
    network_path,
    outbound,
    permissions,
)
from ecs_gate.diagnosis import screen as body
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import JOB
from ecs_gate.diagnosis.findings import Diagnosis, Finding, Unread, ranked
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import Snapshot, gather
from ecs_gate.screen import Line, display
from ecs_gate.text import Text, t

CheckOf = Callable[[Case], Iterable[Finding]]

GOOD, WARNED, BAD, UNKNOWN, LATER = "good", "warning", "bad", "unknown", "later"


@dataclass(frozen=True)
class Item:
    """One line of the list: its checks, and the parts of the snapshot that they read besides the settings.

    ``second`` marks what stage 2 makes: in stage 1 it is not checked.
    """

    text: Text
    checks: tuple[CheckOf, ...]
    parts: tuple[str, ...]
    second: bool = False


ITEMS = (
    Item(
        t("Stage 1 is there: network, database, repository, load balancer"),
        (stages.missing,),
        ("balancer", "group", "database"),
    ),
    Item(t("The image is in ECR, for the task's processor"), (inputs.image,), ("image",)),
    Item(t("The database is available"), (databases.status,), ("database",)),
    Item(
        t("The secrets of the database and of the app are there"),
        (inputs.secrets, outbound.planned_secrets),
        ("secrets", "database"),
    ),
    Item(
        t("The load balancer is active and reachable from the internet"),
        (
            load_balancer.balancer,
            load_balancer.certificate,
            network_path.internet_to_balancer,
            load_balancer.forwarding,
        ),
        ("balancer", "network"),
    ),
    Item(t("The target group speaks the app's protocol"), (load_balancer.protocol,), ("group",)),
    Item(
        t("The health check is the declared one"),
        (load_balancer.health_check_drift, answered_checks.codes),
        ("group",),
    ),
    Item(
        t("The tasks' subnets lead to ECR, Secrets Manager and CloudWatch Logs"),
        (outbound.vpc_dns, outbound.task_to_aws),
        ("network",),
    ),
    Item(t("Fargate's quota has room for a roll-out"), (capacity.quota,), ("quota",)),
    Item(
        t("The database and the load balancer have room for a roll-out"),
        (limits.near_limits,),
        (),
    ),
    Item(
        t("The execution role can pull the image, read the secret and write the log"),
        (permissions.execution_role,),
        ("execution",),
        second=True,
    ),
    Item(
        t(
            "The task definition names this database, its secret, and every variable that the "
            "app requires"
        ),
        (databases.secret, databases.address),
        ("newest", "database"),
        second=True,
    ),
    Item(t("The log group is there"), (inputs.log_group,), ("logs",), second=True),
    Item(
        t("A rule forwards to the target group, on the container's port"),
        (load_balancer.target_group, load_balancer.forwarding, load_balancer.declared_port),
        ("balancer", "group", "newest"),
        second=True,
    ),
    Item(
        t("Security groups: load balancer to task, task to database"),
        (network_path.balancer_to_task, network_path.task_to_database),
        ("network",),
        second=True,
    ),
)


@dataclass(frozen=True)
class Ticked:
    """An item and its state: GOOD, WARNED, BAD, UNKNOWN, or LATER for what stage 2 makes."""

    text: Text
    state: str


@dataclass(frozen=True)
class Preflight:
    """The list, and the diagnosis with the fixes."""

    items: tuple[Ticked, ...]
    diagnosis: Diagnosis
    stage: int = 2
    """The stage that it is the list for."""

    @property
    def stack(self) -> str:
        """Return the stack's name without the project's."""
        return self.diagnosis.names.rpartition("-")[2]

    @property
    def exit_code(self) -> int:
        """Return 0 when the stage can begin, 1 when something is wrong, 2 when that is unknown."""
        states = {item.state for item in self.items}
        if BAD in states or any(cause.facts.subject != JOB for cause in self.diagnosis.causes):
            return 1
        return 2 if any(part.essential for part in self.diagnosis.unread) else 0


def check(settings: Settings) -> Preflight:
    """Check for the next stage. Raises AwsProblem where AWS does not accept the credentials."""
    session = session_of(settings)
    now = gather(inquiry_of(settings, session))
    if stages.stage(Case.of(now)) == stages.NOTHING:
        return tick_account(Account(session, now))
    return tick(now)


def tick_account(account: Account) -> Preflight:
    """Return the list for an account without the stack. Raises AwsProblem."""
    who = account.session.call("sts", "get_caller_identity")["Arn"]
    items = [Ticked(t("AWS accepts the credentials: {who}", who=who), GOOD)]
    findings: list[Finding] = []
    unseen: list[Unread] = []
    for item in ITEMS_OF_ACCOUNT:
        try:
            missing = list(item.check(account))
        except AwsProblem as problem:
            unseen.append(Unread(item.text, problem, item.essential))
            items.append(Ticked(item.text, UNKNOWN))
            continue
        findings += missing
        kinds = {finding.kind for finding in missing}
        items.append(Ticked(item.text, BAD if "cause" in kinds else WARNED if kinds else GOOD))
    case = Case.of(account.now)
    diagnosis = Diagnosis(
        names=account.now.names.prefix,
        stage=stages.described(case),
        findings=tuple(case.worded(finding).at(account.now.place) for finding in ranked(findings)),
        unread=tuple(unseen),
    )
    return Preflight(tuple(items), diagnosis, stage=1)


def tick(now: Snapshot) -> Preflight:
    """Return the list for a snapshot."""
    case = Case.of(now)
    return Preflight(tuple(Ticked(item.text, _state(item, case)) for item in ITEMS), judge(now))


def _state(item: Item, case: Case) -> str:
    if item.second and case.service is None:
        return LATER
    findings = [finding for one in item.checks for finding in one(case)]
    if any(finding.kind == "cause" for finding in findings):
        return BAD
    parts = [getattr(case.now, part) for part in item.parts]
    if any(part.problem for part in parts) or (parts and all(part.value is None for part in parts)):
        return UNKNOWN
    return GOOD if all(finding.kind == "note" for finding in findings) else WARNED


MARKS = {
    GOOD: ("✓", "green"),
    WARNED: ("!", "yellow"),
    BAD: ("✗", "bold red"),
    UNKNOWN: ("?", "yellow"),
    LATER: ("·", "dim"),
}

VERDICTS = {
    0: (t("Ready: `pulumi config set ecsEnabled true`, then `pulumi up`."), "bold green"),
    1: (t("Not ready: fix the first cause below, then check again."), "bold red"),
    2: (t("Not everything could be read, so it is unknown whether all is ready."), "bold yellow"),
}


def lines(preflight: Preflight) -> Iterator[Line]:
    """Yield the lines of the output."""
    yield Line(f"{preflight.diagnosis.names} · {preflight.diagnosis.stage!s}", "bold")
    for item in preflight.items:
        mark, style = MARKS[item.state]
        later = f" ({t('created in stage 2')!s})" if item.state == LATER else ""
        yield Line(f"  {mark} {item.text!s}{later}", style)
    text, style = VERDICTS[preflight.exit_code]
    if preflight.stage == 1 and preflight.exit_code == 0:
        text = t("Ready for stage 1: `pulumi up -s {stack}`.", stack=preflight.stack)
    running = (
        preflight.stage == 2
        and preflight.exit_code == 0
        and any(item.state == GOOD for item in preflight.items[-4:])
    )
    if running:
        text = t("Everything is in order, and ECS is already on.")
        if preflight.diagnosis.causes:
            text = t("ECS is already on, and serves; a job needs attention.")
    yield Line(text, style)
    yield from body.findings(preflight.diagnosis)
    yield from body.unread(preflight.diagnosis.unread)


def as_dict(preflight: Preflight) -> dict[str, Any]:
    """Return the list for scripts."""
    items = [{"text": str(item.text), "state": item.state} for item in preflight.items]
    return {"ready": preflight.exit_code == 0, "items": items, **body.as_dict(preflight.diagnosis)}


def run(stack: str, as_json: bool) -> int:
    """Check a stack or an empty account, print the list and return the exit code."""
    preflight = check(Settings.read(stack))
    raise_if_blind(part.problem for part in preflight.diagnosis.unread)
    if as_json:
        print_json(as_dict(preflight))
    else:
        display(lines(preflight))
    return preflight.exit_code
