"""SSM parameters as secrets of a task: found by ARN or name, decrypted, or refused in ECS's words."""

import re
from types import SimpleNamespace

import pytest

from local_cloud.aws import hooks
from local_cloud.aws.ecs.start_checks import CannotStart, StartChecks

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


@pytest.mark.parametrize("name", ["/app/title", "password"])
def test_parameter_is_found_by_its_arn_and_by_its_name(name):
    arn = f"{ARN}/{name.lstrip('/')}"
    for value_from in (arn, name):
        checks = Checks()
        assert checks.secret(value_from) == f"value of {name}"
        assert checks.asked == [("ssm:GetParameters", arn)]


DENIED = (
    "operation error SSM: GetParameters, https response error StatusCode: 400, RequestID: ID, "
    "api error AccessDeniedException: no policy allows it"
)


@pytest.mark.parametrize(
    ("change", "value_from", "words"),
    [
        ({}, f"{ARN}/none", f"{FAILED}invalid ssm parameters: none"),
        ({}, f"{ARN}/app/none", f"{FAILED}invalid ssm parameters: /app/none"),
        ({"denied": True}, "password", f"{FAILED}{DENIED}"),
        (
            {"reached": False},
            "password",
            "connection issue between the task and AWS Systems Manager",
        ),
    ],
    ids=["missing", "missing in a path", "denied", "not reached"],
)
def test_parameter_that_is_missing_stops_a_task_s_start(change, value_from, words):
    with pytest.raises(CannotStart) as problem:
        Checks(**change).secret(value_from)
    assert words in re.sub(r"[0-9a-f-]{36}", "ID", str(problem.value))
