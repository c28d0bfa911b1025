"""The command `ecs-gate`: follows a roll-out of an ECS service, and says what is wrong with one."""

import asyncio
import gc
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO
from urllib.parse import urlsplit

import click

from ecs_gate import github as on_github
from ecs_gate.aws.errors import problem_of
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.diagnosis.screen import as_dict, lines
from ecs_gate.discovery import NOT_READ, Chosen
from ecs_gate.following import Wanted, follow, reader_of
from ecs_gate.parts.gather import Inquiry
from ecs_gate.policy import policy as policy_of
from ecs_gate.rollout.look import ask_doctor
from ecs_gate.rollout.verdict import Outcome
from ecs_gate.screen import Line, display
from ecs_gate.text import Refused, Text, t
from ecs_gate.text.masking import mask, mask_data

RUNS, FAILED, REPLACED, CALLED_WRONGLY, INTERRUPTED = 0, 1, 3, 4, 130

CODES = """\b
Exit codes:
    0  it runs
    1  it failed: the cause comes first, with what to do
    2  it could not be read from AWS, or not all of it
    3  another deployment has taken its place
    4  called wrongly: an option, or a service that does not exist
  130  interrupted; ECS goes on
"""


def codes(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return status codes, as ELB writes a matcher. Raises click.BadParameter."""
    if value is not None and not re.fullmatch(r"\d+(-\d+)?(,\s*\d+(-\d+)?)*", value):
        raise click.BadParameter(f"{value!r} is no list of status codes like 200-299 or 200,301")
    return value


def page_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a page's URL. Raises click.BadParameter."""
    try:
        url = urlsplit(value or "")
        well = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # brackets or a port that are none
        well = False
    if value is not None and not well:
        raise click.BadParameter(f"{value!r} is no URL like https://shop.example/")
    return value


@dataclass(frozen=True)
class Printed:
    """The log of a command: each line is printed, on standard error where standard output is JSON."""

    as_json: bool
    github: bool = False
    """Whether the end is shown on GitHub, too."""

    @property
    def out(self) -> TextIO:
        return sys.stderr if self.as_json else sys.stdout

    def moment(self, text: Text) -> None:
        print(mask(str(text)), file=self.out, flush=True)

    lasting = moment

    def end(self, data: dict[str, Any]) -> None:
        """Print the end where it is to be JSON, and show it on GitHub where that is asked for."""
        masked = mask_data(data)
        if self.as_json:
            _print_json(masked)
        if self.github:
            on_github.show(masked, self.out)

    def warning(self, text: Text) -> None:
        self.moment(t("warning: {text}", text=text))


@dataclass
class Doctor:
    """The doctor, which remembers its last diagnosis."""

    last: list[Diagnosis] = field(default_factory=list)

    def __call__(self, inquiry: Inquiry) -> Diagnosis:
        self.last[:] = [ask_doctor(inquiry)]
        return self.last[0]


def service_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that name a service, and how AWS is reached."""
    options = (
        click.option("--cluster", required=True, metavar="NAME", help="The ECS cluster."),
        click.option("--service", required=True, metavar="NAME", help="The ECS service."),
        click.option(
            *("--page", "url"),
            callback=page_url,
            metavar="URL",
            help="The page that users open; behind a CDN its origin, the load balancer. Without it, the path of the "
            "health check is requested.",
        ),
        click.option(
            "--expects",
            callback=codes,
            metavar="CODES",
            help="The status codes of a page that works, with --page; 200-299 if not given.",
        ),
        click.option("--region", help="The AWS region; else that of the environment or profile."),
        click.option(
            "--profile", help="A profile of ~/.aws/config, also one of IAM Identity Center."
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print JSON; progress is on standard error."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]}, epilog=CODES, no_args_is_help=True
)
def main() -> None:
    """Follow a roll-out of an ECS service until it runs or has failed, and say why it failed.

    From the names of the cluster and the service everything else is found: task definition, image, roles, secrets, log,
    network, target groups, load balancer, page, database, alarms. Credentials come as with the AWS CLI.
    """


@main.command(epilog=CODES)
@service_options
@click.option(
    "--task-definition",
    metavar="ARN",
    help="The task definition that is to run; without it, that of the newest deployment.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    help="How long the roll-out may take.",
)
@click.option(
    "--roll-back",
    is_flag=True,
    help="Let ECS take a version back whose tasks are healthy and whose page fails, and end a deployment whose tasks "
    "fail without end. Without it nothing is changed.",
)
@click.option(
    "--github",
    is_flag=True,
    help="In a workflow of GitHub: show the cause as an annotation, and all of it in the job's summary.",
)
def wait(
    cluster: str, service: str, as_json: bool, roll_back: bool, github: bool, **given: Any
) -> None:
    """Wait until a roll-out has ended. It is red as soon as that is certain, with the cause first."""
    printed = Printed(as_json, github)
    sys.exit(ended(lambda: _wait(_wanted(cluster, service, given), printed, roll_back), printed))


@main.command(epilog=CODES)
@service_options
def doctor(cluster: str, service: str, as_json: bool, **given: Any) -> None:
    """Say what is wrong with a service: causes first, with their cures. It changes nothing."""
    wanted = _wanted(cluster, service, given)
    sys.exit(ended(lambda: _diagnose(wanted, as_json), Printed(as_json)))


@main.command()
@click.argument("command", type=click.Choice(["wait", "doctor"]), default="wait")
@click.option("--roll-back", is_flag=True, help="With what `wait --roll-back` calls.")
def policy(command: str, roll_back: bool) -> None:
    """Print the IAM policy that a command needs, in JSON.

    A part that it may not read is named with the right that is missing; all else is read all the same. Without the
    statement Mask, patterns alone mask the values of secrets in what is shown.
    """
    print(json.dumps(policy_of(roll_back=roll_back and command == "wait"), indent=2))


def _wanted(cluster: str, service: str, given: dict[str, Any]) -> Wanted:
    return Wanted(
        cluster=cluster,
        service=service,
        definition=given.get("task_definition") or "",
        page=Chosen(given["url"] or "", given["expects"] or ""),
        minutes=given.get("minutes", Wanted.minutes),
        region=given["region"] or "",
        profile=given["profile"],
    )


def _wait(wanted: Wanted, printed: Printed, acts: bool) -> int:
    """Follow the roll-out, print its end and return the exit code. Raises AwsProblem and Refused."""
    asked = Doctor()
    reader = reader_of(wanted, acts=acts, doctor=asked)
    expected = reader.expected
    end, why = asyncio.run(follow(reader, printed))
    replaced = end.verdict.outcome is Outcome.REPLACED
    code = REPLACED if replaced else FAILED if why else RUNS
    if why and not printed.as_json:
        display([Line(line) for line in why.splitlines()])
    diagnosis = end.verdict.diagnosis or next(iter(asked.last), None)
    printed.end(
        {
            **{"cluster": expected.names.cluster, "service": expected.names.service},
            **{"revision": expected.revision, "outcome": end.verdict.outcome.name.lower()},
            **{"exitCode": code, "text": why or str(end.verdict.text)},
            "diagnosis": as_dict(diagnosis) if diagnosis else None,
        }
    )
    return code


def _diagnose(wanted: Wanted, as_json: bool) -> int:
    """Print the diagnosis and return its exit code. Raises AwsProblem and Refused."""
    diagnosis = ask_doctor(wanted.asked()[0])
    if as_json:
        _print_json(mask_data(as_dict(diagnosis)))
    else:
        display(lines(diagnosis))
    return diagnosis.exit_code


def ended(work: Callable[[], int], printed: Printed) -> int:
    """Run a command and return its exit code. What AWS or the command refuses is printed, and its own mistakes."""
    try:
        return work()
    except Refused as refusal:
        return _refused(str(refusal.text), refusal.exit_code, printed)
    except KeyboardInterrupt:
        print(str(t("not following any more: ECS goes on")), file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        return _refused(problem_of(error).as_text(), NOT_READ, printed)


def _refused(text: str, code: int, printed: Printed) -> int:
    print(f"ecs-gate: {mask(text)}", file=sys.stderr)
    printed.end({"exitCode": code, "text": text})
    return code


def _print_json(data: object) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def run() -> None:
    """Run the command line and exit; click's own code for a wrong call would be that of what cannot be read."""
    # The garbage collector would take 0.2 s to scan botocore's models, which are never freed.
    gc.set_threshold(500_000)
    try:
        sys.exit(main(prog_name="ecs-gate", standalone_mode=False))
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(CALLED_WRONGLY)
    except click.Abort:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
