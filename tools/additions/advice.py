"""What to do after a roll-out of a stack, by `pulumi up`."""

from ecs_gate.owner import Advice
from ecs_gate.text import t

ADVICE = Advice(
    deleted=t("What to do: `pulumi up --refresh` creates what is missing."),
    replaced=t(
        "What to do: wait for the other deployment, agree on one version, then `pulumi up --refresh` rolls this "
        "program's version out."
    ),
    by_alarm=t(
        "What to do: remove the cause above, let ECS try again, and have Pulumi compare the service with what this "
        "stack declares:\n  {command}\n  pulumi up --refresh\nEach `pulumi up` fails until that has worked."
    ),
    rolled_back=t(
        "What to do: remove the cause above, then `pulumi up --refresh`. Pulumi's state has {revision} already: "
        "without a refresh, an update that makes no new task definition leaves ECS with the version before. Each "
        "`pulumi up` fails until {revision} runs."
    ),
    unhealthy=t(
        "What to do: remove the cause above, then `pulumi up`. Each one fails until {revision} runs."
    ),
    too_late=t(
        "What to do: remove the cause above, or, if the app only needs longer, `pulumi config set "
        "rolloutTimeoutMinutes MINUTES`. ECS goes on trying; the next `pulumi up` waits again, and fails until "
        "{revision} runs."
    ),
    wrong=t(
        "What to do: correct the app, or take its change back, then `pulumi up`. Each one fails until the program's "
        "version runs. Where the cause lies outside of the app, remove it, and start a new deployment:\n  {command}"
    ),
    failed=t(
        "What to do: remove the cause above, then `pulumi up`. Where that makes no new task definition, and ECS has "
        "given up by then, start a new deployment first:\n  {command}\nEach `pulumi up` fails until {revision} runs."
    ),
    completed=t(
        "ECS has completed the deployment, so it was not rolled back. Correct it, or put the earlier version back in "
        "the program, as docs/repair.md#go-back says; then `pulumi up`."
    ),
    blocked=t("The changes are recorded. Each `pulumi up` fails until the cause is removed."),
    unread=t(
        "The changes are recorded. The next `pulumi up` checks again, with or without changes."
    ),
)
