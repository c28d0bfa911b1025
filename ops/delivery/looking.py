"""What a preview may do: look at what the stacks consist of, never at what is in it."""

from __future__ import annotations

from infra.statements import Policy, allow, of, policy
from ops.delivery.names import Account
from ops.delivery.state import reading
from ops.names import PROJECT

EVERYWHERE = (
    *of("acm", "DescribeCertificate", "ListTagsForCertificate"),
    *of("application-autoscaling", "Describe*", "ListTagsForResource"),
    *of("cloudwatch", "DescribeAlarms", "GetDashboard", "GetMetricData", "ListTagsForResource"),
    *of("ec2", "Describe*", "GetSecurityGroupsForVpc"),
    *of("ecr", "DescribeRepositories", "GetAuthorizationToken", "GetLifecyclePolicy"),
    *of("ecr", "GetRepositoryPolicy", "ListTagsForResource", "DescribeImages"),
    *of("ecs", "Describe*", "List*"),
    *of("elasticloadbalancing", "Describe*"),
    *of("events", "DescribeRule", "ListTagsForResource", "ListTargetsByRule"),
    *of("kms", "DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags"),
    *of("kms", "ListAliases"),
    *of("logs", "DescribeLogGroups", "ListTagsForResource", "ListTagsLogGroup"),
    *of("rds", "Describe*", "ListTagsForResource"),
    *of("route53", "GetChange", "GetHostedZone", "ListResourceRecordSets"),
    *of("route53", "ListTagsForResource"),
    *of("s3", "ListAllMyBuckets"),
    *of("secretsmanager", "DescribeSecret"),
    *of("sns", "GetTopicAttributes", "GetSubscriptionAttributes", "ListTagsForResource"),
    *of("sns", "ListSubscriptionsByTopic"),
    *of("servicequotas", "GetServiceQuota"),
    *of("sts", "GetCallerIdentity"),
)
"""How things are set up. Most of these actions know no resource, or are asked by an id of AWS's."""
BUCKET = (
    *of("s3", "GetAccelerateConfiguration", "GetBucket*", "GetEncryptionConfiguration"),
    *of("s3", "GetLifecycleConfiguration", "GetReplicationConfiguration", "ListBucket"),
)
ROLE = (
    *of("iam", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies"),
    *of("iam", "ListInstanceProfilesForRole", "ListRoleTags", "GetInstanceProfile"),
)
IMAGES = "arn:aws:ssm:*::parameter/aws/service/*"
"""AWS's own public parameters; the bastion's image stands there."""


def statements(account: Account) -> list[Policy]:
    """What previews and deploys look at alike."""
    roles = [account.iam(f"{kind}/{PROJECT}-*") for kind in ("role", "instance-profile")]
    return [
        allow("*", *EVERYWHERE),
        allow(f"arn:aws:s3:::{PROJECT}-*", *BUCKET),
        allow(roles, *ROLE),
        # The doctor reads what a role may do; policies of AWS and the account hold no secrets.
        allow("arn:aws:iam::*:policy/*", *of("iam", "GetPolicy", "GetPolicyVersion")),
        allow(IMAGES, "ssm:GetParameter", "ssm:GetParameters"),
    ]


def document(account: Account, key_arn: str) -> Policy:
    """Of the role for previews and drift checks."""
    return policy(*statements(account), *reading(account, key_arn))
