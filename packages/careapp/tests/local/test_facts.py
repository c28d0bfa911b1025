"""What careapp and the local cloud each have for themselves: both say the same."""

import ast
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from careapp import ROOT
from careapp.rehearsal.careapp import CAREAPP
from careapp.settings import image, service, sizes
from careapp.settings import schedule_expressions as stacks_expressions
from careapp.settings.names import StackNames
from ecs_gate.aws.session import Session
from ecs_gate.facts import elb as aws_rules
from ecs_gate.parts import cloudwatch
from ecs_gate.parts.cloudwatch import Quota
from infra import image_tag
from local_cloud.aws import hooks, quotas, schedule_expressions
from local_cloud.aws.ecs import definitions, launch_rate, start_checks
from local_cloud.building import dockerfile
from local_cloud.building.dockerfile import Run
from local_cloud.building.files import Context
from local_cloud.providers import servicer


def test_facts_of_aws_are_the_same():
    assert start_checks.PLATFORMS == image.PLATFORMS
    assert {each: version(f"pulumi-{each}") for each in servicer.VERSIONS} == servicer.VERSIONS
    memory = {cpu: tuple(mib) for cpu, mib in definitions.FARGATE.items()}
    assert memory == service.MEMORY_BY_CPU
    assert launch_rate.LAUNCHES_A_MINUTE == sizes.LAUNCHES_A_MINUTE
    assert launch_rate.LAUNCHED_AT_ONCE == sizes.LAUNCHED_AT_ONCE
    assert [aws_rules.breaker_limit(count) for count in (1, 7, 399, 500)] == [3, 4, 200, 200]
    text = (ROOT / "webapp" / "Dockerfile").read_text()
    assert re.findall(r"^ARG BASE_IMAGE=(\S+)", text, re.M) == [CAREAPP.base_image]


def functions(module):
    """The functions of a module by their names, without what their docstrings and imports say."""
    tree = ast.parse(Path(module.__file__).read_text())
    found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for function in found.values():
        kinds = (ast.Expr, ast.ImportFrom)
        function.body = [line for line in function.body if not isinstance(line, kinds)]
    return {name: ast.unparse(function) for name, function in found.items()}


def test_the_local_cloud_s_copy_of_the_schedule_expressions_is_the_same():
    """So the tests of one are those of both."""
    ours, theirs = functions(stacks_expressions), functions(schedule_expressions)
    names = ("next_time", "_cron", "following", "each_time")
    assert [ours[name] for name in names] == [theirs[name] for name in names]


def test_files_that_docker_sends_are_those_that_the_image_s_tag_covers(tmp_path):
    (tmp_path / ".dockerignore").write_text("# a comment\n\n*.log\n!kept.log\nbuild\n")
    names = ["app.py", "deep/er/app.py", "deep/er/some.log", "kept.log"]
    for name in (*names, "some.log", "build/made"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "other.dockerignore").write_text("*\n!build\n")
    for file, expected in (
        ("Dockerfile", [".dockerignore", *names, "link", "other.dockerignore"]),
        ("other", [".dockerignore", "build/made"]),
    ):
        sent = sorted(Context(tmp_path, tmp_path / file).files())
        assert sent == expected == sorted(image_tag.sent_files(tmp_path, file))


@pytest.mark.parametrize(
    "folder",
    ["webapp", "docs/examples/flaskr", "docs/examples/django", "docs/examples/cookiecutter"],
)
def test_the_apps_that_come_with_the_project_are_read_without_a_problem(folder):
    stage = dockerfile.read(ROOT / folder / "Dockerfile", {})
    assert any(isinstance(step, Run) for each in stage.needed for step in each.steps)


@pytest.mark.parametrize(
    ("cluster", "spot", "expected"),
    [
        ("careapp-poc-cluster", False, Quota(limit=6.0, elsewhere=0.25)),
        ("main", False, Quota(limit=6.0, elsewhere=0)),
        ("another", False, Quota(limit=6.0, elsewhere=0.25)),
        ("careapp-poc-cluster", True, Quota(limit=6.0, elsewhere=0, code="L-36FBB829")),
    ],
    ids=["another service", "the service itself", "a namesake", "Spot, another quota"],
)
def test_quota_counts_the_tasks_of_other_services(running, monkeypatch, cluster, spot, expected):
    names = StackNames("poc", "careapp")
    service = names.service if cluster == names.cluster else "web"
    own = type("Own", (StackNames,), {"cluster": cluster, "service": service})
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    quotas.install()
    hooks.register(quotas)
    running.whole()
    session = Session("ap-northeast-1")
    assert cloudwatch.quota(session, own("poc", "careapp"), spot=spot) == expected
