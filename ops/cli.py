"""Declares the commands that read or change a stack; each calls the `run` of its subject."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click

from i18n import said, t
from ops.command_line import Number, Whole, stack_option


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def doctor(stack: str, as_json: bool) -> None:
    """Say why the stack does not work, cause first, and what mends it.

    Exit code 0: healthy. 1: a cause was found. 2: it could not look, or the roll-out has not ended
    yet.
    """
    from ops.doctor import screen

    sys.exit(screen.run(stack, Path(), as_json))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def preflight(stack: str, as_json: bool) -> None:
    """Check what must be in order before the next stage.

    Without the stack: account, quotas, roles and tools for stage 1. With it: what ecsEnabled needs.

    Exit code 0: ready. 1: something is wrong. 2: it could not look.
    """
    from ops.preflight import checklist

    sys.exit(checklist.run(stack, Path(), as_json))


@click.command()
@stack_option
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def retry(stack: str, dry_run: bool) -> None:
    """Make ECS try again what it has given up, and follow the roll-out to its end.

    ECS deploys the newest task definition again, with the health check and the grace period that
    the stack file declares. Tasks that run are replaced without a gap. Ctrl-C ends the watching,
    not the roll-out.

    Exit code 0: it runs. 1: it does not run, or there is nothing to try. 2: it could not look.
    130: interrupted.
    """
    from ops.rollout import retry

    sys.exit(retry.run(stack, Path(), dry_run))


@click.command(context_settings={"allow_interspersed_args": False})
@stack_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(stack: str, command: tuple[str, ...]) -> None:
    """Run a command in a task of its own, with the service's image, variables, secrets and network.

    \b
      ./careapp run -- python -V
      ./careapp run -- flask --app webapp routes
      ./careapp run -s prod -- sh -c 'env | sort | cut -d= -f1'

    It is the version that serves now, in its own ECS task: the service's tasks are left alone. What
    the command writes comes on standard output, where the task stands on standard error. It has no
    standard input. Ctrl-C stops the task.

    Exit code: that of the command. 125: it did not run, or could not be followed. 130: interrupted.
    """
    from ops import run_task

    sys.exit(run_task.run(stack, Path(), command))


class Since(click.ParamType[timedelta]):
    """A duration before now, like 10m."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration. Fails with the accepted forms for anything else."""
        from ops.watch.logs import parse_since

        try:
            return parse_since(str(value))
        except ValueError as problem:
            self.fail(str(said(problem)), param, ctx)


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("-w", "--watch", is_flag=True, help="Draw it again until Ctrl-C.")
@click.option(
    "--every",
    type=Number(min=0.5),
    default=2.0,
    show_default=True,
    help="With --watch: seconds between two looks.",
)
def status(stack: str, as_json: bool, watch: bool, every: float) -> None:
    """Show stage, service, deployments, tasks, targets, database, alarms and the page's address.

    Exit code 0: what should run runs. 1: it does not. 2: it could not look.
    """
    from ops.watch import status

    if watch and as_json:
        raise click.UsageError(str(t("--json answers once: leave --watch out.")))
    again = every if watch else None
    sys.exit(status.run(stack, Path(), as_json, again))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts: an object a line.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--since", type=Since(), help="Not the last lines but all since then: 90s, 10m, 2h, 1d."
)
@click.option("--previous", is_flag=True, help="The last lines of the task that stopped last.")
@click.option(
    "--filter",
    "pattern",
    default="",
    help="Only lines that fit CloudWatch's filter pattern: words, or '{ $.level = \"error\" }'.",
)
@click.option("--task", default="", help="Only of the task whose id begins so.")
@click.option(
    "-n",
    "--lines",
    "last",
    type=Whole(1, 10_000),
    default=100,
    show_default=True,
    help="How many of the last lines.",
)
def logs(
    stack: str,
    as_json: bool,
    follow: bool,
    since: timedelta | None,
    previous: bool,
    pattern: str,
    task: str,
    last: int,
) -> None:
    """Show the app's log.

    \b
      ./careapp logs -f                     as it comes
      ./careapp logs --previous             why the last task ended
      ./careapp logs --since 1h --filter '{ $.level = "error" }'

    Exit code 0: shown. 2: it could not look. 130: --follow ended by Ctrl-C.
    """
    from ops.watch import logs

    if previous and (follow or since or pattern):
        raise click.UsageError(str(t("--previous goes with --task and --lines only.")))
    query = logs.LogQuery(pattern=pattern, task=task, since=since, last=last)
    show = logs.LogScreen(as_json)
    sys.exit(logs.run(stack, Path(), show, query, follow, previous))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--since", type=Since(), help="Only what happened since then: 10m, 2h.")
@click.option("--logs/--no-logs", "log", default=False, help="With the app's log lines, too.")
def events(stack: str, as_json: bool, since: timedelta | None, log: bool) -> None:
    """Show one timeline of deployments, tasks, service events, targets and, with --logs, log lines.

    Exit code 0: shown. 2: it could not look at all of it.
    """
    from ops.watch import events

    sys.exit(events.run(stack, Path(), as_json, since, log))


def via_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add ``--via`` to a command that opens a tunnel."""
    return click.option(
        "--via",
        type=click.Choice(["bastion", "task"]),
        default=None,
        help="Go through this one; otherwise the bastion where there is one, else a task.",
    )(command)


@click.group()
def db() -> None:
    """Reach the database, which no address of the internet leads to.

    By AWS Session Manager through the bastion (bastionEnabled) or, with execEnabled, a task of the
    service; AWS's session-manager-plugin must be on PATH. Each logs in as the master user; the
    password goes from Secrets Manager to the client and is shown nowhere.

    Exit code 0: done. 1: refused, or no answer. 2: it could not look.
    """


@db.command()
@stack_option
@via_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option(
    "--rounds", type=Whole(1, 1000), default=20, show_default=True,
    help="Round trips to measure.",
)  # fmt: skip
def check(stack: str, via: str | None, as_json: bool, rounds: int) -> None:
    """Connect, and say what is there, whether TLS is checked, and how fast it answers."""
    from ops.database import commands

    options = commands.TunnelOptions(stack, Path(), via or "")
    sys.exit(commands.check(options, as_json, rounds))


@db.command()
@stack_option
@via_option
@click.option("-c", "--command", "question", default=None, help="Ask this alone; needs no psql.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def psql(stack: str, via: str | None, question: str | None, words: tuple[str, ...]) -> None:
    """Open psql on the database, or put one question.

    \b
      ./careapp db psql
      ./careapp db psql -c "SELECT count(*) FROM visits"
      ./careapp db psql -- --csv -f report.sql      what follows -- is psql's own
    """
    from ops.database import commands

    options = commands.TunnelOptions(stack, Path(), via or "")
    sys.exit(commands.psql(options, question, list(words)))


@db.command()
@stack_option
@via_option
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--port", type=Whole(0, 65535), default=0, help="Port of 127.0.0.1; 0 takes any.")
def tunnel(stack: str, via: str | None, as_json: bool, port: int) -> None:
    """Hold a port of 127.0.0.1 open that leads to the database, until Ctrl-C."""
    from ops.database import commands

    options = commands.TunnelOptions(stack, Path(), via or "")
    sys.exit(commands.keep_tunnel_open(options, port, as_json))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts; progress goes to stderr.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def pause(stack: str, as_json: bool, yes: bool) -> None:
    """Stop tasks and database, and keep all else: cheaper for a while.

    Can be run again from wherever it was interrupted. `pulumi up` leaves a paused stack paused;
    `pulumi up --refresh` does not: it puts the tasks back, and then wants ./careapp resume.

    Exit code 0: paused. 1: refused, or not done in time. 2: it could not look. 130: interrupted.
    """
    from ops.pause import commands

    sys.exit(commands.pause(stack, Path(), as_json, yes))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="For scripts; progress goes to stderr.")
def resume(stack: str, as_json: bool) -> None:
    """Start the database, then as many tasks as ran before, and wait until they are healthy.

    Exit code 0: it runs, or no task is wanted at this hour. 1: not in time. 2: it could not look. 130: interrupted.
    """
    from ops.pause import commands

    sys.exit(commands.resume(stack, Path(), as_json))
