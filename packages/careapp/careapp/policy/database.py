"""Controls of RDS, of the secret that it manages, and of the S3 buckets."""

from pulumi_policy import PolicyResource

from careapp.policy.access import statements
from careapp.policy.controls import (
    ANYWHERE,
    Check,
    Checked,
    InStack,
    Resources,
    having,
    lacks,
    of_type,
    pointing_at,
    sources,
    table,
    unless,
    value,
)

ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
RESERVED = {
    *("*", "s3:*", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy"),
    *("s3:PutEncryptionConfiguration", "s3:PutObjectAcl"),
}
"""The actions that S3.6 forbids for other accounts."""


@InStack
def is_public(instance: PolicyResource, resources: Resources) -> bool:
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


@InStack
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


@InStack
def allows_reserved_actions(bucket: PolicyResource, resources: Resources) -> bool:
    return any(
        one.allows and bool(RESERVED & {*one.actions})
        for policy in policies_of(bucket, resources)
        for one in statements(policy)
    )


@InStack
def has_acl(bucket: PolicyResource, resources: Resources) -> bool:
    acls = pointing_at(bucket, resources, "aws:s3/bucketAcl:BucketAcl", "bucket")
    return bool(value(bucket, "acl") or [*acls])


def keeps_few_backups(instance: Checked) -> bool:
    return bool(value(instance, "backupRetentionPeriod", 0) < 7)


lacks_monitoring = unless("monitoringInterval", *(1, 5, 10, 15, 30, 60))
exports_no_log = exports_too_little("postgresql")
exports_too_few = exports_too_little("postgresql", "upgrade")
has_one_zone = unless("multiAz", True)
has_usual_port = having("port", 5432, default=5432)
has_usual_name = having("username", "postgres", "admin", default="postgres")
refuses_iam = unless("iamDatabaseAuthenticationEnabled", True)
rotates_not = unless("manageMasterUserPassword", True)
BY_SIZE = "logs by the gigabyte"
BACKUPS = "backup storage above the database's size"
allows_public_access = lacks(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "bucket",
    blockPublicAcls=True,
    ignorePublicAcls=True,
    blockPublicPolicy=True,
    restrictPublicBuckets=True,
)
logs_no_access = lacks("aws:s3/bucketLogging:BucketLogging", "bucket")
has_no_lifecycle = lacks(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "bucket"
)

CONTROLS = (
    *table(
        "aws:rds/instance:Instance",
        ("RDS.2", "Instances are not publicly accessible", unless("publiclyAccessible", False)),
        ("RDS.3", "Storage is encrypted", unless("storageEncrypted", True)),
        ("RDS.5", "Instances span zones (Multi-AZ)", has_one_zone, "twice the database's price"),
        ("RDS.6", "Enhanced monitoring is on", lacks_monitoring, BY_SIZE),
        ("RDS.8", "Deletion protection is on", unless("deletionProtection", True)),
        ("RDS.9", "Instances publish logs to CloudWatch Logs", exports_too_few, BY_SIZE),
        ("RDS.10", "IAM authentication is on", refuses_iam),
        ("RDS.11", "Backups are kept for at least 7 days", keeps_few_backups, BACKUPS),
        ("RDS.13", "Minor versions are upgraded", unless("autoMinorVersionUpgrade", True)),
        ("RDS.17", "Tags are copied to snapshots", unless("copyTagsToSnapshot", True)),
        ("RDS.23", "Instances do not use the engine's default port", has_usual_port),
        ("RDS.25", "The administrator's name is a custom one", has_usual_name),
        ("RDS.36", "PostgreSQL instances publish logs to CloudWatch Logs", exports_no_log, BY_SIZE),
        ("RDS.46", "Instances are not in subnets with a route to an internet gateway", is_public),
        # The only secret is the one that RDS manages and rotates every 7 days (RDS User Guide,
        # rds-secrets-manager).
        ("SecretsManager.1", "Secrets rotate automatically", rotates_not),
        ("SecretsManager.4", "Secrets rotate at least every 90 days", rotates_not),
    ),
    *table(
        "aws:s3/bucket:Bucket",
        ("S3.2", "Buckets block public read access", allows_public_access),
        ("S3.3", "Buckets block public write access", allows_public_access),
        ("S3.5", "Requests have to use TLS", allows_plain_requests),
        ("S3.6", "Policies restrict access of other accounts", allows_reserved_actions),
        ("S3.8", "Buckets block public access", allows_public_access),
        ("S3.9", "Server access logging is on", logs_no_access),
        ("S3.12", "ACLs do not manage access", has_acl),
        ("S3.13", "Buckets have a lifecycle", has_no_lifecycle),
    ),
)
