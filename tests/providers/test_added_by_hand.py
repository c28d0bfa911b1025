"""What somebody has added by hand holds up a destroy, unless the program says that it goes, too."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from rehearsal.providers import lifecycle
from rehearsal.providers.aws.groups import GROUP
from rehearsal.providers.aws.iam import ROLE

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
READ = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


@pytest.fixture
def group(calls):
    """A security group that a rule of another one names."""
    made = [
        calls("ec2", "create_security_group", {"GroupName": name, "Description": name})["GroupId"]
        for name in ("named", "naming")
    ]
    named, naming = made
    rule = {
        "IpProtocol": "tcp",
        "FromPort": 3000,
        "ToPort": 3000,
        "UserIdGroupPairs": [{"GroupId": named}],
    }
    params = {"GroupId": naming, "IpPermissions": [rule]}
    calls("ec2", "authorize_security_group_egress", params)
    yield named
    calls("ec2", "delete_security_group", {"GroupId": naming})


@pytest.fixture
def role(calls):
    """A role with a policy of its own."""
    calls("iam", "create_role", {"RoleName": "held", "AssumeRolePolicyDocument": TRUST})
    params = {"RoleName": "held", "PolicyName": "by-hand", "PolicyDocument": READ}
    calls("iam", "put_role_policy", params)
    return "held"


def test_a_group_that_a_rule_names_stays(calls, group):
    with pytest.raises(ClientError, match=f"resource {group} has a dependent object"):
        lifecycle.delete(calls, GROUP, group, {"name": "named"})
    lifecycle.delete(calls, GROUP, group, {"name": "named", "revokeRulesOnDelete": True})
    with pytest.raises(ClientError, match="does not exist"):
        calls("ec2", "describe_security_groups", {"GroupIds": [group]})


def test_a_role_with_a_policy_stays(calls, role):
    inputs = {"name": role, "assumeRolePolicy": TRUST}
    with pytest.raises(ClientError, match="must delete policies first"):
        lifecycle.delete(calls, ROLE, role, inputs)
    lifecycle.delete(calls, ROLE, role, {**inputs, "forceDetachPolicies": True})
    with pytest.raises(ClientError, match=r"not found|cannot be found"):
        calls("iam", "get_role", {"RoleName": role})
