"""What no policy document of the program may say, and the few exceptions."""

from __future__ import annotations

from collections.abc import Iterable

from pulumi_policy import PolicyResource

from policy.access import Statement, statements

UNSCOPED = {
    "ecr:GetAuthorizationToken": "a token is for the account's whole registry",
    "ssmmessages:CreateControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:CreateDataChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenControlChannel": "Session Manager's channels are no resources",
    "ssmmessages:OpenDataChannel": "Session Manager's channels are no resources",
    "logs:DescribeLogGroups": "a list of the account's groups; a role of flow logs must have it",
    "ssm:UpdateInstanceInformation": "every policy that AWS gives for Session Manager says so",
}
"""Actions that know no resource, so that AWS takes only "*" (Service Authorization Reference), or that
AWS's documentation has with "*" alone."""
PATTERNS = {
    "kms:GenerateDataKey*": "SNS asks for GenerateDataKey and for GenerateDataKeyWithoutPlaintext",
}
"""Actions with a "*" in them that say no more than what is needed."""
OWN = {"aws:kms/key:Key": 'in a key\'s own policy "*" is that key (KMS Developer Guide)'}
"""Policies of a resource itself, in which "*" means that resource."""
MANAGED = {
    "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole": (
        "RDS takes this one; it writes to the log groups RDSOSMetrics only"
    ),
}
"""AWS's own policies that a role may bear."""


def too_wide(resource: PolicyResource) -> list[str]:
    """Return what a resource's policies allow beyond need, each as a sentence."""
    return [words for one in statements(resource) for words in _too_wide(resource, one)]


def _too_wide(resource: PolicyResource, statement: Statement) -> list[str]:
    if not statement.allows:
        return []
    of = f"{resource.resource_type.rpartition(':')[2]} {resource.name}"
    open_actions = [one for one in statement.actions if "*" in one and one not in PATTERNS]
    found = [f"{of} allows {one}" for one in open_actions]
    if "NotAction" in statement.said or "NotResource" in statement.said:
        found.append(f"{of} allows all but what it names")
    everything = any(one.strip("*:") == "" for one in statement.resources)
    if resource.resource_type not in OWN and everything:
        scoped = [one for one in statement.actions if one not in UNSCOPED]
        found += [f"{of} allows {one} on every resource" for one in scoped]
    if statement.open_to_all:
        found.append(f"{of} lets anybody in")
    return found


def borrowed(resources: Iterable[PolicyResource]) -> list[tuple[str, str]]:
    """Return AWS's own policies in use, and by which resource."""
    found = []
    for one in resources:
        if one.resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            found.append((one.name, str(one.props["policyArn"])))
        elif one.resource_type == "aws:iam/role:Role":
            found += [(one.name, arn) for arn in one.props.get("managedPolicyArns", [])]
    return found
