"""A stack with a job, and what goes wrong with its runs."""

from dataclasses import replace

from careapp.additions.parts.jobs import Jobs, Run, Schedule
from ecs_gate.parts.task_inputs import Role
from tests import stacks as a

DEFINITION = f"{a.ECS}:task-definition/careapp-poc-job-report:3"
CLUSTER = f"{a.ECS}:cluster/careapp-poc-cluster"
ROLE = f"arn:aws:iam::{a.ACCOUNT}:role/careapp-poc-jobs"
REPORT = '{"command": "flask report", "schedule": "cron(0 3 * * ? *)", "timeoutMinutes": 30}'
DECLARED = a.choices(jobs=f'{{"report": {REPORT}}}')
SCHEDULER = {"Principal": {"Service": "scheduler.amazonaws.com"}}
TRUST = {"Statement": [{**a.TRUST["Statement"][0], **SCHEDULER}]}
MAY = (
    {
        **a.allow(f"{a.ECS}:task-definition/careapp-poc-job-*:*", "ecs:RunTask"),
        "Condition": {"ArnEquals": {"ecs:cluster": CLUSTER}},
    },
    a.allow("arn:aws:iam::123456789012:role/careapp-poc-*", "iam:PassRole"),
    a.allow(f"{a.ECS}:task/careapp-poc-cluster/*", "ecs:TagResource"),
)


def schedule(**changes):
    made = Schedule(
        expression="cron(0 3 * * ? *)", time_zone="Asia/Tokyo", enabled=True, cluster=CLUSTER,
        definition=DEFINITION, role=ROLE, changed=a.at(-7200),
    )  # fmt: skip
    return replace(made, **changes)


def run(code=0, **changes):
    """A run that took a minute and ended 100 s ago."""
    made = Run(
        job="report", task="d" * 32, started=a.at(-160), ended=a.at(-100), exit_code=code,
        definition=DEFINITION, reason="Essential container in task exited",
    )  # fmt: skip
    return replace(made, **changes)


def jobs(*runs, schedule=schedule(), may=MAY, trust=TRUST, **changes):  # noqa: B008
    found = Jobs(
        schedules={"report": schedule},
        runs=runs,
        roles={ROLE: Role(arn=ROLE, trust=trust, policies=(a.policy(*may),)) if may else None},
        definitions={DEFINITION: a.definition()},
    )
    return replace(found, **changes)


def stack(*runs, others=None, **changes):
    """A stack whose job ran like this, the newest run first."""
    return a.stack(DECLARED, jobs=jobs(*runs, **changes), **(others or {}))


SITUATIONS = {
    "job-schedule-differs": stack(schedule=None),
    "job-role-denied": stack(may=MAY[1:]),
    "job-not-started": stack(run(None, started=None, reason="CannotPullContainerError: x")),
    "job-command-missing": stack(run(127)),
    "job-timed-out": stack(run(124)),
    "job-failed": stack(run(1), lines={"d" * 32: ("ValueError: no report",)}),
}
