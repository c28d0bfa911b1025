"""Controls of RDS, of the secret that it manages, and of the S3 buckets."""

from __future__ import annotations

from typing import Any

from pulumi_policy import PolicyResource

from policy.access import statements
from policy.controls import (
    ANYWHERE,
    Check,
    Control,
    Resources,
    StackCheck,
    lacks,
    of_type,
    pointing_at,
    sources,
    unless,
    value,
)

INSTANCE = ("aws:rds/instance:Instance",)
BUCKET = ("aws:s3/bucket:Bucket",)
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
RESERVED = {
    *("*", "s3:*", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy"),
    *("s3:PutEncryptionConfiguration", "s3:PutObjectAcl"),
}
"""The actions that S3.6 forbids for other accounts."""


def in_public_subnet(instance: PolicyResource, resources: Resources) -> bool:
    """Return whether a subnet of the DB subnet group has a route to an internet gateway.

    Without a subnet group the instance would be in the default VPC, whose subnets are public.
    """
    groups = sources(instance, "dbSubnetGroupName", "aws:rds/subnetGroup:SubnetGroup")
    # By their ids: each output of awsx's VPC depends on all of its subnets.
    subnets = [subnet for group in groups for subnet in group.props["subnetIds"]]
    return not subnets or any(_has_internet_route(subnet, resources) for subnet in subnets)


def _has_internet_route(subnet: str, resources: Resources) -> bool:
    """Return whether a subnet's route table has a route to an internet gateway.

    A subnet without an association uses the VPC's main route table, which is not in the stack.
    """
    tables = [
        table
        for link in of_type(resources, ASSOCIATION)
        if link.props["subnetId"] == subnet
        for table in sources(link, "routeTableId", "aws:ec2/routeTable:RouteTable")
    ]
    return not tables or any(
        "gatewayId" in route.props and value(route, "destinationCidrBlock") in ANYWHERE
        for table in tables
        for route in pointing_at(table, resources, "aws:ec2/route:Route", "routeTableId")
    )


def exports_too_little(*logs: str) -> Check:
    return lambda one: not {*logs} <= {*value(one, "enabledCloudwatchLogsExports", [])}


def policies_of(bucket: PolicyResource, resources: Resources) -> list[PolicyResource]:
    return [*pointing_at(bucket, resources, "aws:s3/bucketPolicy:BucketPolicy", "bucket")]


def allows_plain_requests(bucket: PolicyResource, resources: Resources) -> bool:
    """Return whether the bucket policy has no statement that denies every action without TLS."""
    return not any(
        not one.allows
        and "s3:*" in one.actions
        and "*" in one.principals
        and one.conditions.get("Bool") == {"aws:SecureTransport": "false"}
        for policy in policies_of(bucket, resources)
        for one in statements(policy)
    )


def allows_reserved_actions(bucket: PolicyResource, resources: Resources) -> bool:
    return any(
        one.allows and bool(RESERVED & {*one.actions})
        for policy in policies_of(bucket, resources)
        for one in statements(policy)
    )


def has_acl(bucket: PolicyResource, resources: Resources) -> bool:
    acls = pointing_at(bucket, resources, "aws:s3/bucketAcl:BucketAcl", "bucket")
    return bool(value(bucket, "acl") or [*acls])


def _instance(id_: str, text: str, violates: Check, cost: str = "") -> Control:
    return Control(id_, text, INSTANCE, violates, cost=cost)


def _bucket(id_: str, text: str, violates_in: StackCheck) -> Control:
    return Control(id_, text, BUCKET, violates_in=violates_in)


_rotates: Any = unless("manageMasterUserPassword", True)
_blocks = lacks(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "bucket",
    blockPublicAcls=True,
    ignorePublicAcls=True,
    blockPublicPolicy=True,
    restrictPublicBuckets=True,
)
CONTROLS = (
    _instance(
        "RDS.2", "Instances are not publicly accessible", unless("publiclyAccessible", False)
    ),
    _instance("RDS.3", "Storage is encrypted", unless("storageEncrypted", True)),
    _instance(
        "RDS.5",
        "Instances span zones (Multi-AZ)",
        unless("multiAz", True),
        "twice the database's price",
    ),
    _instance(
        "RDS.6",
        "Enhanced monitoring is on",
        unless("monitoringInterval", *(1, 5, 10, 15, 30, 60)),
        "logs by the gigabyte",
    ),
    _instance("RDS.8", "Deletion protection is on", unless("deletionProtection", True)),
    _instance(
        "RDS.9",
        "Instances publish logs to CloudWatch Logs",
        exports_too_little("postgresql", "upgrade"),
        "logs by the gigabyte",
    ),
    _instance(
        "RDS.10", "IAM authentication is on", unless("iamDatabaseAuthenticationEnabled", True)
    ),
    _instance(
        "RDS.11",
        "Backups are kept for at least 7 days",
        lambda one: value(one, "backupRetentionPeriod", 0) < 7,
        "backup storage above the database's size",
    ),
    _instance("RDS.13", "Minor versions are upgraded", unless("autoMinorVersionUpgrade", True)),
    _instance("RDS.17", "Tags are copied to snapshots", unless("copyTagsToSnapshot", True)),
    _instance(
        "RDS.23",
        "Instances do not use the engine's default port",
        lambda one: value(one, "port", 5432) == 5432,
    ),
    _instance(
        "RDS.25",
        "The administrator's name is a custom one",
        lambda one: value(one, "username", "postgres") in {"postgres", "admin"},
    ),
    _instance(
        "RDS.36",
        "PostgreSQL instances publish logs to CloudWatch Logs",
        exports_too_little("postgresql"),
        "logs by the gigabyte",
    ),
    Control(
        "RDS.46",
        "Instances are not in subnets with a route to an internet gateway",
        INSTANCE,
        violates_in=in_public_subnet,
    ),
    # The only secret is the one that RDS manages and rotates every 7 days (RDS User Guide,
    # rds-secrets-manager).
    _instance("SecretsManager.1", "Secrets rotate automatically", _rotates),
    _instance("SecretsManager.4", "Secrets rotate at least every 90 days", _rotates),
    _bucket("S3.2", "Buckets block public read access", _blocks),
    _bucket("S3.3", "Buckets block public write access", _blocks),
    _bucket("S3.5", "Requests have to use TLS", allows_plain_requests),
    _bucket("S3.6", "Policies restrict access of other accounts", allows_reserved_actions),
    _bucket("S3.8", "Buckets block public access", _blocks),
    _bucket(
        "S3.9", "Server access logging is on", lacks("aws:s3/bucketLogging:BucketLogging", "bucket")
    ),
    _bucket("S3.12", "ACLs do not manage access", has_acl),
    _bucket(
        "S3.13",
        "Buckets have a lifecycle",
        lacks("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "bucket"),
    ),
)
