"""The database instance, its subnets and its parameters."""

from local_cloud.calls import Calls
from local_cloud.providers.kind import Setting, Subject, Values, leave, on_change, regular
from local_cloud.providers.lifecycle import until_gone, wait

LIMIT = 120.0
"""Wall-clock seconds within which a database must be deleted."""


SUBNET_GROUP = regular(
    "aws:rds/subnetGroup:SubnetGroup",
    "DBSubnetGroupName",
    noun="db_subnet_group",
    update="modify_db_subnet_group",
    names={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
    repeated=frozenset({"subnetIds"}),
    reads={"subnetIds": "Subnets[].SubnetIdentifier"},
    defaults={"description": "Managed by Pulumi"},
    autoname="name",
    outputs={"arn": "DBSubnetGroupArn", "name": "DBSubnetGroupName", "vpcId": "VpcId"},
)


MOST = 20
"""Parameters in one call (API reference, ModifyDBParameterGroup)."""


def _set_parameters(subject: Subject) -> None:
    """Set the parameters, twenty with each call as the provider does (terraform-provider-aws, parameter_group.go)."""
    given = subject.inputs.get("parameters") or []
    for begin in range(0, len(given) or 1, MOST):
        some = [{"applyMethod": "immediate", **each} for each in given[begin : begin + MOST]]
        subject.send("modify_db_parameter_group", {"parameters": some})


def _parameters(subject: Subject, _: Values) -> list[Values]:
    """Return the parameters that are not the engine's own defaults, as the provider does (parameter_group.go, Read)."""
    found: list[Values] = subject.call("describe_db_parameters", Source="user")["Parameters"]
    return found


PARAMETER_GROUP = regular(
    "aws:rds/parameterGroup:ParameterGroup",
    "DBParameterGroupName",
    noun="db_parameter_group",
    replaces="family description",
    names={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"},
    ignored={"skipDestroy": "keeps it when the provider is to delete it"},
    settings=(Setting(inputs=("parameters",), apply=_set_parameters),),
    reads={"parameters": _parameters},
    defaults={"description": "Managed by Pulumi", "skipDestroy": False},
    autoname="name",
    outputs={"arn": "DBParameterGroupArn", "name": "DBParameterGroupName"},
)

INSTANCE_NAMES = {
    "backupWindow": "PreferredBackupWindow",
    "dbName": "DBName",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "identifier": "DBInstanceIdentifier",
    "instanceClass": "DBInstanceClass",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "parameterGroupName": "DBParameterGroupName",
    "password": "MasterUserPassword",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "username": "MasterUsername",
}
PROVIDER_ONLY = {
    "allowMajorVersionUpgrade": "sent with every change",
    "applyImmediately": "the stand-in applies every change at once, as the stack asks for",
    "deleteAutomatedBackups": "sent on deletion",
    "finalSnapshotIdentifier": "sent on deletion",
    "skipFinalSnapshot": "sent on deletion",
}


def _identifier(calls: Calls, identity: str) -> str:
    """Return the identifier of the instance with that DbiResourceId; without one the id itself, as on an import."""
    filters = [{"Name": "dbi-resource-id", "Values": [identity]}]
    found = calls("rds", "describe_db_instances", {"Filters": filters})["DBInstances"]
    return str(found[0]["DBInstanceIdentifier"]) if found else identity


def _export(subject: Subject) -> None:
    """Change the exported logs by the lists of logs to enable and to disable."""
    wanted = set(subject.inputs.get("EnableCloudwatchLogsExports") or ())
    found = subject.call("describe_db_instances")["DBInstances"][0]
    now = set(found.get("EnabledCloudwatchLogsExports") or ())
    change = {"EnableLogTypes": sorted(wanted - now), "DisableLogTypes": sorted(now - wanted)}
    subject.call("modify_db_instance", CloudwatchLogsExportConfiguration=change)


def _rename(subject: Subject) -> None:
    """Give the instance its new identifier and wait until it is available, as the provider does."""
    new = subject.inputs["DBInstanceIdentifier"]
    subject.call("modify_db_instance", NewDBInstanceIdentifier=new, ApplyImmediately=True)
    wait(subject)


def _remove_instance(subject: Subject) -> None:
    """Delete a database with its final snapshot, and wait for the deletion, as the provider does."""
    inputs = subject.inputs
    params: Values = {
        "SkipFinalSnapshot": bool(inputs.get("skipFinalSnapshot")),
        "DeleteAutomatedBackups": bool(inputs.get("deleteAutomatedBackups")),
    }
    if not params["SkipFinalSnapshot"]:
        if not inputs.get("finalSnapshotIdentifier"):
            raise ValueError("finalSnapshotIdentifier is required when skipFinalSnapshot is false")
        params["FinalDBSnapshotIdentifier"] = inputs["finalSnapshotIdentifier"]
    subject.call("delete_db_instance", **params)
    until_gone(subject, LIMIT)


def _version(subject: Subject, found: Values) -> str:
    """Return the program's version, where RDS runs a version of it (terraform-provider-aws, instance.go, Read)."""
    declared, held = str(subject.inputs.get("engineVersion")), str(found["EngineVersion"])
    return declared if f"{held}.".startswith(f"{declared}.") else held


def _secrets(_: Subject, found: Values) -> list[Values]:
    secret = found.get("MasterUserSecret")
    if not secret:
        return []
    return [
        {
            "secretArn": secret["SecretArn"],
            "secretStatus": secret["SecretStatus"],
            "kmsKeyId": secret.get("KmsKeyId", ""),
        }
    ]


INSTANCE = regular(
    "aws:rds/instance:Instance",
    "DBInstanceIdentifier",
    noun="db_instance",
    # The id outlives a renaming (terraform-provider-aws pull request 31232, from 5.0.0 on).
    identity_from="DBInstance.DbiResourceId",
    locate=_identifier,
    update="modify_db_instance",
    on_delete=_remove_instance,
    replaces=(
        "engine username dbName storageEncrypted kmsKeyId availabilityZone characterSetName "
        "timezone"
    ),
    names=INSTANCE_NAMES,
    reads={
        "dbSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
        "enabledCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
        "engineVersion": _version,
        "manageMasterUserPassword": "MasterUserSecret && `true`",
        "parameterGroupName": "DBParameterGroups[0].DBParameterGroupName",
        "port": "Endpoint.Port",
        "vpcSecurityGroupIds": "VpcSecurityGroups[].VpcSecurityGroupId",
    },
    unread={"password": "RDS does not return it"},
    ignored=PROVIDER_ONLY,
    repeated=frozenset({"allowMajorVersionUpgrade"}),
    settings=(
        on_change(_rename, "DBInstanceIdentifier"),
        on_change(_export, "EnableCloudwatchLogsExports"),
        # Computed in the provider's schema: without them the instance keeps what it has.
        on_change(leave, "monitoringRoleArn", "performanceInsightsRetentionPeriod"),
    ),
    defaults={
        **{"applyImmediately": False, "autoMinorVersionUpgrade": True, "copyTagsToSnapshot": False},
        **{"dedicatedLogVolume": False, "deleteAutomatedBackups": True, "monitoringInterval": 0},
        **{"performanceInsightsEnabled": False, "publiclyAccessible": False},
    },
    autoname="identifier",
    joint="",
    ready=("DBInstanceStatus", "available"),
    outputs={
        "address": "Endpoint.Address",
        "arn": "DBInstanceArn",
        "availabilityZone": "AvailabilityZone",
        "endpoint": "join(':', [Endpoint.Address, to_string(Endpoint.Port)])",
        "engineVersionActual": "EngineVersion",
        "masterUserSecrets": _secrets,
        "port": "Endpoint.Port",
        "resourceId": "DbiResourceId",
        "status": "DBInstanceStatus",
    },
)

KINDS = (SUBNET_GROUP, PARAMETER_GROUP, INSTANCE)
