"""AWS's rules for databases that moto lacks: changes, snapshots, subnet groups and the service-linked role."""

import base64
import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from moto.ec2.models.subnets import Subnet
from moto.rds.models import DBInstance, DBSubnetGroup, RDSBackend

from local_cloud.aws.hooks import (
    Params,
    Refusals,
    Refused,
    after,
    backend,
    before,
    instead,
    number_outside,
    other_than,
)
from local_cloud.calls import Calls

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
    now, identifier = datetime.now(UTC), database.db_instance_identifier
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
    """Create the service-linked role that docs/first-deploy.md creates in a new account before stage 1."""
    calls("iam", "create_service_linked_role", {"AWSServiceName": RDS})


@before("rds", "ModifyDBInstance")
def major_upgrade(params: Params) -> None:
    """Refuse a new major version without AllowMajorVersionUpgrade, or with parameters of another family."""
    database = backend("rds").databases.get(params["DBInstanceIdentifier"])
    major = str(params.get("EngineVersion") or "").partition(".")[0]
    if database is None or not major or major == database.engine_version.partition(".")[0]:
        return
    if not params.get("AllowMajorVersionUpgrade"):
        words = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        raise Refused("InvalidParameterCombination", words)
    name = params.get("DBParameterGroupName") or database.db_parameter_group_name
    _check_family(name, f"{database.engine}{major}")


def _check_family(name: str | None, family: str) -> None:
    """Refuse a parameter group of another family. Error message: aws-quickstart/quickstart-r3-corda issue 25."""
    group = backend("rds").db_parameter_groups.get(name) if name else None
    if group is not None and group.family != family:
        words = (
            f"The Parameter Group {name} with DBParameterGroupFamily {group.family} cannot be used "
            f"for this instance. Please use a Parameter Group with DBParameterGroupFamily {family}"
        )
        raise Refused("InvalidParameterCombination", words)


@before("rds", "RestoreDBInstanceFromDBSnapshot")
def parameters_fit_the_snapshot(params: Params) -> None:
    """Refuse to restore a snapshot with parameters of another major version."""
    snapshot = backend("rds").database_snapshots.get(params["DBSnapshotIdentifier"])
    if snapshot is not None:
        source = snapshot.database
        major = source.engine_version.partition(".")[0]
        _check_family(params.get("DBParameterGroupName"), f"{source.engine}{major}")


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
    return {"Parameters": [{**each, "Source": "user"} for each in found]}


@after("rds", "CreateDBInstance")
def defaults_are_described(params: Params) -> None:
    """Set the certificate authority (RDS user guide, "Using SSL/TLS") and the support (CreateDBInstance) by default."""
    database = backend("rds").databases[params["DBInstanceIdentifier"].lower()]
    if not params.get("CACertificateIdentifier"):
        database.ca_certificate_identifier = "rds-ca-rsa2048-g1"
    support = params.get("EngineLifecycleSupport") or "open-source-rds-extended-support"
    database.engine_lifecycle_support = support


@before("rds", "ModifyDBSubnetGroup")
def subnets_of_databases_stay(params: Params) -> None:
    """Refuse to remove a subnet from a group that a database uses.

    RDS refuses it if an instance or its standby is in that subnet, and chooses the subnets itself
    (AWS knowledge center, "How can I delete a subnet that is part of an Amazon RDS DB subnet
    group?"). A stack cannot know them, so the rehearsal always refuses.
    """
    name = params["DBSubnetGroupName"].lower()
    group = backend("rds").subnet_groups.get(name)
    held = {subnet["SubnetIdentifier"] for subnet in group.subnets} if group else set()
    removed = sorted(held - set(params["SubnetIds"]))
    if removed and _databases_in(name):
        words = f"Some of the subnets to be deleted are currently in use: {', '.join(removed)}"
        raise Refused("SubnetAlreadyInUse", words)


def _databases_in(group: str) -> list[str]:
    databases = backend("rds").databases.values()
    return [
        each.db_instance_identifier for each in databases if each._db_subnet_group_name == group
    ]


WEAK = "The parameter MasterUserPassword is not a valid password"

FAMILY = "(?!postgres).*|postgres(9\\.[3-6]|1[0-8])"
"""Families of parameter groups of PostgreSQL; those of other engines are not looked at."""


def _unknown_parameters(given: Params) -> Any:
    name = given.get("DBParameterGroupName") or "default."
    known = name.startswith("default.") or name in backend("rds").db_parameter_groups
    return None if known else name


VALUE = "InvalidParameterValue"


def _status(given: Params) -> str | None:
    database = backend("rds").databases.get(given["DBInstanceIdentifier"])
    return database.status if database is not None else None


def _in_one_zone(given: Params) -> bool:
    subnets = backend("ec2").describe_subnets(subnet_ids=given["SubnetIds"])
    return len({each.availability_zone for each in subnets}) < 2


def _lacks_role(_: Params) -> bool:
    """Return whether the service-linked role is not there, which RDS creates only at CreateDBInstance.

    Error messages: terraform-aws-modules/terraform-aws-rds issue 364, crossplane provider-aws issue 479. ECS, load
    balancing and autoscaling create their roles at the first call that needs one.
    """
    roles = backend("iam").roles.values()
    return not any(role.path == f"/aws-service-role/{RDS}/" for role in roles)


def _users_of_parameters(given: Params) -> bool:
    used = (each.db_parameter_group_name for each in backend("rds").databases.values())
    return given["DBParameterGroupName"] in used


STATE, COMBINATION, ID = (
    "InvalidDBInstanceState",
    "InvalidParameterCombination",
    "DBInstanceIdentifier",
)
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
        ("DBInstanceAlreadyExists", "DB instance {} already exists.", lambda p: (
            (name := str(p.get("NewDBInstanceIdentifier") or "").lower()) in backend("rds").databases and name)),
    ),
    "rds CreateDBSnapshot": ((STATE, NO_SNAPSHOT, lambda p: _status(p) not in (None, "available") and p[ID]),),
    "rds CreateDBSubnetGroup": (
        ("DBSubnetGroupDoesNotCoverEnoughAZs", ZONES, _in_one_zone),
        (VALUE, ROLE, _lacks_role),
    ),
    "rds DeleteDBSubnetGroup": (
        ("InvalidDBSubnetGroupStateFault",
         "Cannot delete the subnet group because at least one database instance: {} is still using it.",
         lambda p: next(iter(_databases_in(p["DBSubnetGroupName"].lower())), None)),
    ),
    "rds DeleteDBParameterGroup": (
        ("InvalidDBParameterGroupState", "One or more database instances are still members of this parameter group, "
         "so the group cannot be deleted", _users_of_parameters),
    ),
    # Messages of passwords: hashicorp/terraform-provider-aws issues 8156 and 11536.
    "rds CreateDBInstance ModifyDBInstance": (
        (VALUE, "Invalid backup retention period: {}", lambda p: number_outside(p, "BackupRetentionPeriod", 0, 35)),
        (VALUE, f"{WEAK} because it is shorter than 8 characters.",
         lambda p: 0 < len(p.get("MasterUserPassword") or "") < 8),
        (VALUE, f"{WEAK}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
         lambda p: other_than(r"[!#-.0-?A-~]*", p.get("MasterUserPassword") or "")),
        (VALUE, "Invalid MonitoringInterval: {}",
         lambda p: other_than("0|1|5|10|15|30|60", p.get("MonitoringInterval"))),
        ("DBParameterGroupNotFound", "DBParameterGroup not found: {}", _unknown_parameters),
    ),
    "rds CreateDBInstance": (
        (COMBINATION, "You can't specify MasterUserPassword and ManageMasterUserPassword for the same instance.",
         lambda p: p.get("ManageMasterUserPassword") and p.get("MasterUserPassword")),
        (COMBINATION, "Invalid storage size for engine name postgres and storage type gp3: {}",
         lambda p: number_outside({"size": p.get("AllocatedStorage") or 0}, "size", 20, 65536)),
        (VALUE, "DBName must begin with a letter and contain only alphanumeric characters.",
         lambda p: other_than("[A-Za-z][A-Za-z0-9_]*", p.get("DBName"))),
    ),
    "rds CreateDBParameterGroup": (
        (VALUE, "ParameterGroupFamily {} is not a valid parameter group family",
         lambda p: other_than(FAMILY, p["DBParameterGroupFamily"])),
    ),
    "rds DeleteDBInstance": (
        # terraform-provider-aws pull request 46687
        (STATE, NO_SNAPSHOT, lambda p: (
            p.get("FinalDBSnapshotIdentifier") and not p.get("SkipFinalSnapshot") and _status(p) in GOING_OFF
            and p[ID])),
        (COMBINATION, "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
         lambda p: not p.get("SkipFinalSnapshot") and not p.get("FinalDBSnapshotIdentifier")),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
