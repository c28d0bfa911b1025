"""What a deploy may change around the app: alarms, notices, names on the internet, logs in buckets, roles."""

from __future__ import annotations

from infra.statements import Policy, allow, deny, of
from ops.delivery.names import Account
from ops.names import PROJECT, StackNames

PASSED_TO = (
    *("ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "monitoring.rds.amazonaws.com"),
    "vpc-flow-logs.amazonaws.com",
)
"""The only services that a deploy may hand one of the stack's roles to."""
LINKED = (
    *("ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com"),
    *("elasticloadbalancing.amazonaws.com", "rds.amazonaws.com"),
)
"""Services that make a role of their own in an account that uses them for the first time."""
BUCKET = (
    *of("s3", "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "ListBucketVersions"),
    *of("s3", "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketPublicAccessBlock"),
    *of("s3", "PutBucketTagging", "PutEncryptionConfiguration", "PutLifecycleConfiguration"),
)
KEY = (
    *of("kms", "CancelKeyDeletion", "DisableKeyRotation", "EnableKeyRotation", "PutKeyPolicy"),
    *of("kms", "ScheduleKeyDeletion", "UntagResource", "UpdateKeyDescription"),
)
ROLE = (
    *of("iam", "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "TagRole", "UntagRole"),
    *of("iam", "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription"),
)
PROFILE = of(
    "iam",
    *("AddRoleToInstanceProfile", "CreateInstanceProfile", "DeleteInstanceProfile"),
    *("RemoveRoleFromInstanceProfile", "TagInstanceProfile", "UntagInstanceProfile"),
)
BOUNDED = of("iam", "AttachRolePolicy", "CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy")


def roles(account: Account, names: StackNames) -> list[Policy]:
    """The stack's roles, none of which may do more than the boundary; and whom they are handed to."""
    own, profile = (
        account.iam(f"{kind}/{names.prefix}-*") for kind in ("role", "instance-profile")
    )
    bound = {"StringEquals": {"iam:PermissionsBoundary": account.boundary_arn}}
    passed = {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}}
    linked = {"StringEquals": {"iam:AWSServiceName": list(LINKED)}}
    return [
        allow(own, *BOUNDED, when=bound),
        allow(own, *ROLE),
        allow(own, "iam:PassRole", when=passed),
        allow(profile, *PROFILE),
        allow(account.iam("role/aws-service-role/*"), "iam:CreateServiceLinkedRole", when=linked),
    ]


def watching(account: Account, names: StackNames) -> list[Policy]:
    """Alarms, dashboard, the topic they tell, the rule for failed roll-outs."""
    alarms = [account.arn("cloudwatch", f"alarm:{names.prefix}-*")]
    # Scaling by a target puts its alarms in place in the caller's name.
    alarms.append(account.arn("cloudwatch", f"alarm:TargetTracking-service/{names.cluster}/*"))
    dashboards = f"arn:aws:cloudwatch::{account.number}:dashboard/{names.prefix}*"
    topic, rule = of("sns", "CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe"), "rule"
    topic += of("sns", "SetSubscriptionAttributes", "TagResource", "Unsubscribe", "UntagResource")
    return [
        allow(
            alarms,
            *of("cloudwatch", "DeleteAlarms", "PutMetricAlarm", "TagResource", "UntagResource"),
        ),
        allow(dashboards, *of("cloudwatch", "DeleteDashboards", "PutDashboard")),
        allow(account.arn("sns", f"{names.prefix}-*"), *topic),
        allow(
            account.arn("events", f"{rule}/{names.prefix}-*"),
            *of("events", "DeleteRule", "PutRule", "PutTargets", "RemoveTargets", "TagResource"),
            *of("events", "UntagResource"),
        ),
    ]


def keeping(account: Account, names: StackNames) -> list[Policy]:
    """The key of the notices and the bucket of the access logs; KMS names keys itself."""
    new = {"StringEquals": {"aws:RequestTag/stack": names.stack}}
    own = {"StringEquals": {"aws:ResourceTag/stack": names.stack}}
    bucket = f"arn:aws:s3:::{names.prefix}-*"
    return [
        allow("*", *of("kms", "CreateKey", "TagResource"), when=new),
        allow(account.arn("kms", "key/*"), *KEY, when=own),
        allow(bucket, *BUCKET),
        allow(f"{bucket}/*", *of("s3", "DeleteObject", "DeleteObjectVersion")),
    ]


def naming(account: Account, names: StackNames, zone: str) -> list[Policy]:
    """A certificate and records, only for a stack whose file names a Route 53 zone."""
    if not zone:
        return []
    own = {"StringEquals": {"aws:ResourceTag/stack": names.stack}}
    certificates = account.arn("acm", "certificate/*")
    return [
        allow("*", "acm:RequestCertificate"),
        allow(certificates, *of("acm", "AddTagsToCertificate")),
        allow(certificates, *of("acm", "DeleteCertificate"), when=own),
        allow(f"arn:aws:route53:::hostedzone/{zone}", "route53:ChangeResourceRecordSets"),
    ]


def apart(names: StackNames, key_arn: str) -> list[Policy]:
    """Whatever else allows it: nothing of another stack of careapp, and not the state's key itself."""
    other = {
        "StringEquals": {"aws:ResourceTag/project": PROJECT},
        "StringNotEquals": {"aws:ResourceTag/stack": names.stack},
        # A negated comparison holds for what has no such tag, too: the state's bucket and key.
        "Null": {"aws:ResourceTag/stack": "false"},
    }
    return [deny("*", "*", when=other), deny(key_arn, *KEY, "kms:TagResource")]
