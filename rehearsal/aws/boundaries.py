"""Permissions boundaries of roles: policies of the user's account, which are not in the local cloud."""

from __future__ import annotations

import json

from rehearsal.aws import hooks

UNLIMITED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": "*"}],
    }
)


@hooks.before("iam", "CreateRole")
@hooks.before("iam", "PutRolePermissionsBoundary")
def make_boundary(params: hooks.Params) -> None:
    """Make a policy that limits nothing in place of a boundary that is missing.

    IAM refuses such a role (IAM API, CreateRole: NoSuchEntity). A program names the boundary that
    somebody else has made in its account, and must be deployable here, too.
    """
    arn, iam = params.get("PermissionsBoundary", ""), hooks.backend("iam")
    own = f"arn:aws:iam::{hooks.ACCOUNT}:policy/"
    if arn.startswith(own) and arn not in iam.managed_policies:
        name = arn.removeprefix(own)
        iam.create_policy("", "/", UNLIMITED, name, [])
