"""AWS's rules for databases that moto lacks: changes, snapshots, subnet groups and the service-linked role."""

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from moto.ec2.models.subnets import Subnet
from moto.rds import models
from moto.rds.models import DBInstance, DBSubnetGroup, RDSBackend

from local_cloud.aws.ec2.rules import elsewhere
from local_cloud.aws.hooks import (
    Params,
    Refusals,
    Refused,
    after,
    backend,
    instead,
    number_outside,
    other_than,
)
from local_cloud.aws.rds.offers import ENGINE, MAJOR
from local_cloud.calls import Calls
from local_cloud.machine.postgres import programs

_modify_db_subnet_group = RDSBackend.modify_db_subnet_group


def install() -> None:
    """Replace two of moto's functions and an attribute. The hooks are registered by the import."""
    DBInstance.save_automated_backup = save_automated_backup  # type: ignore[method-assign,assignment]
    RDSBackend.modify_db_subnet_group = modify_db_subnet_group  # type: ignore[method-assign]
    DBInstance.dbi_resource_id = property(lambda made: vars(made)["resource"], _new_resource_id)  # type: ignore[assignment]


def _new_resource_id(instance: DBInstance, _: str) -> None:
    """Set an id of its own; moto gives each instance the same one."""
    vars(instance)["resource"] = f"db-{base64.b32encode(os.urandom(20)).decode()[:26]}"


GOING_OFF = ("stopping", "stopped", "starting")


def save_automated_backup(database: DBInstance) -> None:
    """Let moto take the snapshot of a new database with backups, under the next minute that is free.

    On AWS two databases of one name are never created within a minute; in the local cloud they are.
    """
    if not database.backup_retention_period:
        return
    database.add_event("DB_INSTANCE_BACKUP_START")
    # AWS's clock (cloud/plane.py).
    now, identifier = models.utcnow(), database.db_instance_identifier  # type: ignore[attr-defined]
    names = (f"rds:{identifier}-{now + timedelta(minutes=n):%Y-%m-%d-%H-%M}" for n in count())
    free = next(name for name in names if name not in database.backend.database_snapshots)
    database.backend.create_auto_snapshot(identifier, free)
    database.add_event("DB_INSTANCE_BACKUP_FINISH")


def modify_db_subnet_group(
    self: RDSBackend, subnet_name: str, description: str, subnets: list[Subnet]
) -> DBSubnetGroup:
    """Change a subnet group and keep it: moto 5.2.5 deletes it from its table."""
    changed = _modify_db_subnet_group(self, subnet_name, description, subnets)
    self.subnet_groups[subnet_name] = changed
    return changed


RDS = "rds.amazonaws.com"


def make_service_role(calls: Calls) -> None:
    """Create RDS's service-linked role: an account without it refuses the first subnet group."""
    calls("iam", "create_service_linked_role", {"AWSServiceName": RDS})


def _new_major(given: Params) -> str | None:
    """Return the major version to which a change upgrades."""
    major = str(given.get("EngineVersion") or "").partition(".")[0]
    return major if major != _major(backend("rds").databases[given[ID]]) else None


def _major(database: Any) -> str:
    return str(database.engine_version).partition(".")[0]


def _other_family(given: Params) -> tuple[str, str, str] | None:
    """Return a parameter group, its family, and that of the new major version or the snapshot, if it is another one."""
    name = given.get("DBParameterGroupName")
    if "DBSnapshotIdentifier" in given:
        database = backend("rds").database_snapshots[given["DBSnapshotIdentifier"]].database
        major = _major(database)
    elif major := _new_major(given) or "":
        database = backend("rds").databases[given[ID]]
        name = name or database.db_parameter_group_name
    group = backend("rds").db_parameter_groups[name] if major and name else None
    family = f"{database.engine}{major}" if major else ""
    return (str(name), group.family, family) if group and group.family != family else None


@after("rds", "ModifyDBInstance")
@after("rds", "CreateDBInstance")
def insights_are_described(params: Params) -> None:
    """Describe Performance Insights as requested: off by default, and kept for seven days (botocore)."""
    wanted = params.get("EnablePerformanceInsights")
    days = params.get("PerformanceInsightsRetentionPeriod")
    name = params.get("NewDBInstanceIdentifier") or params["DBInstanceIdentifier"]
    described = vars(backend("rds").databases[name.lower()])
    enabled, kept = "performance_insights_enabled", "performance_insights_retention_period"
    if wanted is not None:
        described[enabled] = str(wanted).lower() == "true"
    described[kept] = int(days or described.get(kept) or 7) if described.get(enabled) else None


@instead("rds", "DescribeDBParameters")
def describe_parameters(params: Params) -> Params:
    """Return the parameters that were set, whose source is "user"; moto lacks it and a family's own parameters."""
    name = params["DBParameterGroupName"]
    groups = backend("rds").describe_db_parameter_groups({"db_parameter_group_name": name})
    if not groups:
        raise Refused("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
    found = groups[0].parameters.values() if params.get("Source") in (None, "user") else ()
    return {"Parameters": [{**parameter, "Source": "user"} for parameter in found]}


@after("rds", "CreateDBInstance")
def defaults_are_described(params: Params) -> None:
    """Set the certificate authority (RDS user guide, "Using SSL/TLS") and the support (CreateDBInstance) by default."""
    database = backend("rds").databases[params["DBInstanceIdentifier"].lower()]
    if not params.get("CACertificateIdentifier"):
        database.ca_certificate_identifier = "rds-ca-rsa2048-g1"
    support = params.get("EngineLifecycleSupport") or "open-source-rds-extended-support"
    database.engine_lifecycle_support = support


def _removed_subnets(given: Params) -> str:
    """Return the subnets that a change would remove from a group that a database uses.

    RDS refuses it if an instance or its standby is in that subnet, and chooses the subnets itself
    (AWS knowledge center, "How can I delete a subnet that is part of an Amazon RDS DB subnet
    group?"). A stack cannot know them, so the rehearsal always refuses.
    """
    name = given["DBSubnetGroupName"].lower()
    held = {subnet["SubnetIdentifier"] for subnet in backend("rds").subnet_groups[name].subnets}
    return ", ".join(sorted(held - {*given["SubnetIds"]})) if _databases_in(name) else ""


def _databases_in(group: str) -> list[str]:
    databases = backend("rds").databases.values()
    return [
        each.db_instance_identifier for each in databases if each._db_subnet_group_name == group
    ]


WEAK = "The parameter MasterUserPassword is not a valid password"


def _unknown_parameters(given: Params) -> Any:
    name = given.get("DBParameterGroupName") or "default."
    known = name.startswith("default.") or name in backend("rds").db_parameter_groups
    return None if known else name


VALUE = "InvalidParameterValue"


@cache
def described() -> Mapping[str, list[str]]:
    """Return PostgreSQL's parameters with context, group, type, default, least and most value.

    The context "postmaster" means that a change needs a restart.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(programs(Path(folder)) / ENGINE), "--describe-config"]
        rows = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()
    return {row.split("\t")[0].lower(): row.split("\t")[1:] for row in rows}


def _wrong_value(name: str, value: str) -> bool:
    """Return whether a parameter's value is none of its type or its range. A formula of RDS may be any number.

    ResetDBParameterGroup gives no values.
    """
    _, _, kind, _, low, high, *_ = described().get(name.lower(), [""] * 6)
    if kind in ("INTEGER", "REAL") and not value.startswith(("{", "GREATEST", "LEAST", "SUM")):
        number = re.fullmatch(r"-?\d+" if kind == "INTEGER" else r"-?\d*\.?\d+", value)
        return bool(value) and not (number and float(low) <= float(value) <= float(high))
    return kind == "BOOLEAN" and value.lower() not in ("", "0", "1", "on", "off", "true", "false")


def _parameters(given: Params) -> list[tuple[str, str, str]]:
    """Return the names, apply methods and values of a change's parameters, where the group's family is PostgreSQL's."""
    group = backend("rds").db_parameter_groups[given["DBParameterGroupName"]]
    rows = given.get("Parameters") or () if group.family.startswith(ENGINE) else ()
    return [
        (e["ParameterName"], str(e.get("ApplyMethod")), str(e.get("ParameterValue", "")))
        for e in rows
    ]


def _managed(given: Params) -> Any:
    known = backend("rds").databases.get(given[ID])
    return getattr(known, "master_user_secret", None)


def _size(given: Params) -> int:
    """Return the GiB of an instance that exists; 0 for a new one."""
    known = backend("rds").databases.get(given[ID])
    return int(known.allocated_storage) + 1 if known else 0


def _too_fast(given: Params) -> bool:
    """Return whether a gp3 volume below 400 GiB is given IOPS or throughput (RDS user guide, "gp3 storage")."""
    speed, size = given.get("Iops") or given.get("StorageThroughput"), given.get("AllocatedStorage")
    return bool(speed and size) and given.get("StorageType") == "gp3" and int(str(size)) < 400


def _other_vpc(given: Params) -> str | None:
    group = backend("rds").subnet_groups[given["DBSubnetGroupName"]]
    return elsewhere(
        [group.subnets[0]["SubnetIdentifier"], *(given.get("VpcSecurityGroupIds") or ())]
    )


def _minutes(window: str) -> int:
    """Return the minutes of a window as 23:45-00:15."""
    begin, end = (int(time[:2]) * 60 + int(time[3:]) for time in window.split("-"))
    return (end - begin) % 1440


def _status(given: Params) -> str | None:
    database = backend("rds").databases.get(given[ID])
    return database.status if database is not None else None


def _in_one_zone(given: Params) -> bool:
    named = given["SubnetIds"]
    subnets = backend("ec2").describe_subnets(subnet_ids=named) if named else ()
    return len({subnet.availability_zone for subnet in subnets}) < 2


def _lacks_role(_: Params) -> bool:
    """Return whether the service-linked role is not there, which RDS creates only at CreateDBInstance.

    Error messages: terraform-aws-modules/terraform-aws-rds issue 364, crossplane provider-aws issue 479. ECS, load
    balancing and autoscaling create their roles at the first call that needs one.
    """
    roles = backend("iam").roles.values()
    return not any(role.path == f"/aws-service-role/{RDS}/" for role in roles)


def _users_of_parameters(given: Params) -> bool:
    used = (database.db_parameter_group_name for database in backend("rds").databases.values())
    return given["DBParameterGroupName"] in used


STATE, COMBINATION = "InvalidDBInstanceState", "InvalidParameterCombination"
ID = "DBInstanceIdentifier"
NO_SNAPSHOT = "Cannot create a snapshot because the database instance {} is not currently in the available state."
ZONES = (
    "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage is one. "
    "Add subnets to cover at least 2 AZs."
)
ROLE = (
    "Missing necessary credentials. Please check http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/"
    "UsingWithRDS.IAM.ServiceLinkedRoles.html"
)

# fmt: off
REFUSALS: Refusals = {
    "rds ModifyDBInstance": (  # RDS user guide, "Limitations of stopping your DB instance"
        (STATE, "Cannot modify a stopped DB Instance", lambda p: _status(p) in GOING_OFF),
        (COMBINATION, "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.",
         lambda p: p.get("MasterUserPassword") and _managed(p) and p.get("ManageMasterUserPassword") is None),
        (COMBINATION, "You must specify MasterUserPassword to turn ManageMasterUserPassword off.", lambda p: (
            p.get("ManageMasterUserPassword") is False and _managed(p) and not p.get("MasterUserPassword"))),
        (COMBINATION, "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
         lambda p: _new_major(p) and not p.get("AllowMajorVersionUpgrade")),
        ("DBInstanceAlreadyExists", "DB instance {} already exists.", lambda p: (
            (name := str(p.get("NewDBInstanceIdentifier") or "").lower()) in backend("rds").databases and name)),
    ),
    "rds ModifyDBInstance RestoreDBInstanceFromDBSnapshot": (  # aws-quickstart/quickstart-r3-corda issue 25
        (COMBINATION, "The Parameter Group {0[0]} with DBParameterGroupFamily {0[1]} cannot be used for this instance. "
         "Please use a Parameter Group with DBParameterGroupFamily {0[2]}", _other_family),
    ),
    "rds CreateDBSnapshot": (
        (STATE, NO_SNAPSHOT, lambda p: _status(p) not in (None, "available") and p[ID]),
        ("DBSnapshotAlreadyExists", "Cannot create the snapshot because one with the identifier {} already exists.",
         lambda p: (name := p["DBSnapshotIdentifier"].lower()) in backend("rds").database_snapshots and name),
    ),
    "rds CreateDBSubnetGroup": (
        ("DBSubnetGroupDoesNotCoverEnoughAZs", ZONES, _in_one_zone),
        (VALUE, ROLE, _lacks_role),
        ("InvalidSubnet", "The requested subnet {} is not valid, or is of another VPC.",
         lambda p: elsewhere(p["SubnetIds"])),
        ("DBSubnetGroupAlreadyExists", "The DB subnet group '{}' already exists.",
         lambda p: (name := p["DBSubnetGroupName"].lower()) in backend("rds").subnet_groups and name),
    ),
    "rds ModifyDBSubnetGroup": (
        ("SubnetAlreadyInUse", "Some of the subnets to be deleted are currently in use: {}", _removed_subnets),
    ),
    "rds DeleteDBSubnetGroup": (
        ("InvalidDBSubnetGroupStateFault",
         "Cannot delete the subnet group because at least one database instance: {} is still using it.",
         lambda p: next(iter(_databases_in(p["DBSubnetGroupName"].lower())), None)),
    ),
    "rds DeleteDBParameterGroup": (
        ("InvalidDBParameterGroupState", "Default DBParameterGroup cannot be deleted: {}",
         lambda p: other_than("(?!default[.]).*", p["DBParameterGroupName"])),
        ("InvalidDBParameterGroupState", "One or more database instances are still members of this parameter group, "
         "so the group cannot be deleted", _users_of_parameters),
    ),
    # Messages of passwords: hashicorp/terraform-provider-aws issues 8156 and 11536.
    "rds CreateDBInstance ModifyDBInstance": (
        (VALUE, f"{WEAK} because it is shorter than 8 characters.",
         lambda p: 0 < len(p.get("MasterUserPassword") or "") < 8),
        (VALUE, f"{WEAK}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
         lambda p: other_than(r"[!#-.0-?A-~]{0,128}", p.get("MasterUserPassword") or "")),
        (COMBINATION, "You can't specify MasterUserPassword and ManageMasterUserPassword for the same instance.",
         lambda p: p.get("ManageMasterUserPassword") and p.get("MasterUserPassword")),
        (COMBINATION, "You can't specify MasterUserSecretKmsKeyId or RotateMasterUserPassword for an instance whose "
         "password RDS doesn't manage.", lambda p: (
             (p.get("MasterUserSecretKmsKeyId") or p.get("RotateMasterUserPassword"))
             and not p.get("ManageMasterUserPassword") and not _managed(p))),
        (COMBINATION, "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.",
         lambda p: int(p.get("MonitoringInterval") or 0) and not (
             p.get("MonitoringRoleArn") or getattr(backend("rds").databases.get(p[ID]), "monitoring_role_arn", None))),
        (COMBINATION, "You can't specify IOPS or storage throughput for storage type gp3 and a storage size less than "
         "400 for the engine postgres.", _too_fast),
        (VALUE, "Invalid security group , groupId= {}, groupName=.",
         lambda p: next((group for group in p.get("VpcSecurityGroupIds") or () if elsewhere([group])), None)),
        (COMBINATION, "Max storage size must be greater than storage size", lambda p: 0 < int(
            p.get("MaxAllocatedStorage") or 0) < max(1 + int(p.get("AllocatedStorage") or 0), _size(p))),
        ("DBParameterGroupNotFound", "DBParameterGroup not found: {}", _unknown_parameters),
    ),
    "rds CreateDBInstance": (
        (COMBINATION, "Invalid storage size for engine name postgres and storage type gp3: {}",
         lambda p: number_outside({"size": p.get("AllocatedStorage") or 0}, "size", 20, 65536)),
        (VALUE, "Invalid master password", lambda p: not (
            p.get("MasterUserPassword") or p.get("ManageMasterUserPassword"))),
        (COMBINATION, "You can't specify {} for the engine postgres.", lambda p: next(
            (name for name in ("CharacterSetName", "NcharCharacterSetName", "Timezone") if p.get(name)), None)),
        # RDS user guide, "Turning on the Advanced mode of Database Insights"
        (COMBINATION, "The advanced mode of Database Insights needs Performance Insights for 465 days.", lambda p: (
            p.get("DatabaseInsightsMode") == "advanced" and p.get("PerformanceInsightsRetentionPeriod") != 465)),
        (COMBINATION, "You can't specify IOPS or storage throughput for the storage type {}.", lambda p: (
            other_than("gp3" if p.get("StorageThroughput") else "gp3|io1|io2", p.get("StorageType"))
            if p.get("Iops") or p.get("StorageThroughput") else None)),
        (VALUE, "{} is not a valid availability zone", lambda p: (zone := p.get("AvailabilityZone")) and zone not in {
            each.name for each in backend("ec2").describe_availability_zones()} and zone),
        (COMBINATION, "You must specify IOPS for the storage type {}.", lambda p: (
            (kind := p.get("StorageType")) in ("io1", "io2") and not p.get("Iops") and kind)),
        ("InvalidParameterCombination", "Requesting a specific availability zone is not valid for Multi-AZ instances.",
         lambda p: p.get("MultiAZ") and p.get("AvailabilityZone")),
        (COMBINATION, "The Parameter Group {} cannot be used for this instance.", lambda p: (
            name := str(p.get("DBParameterGroupName"))).startswith("default.postgres") and name != (
                f"default.postgres{str(p.get('EngineVersion') or MAJOR).partition('.')[0]}") and name),
        (COMBINATION, "IOPS of {} must be 1000 or more.", lambda p: (
            (kind := p.get("StorageType")) in ("io1", "io2") and 0 < int(p.get("Iops") or 0) < 1000 and kind)),
        ("InvalidVPCNetworkStateFault", "The DB instance and EC2 security group are in different VPCs: {}", _other_vpc),
        (VALUE, "The backup window and the minutes of {} must be at least 30.", lambda p: (
            (window := p.get("PreferredBackupWindow")) and _minutes(window) < 30 and window)),
    ),
    "rds ModifyDBParameterGroup ResetDBParameterGroup": (
        ("InvalidParameterValue", "The parameter group {} cannot be modified.",
         lambda p: other_than("(?!default[.]).*", p["DBParameterGroupName"])),
        # hashicorp/terraform issues 8018 and 11881
        (VALUE, "Could not find parameter with name: {}", lambda p: next(
            (name for name, *_ in _parameters(p) if "." not in name and name.lower() not in described()), None)),
        (COMBINATION, "cannot use immediate apply method for static parameter", lambda p: any(
            how == "immediate" and described().get(name, "-")[0] == "postmaster" for name, how, _ in _parameters(p))),
        (VALUE, "Invalid parameter value: {0[2]} for: {0[0]}", lambda p: next(
            (row for row in _parameters(p) if _wrong_value(row[0], row[2])), None)),
    ),
    "rds DeleteDBSnapshot": (  # RDS user guide, "Deleting automated backups"
        ("InvalidDBSnapshotState", "The automated snapshot {} can't be deleted.", lambda p: (
            (name := p["DBSnapshotIdentifier"]).startswith("rds:") and name in backend("rds").database_snapshots
            and name)),
    ),
    "rds RebootDBInstance": (
        (COMBINATION, "You can't enable force failover for an instance that isn't configured for Multi-AZ.", lambda p: (
            p.get("ForceFailover") and not backend("rds").databases[p[ID]].multi_az)),
    ),
    "rds AddTagsToResource": (
        ("DBInstanceNotFound", "DBInstance {} not found.", lambda p: (
            (name := p["ResourceName"].partition(":db:")[2]) and name not in backend("rds").databases and name)),
    ),
    "rds DeleteDBInstance": (
        # terraform-provider-aws pull request 46687
        (STATE, NO_SNAPSHOT, lambda p: (
            p.get("FinalDBSnapshotIdentifier") and not p.get("SkipFinalSnapshot") and _status(p) in GOING_OFF
            and p[ID])),
        (COMBINATION, "FinalDBSnapshotIdentifier can't be specified when deleting with SkipFinalSnapshot.",
         lambda p: p.get("SkipFinalSnapshot") and p.get("FinalDBSnapshotIdentifier")),
        (COMBINATION, "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
         lambda p: not p.get("SkipFinalSnapshot") and not p.get("FinalDBSnapshotIdentifier")),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
