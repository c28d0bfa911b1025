"""Cures and advice of a service that a Pulumi program declares."""

from ecs_gate.owner import Advice
from ecs_gate.remedies import Remedies
from ecs_gate.text import Text, t

PULUMI = Advice(
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
        "What to do: remove the cause above, or, if the app only needs longer, let it be followed for longer "
        "(`minutes`). ECS goes on trying; the next `pulumi up` waits again, and fails until {revision} runs."
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
        "the program; then `pulumi up`."
    ),
    blocked=t("The changes are recorded. Each `pulumi up` fails until the cause is removed."),
    unread=t(
        "The changes are recorded. The next `pulumi up` checks again, with or without changes."
    ),
)
"""Of a service that a Pulumi program declares."""


class PulumiRemedies(Remedies):
    """The cures of a service that a Pulumi program declares: what is to change stands in the program."""

    options = ""
    """What follows each command of Pulumi."""

    def set(self, key: str, value: str) -> tuple[str, ...]:  # noqa: ARG002 - it stands in the program
        return ()

    def preview(self) -> tuple[str, ...]:
        return (f"pulumi preview --refresh --diff{self.options}",)

    def refresh(self) -> tuple[str, ...]:
        return (f"pulumi up --refresh{self.options}",)

    def retry(self) -> tuple[str, ...]:
        # After a rollback the program differs from AWS, and is applied again; else nothing differs that Pulumi sees.
        return self.refresh() if self.case.rolled_back else super().retry()

    def follow(self) -> tuple[str, ...]:
        return self.apply()

    def restored(self) -> Text:
        return t("Let Pulumi restore it:")
