"""What the smaller services refuse and moto takes: the rows that their own files do not have."""

import re
from typing import Any

from local_cloud.aws.hooks import ACCOUNT, Params, Refusals, backend, number_outside, other_than
from local_cloud.aws.policy_evaluation import read

WRONG, LIMIT = "ValidationException", "LimitExceeded"
TIER = (
    "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
    "value, upgrade the parameter to use the advanced-parameter tier."
)


def _document(given: Params) -> str:
    """Return a policy without white space, which IAM does not count (IAM user guide, "IAM and AWS STS quotas")."""
    text = given.get("AssumeRolePolicyDocument") or given.get("PolicyDocument") or ""
    return re.sub(r"\s", "", text)


def _wrong_record(given: Params) -> Any:
    """Return a value of an A record that is no IPv4 address."""
    for change in given["ChangeBatch"]["Changes"]:
        records = change["ResourceRecordSet"]
        for each in records.get("ResourceRecords") or () if records["Type"] == "A" else ():
            if not re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}", each["Value"]):
                return each["Value"]
    return None


def _without_metric(given: Params) -> bool:
    target = given.get("TargetTrackingScalingPolicyConfiguration")
    named = {"PredefinedMetricSpecification", "CustomizedMetricSpecification"}
    return target is not None and not target.keys() & named


def _policy(given: Params) -> Any:
    return backend("iam").managed_policies.get(given["PolicyArn"])


def _no_policy(given: Params) -> bool:
    """Return whether a topic's new policy has no statement. AWS does not document the message."""
    wanted = given["AttributeName"] == "Policy" and given.get("AttributeValue")
    return bool(wanted) and not (read(given["AttributeValue"]) or {}).get("Statement")


def _soon_deleted(given: Params) -> bool:
    held = backend("secretsmanager").secrets.get(given["Name"])
    return held is not None and held.is_deleted()


def _unknown_repository(given: Params) -> str | None:
    name = str(given["repositoryName"])
    return None if name in backend("ecr").repositories else name


def _immutable(given: Params) -> bool:
    """Return whether a tag exists in an immutable repository, be it of the same image.

    Sources: API reference, PutImage, ImageTagAlreadyExistsException; github.com/aws/containers-roadmap/issues/2179 (the
    same digest); github.com/moby/buildkit/issues/3776 (the message).
    """
    repository = backend("ecr").repositories[given["repositoryName"]]
    exists = any(given.get("imageTag") in image.image_tags for image in repository.images)
    return exists and repository.image_tag_mutability == "IMMUTABLE"


# fmt: off
REFUSALS: Refusals = {
    # IAM user guide, "IAM and AWS STS quotas".
    "iam CreateRole UpdateAssumeRolePolicy": (
        (LIMIT, "Cannot exceed quota for ACLSizePerRole: 2048", lambda p: len(_document(p)) > 2048),
    ),
    "iam CreatePolicy CreatePolicyVersion": (
        (LIMIT, "Cannot exceed quota for PolicySize: 6144", lambda p: len(_document(p)) > 6144),
    ),
    "iam DeletePolicy": (
        ("DeleteConflict", "Cannot delete a policy attached to entities.",
         lambda p: (policy := _policy(p)) and policy.attachment_count),
        ("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the "
         "policy's versions. The default version is deleted with the policy.",
         lambda p: (policy := _policy(p)) and len(policy.versions) > 1),
    ),
    "iam PutRolePolicy": (
        (LIMIT, "Maximum policy size of 10240 bytes exceeded for role {}",
         lambda p: len(_document(p)) > 10240 and p["RoleName"]),
    ),
    "kms ScheduleKeyDeletion": (
        (WRONG, "PendingWindowInDays must be 7 to 30: {}", lambda p: number_outside(p, "PendingWindowInDays", 7, 30)),
    ),
    "ecr PutImage": (
        ("RepositoryNotFoundException",
         f"The repository with name '{{}}' does not exist in the registry with id '{ACCOUNT}'", _unknown_repository),
        ("ImageTagAlreadyExistsException", "The image tag '{0[imageTag]}' already exists in the '{0[repositoryName]}' "
         "repository and cannot be overwritten because the repository is immutable.", lambda p: _immutable(p) and p),
    ),
    "secretsmanager CreateSecret": (  # terraform-provider-aws, secret.go
        ("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled "
         "for deletion.", _soon_deleted),
        (WRONG, "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: "
         "-/_+=.@!", lambda p: other_than(r"[\w/+=.@!-]{1,512}", p["Name"])),
    ),
    "route53 ChangeResourceRecordSets": (
        ("InvalidChangeBatch", "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a "
         "valid IPv4 address) encountered with '{}'']", _wrong_record),
    ),
    "route53 CreateHostedZone": (
        ("HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference.",
         lambda p: any(z.caller_reference == p["CallerReference"] for z in backend("route53").zones.values())),
    ),
    "ssm PutParameter": (
        (WRONG, TIER, lambda p: p.get("Tier", "Standard") == "Standard" and len(p["Value"]) > 4096),
    ),
    "sns Subscribe": (
        ("InvalidParameter", "Invalid parameter: Email address", lambda p: (
            p["Protocol"] == "email" and other_than(r"[^@\s]+@[^@\s]+\.[^@\s]+", p.get("Endpoint") or "-"))),
    ),
    "sns SetTopicAttributes": (("InvalidParameter", "Invalid parameter: Policy Error: null", _no_policy),),
    "application-autoscaling RegisterScalableTarget": (
        (WRONG, "Maximum capacity cannot be less than minimum capacity",
         lambda p: None not in (p.get("MinCapacity"), p.get("MaxCapacity")) and p["MinCapacity"] > p["MaxCapacity"]),
    ),
    "application-autoscaling PutScalingPolicy": (
        (WRONG, "A target tracking policy needs a predefined or a customized metric.", _without_metric),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
