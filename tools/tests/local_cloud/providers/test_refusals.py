"""What AWS refuses, service by service, in its words; and the defaults that it describes."""

from __future__ import annotations

import json

import pytest

from tools.tests.local_cloud.providers.conftest import (
    REGION,
    counter,
    database,
    definition,
    refused,
)

ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
ROLE = "arn:aws:iam::123456789012:role/none"


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def alarm(**changes):
    return {
        "AlarmName": "cpu",
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/RDS",
        "Statistic": "Average",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        "Period": 60,
        "EvaluationPeriods": 1,
        **changes,
    }


def container(**changes):
    return [{"name": "app", "image": "app:1", **changes}]


LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "a", "awslogs-region": REGION}}
ECR = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/app:1"


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "words"),
    [
        ("s3", "create_bucket", {"Bucket": "Upper_case"}, "InvalidBucketName", "not valid"),
        ("s3", "create_bucket", {"Bucket": "two..dots"}, "InvalidBucketName", "not valid"),
        ("s3", "create_bucket", {"Bucket": "192.168.5.4"}, "InvalidBucketName", "not valid"),
        (
            *("ecs", "register_task_definition"),
            definition(containerDefinitions=container(logConfiguration=LOGS)),
            *("ClientException", "execution role ARN to support log driver awslogs."),
        ),
        (
            *("ecs", "register_task_definition"),
            definition(containerDefinitions=container(image=ECR)),
            *("ClientException", "execution role ARN to support ECR images."),
        ),
        (
            *("ecs", "register_task_definition"),
            definition(containerDefinitions=container(stopTimeout=121)),
            *("ClientException", "at most 120 seconds"),
        ),
        (
            *("ecs", "create_service"),
            {
                "serviceName": "app",
                "taskDefinition": "app",
                "deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100},
            },
            *("InvalidParameterException", "Both maximumPercent and minimumHealthyPercent cannot"),
        ),
        (
            *("rds", "create_db_instance", database("x", DBInstanceClass="db.nosuch.micro")),
            *("InvalidParameterValue", "Invalid DB Instance class: db.nosuch.micro"),
        ),
        *(
            (
                *("rds", "create_db_instance", database("x", EngineVersion=version)),
                *("InvalidParameterCombination", f"Cannot find version {version} for postgres"),
            )
            for version in ("17.99", "9.3.3", "seventeen")
        ),
        *(
            (
                *("rds", "create_db_instance", database("x", MasterUsername=name)),
                *("InvalidParameterValue", f"MasterUsername {name} cannot be used {words}"),
            )
            for name, words in (("admin", "as it is a reserved"), ("pg_dba", "because role names"))
        ),
        (
            *("iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}),
            *("MalformedPolicyDocument", "Syntax errors in policy."),
        ),
        (
            *("iam", "create_role"),
            {"RoleName": "x", "AssumeRolePolicyDocument": trust({"AWS": ROLE})},
            *("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{ROLE}"'),
        ),
        (
            *("cloudwatch", "put_metric_alarm", alarm(Period=45)),
            *("ValidationError", "45 must be 10, 20, 30 or a multiple of 60"),
        ),
        (
            *("cloudwatch", "put_metric_alarm", alarm(Period=3600, EvaluationPeriods=24 * 8)),
            *("ValidationError", "EvaluationPeriods * Period must be <= 604800"),
        ),
        (
            *("cloudwatch", "put_metric_alarm", alarm(EvaluationPeriods=24 * 60 + 1)),
            *("ValidationError", "EvaluationPeriods * Period must be <= 86400"),
        ),
        (
            *("logs", "put_retention_policy", {"logGroupName": "a", "retentionInDays": 31}),
            *("InvalidParameterException", "Value '31' at 'retentionInDays'"),
        ),
        (
            *("scheduler", "list_tags_for_resource"),
            {"ResourceArn": f"arn:aws:scheduler:{REGION}:123456789012:schedule-group/none"},
            *("ResourceNotFoundException", "Schedule group none does not exist."),
        ),
        (
            *("ec2", "describe_vpc_endpoint_services", {"ServiceNames": ["com.amazonaws.x.none"]}),
            *(
                "InvalidServiceName",
                "The Vpc Endpoint Service 'com.amazonaws.x.none' does not exist",
            ),
        ),
        (
            *("ec2", "create_managed_prefix_list"),
            {
                "PrefixListName": "two",
                "MaxEntries": 1,
                "AddressFamily": "IPv4",
                "Entries": [{"Cidr": "10.0.0.0/8"}, {"Cidr": "11.0.0.0/8"}],
            },
            *("PrefixListMaxEntriesExceeded", "1 entries at most, not 2"),
        ),
    ],
)
def test_what_breaks_a_rule_of_the_service_is_refused(
    calls, service, operation, params, code, words
):
    error = refused(calls, service, operation, params)
    assert error["Code"] == code
    assert words in error["Message"]


@pytest.fixture
def bucket(calls):
    name = f"refusals-{next(counter)}"
    where = {"LocationConstraint": REGION}
    calls("s3", "create_bucket", {"Bucket": name, "CreateBucketConfiguration": where})
    block = {"BlockPublicPolicy": True, "BlockPublicAcls": True}
    asked = {"Bucket": name, "PublicAccessBlockConfiguration": block}
    calls("s3", "put_public_access_block", asked)
    return name


def policy(bucket, **changes):
    statement = {**ANYBODY, "Resource": f"arn:aws:s3:::{bucket}/*", **changes}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"Bucket": bucket, "Policy": json.dumps(document)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Principal": {"AWS": "*"}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}},
        {"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}},
    ],
)
def test_a_public_policy_is_refused_where_it_is_blocked(calls, bucket, changes):
    error = refused(calls, "s3", "put_bucket_policy", policy(bucket, **changes))
    assert (error["Code"], error["Message"]) == ("AccessDenied", "Access Denied")
    block = {"Bucket": bucket, "PublicAccessBlockConfiguration": {"BlockPublicPolicy": False}}
    calls("s3", "put_public_access_block", block)
    calls("s3", "put_bucket_policy", policy(bucket, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": "Deny"},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-0a1"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:123456789012:x*"}}},
    ],
)
def test_a_policy_that_is_not_public_is_taken(calls, bucket, changes):
    calls("s3", "put_bucket_policy", policy(bucket, **changes))


def test_a_bucket_policy_has_what_it_needs(calls, bucket):
    for text, words in (
        ("{}", "Missing required field Statement"),
        ("[1]", "Policies must be valid JSON and the first byte must be '{'"),
        (policy("another", Effect="Deny")["Policy"], "Policy has invalid resource"),
        ('{"Statement": [{"Effect": "Deny"}]}', "Missing required field Principal"),
    ):
        asked = {"Bucket": bucket, "Policy": text}
        error = refused(calls, "s3", "put_bucket_policy", asked)
        assert (error["Code"], error["Message"]) == ("MalformedPolicy", words)


def test_an_operation_of_s3_that_moto_lacks_is_not_answered_as_another_one(calls, bucket):
    asked = {"Bucket": bucket, "RequestPaymentConfiguration": {"Payer": "Requester"}}
    assert refused(calls, "s3", "put_bucket_request_payment", asked)["Code"] == "NotImplemented"


def test_a_role_s_trust_is_checked_when_it_is_changed(calls):
    name = f"trusted{next(counter)}"
    good = {"RoleName": name, "AssumeRolePolicyDocument": trust({"Service": "ec2.amazonaws.com"})}
    calls("iam", "create_role", good)
    bad = {"RoleName": name, "PolicyDocument": trust({"AWS": ROLE})}
    error = refused(calls, "iam", "update_assume_role_policy", bad)
    assert error["Code"] == "MalformedPolicyDocument"
    own = ROLE.replace("none", name)
    calls("iam", "update_assume_role_policy", {**bad, "PolicyDocument": trust({"AWS": own})})


def test_a_topic_s_policy_has_a_statement(calls):
    topic = calls("sns", "create_topic", {"Name": f"t{next(counter)}"})["TopicArn"]
    asked = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": "{}"}
    error = refused(calls, "sns", "set_topic_attributes", asked)
    assert (error["Code"], "Policy Error" in error["Message"]) == ("InvalidParameter", True)


def test_a_key_s_defaults_are_described(calls):
    made = calls("kms", "create_key", {})["KeyMetadata"]
    facts = (made["KeyUsage"], made["KeySpec"], made["MultiRegion"])
    assert facts == ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", False)


def test_the_service_linked_role_of_rds_has_its_name(calls, make_role):
    make_role()
    roles = calls("iam", "list_roles", {"PathPrefix": "/aws-service-role/rds."})["Roles"]
    assert [each["RoleName"] for each in roles] == ["AWSServiceRoleForRDS"]


def made(calls, **changes):
    name = f"offers-{next(counter)}"
    return calls("rds", "create_db_instance", database(name, **changes))["DBInstance"]


def test_an_instance_has_a_minor_version_and_gp3_s_baseline(calls):
    for asked in ({}, {"EngineVersion": "17"}):
        found = made(calls, StorageType="gp3", **asked)
        assert found["EngineVersion"].startswith("17.")
        assert (found["Iops"], found["StorageThroughput"]) == (3000, 125)
    large = made(calls, StorageType="gp3", AllocatedStorage=400)
    assert (large["Iops"], large["StorageThroughput"]) == (12000, 500)


def test_the_storage_of_an_instance_only_grows(calls):
    name = made(calls, AllocatedStorage=50)["DBInstanceIdentifier"]
    asked = {"DBInstanceIdentifier": name, "ApplyImmediately": True}
    error = refused(calls, "rds", "modify_db_instance", {**asked, "AllocatedStorage": 20})
    assert (error["Code"], "less than" in error["Message"]) == ("InvalidParameterCombination", True)
    calls("rds", "modify_db_instance", {**asked, "AllocatedStorage": 51})
    [found] = calls("rds", "describe_db_instances", {"DBInstanceIdentifier": name})["DBInstances"]
    assert found["AllocatedStorage"] == 55, "RDS rounds up to ten percent more"


def test_windows_that_touch_do_not_overlap(calls):
    touching = {
        "PreferredMaintenanceWindow": "Mon:00:00-Mon:03:00",
        "PreferredBackupWindow": "03:00-06:00",
        "BackupRetentionPeriod": 1,
    }
    made(calls, **touching)
    over = database("over", **{**touching, "PreferredBackupWindow": "02:59-06:00"})
    error = refused(calls, "rds", "create_db_instance", over)
    assert error["Message"] == "The backup window and maintenance window must not overlap."


def test_the_classes_of_instances_can_be_ordered(calls):
    asked = {"Engine": "postgres", "DBInstanceClass": "db.t4g.micro"}
    rows = calls("rds", "describe_orderable_db_instance_options", asked)
    [only] = rows["OrderableDBInstanceOptions"]
    assert only["DBInstanceClass"] == "db.t4g.micro"
    none = {**asked, "DBInstanceClass": "db.nosuch.micro"}
    rows = calls("rds", "describe_orderable_db_instance_options", none)
    assert rows["OrderableDBInstanceOptions"] == []


def test_an_endpoint_s_service_is_one_of_aws(calls, vpc):
    wanted = f"com.amazonaws.{REGION}.s3"
    asked = {"ServiceNames": [wanted], "Filters": [{"Name": "service-type", "Values": ["Gateway"]}]}
    found = calls("ec2", "describe_vpc_endpoint_services", asked)["ServiceDetails"]
    assert [each["ServiceName"] for each in found] == [wanted]
    names = calls("ec2", "describe_vpc_endpoint_services", {})["ServiceNames"]
    for name in ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "sts", "kms"):
        assert f"com.amazonaws.{REGION}.{name}" in names
    endpoint = {"VpcId": vpc, "ServiceName": "com.amazonaws.x.none", "VpcEndpointType": "Interface"}
    error = refused(calls, "ec2", "create_vpc_endpoint", endpoint)
    assert error["Code"] == "InvalidServiceName"


def test_a_prefix_list_is_changed_by_its_version_and_kept_while_it_is_named(calls, closed_vpc):
    made_list = calls(
        "ec2",
        "create_managed_prefix_list",
        {"PrefixListName": "office", "MaxEntries": 1, "AddressFamily": "IPv4"},
    )["PrefixList"]
    name = {"PrefixListId": made_list["PrefixListId"]}
    add = {**name, "AddEntries": [{"Cidr": "10.0.0.0/8"}]}
    for version in ({}, {"CurrentVersion": 7}):
        error = refused(calls, "ec2", "modify_managed_prefix_list", {**add, **version})
        assert error["Code"] == "PrefixListVersionMismatch"
    calls("ec2", "modify_managed_prefix_list", {**add, "CurrentVersion": 1})
    more = {**name, "CurrentVersion": 2, "AddEntries": [{"Cidr": "11.0.0.0/8"}]}
    error = refused(calls, "ec2", "modify_managed_prefix_list", more)
    assert error["Code"] == "PrefixListMaxEntriesExceeded"
    group = calls(
        "ec2",
        "create_security_group",
        {"GroupName": "pl", "Description": "pl", "VpcId": closed_vpc},
    )["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "PrefixListIds": [name]}
    calls("ec2", "authorize_security_group_ingress", {"GroupId": group, "IpPermissions": [rule]})
    error = refused(calls, "ec2", "delete_managed_prefix_list", name)
    assert error["Code"] == "DependencyViolation"
    calls("ec2", "revoke_security_group_ingress", {"GroupId": group, "IpPermissions": [rule]})
    calls("ec2", "delete_managed_prefix_list", name)


def test_a_subnet_has_one_route_table(calls, closed_vpc):
    asked = {"VpcId": closed_vpc, "CidrBlock": "10.20.9.0/24"}
    subnet = calls("ec2", "create_subnet", asked)["Subnet"]["SubnetId"]
    first, second = (
        calls("ec2", "create_route_table", {"VpcId": closed_vpc})["RouteTable"]["RouteTableId"]
        for _ in range(2)
    )
    calls("ec2", "associate_route_table", {"RouteTableId": first, "SubnetId": subnet})
    again = {"RouteTableId": second, "SubnetId": subnet}
    error = refused(calls, "ec2", "associate_route_table", again)
    assert error["Code"] == "Resource.AlreadyAssociated"
    assert error["Message"] == (
        f"the specified association for route table {second} conflicts with an existing association"
    )
