"""Parameters that break botocore's models are refused in the words of AWS's services."""

from __future__ import annotations

import time

import pytest
from moto.core.utils import get_service_model

from tools.local_cloud.aws import models
from tools.local_cloud.providers.aws import KINDS
from tools.tests.local_cloud.providers.conftest import definition, refused

SERVICES = sorted({kind.service for kind in KINDS.values()})


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "words"),
    [
        (
            *("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"}),
            "ValidationError",
            "1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [\\w+=,.@-]+",
        ),
        (
            *("logs", "create_log_group", {"logGroupName": "a b"}),
            "InvalidParameterException",
            "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ),
        (
            *("scheduler", "create_schedule_group", {"Name": "x" * 65}),
            "ValidationException",
            f"Value '{'x' * 65}' at 'name' failed to satisfy constraint: Member must have length less than or equal "
            "to 64",
        ),
        (
            *("elbv2", "create_target_group", {"Name": "t", "HealthCheckTimeoutSeconds": 121}),
            "ValidationError",
            "Value '121' at 'healthCheckTimeoutSeconds' failed to satisfy constraint: Member must have value less "
            "than or equal to 120",
        ),
        (
            *("kms", "create_key", {"KeyUsage": "NOPE"}),
            "ValidationException",
            "Value 'NOPE' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: [SIGN_",
        ),
        (
            *("ecs", "register_task_definition"),
            definition(runtimePlatform={"cpuArchitecture": "M68K"}, tags=[{"key": "a;"}]),
            "InvalidParameterException",
            "2 validation errors detected: Value 'a;' at 'tags.1.member.key' failed to satisfy constraint: Member "
            "must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*); Value 'M68K' at "
            "'runtimePlatform.cpuArchitecture' failed",
        ),
        (
            *("acm", "list_certificates", {"CertificateStatuses": ["ISSUED", "NOPE"]}),
            "ValidationException",
            "Value '[ISSUED, NOPE]' at 'certificateStatuses' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must satisfy enum value set: [",
        ),
    ],
)
def test_a_parameter_that_breaks_its_model_is_refused(
    calls, service, operation, params, code, words
):
    error = refused(calls, service, operation, params)
    assert error["Code"] == code
    assert words in error["Message"]


def shapes(service):
    model = get_service_model(service)
    return [model.shape_for(name) for name in model.shape_names]


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_models_can_be_read(service):
    patterns = {pattern for each in shapes(service) if (pattern := each.metadata.get("pattern"))}
    for pattern in patterns:
        assert models.compiled_pattern(pattern)


def test_a_rule_that_aws_does_not_enforce_exists_and_has_a_reason():
    for (service, name), reason in models.NOT_ENFORCED.items():
        rules = get_service_model(service).shape_for(name).metadata
        assert {"min", "max", "pattern", "enum"} & set(rules), (service, name)
        assert len(reason.split()) > 4


def test_a_check_takes_a_fraction_of_a_millisecond():
    """A task definition with fifty variables, the longest request of a program."""
    variables = [{"name": f"V{number}", "value": "x" * 50} for number in range(50)]
    container = {"name": "app", "image": "app:1", "environment": variables}
    params = definition(containerDefinitions=[container], tags=[{"key": "a", "value": "b"}] * 10)
    models.problem("ecs", "RegisterTaskDefinition", params)
    begin = time.process_time()
    for _ in range(100):
        assert models.problem("ecs", "RegisterTaskDefinition", params) is None
    assert (time.process_time() - begin) / 100 < 0.001
