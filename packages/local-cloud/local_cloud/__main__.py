"""Starts the local cloud for the Pulumi program in the current folder, and runs commands in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from local_cloud import starter
from local_cloud.run import shell as commands
from local_cloud.run.client import CloudError
from local_cloud.run.options import options
from local_cloud.run.project import PROJECT_FILES

region_option = click.option(
    "--region", help="The AWS region of the local cloud; a new one needs it."
)


def choose(region: str | None) -> commands.RegionChoice:
    """Return the region of the option, which a new local cloud needs."""

    def missing() -> str:
        raise CloudError(
            "No local cloud runs for {folder} yet: name the region of the program's stacks, "
            "like --region eu-west-1.",
            folder=str(starter.current().folder),
        )

    return commands.RegionChoice(region, missing)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the Pulumi program of the current folder in a local cloud, without an AWS account.

    Its state, stack files and log are in a folder of its own in the user's cache, or in the folder that
    LOCAL_CLOUD_HOME names. LOCAL_CLOUD_PULUMI is the path of a pulumi executable; by default it is searched,
    downloaded or built once.
    """
    folder = Path.cwd()
    starter.use(starter.own(folder))
    if not any((folder / name).is_file() for name in PROJECT_FILES):
        raise CloudError(
            "{folder} has no Pulumi.yaml: go to the folder of a program.", folder=str(folder)
        )


@main.command()
@options
@region_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def start(region: str | None, as_json: bool, **how: Any) -> None:
    """Start the local cloud in the background. Exit code 0: it runs. 1: it does not."""
    sys.exit(commands.cloud_start(commands.CloudFlags(**how), choose(region), as_json))


@main.command()
def stop() -> None:
    """Stop the local cloud and delete all resources in it."""
    sys.exit(commands.cloud_stop())


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show whether the local cloud runs, and what runs in it. Exit code 0: it runs. 1: it does not."""
    sys.exit(commands.cloud_status(as_json))


@main.command(context_settings={"allow_interspersed_args": False})
@options
@region_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(command: tuple[str, ...], region: str | None, **how: Any) -> None:
    """Run a shell, or one COMMAND like `pulumi up`, in which pulumi, aws and boto3 use the local cloud.

    It starts the local cloud if none runs. The exit code is that of the shell or COMMAND.
    """
    sys.exit(commands.shell(list(command), commands.CloudFlags(**how), choose(region)))


if __name__ == "__main__":
    main(prog_name=starter.own(Path()).cloud)
