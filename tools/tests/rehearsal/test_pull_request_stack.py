"""A pull request's stack in the local cloud, typed as docs/delivery.md says: from the label to its end.

What a push and the sweep do to it: tests/engine/test_pull_requests.py.
"""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.workflows import PAGE
from tools.tests.rehearsal.conftest import UP, Careapp, deployed

needs_aws = pytest.mark.skipif(not shutil.which("aws"), reason="the AWS CLI is not installed")
TYPED = """\
./careapp delivery up --pull-request 12
curl -s "$(pulumi stack output pageUrl -s pr-12)"
./careapp delivery destroy --pull-request 12
./careapp delivery sweep --labelled "[12]"
"""
"""The commands of the document."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    on = ("pulumi", "config", "set", "ecsEnabled", "true", "-s", "poc")
    with deployed(tmp_path_factory.mktemp("previews"), on, UP) as careapp:
        yield careapp


def typed(careapp: Careapp, line: str, code: int = 0) -> str:
    """Type a line in the shell of the local cloud; return what it prints."""
    done = careapp.shell("bash", "-c", line)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def page(careapp: Careapp, stack: str) -> str:
    return typed(careapp, f'curl -s "$(pulumi stack output pageUrl -s {stack})"')


def task_of(said: str) -> str:
    """The task that answered, as the page names it."""
    [first, *_] = re.findall(r"<code>(\w{8})</code>", said)
    return first


def test_the_document_has_the_commands():
    assert TYPED in PAGE.read_text()


@needs_aws
def test_cloudformation_is_not_there_and_says_so_as_aws_does(cloud):
    [deploy] = re.findall(r"aws cloudformation deploy .*?-pr .*?NAME\n", PAGE.read_text(), re.S)
    said = typed(cloud, deploy, code=255)
    assert (
        "An error occurred (UnsupportedOperation) when calling the DescribeStacks operation" in said
    )
    assert "html" not in said


def test_a_stack_s_life_as_it_is_typed(cloud):
    said = typed(cloud, "./careapp delivery up --pull-request 12")
    assert "### pr-12 stands\n\nPage: http://careapp-pr-12-alb-" in said
    # Two load balancers in one local cloud: each page is its own stack's.
    its, poc = page(cloud, "pr-12"), page(cloud, "poc")
    assert "<h1>Hello ECS</h1>" in its
    tasks = {each["id"][:8]: each["service"] for each in cloud.facts()["state"]["tasks"]}
    assert tasks[task_of(its)] == "careapp-pr-12-service"
    assert tasks[task_of(poc)] == "careapp-poc-service"
    status = cloud.run("cloud", "status").stdout
    assert "listener HTTP:80 of careapp-poc-alb: http://localhost:" in status
    assert "listener HTTP:80 of careapp-pr-12-alb: http://localhost:" in status
    swept = typed(cloud, './careapp delivery sweep --labelled "[12]"')
    assert "No stack of a pull request was missed." in swept
    assert "### pr-12 is destroyed" in typed(cloud, "./careapp delivery destroy --pull-request 12")
    assert "<h1>Hello ECS</h1>" in page(cloud, "poc")
