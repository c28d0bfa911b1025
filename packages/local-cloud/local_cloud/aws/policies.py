"""IAM's rules about managed policies, boundaries and trust policies that moto lacks."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from moto.iam import models
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from local_cloud.aws.hooks import (
    ACCOUNT,
    Params,
    Refusals,
    Refused,
    backend,
    before,
    instead,
    other_than,
    twice,
)
from local_cloud.aws.iam import trust_of
from local_cloud.aws.policy_evaluation import listed, named, read

LINKED = {"rds": "RDS", "ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
"""How the names of service-linked roles end (IAM user guide, "AWS services that work with IAM")."""


def install() -> None:
    """Name service-linked roles as AWS does, and take trust policies of both versions, which ``REFUSALS`` judges."""
    models.SERVICE_NAME_CONVERSION.update(LINKED)
    IAMTrustPolicyDocumentValidator.validate = lambda _: None  # type: ignore[method-assign, assignment]


VERSIONS = (None, "2012-10-17", "2008-10-17")
OPERATORS = re.compile(
    "(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals(IgnoreCase)?|Like)|(Numeric|Date)((Not)?Equals|(Less|Greater)Than"
    "(Equals)?)|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?|Null"
)
"""IAM user guide, "IAM JSON policy elements: Condition operators"."""


def _is_texts(value: Any) -> bool:
    return bool(value) and all(isinstance(text, str) for text in listed(value))


def _is_principal(value: Any) -> bool:
    types = {"AWS", "Federated", "Service", "CanonicalUser"}
    named: dict[str, Any] = value if isinstance(value, dict) else {}
    return value == "*" or (
        bool(named) and named.keys() <= types and all(map(_is_texts, named.values()))
    )


def _is_condition(value: Any) -> bool:
    if not isinstance(value, dict) or not all(isinstance(keys, dict) for keys in value.values()):
        return False
    values = [each for keys in value.values() for key in keys.values() for each in listed(key)]
    return all(isinstance(each, str | int | float) for each in values)


ELEMENTS: Mapping[str, Callable[[Any], bool]] = {
    "Sid": lambda value: isinstance(value, str),
    "Effect": lambda value: value in ("Allow", "Deny"),
    **dict.fromkeys(("Principal", "NotPrincipal"), _is_principal),
    **dict.fromkeys(("Action", "NotAction", "Resource", "NotResource"), _is_texts),
    "Condition": _is_condition,
}
"""The elements of a statement and their forms (IAM user guide, "Grammar of the IAM JSON policy language")."""


def malformed(text: str | bytes, needs: Iterable[str] = ()) -> str | None:
    """Return what is wrong with a policy in JSON, whose kind needs these elements in each statement (the same page)."""
    policy = read(text)
    if policy is None:
        return "This policy contains invalid Json"
    if not policy.get("Statement") and (needs or "Statement" not in policy):
        return "Missing required field Statement"
    if unknown := policy.keys() - {"Version", "Id", "Statement"}:
        return f"Syntax errors in policy: {min(unknown)}"
    if policy.get("Version") not in VERSIONS:
        return f"Invalid policy version {policy['Version']}"
    found = (_malformed(statement, ("Effect", *needs)) for statement in listed(policy["Statement"]))
    return next(filter(None, found), None)


def _malformed(statement: Any, needs: Iterable[str]) -> str | None:
    given = statement if isinstance(statement, dict) else {}
    for name, value in given.items():
        # Of each pair, such as Action and NotAction, a statement has one.
        if name not in ELEMENTS or not ELEMENTS[name](value) or f"Not{name}" in given:
            return f"Syntax errors in policy: {name}"
    for name in needs:
        if not given.keys() & {name, f"Not{name}"}:
            return f"Missing required field {name}"
    wrong = (name for name in given.get("Condition", ()) if not OPERATORS.fullmatch(name))
    return next((f"Invalid Condition type : {operator}" for operator in wrong), None)


PRINCIPALS = {
    "AWS": r"\*|\d{12}|arn:aws[\w-]*:iam::\d{12}:(root|(role|user)/[^*?]+)|"
    r"arn:aws[\w-]*:sts::\d{12}:(assumed-role|federated-user)/[^*?]+|AIDA\w+|AROA\w+",
    "Service": r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)",
}
"""IAM user guide, "AWS JSON policy elements: Principal"; an ARN in it has no wildcard."""


def unknown_principal(principal: Any, *, by_form: bool = False) -> str | None:
    """Return a principal that is none, or of this account and not there. IAM looks up those of other accounts, too.

    With ``by_form`` it may be a role that somebody else has made in the user's account, as that of a deploy.
    """
    iam, own = backend("iam"), rf"arn:aws:iam::{ACCOUNT}:(role|user)/"
    known = {entity.arn for entity in (*iam.roles.values(), *iam.users.values())}
    for kind, names in principal.items() if isinstance(principal, dict) else ():
        for name in listed(names):
            absent = not by_form and re.match(own, name) and name not in known
            if absent or other_than(PRINCIPALS.get(kind, ".*"), name):
                return f'"{kind}":"{name}"'
    return None


def is_public(statement: Params) -> bool:
    """Return whether a statement allows anybody something. Raises Refused where its conditions decide it."""
    anybody = "*" in named(statement.get("Principal"), "AWS") or "NotPrincipal" in statement
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


def _text(given: Params) -> str:
    names = ("AssumeRolePolicyDocument", "PolicyDocument", "Policy")
    return next((given[name] for name in names if given.get(name)), "")


def _size(given: Params) -> int:
    """Return a policy's length without white space, which IAM does not count ("IAM and AWS STS quotas")."""
    return len(re.sub(r"\s", "", _text(given)))


def statements(given: Params) -> list[Params]:
    found = listed((read(_text(given)) or {}).get("Statement", ()))
    return [statement for statement in found if isinstance(statement, dict)]


KINDS = {"Role": "roles", "User": "users", "Group": "groups", "Policy": "managed_policies"}


def _taken(kind: str, given: Params) -> str | None:
    """Return a name that exists: "Names are not distinguished by case" (API reference, CreateRole)."""
    found, name = getattr(backend("iam"), KINDS[kind]).values(), str(given[f"{kind}Name"])
    taken = {entity.name.lower() for entity in found if ACCOUNT in entity.arn}
    return name if name.lower() in taken else None


def _linked(given: Params) -> str | None:
    """Return the name of a service-linked role."""
    linked = (role.name for role in backend("iam").roles.values() if role.path.startswith(PATH))
    return given["RoleName"] if given["RoleName"] in linked else None


def _unassumable(given: Params) -> str | None:
    """Return a role of this account that is not there, or whose trust policy lets no principal of AWS accounts."""
    arn = given["RoleArn"]
    found = listed((trust_of(arn) or {}).get("Statement", ()))
    allowed = [each.get("Principal", ()) for each in found if each["Effect"] == "Allow"]
    trusts = any({"*", "AWS"} & {*principal} for principal in allowed)
    return None if trusts or f"::{ACCOUNT}:" not in arn else arn


MALFORMED, LIMIT, CONFLICT = "MalformedPolicyDocument", "LimitExceeded", "DeleteConflict"
ABSENT, INVALID = "NoSuchEntity", "InvalidInput"
IDENTITY = "PutRolePolicy CreatePolicy CreatePolicyVersion PutUserPolicy PutGroupPolicy"
IN_USE = "Cannot delete entity, must remove referenced objects first."
PATH = "/aws-service-role/"
TRUST = r"(?i)sts:(AssumeRole(WithSAML|WithWebIdentity)?|TagSession|SetSourceIdentity|SetContext|(AssumeRole)?\*)"
"""The actions of trust policies (IAM user guide, "Policies and permissions in IAM" and "Pass session tags")."""
SID = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
# fmt: off
REFUSALS: Refusals = {
    **{f"iam Create{kind}": (
        ("EntityAlreadyExists", "{} already exists.", partial(_taken, kind)),
    ) for kind in KINDS},
    # moto's own look-ups raise NoSuchEntity.
    "iam ListInstanceProfilesForRole": ((ABSENT, "", lambda p: not backend("iam").get_role(p["RoleName"])),),
    "iam ListEntitiesForPolicy": ((ABSENT, "", lambda p: not backend("iam").get_policy(p["PolicyArn"])),),
    "iam DeleteOpenIDConnectProvider": (
        (ABSENT, "", lambda p: not backend("iam").get_open_id_connect_provider(p["OpenIDConnectProviderArn"])),
    ),
    # IAM user guide, "IAM and AWS STS quotas".
    "iam CreatePolicy CreatePolicyVersion": (
        (LIMIT, "Cannot exceed quota for PolicySize: 6144", lambda p: _size(p) > 6144),
    ),
    "iam CreateRole UpdateAssumeRolePolicy": (
        (LIMIT, "Cannot exceed quota for ACLSizePerRole: 2048", lambda p: _size(p) > 2048),
        (MALFORMED, "{}", lambda p: malformed(_text(p), ("Principal", "Action"))),
        # IAM user guide, "IAM JSON policy elements reference"
        (MALFORMED, "Has prohibited field Resource", lambda p: any(
            statement.keys() & {"Resource", "NotResource"} for statement in statements(p))),
        # hashicorp/terraform-provider-aws issue 8905
        (MALFORMED, "Invalid principal in policy: {}", lambda p: next(filter(None, (
            unknown_principal(statement.get("Principal")) for statement in statements(p))), None)),
        (MALFORMED, "AssumeRole policy may only specify STS AssumeRole actions.", lambda p: any(
            other_than(TRUST, action) for each in statements(p) for action in listed(each.get("Action", ())))),
        (MALFORMED, "Statement IDs (SID) in a single policy must be unique.", lambda p: twice(
            statement["Sid"] for statement in statements(p) if statement.get("Sid"))),
    ),
    # IAM user guide, "IAM JSON policy elements: Sid"
    f"iam CreateRole UpdateAssumeRolePolicy {IDENTITY}": (
        (MALFORMED, SID, lambda p: any(other_than("[0-9A-Za-z]*", each.get("Sid")) for each in statements(p))),
    ),
    f"iam {IDENTITY}": (
        (MALFORMED, "Policy document should not specify a principal.", lambda p: any(
            statement.keys() & {"Principal", "NotPrincipal"} for statement in statements(p))),
    ),
    "iam PutRolePolicy": (
        (LIMIT, "Maximum policy size of 10240 bytes exceeded for role {}", lambda p: (
            _size(p) > 10240 and p["RoleName"])),
    ),
    "iam AttachRolePolicy AttachUserPolicy AttachGroupPolicy": (
        # Recorded by LocalStack, test_role_attach_policy.
        ("ValidationError", "Invalid ARN:  Could not be parsed!", lambda p: other_than("arn:.*", p["PolicyArn"])),
        ("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.",
         lambda p: ":policy/aws-service-role/" in p["PolicyArn"]),
    ),
    "iam AttachRolePolicy": (
        (LIMIT, "Cannot exceed quota for PoliciesPerRole: 10", lambda p: len(
            held := backend("iam").get_role(p["RoleName"]).managed_policies) >= 10 and p["PolicyArn"] not in held),
    ),
    "iam CreateRole PutRolePermissionsBoundary": (
        (ABSENT, "Scope ARN: {} does not exist or is not attachable.", lambda p: (
            (arn := p.get("PermissionsBoundary") or "").startswith("arn:aws:iam::aws:")
            and arn not in backend("iam").managed_policies and arn)),
    ),
    # IAM user guide, "Managed policies and inline policies": the permissions of AWS's policies can't be changed.
    "iam CreatePolicyVersion DeletePolicyVersion SetDefaultPolicyVersion DeletePolicy TagPolicy UntagPolicy": (
        ("AccessDenied", "The policy {} is managed by AWS.",
         lambda p: p["PolicyArn"].startswith("arn:aws:iam::aws:") and p["PolicyArn"]),
    ),
    "iam DeletePolicy": (
        (CONFLICT, "Cannot delete a policy attached to entities.",
         lambda p: backend("iam").managed_policies[p["PolicyArn"]].attachment_count),
        (CONFLICT, "This policy has more than one version. Before you delete a policy, you must delete the policy's "
         "versions. The default version is deleted with the policy.",
         lambda p: len(backend("iam").managed_policies[p["PolicyArn"]].versions) > 1),
    ),
    # API reference, DeleteUser and DeleteGroup; words recorded by LocalStack, test_delete_user_after_….
    "iam DeleteUser": (
        (CONFLICT, IN_USE, lambda p: (user := backend("iam").users[p["UserName"]]).access_keys or user.password or any(
            user in group.users for group in backend("iam").groups.values())),
    ),
    "iam DeleteGroup": ((CONFLICT, IN_USE, lambda p: backend("iam").groups[p["GroupName"]].users),),
    # The operations whose API reference names UnmodifiableEntity.
    "iam AddRoleToInstanceProfile AttachRolePolicy DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy "
    "DetachRolePolicy PutRolePermissionsBoundary PutRolePolicy UpdateAssumeRolePolicy": (
        ("UnmodifiableEntity", "Cannot perform the operation on the protected role '{}' - this role is only modifiable "
         "by AWS", _linked),
    ),
    # Recorded by LocalStack, test_service_role_already_exists and …_lifecycle_custom_suffix_not_allowed.
    "iam CreateServiceLinkedRole": (
        (INVALID, "{} is no service.", lambda p: other_than(r"[\w.-]+\.amazonaws\.com", p["AWSServiceName"])),
        (INVALID, "Custom suffix is not allowed for {}", lambda p: p.get("CustomSuffix") and other_than(
            r"(autoscaling|connect|lexv2)\.amazonaws\.com", p["AWSServiceName"])),
        (INVALID, "Service role name {} has been taken in this account, please try a different suffix.",
         lambda p: next((role.name for role in backend("iam").roles.values() if role.path == (
             f"{PATH}{p['AWSServiceName']}/") and role.name.endswith(p.get("CustomSuffix") or "")), None)),
    ),
    "iam DeleteServiceLinkedRole": (
        (ABSENT, "{} is not linked to a service.", lambda p: not _linked(p) and p["RoleName"]),
    ),
    "sts AssumeRole": (
        ("ValidationError", "{} is invalid", lambda p: other_than(r"arn:aws[\w-]*:iam::\d{12}:role/.+", p["RoleArn"])),
        ("AccessDenied", "The caller is not authorized to perform: sts:AssumeRole on resource: {}", _unassumable),
        ("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
         lambda p: f"::{ACCOUNT}:" in p["RoleArn"] and int(p.get("DurationSeconds") or 0) > int(
             backend("iam").get_role_by_arn(p["RoleArn"]).max_session_duration)),
    ),
    "sts AssumeRole GetFederationToken": (  # recorded by LocalStack, test_assume_role_tag_validation
        ("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
         lambda p: twice(tag["Key"].lower() for tag in p.get("Tags") or ())),
        ("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.",
         lambda p: {key.lower() for key in p.get("TransitiveTagKeys") or ()} - {
             tag["Key"].lower() for tag in p.get("Tags") or ()}),
        (MALFORMED, "{}", lambda p: p.get("Policy") and malformed(p["Policy"], ("Action", "Resource"))),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
