"""Roles, their policies and managed policies."""

from collections.abc import Callable
from typing import Any

from local_cloud.calls import Calls
from local_cloud.providers.kind import Setting, Subject, Values, on_change, regular


def _trust(subject: Subject) -> None:
    document = subject.inputs["assumeRolePolicyDocument"]
    subject.call("update_assume_role_policy", PolicyDocument=document)


def _bound(subject: Subject) -> None:
    arn = subject.inputs.get("permissionsBoundary")
    if arn:
        subject.call("put_role_permissions_boundary", PermissionsBoundary=arn)
    else:
        subject.call("delete_role_permissions_boundary")


def _managed(subject: Subject, _: Values) -> list[str]:
    attached = subject.call("list_attached_role_policies")["AttachedPolicies"]
    return [policy["PolicyArn"] for policy in attached]


def _attach(subject: Subject) -> None:
    """Attach the policies that the program gives, and no others (terraform-provider-aws, role.go)."""
    given = subject.inputs.get("managedPolicyArns")
    if given is None:
        return  # The provider leaves what a program gives no longer.
    wanted, held = {*given}, {*_managed(subject, {})}
    for operation, arns in (("detach", held - wanted), ("attach", wanted - held)):
        for arn in sorted(arns):
            subject.call(f"{operation}_role_policy", PolicyArn=arn)


def _inline(subject: Subject, _: Values) -> list[Values]:
    names = subject.call("list_role_policies")["PolicyNames"]
    found = [subject.call("get_role_policy", PolicyName=name) for name in names]
    return [{"name": each["PolicyName"], "policy": each["PolicyDocument"]} for each in found]


def _put(subject: Subject) -> None:
    """Put the inline policies that the program gives, and no others."""
    given = subject.inputs.get("inlinePolicies")
    if given is None:
        return
    wanted = {policy["name"]: policy["policy"] for policy in given}
    for policy in _inline(subject, {}):
        if policy["name"] not in wanted:
            subject.call("delete_role_policy", PolicyName=policy["name"])
    for name, document in wanted.items():
        subject.call("put_role_policy", PolicyName=name, PolicyDocument=document)


def _remove_role(subject: Subject) -> None:
    """Delete the role. As in the provider, policies of others are removed only with ``forceDetachPolicies``.

    Or where the program's own list of them says that there are no others.
    """
    inputs = subject.inputs
    if inputs.get("forceDetachPolicies") or inputs.get("inlinePolicies"):
        for policy in _inline(subject, {}):
            subject.call("delete_role_policy", PolicyName=policy["name"])
    if inputs.get("forceDetachPolicies") or inputs.get("managedPolicyArns"):
        for arn in _managed(subject, {}):
            subject.call("detach_role_policy", PolicyArn=arn)
    subject.call("delete_role")


ROLE = regular(
    "aws:iam/role:Role",
    "RoleName",
    read="get_role",
    on_delete=_remove_role,
    update="update_role",
    replaces="path",
    names={"name": "roleName", "assumeRolePolicy": "assumeRolePolicyDocument"},
    ignored={"forceDetachPolicies": "used by _remove_role"},
    settings=(
        on_change(_trust, "assumeRolePolicyDocument"),
        on_change(_bound, "permissionsBoundary"),
        Setting(inputs=("managedPolicyArns",), apply=_attach),
        Setting(inputs=("inlinePolicies",), apply=_put),
    ),
    defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
    autoname="name",
    reads={
        "inlinePolicies": _inline,
        "managedPolicyArns": _managed,
        "permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn",
    },
    outputs={"arn": "Arn", "name": "RoleName", "uniqueId": "RoleId"},
)


def _after(separator: str) -> Callable[[Calls, str], str]:
    """Return the function that finds what stands after the role in an id."""
    return lambda _, identity: identity.partition(separator)[2]


def _look_policy(subject: Subject) -> Values:
    role, _, name = subject.identity.partition(":")  # An import has nothing but the id.
    return subject.calls("iam", "get_role_policy", {"RoleName": role, "PolicyName": name})


ROLE_POLICY = regular(
    "aws:iam/rolePolicy:RolePolicy",
    "PolicyName",
    scope={"RoleName": "roleName"},
    create="put_role_policy",
    identity_from="join(':', [inputs.role, inputs.name])",
    locate=_after(":"),
    look=_look_policy,
    update="put_role_policy",
    replaces="role",
    names={"name": "policyName", "role": "roleName", "policy": "policyDocument"},
    autoname="name",
)


MOST_VERSIONS = 5
"""Of a managed policy (IAM User Guide, "IAM and AWS STS quotas")."""


def _other_versions(subject: Subject) -> list[str]:
    """Return the ids of the versions that are not the default one, the oldest first."""
    found = subject.call("list_policy_versions")["Versions"]
    others = [version for version in found if not version["IsDefaultVersion"]]
    return [other["VersionId"] for other in sorted(others, key=lambda each: each["CreateDate"])]


def _new_version(subject: Subject) -> None:
    """Make a new version the default one. Delete the oldest one where IAM keeps no more.

    Source: terraform-provider-aws, iam/policy.go, resourcePolicyUpdate.
    """
    others = _other_versions(subject)
    if len(others) + 1 >= MOST_VERSIONS:
        subject.call("delete_policy_version", VersionId=others[0])
    document = subject.inputs["policyDocument"]
    made = subject.call("create_policy_version", PolicyDocument=document, SetAsDefault=False)
    subject.call("set_default_policy_version", VersionId=made["PolicyVersion"]["VersionId"])


def _default_version(subject: Subject, found: Values) -> Any:
    made = subject.call("get_policy_version", VersionId=found["DefaultVersionId"])
    return made["PolicyVersion"]["Document"]


def _remove_managed_policy(subject: Subject) -> None:
    for version in _other_versions(subject):
        subject.call("delete_policy_version", VersionId=version)
    subject.call("delete_policy")


MANAGED_POLICY = regular(
    "aws:iam/policy:Policy",
    "PolicyArn",
    identity_from="Policy.Arn",
    read="get_policy",
    on_delete=_remove_managed_policy,
    replaces="path description",
    names={"name": "policyName", "policy": "policyDocument"},
    settings=(on_change(_new_version, "policyDocument"),),
    reads={"policy": _default_version},
    autoname="name",
    outputs={
        "arn": "Arn",
        "attachmentCount": "AttachmentCount",
        "name": "PolicyName",
        "policyId": "PolicyId",
    },
)


def _look_attachment(subject: Subject) -> Values | None:
    attached = subject.call("list_attached_role_policies")["AttachedPolicies"]
    return next((dict(policy) for policy in attached if policy["PolicyArn"] == subject.name), None)


ROLE_POLICY_ATTACHMENT = regular(
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "PolicyArn",
    scope={"RoleName": "roleName"},
    create="attach_role_policy",
    identity_from="join('/', [inputs.role, inputs.policyArn])",
    locate=_after("/"),
    look=_look_attachment,
    delete="detach_role_policy",
    replaces="role policyArn",
    names={"role": "roleName"},
)


def _change_role(subject: Subject) -> None:
    _leave_role(subject)
    if subject.inputs.get("role"):
        subject.call("add_role_to_instance_profile", RoleName=subject.inputs["role"])


def _leave_role(subject: Subject) -> None:
    for role in subject.call("get_instance_profile")["InstanceProfile"]["Roles"]:
        subject.call("remove_role_from_instance_profile", RoleName=role["RoleName"])


def _remove_profile(subject: Subject) -> None:
    _leave_role(subject)
    subject.call("delete_instance_profile")


INSTANCE_PROFILE = regular(
    "aws:iam/instanceProfile:InstanceProfile",
    "InstanceProfileName",
    read="get_instance_profile",
    on_delete=_remove_profile,
    replaces="path",
    names={"name": "instanceProfileName"},
    settings=(Setting(inputs=("role",), apply=_change_role),),
    reads={"role": "Roles[0].RoleName"},
    defaults={"path": "/"},
    autoname="name",
    outputs={"arn": "Arn", "name": "InstanceProfileName"},
)

KINDS = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, MANAGED_POLICY, INSTANCE_PROFILE)
