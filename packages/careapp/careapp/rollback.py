"""Ends a deployment under way, and follows ECS back to the version before it."""

from careapp.additions.target import session_of
from careapp.pulumi_state import PulumiStack
from careapp.settings.settings import Settings
from ecs_gate.rollout.act import find, primary, stop, wait
from ecs_gate.rollout.say import runs_now
from ecs_gate.text import Refused, t
from ecs_gate.waiting import Waiting

UNCHANGED = t("--dry-run: nothing was changed.")


def run(stack: str, dry_run: bool) -> int:
    """Roll back and follow. Return 0: the version before runs, 1: it does not, 2: AWS could not be read."""
    settings = Settings.read(stack)
    session, waiting = session_of(settings), Waiting.printing()
    names = settings.names
    deployment = find(session, names)
    if deployment is None and (again := PulumiStack(names).take_back(dry_run=dry_run)):
        text = t(
            "Of a stopped update these are current again, and what had taken their place is deleted by the next one: "
            "{names}. Put them back into the program as well, then `pulumi up -s {stack}`.",
            names=", ".join(again),
            stack=stack,
        )
        waiting.say(text)
        if dry_run:
            waiting.say(UNCHANGED)
        return 0
    if deployment is None:
        raise Refused(
            "No deployment of the service {name} is under way: it runs {revision}, and ECS rolls back "
            "only what it still deploys. To go back to an earlier version, put it back in the program, "
            "as docs/repair.md#go-back says, then `pulumi up -s {stack}`.",
            name=names.service,
            revision=primary(session, names).revision,
            stack=names.stack,
        )
    waiting.say(t("ECS rolls {revision} back.", revision=deployment.revision))
    if dry_run:
        waiting.say(UNCHANGED)
        return 0
    stop(session, deployment)
    waiting.say(runs_now(wait(session, deployment, waiting, settings.rollout_minutes)))
    waiting.say(
        t(
            "The program still declares what {revision} runs: each `pulumi up` fails, and one "
            "with --refresh deploys it again. Put the earlier version back in the program, as "
            "docs/repair.md#go-back says, then `pulumi up -s {stack}`.",
            revision=deployment.revision,
            stack=stack,
        )
    )
    return 0
