"""A service that Terraform made with the modules that most use, followed by ecs-gate in the same `terraform apply`."""

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from careapp import ROOT
from local_cloud.run.project import local_cloud_environment
from tests.real_provider.terraform import Terraform, plugins
from tests.support.program import UP, Program, stopped

VARIABLE = "TF_MODULES_DIR"
"""The folder with terraform-aws-modules/alb and …/ecs; conftest.py leaves these tests out without it."""
REGION = "eu-west-1"
IMAGE = """\
import pulumi
import pulumi_aws as aws
import pulumi_docker as docker

repository = aws.ecr.Repository("shop")
image = docker.Image("shop", image_name=repository.repository_url, build={"context": "app"})
pulumi.export("image", image.repo_digest)
"""
"""Builds the app's image: Terraform is given its digest, as by any pipeline."""
NOTHING = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:nothing-AbCdEf"
MISTAKES = {
    "port-mismatch": ("command", '["gunicorn", "--bind", "0.0.0.0:9000", "shop:app"]'),
    "health-path-missing": ("path", "/health"),
    "balancer-cannot-reach-task": ("open", "8001"),
    "task-cannot-reach-aws": ("public", "false"),
    "secret-missing": ("secrets", json.dumps([{"name": "KEY", "valueFrom": NOTHING}])),
}
"""By the cause that is to be first: the variable of service.tf, and its wrong value."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A local cloud with the image of packages/ecs-gate/examples/any_service."""
    folder = tmp_path_factory.mktemp("service") / "image"
    folder.mkdir()
    (folder / "app").symlink_to(ROOT / "packages" / "ecs-gate" / "examples" / "any_service" / "app")
    (folder / "Pulumi.yaml").write_text("name: image\nruntime: python\n")
    (folder / "__main__.py").write_text(IMAGE)
    program = Program(folder, Path(sys.prefix))
    gate = folder.parent / "bin" / "ecs-gate"
    gate.parent.mkdir()
    gate.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m ecs_gate "$@"\n')
    gate.chmod(0o755)
    path = (str(gate.parent), str(Path(sys.executable).parent), program.environment["PATH"])
    program.environment["PATH"] = os.pathsep.join(path)
    options = ("--region", REGION, "--tasks", "process", "--port", "0")
    program.type("shell", *options, "--", "pulumi", "stack", "init", "dev")
    program.pulumi(*UP, "--config", f"aws:region={REGION}")
    yield from stopped(program)


class Service:
    """The service of service.tf, in Terraform's working directory."""

    def __init__(self, terraform: Terraform, image: str) -> None:
        self.terraform, self.image = terraform, image
        self.release = 0

    def apply(self, variable: str = "", value: str = "") -> str:
        """Apply another release, with another value of a variable; return why it is red, or ""."""
        self.release += 1
        given = {"image": self.image, "release": str(self.release)}
        given |= {variable: value} if variable else {}
        options = [f"-var={name}={text}" for name, text in given.items()]
        said = self.terraform.run("apply", "-auto-approve", *options, code=None)
        return "" if "Apply complete!" in said else said or "nothing was applied"

    def findings(self, cloud: Program) -> list[dict[str, str]]:
        """Return what `ecs-gate wait` finds of the task definition that Terraform has registered."""
        state = json.loads(self.terraform.state.read_text())
        kind = ("managed", "aws_ecs_task_definition")  # The module reads it as data, too.
        [definition] = [e for e in state["resources"] if (e["mode"], e["type"]) == kind]
        arn = definition["instances"][0]["attributes"]["arn"]
        wait = f"! ecs-gate wait {NAMES} --task-definition {arn} --json 2>/dev/null"
        found = json.loads(cloud.type("shell", "--", "sh", "-c", wait))
        return list(found["diagnosis"]["findings"])


NAMES = "--cluster shop --service web"


@pytest.fixture(scope="module")
def service(cloud: Program) -> Service:
    """The service, as the first apply makes it."""
    folder = cloud.folder.parent / "terraform"
    folder.mkdir()
    (folder / "service.tf").write_text(configuration())
    terraform = Terraform(folder, cloud.environment, REGION)
    terraform.configure()
    found = plugins()
    terraform.run("init", *([f"-plugin-dir={found}"] if found else []))
    here = local_cloud_environment(cloud.facts.access, cloud.home.facts)
    inside = {**here, "PATH": cloud.environment["PATH"], "LANG": "C"}
    outputs = json.loads(cloud.pulumi("stack", "output", "--json"))
    made = Service(replace(terraform, environment=inside), outputs["image"])
    assert made.apply() == ""
    return made


def configuration() -> str:
    """Return service.tf with the modules of the folder."""
    text = Path(__file__).with_name("service.tf").read_text()
    text = re.sub(r'"(terraform-aws-modules/\w+)/aws', rf'"{os.environ[VARIABLE]}/\1', text)
    return re.sub(r"^  version = .*\n", "", text, flags=re.M)


def test_service_runs_and_the_doctor_calls_it_healthy(cloud: Program, service: Service) -> None:
    for verb in ("wait", "doctor"):
        cloud.type("shell", "--", "sh", "-c", f"ecs-gate {verb} {NAMES}")


@pytest.mark.parametrize("cause", MISTAKES)
def test_mistake_is_red_in_the_same_apply_with_its_cause_first(
    cloud: Program, service: Service, cause: str
) -> None:
    red = " ".join(service.apply(*MISTAKES[cause]).split())
    findings = [finding for finding in service.findings(cloud) if finding["title"] in red]
    first = min(findings, key=lambda finding: red.index(finding["title"]), default={"id": red})
    assert first["id"] == cause
    assert service.apply() == ""
