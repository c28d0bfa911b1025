"""Declares the other commands that read or change a stack; each calls the `run` of its subject.

Of the subjects a process imports only the one that it needs: all of them take half a second.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from careapp.command_line import WholeRange, names_of, stack_option
from ecs_gate.text import t, text_of


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(stack: str, as_json: bool) -> None:
    """Find out why the stack does not work: the cause first, then how to fix it.

    Exit code 0: healthy. 1: a cause was found. 2: AWS could not be read, or the roll-out has not ended
    yet.
    """
    from careapp.cli import doctor as command

    sys.exit(command.run(stack, as_json))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def preflight(stack: str, as_json: bool) -> None:
    """Check that the next stage will succeed, before you begin it.

    Without a stack: account, quotas, roles and tools for stage 1. With stage 1: what ecsEnabled needs.

    Exit code 0: ready. 1: something is wrong. 2: AWS could not be read.
    """
    from careapp.preflight import checklist

    sys.exit(checklist.run(stack, as_json))


@click.command()
@stack_option
@click.option("--dry-run", is_flag=True, help="Show the changes without making them.")
@click.option("--worker", default="", help="Of this worker in place of the web service.",
              shell_complete=names_of("workers"))  # fmt: skip
def retry(stack: str, dry_run: bool, worker: str) -> None:
    """Let ECS retry a roll-out that it has given up, and follow it to the end.

    ECS deploys the newest task definition again, with the health check and the grace period that
    the stack file declares. Running tasks are replaced without downtime. Ctrl-C ends this command,
    not the roll-out.

    Exit code 0: the app runs. 1: it does not, or there is nothing to retry. 2: AWS could not be read.
    130: interrupted.
    """
    from careapp import retry

    sys.exit(retry.run(stack, dry_run, worker))


@click.command()
@stack_option
@click.option("--dry-run", is_flag=True, help="Show the changes without making them.")
def rollback(stack: str, dry_run: bool) -> None:
    """End a deployment that ECS has not completed, and follow it back to the version before.

    Where none is under way, and an update was stopped before it deleted what the page needs, what it had replaced
    becomes current again in the state.

    ECS rolls back only what it still deploys. The page stays available: tasks of the version before
    take over before the others stop. Ctrl-C ends this command, not the rollback.

    Afterwards the program still declares the newer version. Put the earlier one back there, as
    docs/repair.md#go-back says, then `pulumi up`. The same two steps go back when no deployment
    is under way.

    Exit code 0: the version before runs. 1: it does not, or no deployment is under way. 2: AWS could
    not be read. 130: interrupted.
    """
    from careapp import rollback

    sys.exit(rollback.run(stack, dry_run))


@click.command(context_settings={"allow_interspersed_args": False})
@stack_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(stack: str, command: tuple[str, ...]) -> None:
    """Run a command in a new task, with the service's image, variables, secrets and network.

    \b
      ./careapp run -- python -V
      ./careapp run -- flask --app webapp routes
      ./careapp run -s prod -- sh -c 'env | sort | cut -d= -f1'

    The task runs the version that the service runs now, and does not affect the service's own tasks.
    The command's output goes to standard output, the state of the task to standard error. There is no
    standard input. Ctrl-C stops the task.

    Exit code: that of the command. 125: it did not run, or could not be followed. 130: interrupted.
    """
    from careapp import run_task

    sys.exit(run_task.run(stack, command))


class Since(click.ParamType[timedelta]):
    """A duration before now, like 10m."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration. Fails with the accepted forms for anything else."""
        from careapp.watch.logs import parse_since

        try:
            return parse_since(str(value))
        except ValueError as problem:
            self.fail(str(text_of(problem)), param, ctx)


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-w", "--watch", is_flag=True, help="Update the output until Ctrl-C.")
def status(stack: str, as_json: bool, watch: bool) -> None:
    """Show stage, service, deployments, tasks, targets, database, alarms and the page's address.

    Exit code 0: all runs that should run. 1: something does not. 2: AWS could not be read.
    """
    from careapp.watch import status

    if watch and as_json:
        raise click.UsageError(str(t("--watch and --json exclude each other.")))
    sys.exit(status.run(stack, as_json, watch))


LOG_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line."),
    click.option("-f", "--follow", is_flag=True, help="Show the last lines, and new ones until Ctrl-C."),
    click.option("--since", type=Since(),
                 help="Show all lines of the last 90s, 10m, 2h or 1d instead of the last lines."),
    click.option("--task", default="", help="Only lines of the task whose ID begins with this."),
    click.option("--raw", is_flag=True,
                 help="Show the lines as they are, with the secrets in them."),
    click.option("-n", "--lines", "last", type=WholeRange(1, 10_000), default=100, show_default=True,
                 help="Number of lines."),
)  # fmt: skip


def log_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options of a command that shows log lines."""
    for option in reversed(LOG_OPTIONS):
        command = option(command)
    return command


@click.command()
@stack_option
@log_options
@click.option("--previous", is_flag=True, help="Show the last lines of the task that stopped last.")
@click.option(
    "--filter",
    "pattern",
    default="",
    help="Only lines that match a filter pattern of CloudWatch Logs: words, or '{ $.level = "
    '"error" }\'.',
)
@click.option("--worker", default="", help="Only lines of this worker.",
              shell_complete=names_of("workers"))  # fmt: skip
def logs(
    stack: str, follow: bool, previous: bool, worker: str, as_json: bool, raw: bool, **query: Any
) -> None:
    """Show the app's log, with secrets masked where they can be recognised.

    \b
      ./careapp logs -f                     the last lines, and new ones as they arrive
      ./careapp logs --previous             why the last task stopped
      ./careapp logs --since 1h --filter '{ $.level = "error" }'

    Exit code 0: shown. 2: AWS could not be read. 130: --follow ended by Ctrl-C.
    """
    from careapp.watch import logs

    if previous and (follow or query["since"] or query["pattern"]):
        raise click.UsageError(
            str(t("--previous can be combined only with --task, --worker and --lines."))
        )
    wanted, show = logs.LogQuery(**query), logs.LogScreen(as_json, raw)
    sys.exit(logs.run(stack, show, wanted, follow, previous, worker))


@click.group(invoke_without_command=True)
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def jobs(context: click.Context, stack: str, as_json: bool) -> None:
    """Show each job's schedule, its last runs, and its next run in its time zone and in yours.

    The exit code of a run is known for an hour after its end. What AWS has otherwise than the stack file is said.

    Exit code 0: all well. 1: a last run failed, or a schedule is not that of the stack file. 2: AWS could
    not be read.
    """
    from careapp.jobs import commands

    if context.invoked_subcommand is None:
        sys.exit(commands.show(stack, as_json))
    if as_json:
        raise click.UsageError(str(t("--json belongs after the name of the command.")))
    if context.get_parameter_source("stack") is not click.core.ParameterSource.DEFAULT:
        context.default_map = {context.invoked_subcommand: {"stack": stack}}


@jobs.command("run")
@stack_option
@click.argument("name", shell_complete=names_of("jobs"))
def run_job(stack: str, name: str) -> None:
    """Run a job now, as its schedule would: with its task definition and until its timeoutMinutes.

    The command's output goes to standard output, the state of the task to standard error. Ctrl-C stops
    the task.

    Exit code: that of the command, 124 (busybox: 143) after timeoutMinutes. 125: it did not run, or could not be
    followed. 130: interrupted.
    """
    from careapp.jobs import commands

    sys.exit(commands.run(stack, name))


@jobs.command("logs")
@stack_option
@log_options
@click.argument("name", shell_complete=names_of("jobs"))
def job_log(stack: str, name: str, follow: bool, as_json: bool, raw: bool, **query: Any) -> None:
    """Show the log of a job's runs, with secrets masked where they can be recognised.

    Exit code 0: shown. 1: the stack file has no such job. 2: AWS could not be read. 130: --follow ended
    by Ctrl-C.
    """
    from careapp.jobs import commands
    from careapp.watch.logs import LogQuery, LogScreen

    wanted, show = LogQuery(**query), LogScreen(as_json, raw)
    sys.exit(commands.show_log(stack, name, show, wanted, follow))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--since", type=Since(), help="Only events in the last 10m or 2h of the timeline.")
@click.option("--logs/--no-logs", "log", default=False, help="Include the app's log lines.")
def events(stack: str, as_json: bool, since: timedelta | None, log: bool) -> None:
    """Show deployments, tasks, service events, targets, scaling and, with --logs, log lines in one timeline.

    Exit code 0: shown. 2: a part of it could not be read.
    """
    from careapp.watch import events

    sys.exit(events.run(stack, as_json, since, log))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
def pause(stack: str, as_json: bool, yes: bool) -> None:
    """Stop tasks and database to save money for a while, and keep everything else.

    After an interrupt run it again. `pulumi up` leaves a paused stack paused. `pulumi up --refresh`
    does not: it restores the desired count of tasks, and then needs ./careapp resume.

    Exit code 0: paused. 1: refused, or not done in time. 2: AWS could not be read. 130: interrupted.
    """
    from careapp.pause import commands

    sys.exit(commands.pause(stack, as_json, yes))


@click.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; progress goes to stderr.")
def resume(stack: str, as_json: bool) -> None:
    """Start the database, then the tasks of the stack file, and wait until they are healthy.

    Exit code 0: the app runs, or the schedule allows no task now. 1: not in time. 2: AWS could not be
    read. 130: interrupted.
    """
    from careapp.pause import commands

    sys.exit(commands.resume(stack, as_json))
