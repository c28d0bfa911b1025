"""The database: private, encrypted, with a password that nobody but AWS has seen."""

import json
from functools import partial

import pytest
from pulumi_aws.rds.outputs import InstanceMasterUserSecret

from infra.database import secret_arn_of
from tests.unit.conftest import ANSWERS, TAGS, database

INSTANCE = "aws:rds/instance:Instance"
VPC = "awsx:ec2:Vpc"


@pytest.fixture
def build(declare):
    return partial(declare, database)


def test_a_database_without_a_final_snapshot_goes_without_leaving_anything_billed(engine, build):
    build(protect="false", databaseFinalSnapshot="")
    assert engine.inputs(INSTANCE) == {
        "careapp-poc-database": {
            "identifier": "careapp-poc",
            "engine": "postgres",
            "engineVersion": "17",
            "instanceClass": "db.t4g.micro",
            "allocatedStorage": 20,
            "storageType": "gp3",
            "storageEncrypted": True,
            "dbName": "careapp",
            "username": "postgres",
            "manageMasterUserPassword": True,
            "port": 5432,
            "dbSubnetGroupName": "careapp-poc-database-made-up",
            "parameterGroupName": "careapp-poc-database-made-up",
            "vpcSecurityGroupIds": ["SecurityGroup/careapp-poc-database"],
            "publiclyAccessible": False,
            "multiAz": False,
            "backupRetentionPeriod": 7,
            "copyTagsToSnapshot": True,
            "autoMinorVersionUpgrade": True,
            "allowMajorVersionUpgrade": True,
            "monitoringInterval": 0,
            "performanceInsightsEnabled": False,
            "deletionProtection": False,
            "skipFinalSnapshot": True,
            "deleteAutomatedBackups": True,
            "applyImmediately": True,
            "tags": TAGS,
        }
    }


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        (
            {"protect": "true", "databaseFinalSnapshot": "last"},
            {
                "deletionProtection": True,
                "skipFinalSnapshot": False,
                "finalSnapshotIdentifier": "careapp-poc-database-made-up-last",
                "deleteAutomatedBackups": False,
                "applyImmediately": True,
            },
        ),
        (
            {"databaseMonitoring": "true"},
            {
                "monitoringInterval": 60,
                "monitoringRoleArn": "arn:Role/careapp-poc-database-monitoring",
                "performanceInsightsEnabled": True,
                "performanceInsightsRetentionPeriod": 7,
                "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
            },
        ),
        (
            {
                "databaseInstanceClass": "db.m7g.large",
                "databaseStorageGb": "100",
                "databaseMultiAz": "true",
                "databaseBackupDays": "14",
            },
            {
                "instanceClass": "db.m7g.large",
                "allocatedStorage": 100,
                "multiAz": True,
                "backupRetentionPeriod": 14,
            },
        ),
        ({"databaseStorageGb": "399"}, {"iops": None, "storageThroughput": None}),
        ({"databaseStorageGb": "400"}, {"iops": 12000, "storageThroughput": 500}),
    ],
    ids=["kept", "watched", "large", "storage in one", "striped storage has its speed named"],
)
def test_a_setting_changes_the_instance(engine, build, changes, inputs):
    build(**changes)
    made = engine.inputs(INSTANCE)["careapp-poc-database"]
    assert {key: made.get(key) for key in inputs} == inputs


def test_the_last_snapshot_is_taken_however_the_protection_was_lifted(engine, build):
    build(protect="false")
    made = engine.inputs(INSTANCE)["careapp-poc-database"]
    assert made["skipFinalSnapshot"] is False
    assert made["deleteAutomatedBackups"] is False
    group = "careapp-poc-database-made-up"
    assert made["dbSubnetGroupName"] == group, "a name that AWS makes anew in each life"
    assert made["finalSnapshotIdentifier"] == f"{group}-final"


def test_the_log_groups_are_there_before_rds_would_make_its_own(engine, build):
    build(databaseMonitoring="true", logRetentionDays="90")
    assert engine.inputs("aws:cloudwatch/logGroup:LogGroup") == {
        f"careapp-poc-database-{log}": {
            "name": f"/aws/rds/instance/careapp-poc/{log}",
            "retentionInDays": 90,
            "tags": TAGS,
        }
        for log in ("postgresql", "upgrade")
    }
    waits = engine.request(INSTANCE, "careapp-poc-database").dependencies
    assert len([urn for urn in waits if "LogGroup" in urn]) == 2


def test_only_rds_s_monitoring_of_this_account_takes_its_role(engine, build):
    build(databaseMonitoring="true")
    role = engine.inputs("aws:iam/role:Role")["careapp-poc-database-monitoring"]
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "monitoring.rds.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    ]
    assert engine.inputs("aws:iam/rolePolicyAttachment:RolePolicyAttachment")[
        "careapp-poc-database-monitoring"
    ] == {
        "role": "careapp-poc-database-monitoring-made-up",
        "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
    }


def test_its_fixed_name_is_free_before_a_replacement_takes_it(engine, build):
    build()
    assert engine.request(INSTANCE, "careapp-poc-database").deleteBeforeReplace is True


def test_it_refuses_connections_without_tls_and_stands_in_the_isolated_subnets(engine, build):
    build()
    assert engine.inputs("aws:rds/parameterGroup:ParameterGroup") == {
        "careapp-poc-database": {
            "description": "PostgreSQL that refuses connections without TLS",
            "family": "postgres17",
            "parameters": [
                {"name": "rds.force_ssl", "value": "1", "applyMethod": "pending-reboot"},
                {
                    "name": "client_connection_check_interval",
                    "value": "10000",
                    "applyMethod": "immediate",
                },
            ],
            "tags": TAGS,
        }
    }
    assert engine.inputs("aws:rds/subnetGroup:SubnetGroup") == {
        "careapp-poc-database": {
            "description": "Subnets without a way out",
            "subnetIds": ["database-1", "database-2"],
            "tags": TAGS,
        }
    }


def test_it_never_stands_in_a_third_zone_which_could_then_not_go(engine, build, monkeypatch):
    subnets = {"isolatedSubnetIds": ["database-1", "database-2", "database-3"]}
    monkeypatch.setitem(ANSWERS, VPC, ANSWERS[VPC] | subnets)
    build(zoneCount="3")
    assert engine.inputs("aws:rds/subnetGroup:SubnetGroup")["careapp-poc-database"][
        "subnetIds"
    ] == [
        "database-1",
        "database-2",
    ]


def test_its_security_group_is_closed_until_somebody_adds_a_rule(engine, build):
    build()
    assert engine.inputs("aws:ec2/securityGroup:SecurityGroup") == {
        "careapp-poc-database": {
            "description": "The database; tasks are let in one by one",
            "vpcId": "vpc-1",
            "revokeRulesOnDelete": True,
            "tags": {**TAGS, "Name": "careapp-poc-database"},
        }
    }
    assert [made.typ for made in engine.made if "Rule" in made.typ] == []


@pytest.mark.parametrize("secrets", [[], [InstanceMasterUserSecret(secret_arn=None)]])
def test_a_database_without_a_secret_is_an_error_that_says_so(secrets):
    with pytest.raises(ValueError, match="RDS reports no secret"):
        secret_arn_of(secrets)
