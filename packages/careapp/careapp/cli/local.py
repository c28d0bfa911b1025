"""The commands ``./careapp rehearse``, ``shell``, ``cloud`` and ``dev``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from careapp.command_line import ECS, Setting, stack_option
from careapp.rehearsal import careapp
from careapp.rehearsal.faults import FAULTS
from ecs_gate.text import t
from local_cloud.paths import find_home
from local_cloud.run import shell as commands
from local_cloud.run.options import WholeRange
from local_cloud.run.options import options as cloud_options

UNTIL = t(
    "The rehearsal itself sets {key}, which is the difference between the stages: "
    "--until stage1 leaves stage 2 out.",
    key=ECS,
)
CLOUD_OPTIONS = ("tasks", "speed", "port", "client", "api_port", "watch_port")

careapp.use()  # Before the options are read: what is wrong with one is said in the user's language, too.


def options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options of a local cloud to a command that can start one."""
    watch = click.option(
        "--watch-port",
        type=WholeRange(0, 65535),
        default=None,
        help="Loopback port of the page that shows the rehearsal; 0 takes any, and so does "
        "--port 0. Default: 8081, or any if that is taken.",
    )
    return watch(cloud_options(command))


def region_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that choose the region of a local cloud in which any stack can be deployed."""
    command = click.option(
        "--region", help="The AWS region of the local cloud; by default that of --stack's file."
    )(command)
    return click.option(
        "-s", "--stack", help="The stack whose region the local cloud has. [default: poc]"
    )(command)


@click.command()
@options
@stack_option
@click.option("--exit", "leave", is_flag=True, help="Verify, destroy and exit with 0 or 1.")
@click.option(
    "--until", type=click.Choice(["stage1", "stage2"]), default="stage2", show_default=True,
    help="The last stage to deploy.",
)  # fmt: skip
@click.option(
    "--config",
    "-c",
    multiple=True,
    type=Setting(UNTIL),
    help="A setting that changes the stack file's, as in `pulumi up -c`; may be given several times.",
)
@click.option(
    "--json",
    "report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the steps and their times to this file.",
)
@click.option(
    "--break",
    "fault",
    type=click.Choice(sorted(FAULTS)),
    metavar="NAME",
    help="Make one mistake after stage 1; a wrong NAME lists all.",
)
@click.option(
    "--mend",
    is_flag=True,
    help="With --break: check that a second `up` fails, apply the fix that the doctor gives, and "
    "check that `up` succeeds. Exit code 0 when all of these hold.",
)
def rehearse(fault: str | None, **how: Any) -> None:
    """Deploy the stack in its two stages, show the page, destroy on Ctrl-C.

    \b
      ./careapp rehearse                      both stages, then wait for Ctrl-C
      ./careapp rehearse --exit --json FILE   for scripts: verify, destroy, exit code 0 or 1
      ./careapp rehearse --until stage1       the network, database and balancer only
      ./careapp rehearse --break health-path  stage 2 with a mistake
      ./careapp rehearse --break health-path --mend --exit
                                              and with the fix that the doctor gives

    Exit code 0: all steps succeeded. 1: a step failed, or --break without --mend. 2: no such stack file,
    or a setting that cannot be used. 130: interrupted while it deployed.
    """
    # With boto3, which the other commands do not need.
    from careapp.rehearsal import rehearse as rehearsing

    flags = commands.CloudFlags(**{name: how.pop(name) for name in CLOUD_OPTIONS})
    if how["mend"] and not fault:
        raise click.UsageError(str(t("--mend fixes the mistake of --break NAME: give both.")))
    plan = rehearsing.Plan(fault=FAULTS[fault] if fault else None, **how)
    sys.exit(rehearsing.rehearse(plan, flags))


@click.command(context_settings={"allow_interspersed_args": False})
@options
@region_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(command: tuple[str, ...], stack: str | None, region: str | None, **how: Any) -> None:
    """Run a shell, or one COMMAND, in which pulumi, aws and boto3 use the local cloud.

    \b
      ./careapp shell
      $ pulumi stack init poc && pulumi up -s poc
      $ pulumi config set ecsEnabled true && pulumi up -s poc
      $ aws ecs list-services --cluster "$(pulumi stack output clusterName)"
      $ pulumi destroy -s poc
      ./careapp shell pulumi preview -s poc
      ./careapp shell -s prod pulumi preview -s prod    in the region of Pulumi.prod.yaml

    A local cloud has one region. It keeps running when the shell ends; `./careapp cloud stop` stops it.

    Exit code 0: that of the shell or COMMAND. 1: no local cloud or engine. 2: no such stack file, or no
    region in it. 127: no such program.
    """
    choice = careapp.choose_region(stack, region)
    sys.exit(commands.shell(list(command), commands.CloudFlags(**how), choice))


@click.command()
@click.option(
    "--port", type=WholeRange(1, 65535), default=3000, show_default=True, help="Loopback port."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="debug shows health checks, too.",
)
def dev(port: int, log_level: str) -> None:
    """Run only the web app with its own database, and restart it after every change of its folder.

    Without an AWS account and Docker: the image's command, after deployCommand, with the packages of the app's
    requirements.txt, the appVariables of the stack poc, and PostgreSQL with TLS.

    Exit code 0: stopped by Ctrl-C. 1: the app could not start, or it exited.
    """
    from careapp.rehearsal.dev import serve

    sys.exit(serve(port, log_level))


@click.group()
def cloud() -> None:
    """Start, stop or show the local cloud that runs between commands."""


@cloud.command()
@options
@region_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def start(as_json: bool, stack: str | None, region: str | None, **how: Any) -> None:
    """Start the local cloud in the background, in one region.

    Exit code 0: it runs. 1: it does not. 2: no such stack file, or no region in it.
    """
    choice = careapp.choose_region(stack, region)
    sys.exit(commands.cloud_start(commands.CloudFlags(**how), choice, as_json))


@cloud.command()
def stop() -> None:
    """Stop the local cloud and delete all resources in it.

    Exit code 0: none runs. 1: it does not stop, or a rehearsal uses it.
    """
    careapp.refuse_to_stop(find_home())
    sys.exit(commands.cloud_stop())


@cloud.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show whether the local cloud runs, and what runs in it.

    Exit code 0: it runs. 1: it does not.
    """
    sys.exit(commands.cloud_status(as_json))
