"""The database: RDS PostgreSQL that only the app's tasks reach, with a password only AWS knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws.rds.outputs import InstanceMasterUserSecret

from i18n import t
from infra import database_watch
from infra.network import Network
from stack.database import DatabaseSettings
from stack.settings import Settings

VERSION = "17"
PORT = 5432
NAME = "careapp"
USER = "postgres"
ZONES = 2
"""Zones in which the database may live, however many the stack has: RDS chooses among those of the
subnet group, and gives none away in which the database or its standby lives (AWS knowledge center,
"How can I delete a subnet that is part of an Amazon RDS DB subnet group?"). So a third one may go."""
STRIPED_GB = 400
"""From here on RDS spreads gp3 storage over four volumes (RDS user guide, "gp3 storage")."""


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What a database needs to be told."""

    settings: Settings
    network: Network


class Database(pulumi.ComponentResource):
    """PostgreSQL on RDS, in subnets without a way out, that accepts only TLS.

    RDS makes the master password, keeps it in Secrets Manager and rotates it every 7 days, so it
    is never in code, configuration or state. No rule opens the security group: who may connect
    adds one.
    """

    port = PORT
    db_name = NAME
    username = USER
    address: pulumi.Output[str]
    secret_arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Database", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.tags = args.settings.tags
        group = aws.ec2.SecurityGroup(
            f"{name}-database",
            description="The database; tasks are let in one by one",
            vpc_id=args.network.vpc_id,
            # A rule that somebody has added by hand must not hold up a destroy.
            revoke_rules_on_delete=True,
            tags={**self.tags, "Name": f"{name}-database"},
            opts=self.child,
        )
        self.instance = self._instance(name, group)
        self.address = self.instance.address
        self.secret_arn = self.instance.master_user_secrets.apply(secret_arn_of)
        self.security_group_id = group.id
        self.register_outputs({"address": self.address, "secret_arn": self.secret_arn})

    def _instance(self, name: str, group: aws.ec2.SecurityGroup) -> aws.rds.Instance:
        settings, protect = self.args.settings.database, self.args.settings.protect
        subnets = self._subnet_group(name).name
        kept = pulumi.ResourceOptions(parent=self, protect=protect)
        logs = database_watch.log_groups(name, settings, self.tags, kept)
        return aws.rds.Instance(
            f"{name}-database",
            identifier=self.args.settings.names.database,
            engine="postgres",
            engine_version=VERSION,
            instance_class=settings.instance_class,
            allocated_storage=settings.storage_gb,
            storage_type="gp3",
            **_speed(settings.storage_gb),
            storage_encrypted=True,
            db_name=NAME,
            username=USER,
            manage_master_user_password=True,
            port=PORT,
            db_subnet_group_name=subnets,
            parameter_group_name=self._parameter_group(name).name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            backup_retention_period=settings.backup_days,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            # RDS refuses another major VERSION without it; by itself it changes nothing.
            allow_major_version_upgrade=True,
            **database_watch.watching(name, settings, self.tags, self.child),
            **_keeping(subnets, settings, protect),
            tags=self.tags,
            opts=pulumi.ResourceOptions(
                parent=self, protect=protect, delete_before_replace=True, depends_on=list(logs)
            ),
        )

    def _subnet_group(self, name: str) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            f"{name}-database",
            description="Subnets without a way out",
            subnet_ids=self.args.network.database_subnet_ids.apply(lambda ids: ids[:ZONES]),
            tags=self.tags,
            opts=self.child,
        )

    def _parameter_group(self, name: str) -> aws.rds.ParameterGroup:
        return aws.rds.ParameterGroup(
            f"{name}-database",
            description="PostgreSQL that refuses connections without TLS",
            family=f"postgres{VERSION}",
            parameters=[
                # RDS's own default from PostgreSQL 15 on, and its own apply method: it reports that
                # one whatever was sent, and any other would be a change on every `up`
                # (terraform-provider-aws issue 39252).
                aws.rds.ParameterGroupParameterArgs(
                    name="rds.force_ssl", value="1", apply_method="pending-reboot"
                )
            ],
            tags=self.tags,
            opts=self.child,
        )


def _speed(storage_gb: int) -> dict[str, Any]:
    """What gp3 gives from 400 GiB on at no price (RDS user guide, "gp3 storage").

    Below, RDS takes neither number; and where it grows past that, the provider would send the old
    one that it has read, which RDS then refuses (terraform-provider-aws issue 28382).
    """
    return {"iops": 12000, "storage_throughput": 500} if storage_gb >= STRIPED_GB else {}


def secret_arn_of(secrets: Sequence[InstanceMasterUserSecret]) -> str:
    if not secrets or not secrets[0].secret_arn:
        raise ValueError(
            t("RDS reports no secret for the master password; see the instance's events")
        )
    return secrets[0].secret_arn


def _keeping(
    unique: pulumi.Output[str], settings: DatabaseSettings, protect: bool
) -> dict[str, Any]:
    """What happens to the data when the database goes, or changes.

    A snapshot outlives the stack, so its name begins with one that is new in each life of the
    stack: RDS would refuse a second snapshot of one name, and with it the whole destroy. Who
    wants no snapshot wants no backups to stay and be billed either. A change waits for no
    maintenance window: else `pulumi up` would be green though nothing has changed.
    """
    kept = bool(settings.final_snapshot)
    return {
        "deletion_protection": protect,
        "skip_final_snapshot": not kept,
        "final_snapshot_identifier": (
            pulumi.Output.concat(unique, "-", settings.final_snapshot) if kept else None
        ),
        "delete_automated_backups": not kept,
        "apply_immediately": True,
    }
