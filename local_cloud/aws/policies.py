"""IAM's rules about managed policies, boundaries and trust policies that moto lacks."""

import json
import re

from moto.iam import models

from local_cloud.aws.hooks import ACCOUNT, Params, Refused, backend, before, instead
from local_cloud.aws.policy_evaluation import listed, read

LINKED = {"rds": "RDS", "ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
"""How the names of service-linked roles end (IAM user guide, "AWS services that work with IAM")."""


def install() -> None:
    """Name service-linked roles as AWS does. The hooks are registered by the import."""
    models.SERVICE_NAME_CONVERSION.update(LINKED)


VERSIONS = (None, "2012-10-17", "2008-10-17")
OPERATORS = re.compile(
    "(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals(IgnoreCase)?|Like)|(Numeric|Date)((Not)?Equals|(Less|Greater)Than"
    "(Equals)?)|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?|Null"
)
"""IAM user guide, "IAM JSON policy elements: Condition operators"."""


def malformed(text: str | bytes, *, has_statement: bool = False) -> str | None:
    """Return what no service takes of a policy in JSON (IAM user guide, "IAM JSON policy elements reference").

    With ``has_statement`` the list of its statements is not empty, as in the policies of keys and topics.
    """
    policy = read(text)
    if policy is None:
        return "This policy contains invalid Json"
    if "Statement" not in policy:
        return "Syntax errors in policy."
    if has_statement and not policy["Statement"]:
        return "The policy has no statement."
    if policy.get("Version") not in VERSIONS:
        return f"Invalid policy version {policy['Version']}"
    for each in listed(policy["Statement"]):
        if each.get("Effect") not in ("Allow", "Deny"):
            return "Missing required field Effect"
        for operator in each.get("Condition") or ():
            if not OPERATORS.fullmatch(operator):
                return f"Invalid Condition type : {operator}"
    return None


def is_public(statement: Params) -> bool:
    """Return whether a statement allows anybody something. Raises Refused where its conditions decide it."""
    principal = statement.get("Principal")
    named = listed(principal.get("AWS", ()) if isinstance(principal, dict) else principal)
    anybody = "*" in named or "NotPrincipal" in statement
    public = statement["Effect"] == "Allow" and anybody
    if public and statement.get("Condition"):
        words = "the local cloud does not judge which condition keeps a policy from being public"
        raise Refused("NotImplemented", words)
    return public


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
