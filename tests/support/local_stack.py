"""A copy of the program with the real engine and the stand-ins around it, for tests that change the program."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from moto.backends import get_backend

from rehearsal.aws.api import Api
from rehearsal.aws.rds.rules import make_service_role
from rehearsal.building.builder import Builder
from rehearsal.client import Facts
from rehearsal.engine.find import find_or_get
from rehearsal.engine.language import Hosts, Language
from rehearsal.engine.pulumi import Changes, Pulumi
from rehearsal.paths import Home
from rehearsal.project import Project, copy_program, led_to_local_cloud
from rehearsal.providers.aws_provider import AwsServicer
from rehearsal.providers.awsx import AwsxServicer
from rehearsal.providers.calls import Calls
from rehearsal.providers.docker_provider import DockerServicer
from tests.support.scripted_ecs import ScriptedEcs, scripted_ecs

REGION = "ap-northeast-1"
SPEED = "100"
"""How much faster than the wall the clock is by which a roll-out gate waits."""
TOUCHED = (
    *("applicationautoscaling", "cloudwatch", "ec2", "ecr", "ecs", "elbv2", "events", "iam"),
    *("kms", "logs", "rds", "route53", "acm", "s3", "secretsmanager", "sns"),
)
"""The services that the program makes something in, by moto's names."""


@dataclass(frozen=True)
class LocalStack:
    """One stack of a program that may be edited in ``source``."""

    pulumi: Pulumi
    home: Home
    source: Path
    calls: Calls
    ecs: ScriptedEcs
    language: Language
    name: str = "poc"

    def up(self, **config: str) -> Changes:
        """Set configuration, then ``pulumi up``."""
        self.configure(config)
        return self.pulumi.update("up", self.name)

    def configure(self, config: Mapping[str, str]) -> None:
        """Set configuration, by one call of the engine."""
        if config:
            pairs = [f"--plaintext={key}={value}" for key, value in config.items()]
            self.pulumi.run("config", "set-all", *pairs, "--stack", self.name)

    def destroy(self) -> Changes:
        return self.pulumi.update("destroy", self.name)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change the program; the text to change must be there exactly once."""
        path = self.source / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def state(self) -> str:
        """The stack's state file, as it lies on the disk."""
        return (self.home.state / f".pulumi/stacks/careapp/{self.name}.json").read_text()


def forget_other_stacks() -> None:
    """Empty moto, which lives as long as the process: revisions are counted, names are taken."""
    for service in TOUCHED:
        get_backend(service).reset()


@contextlib.contextmanager
def local_stack(folder: Path, stack: str = "poc") -> Iterator[LocalStack]:
    """The stand-ins without a data plane: roll-outs succeed at once, unless a test wants another end."""
    source, home = folder / "source", Home(folder / "home")
    copy_program(source)
    # One line for every request would bury what a failing test has to say.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stops:
        api = Api(REGION)
        api.start()
        stops.callback(api.stop)
        forget_other_stacks()
        calls = Calls(api.endpoint, REGION)
        make_service_role(calls)
        ecs = stops.enter_context(scripted_ecs())
        language = Language(
            led_to_local_cloud(api.endpoint, REGION, home.facts)
            | {"CAREAPP_POLL_SECONDS": "0.1", "CAREAPP_CLOCK_SPEED": SPEED}
        )
        hosts = Hosts(
            language,
            {
                "aws": AwsServicer(api.endpoint, REGION),
                "awsx": AwsxServicer(),
                "docker": DockerServicer(
                    Builder(calls, folder / "images", docker=False), lambda: language.folder
                ),
            },
        )
        hosts.start()
        stops.callback(hosts.stop)
        project = Project(home, source)
        project.prepare()
        options = {
            "region": REGION,
            "speed": 20,
            "port": None,
            "docker": False,
            "namespaces": False,
        }
        facts = Facts(
            {
                "pid": 0,
                "endpoint": api.endpoint,
                "environment": hosts.environment,
                "options": options,
            }
        )
        environment = project.environment(facts, find_or_get())
        pulumi = Pulumi(home.project, environment, quiet=True)
        pulumi.run("stack", "init", stack)
        yield LocalStack(pulumi, home, source, calls, ecs, language, stack)
