"""The command ``./careapp delivery``: its setting up, and the steps of the workflows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.options import options
from ops.texts import LANGUAGES, language


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def delivery() -> None:
    """Deliver by push: GitHub Actions deploy the stacks, and AWS trusts them without stored keys.

    `setup` is for people, once; the others are the steps of .github/workflows/. docs/delivery.md
    tells the whole way.
    """


@delivery.command()
@click.argument("repository")
@click.option("-s", "--stack", "stacks", multiple=True, default=("poc", "prod"), show_default=True,
              help="A stack to deliver; may be given several times.")  # fmt: skip
@click.option("--branch", default="main", show_default=True, help="The branch that deploys.")
@click.option("--owner-id", default="", help="GitHub's number of the owner; see above.")
@click.option("--repository-id", default="", help="GitHub's number of the repository.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option(
    "--remove", is_flag=True, help="Take away what can be made again; state and key stay."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--lang", type=click.Choice(LANGUAGES), help="English or Japanese.")
def setup(
    repository: str,
    stacks: tuple[str, ...],
    branch: str,
    owner_id: str,
    repository_id: str,
    dry_run: bool,
    remove: bool,
    yes: bool,
    lang: str | None,
) -> None:
    """Make what GitHub Actions of REPOSITORY (OWNER/NAME) need in the account: run it again at will.

    The identity provider, a role for previews and one for each stack's deploys, the bucket and the
    key of Pulumi's state, the boundary of the stacks' own roles. Then it prints the variables that
    the repository needs.

    A repository that was made, renamed or moved after 2026-07-15 also needs its two numbers:

    \b
      gh api repos/OWNER/NAME --jq '"--owner-id \\(.owner.id) --repository-id \\(.id)"'

    Exit code 0: done, or nothing to do. 1: refused. 2: it could not look.
    """
    from ops.delivery.names import Repository
    from ops.delivery_commands import Wanted, set_up

    whose = Repository(
        name=repository, branch=branch, owner_id=owner_id, repository_id=repository_id
    )
    wanted = Wanted(whose, stacks, Path(), language(lang), dry_run, remove, yes)
    sys.exit(set_up(wanted))


@delivery.command()
@options
def check(stack: str, lang: str | None) -> None:
    """Step: whether the repository and its environment have the variables of the stack's deploys.

    Exit code 0: they have. 1: one is missing.
    """
    from ops.delivery import jobs

    sys.exit(jobs.check(stack, language(lang)))


@delivery.command()
@options
def begin(stack: str, lang: str | None) -> None:
    """Step: choose the stack, and make it when it is new.

    Exit code 0: chosen. 1: refused, or Pulumi failed. Any other: pulumi's own.
    """
    from ops.delivery import jobs

    sys.exit(jobs.begin(stack, language(lang)))


@delivery.command()
@options
def preview(stack: str, lang: str | None) -> None:
    """Step: preview the change, for the summary and the comment.

    Exit code 0: previewed. 1: refused, or Pulumi failed. Any other: pulumi's own.
    """
    from ops.delivery import jobs

    sys.exit(jobs.preview(stack, language(lang)))


@delivery.command()
@options
def comment(stack: str, lang: str | None) -> None:
    """Step: put the preview on the pull request, as the one comment that is rewritten.

    Exit code 0: it is there. 1: refused: no pull request's job, or GitHub took no comment.
    """
    from ops.delivery import jobs

    sys.exit(jobs.comment(stack, language(lang)))


@delivery.command()
@options
def drift(stack: str, lang: str | None) -> None:
    """Step: compare AWS with the program.

    Exit code 0: nothing has drifted. 1: refused, drift, or no answer. Any other: pulumi's own.
    """
    from ops.delivery import jobs

    sys.exit(jobs.drift(stack, language(lang)))


@delivery.command()
@options
def summary(stack: str, lang: str | None) -> None:
    """Step: put the doctor's first finding into the job's summary.

    Exit code 0: it is there, whatever it says. 2: it could not look.
    """
    from ops.delivery import jobs

    sys.exit(jobs.summary(stack, Path(), language(lang)))
