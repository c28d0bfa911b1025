"""What policies permit."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.aws.iam import permits

SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-1-AbCdEf"
READ = "secretsmanager:GetSecretValue"


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "permitted"),
    [
        ([allow(READ, SECRET)], True),
        ([allow("SecretsManager:getsecretvalue", SECRET)], True),
        ([allow("secretsmanager:*", "*")], True),
        ([allow([READ, "x:y"], ["arn:other", f"{SECRET[:-7]}-??????"])], True),
        ([allow(READ, SECRET[:-7])], False),
        ([allow("secretsmanager:Describe*", SECRET)], False),
        ([allow(READ, "*"), {"Effect": "Deny", "Action": "*", "Resource": SECRET}], False),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], True),
        ([{"Effect": "Allow", "Action": "*", "NotResource": SECRET}], False),
        ([], False),
    ],
)
def test_silence_refuses_and_a_deny_wins(statements: list[Any], permitted: bool) -> None:
    assert permits([{"Statement": statements}], READ, SECRET) is permitted
