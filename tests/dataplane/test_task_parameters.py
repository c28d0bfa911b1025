"""SSM parameters as secrets of a task: found by ARN or name, decrypted, or refused in ECS's words."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from rehearsal.aws import hooks
from rehearsal.aws.ecs.start_checks import CannotStart, StartChecks

ARN = f"arn:aws:ssm:ap-northeast-1:{hooks.ACCOUNT}:parameter"
FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
)


class Checks(StartChecks):
    """The checks of a task in a network and with a role that are given."""

    def __init__(self, reached: bool = True, denied: bool = False) -> None:
        super().__init__("task", SimpleNamespace(execution_role_arn="role"), None, None)
        self.reached, self.denied, self.asked = reached, denied, []

    def _reaches(self, _service: str) -> bool:
        return self.reached

    def _denied(self, action: str, resource: str) -> str | None:
        self.asked.append((action, resource))
        return "no policy allows it" if self.denied else None


@pytest.fixture(autouse=True)
def parameters():
    """Put two parameters into SSM for a test."""
    hooks.registry.region = "ap-northeast-1"
    ssm = hooks.backend("ssm")
    for name, kind in (("/app/title", "String"), ("password", "SecureString")):
        ssm.put_parameter(name, "", f"value of {name}", kind, "", "", True, [], "text", None, None)
    yield
    for name in ("/app/title", "password"):
        ssm.delete_parameter(name)


@pytest.mark.parametrize(
    ("value_from", "name"),
    [
        (f"{ARN}/app/title", "/app/title"),
        ("/app/title", "/app/title"),
        (f"{ARN}/password", "password"),
        ("password", "password"),
    ],
)
def test_it_is_found_by_its_arn_and_by_its_name(value_from, name):
    checks = Checks()
    assert checks.secret(value_from) == f"value of {name}"
    assert checks.asked == [("ssm:GetParameters", f"{ARN}/{name.lstrip('/')}")]


@pytest.mark.parametrize(
    ("checks", "value_from", "words"),
    [
        (Checks(), f"{ARN}/none", f"{FAILED}invalid ssm parameters: none"),
        (Checks(), f"{ARN}/app/none", f"{FAILED}invalid ssm parameters: /app/none"),
        (
            Checks(denied=True),
            "password",
            f"{FAILED}operation error SSM: GetParameters, https response error StatusCode: 400, RequestID: ID, "
            "api error AccessDeniedException: no policy allows it",
        ),
    ],
    ids=["missing", "missing in a path", "denied"],
)
def test_a_task_does_not_start_without_it(checks, value_from, words):
    with pytest.raises(CannotStart) as problem:
        checks.secret(value_from)
    assert re.sub(r"[0-9a-f-]{36}", "ID", str(problem.value)) == words


def test_a_task_does_not_start_where_ssm_is_not_reached():
    with pytest.raises(
        CannotStart, match="connection issue between the task and AWS Systems Manager"
    ):
        Checks(reached=False).secret("password")
