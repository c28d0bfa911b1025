"""IAM's rules about managed policies, boundaries and trust policies that moto lacks."""

import json
import re
from collections.abc import Iterator

from moto.iam import models

from local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before, instead
from local_cloud.aws.policy_evaluation import listed, read

LINKED = {"rds": "RDS", "ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
"""How the names of service-linked roles end (IAM user guide, "AWS services that work with IAM")."""


def install() -> None:
    """Name service-linked roles as AWS does. The hooks are registered by the import."""
    models.SERVICE_NAME_CONVERSION.update(LINKED)


@before("iam", "CreateRole")
@before("iam", "UpdateAssumeRolePolicy")
def trust_is_one(params: Params) -> None:
    """Refuse a policy without statements, and a principal that does not exist.

    Error message of the second: hashicorp/terraform-provider-aws issue 8905. IAM looks up the principals of other
    accounts, too, which are not known here.
    """
    policy = read(params.get("AssumeRolePolicyDocument") or params["PolicyDocument"])
    if policy is None:
        raise Refused("MalformedPolicyDocument", "This policy contains invalid Json")
    if "Statement" not in policy:
        raise Refused("MalformedPolicyDocument", "Syntax errors in policy.")
    iam = backend("iam")
    known = {each.arn for each in [*iam.roles.values(), *iam.users.values()]}
    for principal in _principals(policy):
        own = re.fullmatch(rf"arn:aws:iam::{ACCOUNT}:(role|user)/.+", principal)
        if own and principal not in known:
            words = f'Invalid principal in policy: "AWS":"{principal}"'
            raise Refused("MalformedPolicyDocument", words)


def _principals(policy: Params) -> Iterator[str]:
    for each in listed(policy["Statement"]):
        principal = each.get("Principal", {})
        if isinstance(principal, dict):
            yield from map(str, listed(principal.get("AWS", ())))


UNLIMITED = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": "*"}]}
)


@instead("iam", "UpdateRole")
def update_role(params: Params) -> Params:
    """Change what is given of a role. moto takes away what is not (API reference, UpdateRole: neither is required)."""
    role = backend("iam").get_role(params["RoleName"])
    role.description = params.get("Description", role.description)
    role.max_session_duration = params.get("MaxSessionDuration", role.max_session_duration)
    return {}


@before("iam", "CreateRole")
@before("iam", "PutRolePermissionsBoundary")
def make_boundary(params: Params) -> None:
    """Make a policy that limits nothing in place of a boundary that is missing.

    IAM refuses such a role (IAM API, CreateRole: NoSuchEntity). A program names the boundary that
    somebody else has made in its account, and must be deployable here, too.
    """
    arn, iam = params.get("PermissionsBoundary", ""), backend("iam")
    own = f"arn:aws:iam::{ACCOUNT}:policy/"
    if arn.startswith(own) and arn not in iam.managed_policies:
        name = arn.removeprefix(own)
        iam.create_policy("", "/", UNLIMITED, name, [])
