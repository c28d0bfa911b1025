"""What kept tasks from starting and is in order by now: ECS only has not tried again since."""

from __future__ import annotations

import re
from collections.abc import Iterable

from i18n import t
from ops.checks import databases, inputs, outbound, rights
from ops.checks.case import Case
from ops.findings import Finding, Fix

LOOKED_AT = re.compile(r"CannotPull|ResourceInitializationError|Task failed to start")
"""Reasons whose causes the checks below look at: image, secrets, log, rights, and the way to AWS."""
CHECKS = (
    rights.execution_role,
    inputs.image,
    inputs.secrets,
    databases.secret,
    inputs.log_group,
    outbound.task_to_aws,
)
PARTS = ("execution", "image", "secrets", "logs", "network")


def start(case: Case, words: tuple[str, ...]) -> Finding | None:
    """That everything which the start needs was seen to be in order; None where it was not."""
    if not case.given_up or not all(map(LOOKED_AT.match, words)):
        return None
    if any(getattr(case.now, part).problem for part in PARTS) or _wrong(case):
        return None
    return Finding(
        id="task-start-mended",
        title=t("What kept the tasks from starting is in order now; ECS has not tried again since"),
        why=t("ECS has given up, and starts no task by itself any more."),
        seen=(
            t(
                "Image, secrets, log group, the execution role's rights and the way to AWS are in "
                "order now. The last try ended at {time}.",
                time=case.last,
            ),
        ),
        fixes=(Fix(t("Let ECS try again:"), (case.again,)),),
        evidence=words,
    )


def _wrong(case: Case) -> Iterable[Finding]:
    return [each for check in CHECKS for each in check(case) if each.kind == "cause"]
